"""Sound to vectors: the encoder graph, in batches.

In go mono float32 waveforms at the bundle's sample rate, out come the decoder's memory (frames),
an embedding, a joint vector and tag probabilities. It knows neither files nor windows.

Rows of one batch always have equal length, so no result depends on the padding of its
batch-mates.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audiosearch.errors import BundleError
from audiosearch.model.bundle import Bundle
from audiosearch.model.runtime import Device, GraphSession, OutOfMemory, RuntimeOptions

Floats = npt.NDArray[np.float32]

BATCH = 8  # rows of a run; more gain nothing on a CPU and cost memory
BATCH_CUDA = 64


@dataclass(frozen=True)
class Encoded:
    """What the encoder says of one sound.

    Attributes:
        frames: (T, D) the decoder's memory.
        embedding: (E,) unit length, for sound-to-sound likeness.
        joint: (J,) unit length, in the space shared with text; None without such a space.
        tags: (C,) probabilities; None where the bundle names no tags.
    """

    frames: Floats
    embedding: Floats
    joint: Floats | None
    tags: Floats | None


class Encoder:
    """The encoder of a bundle; its graph is loaded at the first use."""

    def __init__(self, bundle: Bundle, *, options: RuntimeOptions | None = None) -> None:
        self.bundle = bundle
        self._options = options or RuntimeOptions()
        self._session: GraphSession | None = None
        self._outputs = ["frames", "embedding"]
        self._outputs += ["joint"] if bundle.joint_dim else []
        self._outputs += ["tags"] if bundle.tags else []
        self._batch = 0

    @property
    def device(self) -> Device:
        """What the encoder runs on."""
        return self._loaded().device

    def _loaded(self) -> GraphSession:
        if self._session is None:
            graph = self.bundle.graphs["encoder"]
            self._session = GraphSession(graph, options=self._options, fused=True)
            self._batch = BATCH_CUDA if self._session.device.name == "cuda" else BATCH
        return self._session

    def encode(self, waveforms: Floats) -> list[Encoded]:
        """What the encoder says of each of `waveforms` (B, N), mono float32.

        Rows shorter than the bundle's `min_samples` are zero-padded at their end.

        Raises:
            BundleError: the graph gives something else than the manifest says, or numbers that
                are not finite.
        """
        short = self.bundle.min_samples - waveforms.shape[1]
        if short > 0:
            waveforms = np.pad(waveforms, ((0, 0), (0, short)))
        waveforms = np.ascontiguousarray(waveforms, dtype=np.float32)
        self._loaded()
        encoded: list[Encoded] = []
        while len(encoded) < len(waveforms):
            rows = waveforms[len(encoded) : len(encoded) + self._batch]
            try:
                encoded += self._run(rows)
            except OutOfMemory as error:
                self._make_room(len(rows), error)
        return encoded

    def encode_many(self, sounds: Sequence[Floats]) -> list[Encoded]:
        """What the encoder says of each sound (n,), of any lengths, in the order given."""
        by_length: dict[int, list[int]] = defaultdict(list)
        for place, sound in enumerate(sounds):
            by_length[len(sound)].append(place)
        results: dict[int, Encoded] = {}
        for places in by_length.values():
            rows = self.encode(np.stack([sounds[place] for place in places]))
            results.update(zip(places, rows, strict=True))
        return [results[place] for place in range(len(sounds))]

    def _make_room(self, n_rows: int, error: OutOfMemory) -> None:
        """Smaller batches, and the CPU when the card has no room even for one row."""
        session = self._loaded()
        if n_rows > 1:
            self._batch = n_rows // 2
        elif session.device.name == "cuda":
            session.use_cpu(reason=f"the graphics card gave up ({error}); using the CPU")
            self._batch = BATCH
        else:
            raise MemoryError(f"no memory to encode one window: {error}") from error

    def _run(self, rows: Floats) -> list[Encoded]:
        outputs = self._loaded().run(self._outputs, {"waveform": rows})
        named = dict(zip(self._outputs, outputs, strict=True))
        widths = {
            "frames": self.bundle.frame_dim,
            "embedding": self.bundle.embedding_dim,
            "joint": self.bundle.joint_dim,
            "tags": len(self.bundle.tags),
        }
        for name, values in named.items():
            if values.shape[0] != len(rows) or values.shape[-1] != widths[name]:
                raise self._unfit(f"gives {name} of shape {values.shape}, not of {widths[name]}")
            if not np.isfinite(values).all():
                raise self._unfit(f"gives {name} that are not finite")
        joint, tags = named.get("joint"), named.get("tags")
        return [
            Encoded(
                frames=named["frames"][row],
                embedding=named["embedding"][row],
                joint=None if joint is None else joint[row],
                tags=None if tags is None else tags[row],
            )
            for row in range(len(rows))
        ]

    def _unfit(self, reason: str) -> BundleError:
        return BundleError(
            f"the encoder {reason}",
            path=self.bundle.graphs["encoder"].path,
            remedy="audiosearch models verify",
        )
