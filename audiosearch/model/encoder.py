"""Sound to vectors: the encoder graph, a window a core or, on a graphics card, in batches.

Rows of one batch have equal length, so no result depends on the padding of its batch-mates.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from audiosearch._typing import AnyArray, Floats
from audiosearch.errors import BundleError
from audiosearch.model.bundle import Bundle
from audiosearch.model.runtime.batching import BatchSizer
from audiosearch.model.runtime.parallel import parallel_map
from audiosearch.model.runtime.providers import free_card_memory
from audiosearch.model.runtime.session import Device, GraphSession, OutOfMemory, RuntimeOptions
from audiosearch.model.shared_frames import SharedFrames, SoundParts, encoder_graph

# Runs are not bound: waveforms cross to a card once and results come back once, as they would then.
LARGE = 20_000_000  # bytes of a graph that is worth loading once more for lone windows


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
        self._sessions: dict[bool, GraphSession] = {}  # by whether runs share the cores
        self._outputs = ["frames", "embedding"]
        self._outputs += ["joint"] if bundle.joint_dim else []
        self._outputs += ["tags"] if bundle.tags else []
        self._shared: SharedFrames | None = None
        self._room = BatchSizer(free_card_memory)

    @property
    def device(self) -> Device:
        """What the encoder runs on."""
        if not self._sessions:
            self._loaded(shared=True)
        return next(iter(self._sessions.values())).device

    def _loaded(self, *, shared: bool) -> GraphSession:
        """The graph for several windows at once, or for one that has all cores to itself."""
        for session in self._sessions.values():
            if session.device.name == "cuda":
                return session
        graph = encoder_graph(self.bundle, self._options)
        shared = shared or graph.size < LARGE
        if shared not in self._sessions:
            self._sessions[shared] = GraphSession(
                graph, options=self._options, fused=True, shared=shared
            )
        return self._sessions[shared]

    def encode(self, waveforms: Floats) -> list[Encoded]:
        """What the encoder says of each of `waveforms` (B, N), mono float32; see `encode_many`."""
        return self.encode_many(list(waveforms))

    def encode_many(self, sounds: Sequence[Floats]) -> list[Encoded]:
        """What the encoder says of each sound (n,), of any lengths, in the order given.

        Sounds shorter than the bundle's `min_samples` are zero-padded at their end; those longer
        than its `max_samples` are heard in stretches of that length, the last of which ends where
        the sound does.

        Raises:
            BundleError: the graph gives something else than the manifest says, or numbers that
                are not finite.
            MemoryError: there is no memory to encode even one of them.
        """
        if not sounds:
            return []
        longest = self.bundle.max_samples
        if longest is not None and any(len(sound) > longest for sound in sounds):
            return [self._in_stretches(sound, longest) for sound in sounds]
        rows = [self._padded(sound) for sound in sounds]
        session = self._loaded(shared=len(rows) > 1)
        if session.device.name == "cuda":
            return self._on_card(session, rows)
        return parallel_map(lambda row: self._alone(session, row), rows, workers=session.workers)

    def encode_parts(self, sounds: Sequence[SoundParts]) -> list[list[Encoded]]:
        """What the encoder says of windows of longer sounds, each sound heard once.

        Raises:
            BundleError: as for `encode_many`; also where the bundle has no grid of frames.
            MemoryError: there is no memory to encode one of them.
        """
        if not sounds:
            return []
        if self._shared is None:
            if self.bundle.grid is None:
                raise self._unfit("cannot share frames between windows")
            self._shared = SharedFrames(self.bundle, self.bundle.grid, options=self._options)
        shared = self._shared

        def work(sound: SoundParts) -> list[Encoded]:
            outputs = shared.run(sound, self._outputs)
            return self._checked(outputs, n_rows=len(sound.starts))

        return parallel_map(work, sounds, workers=shared.workers)

    def _padded(self, sound: Floats) -> Floats:
        missing = self.bundle.min_samples - len(sound)
        row = np.asarray(sound, dtype=np.float32)
        return np.pad(row, (0, missing)) if missing > 0 else row

    def _in_stretches(self, sound: Floats, longest: int) -> Encoded:
        """A sound of any length: frames one after the other, means of the rest."""
        last = max(0, len(sound) - longest)
        starts = sorted({*range(0, last, longest), last})
        heard = self.encode_many([sound[start : start + longest] for start in starts])
        joints = [each.joint for each in heard if each.joint is not None]
        tags = [each.tags for each in heard if each.tags is not None]
        return Encoded(
            frames=np.concatenate([each.frames for each in heard]),
            embedding=_mean_direction([each.embedding for each in heard]),
            joint=_mean_direction(joints) if joints else None,
            tags=np.mean(tags, axis=0, dtype=np.float32) if tags else None,
        )

    def _alone(self, session: GraphSession, row: Floats) -> Encoded:
        try:
            [encoded] = self._run(session, row[None])
        except OutOfMemory as error:
            raise MemoryError(f"no memory to encode one window: {error}") from error
        return encoded

    def _on_card(self, session: GraphSession, rows: list[Floats]) -> list[Encoded]:
        """Rows of equal length together, as many as the card has room for."""
        by_length: dict[int, list[int]] = defaultdict(list)
        for place, row in enumerate(rows):
            by_length[len(row)].append(place)
        results: dict[int, Encoded] = {}
        for length, places in by_length.items():
            done = 0
            while done < len(places):
                batch = places[done : done + self._room.rows(length)]
                stacked = np.stack([rows[place] for place in batch])
                run = partial(self._run, session, stacked)
                try:
                    encoded = self._room.run(run, rows=len(batch), n_samples=length)
                except OutOfMemory as error:
                    self._make_room(session, len(batch), error)
                else:
                    results.update(zip(batch, encoded, strict=True))
                    done += len(batch)
        return [results[place] for place in range(len(rows))]

    def _make_room(self, session: GraphSession, n_rows: int, error: OutOfMemory) -> None:
        """Smaller batches, and the CPU when the card has no room even for one row."""
        if n_rows > 1:
            self._room.refused(n_rows)
        elif session.device.name == "cuda":
            session.use_cpu(reason=f"the graphics card gave up ({error}); using the CPU")
        else:
            raise MemoryError(f"no memory to encode one window: {error}") from error

    def _run(self, session: GraphSession, rows: Floats) -> list[Encoded]:
        return self._checked(session.run(self._outputs, {"waveform": rows}), n_rows=len(rows))

    def _checked(self, outputs: Sequence[AnyArray], *, n_rows: int) -> list[Encoded]:
        named = dict(zip(self._outputs, outputs, strict=True))
        widths = {
            "frames": self.bundle.frame_dim,
            "embedding": self.bundle.embedding_dim,
            "joint": self.bundle.joint_dim,
            "tags": len(self.bundle.tags),
        }
        for name, values in named.items():
            n_axes = 3 if name == "frames" else 2
            if (values.ndim, values.shape[:1]) != (n_axes, (n_rows,)) or (
                values.shape[-1] != widths[name]
            ):
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
            for row in range(n_rows)
        ]

    def _unfit(self, reason: str) -> BundleError:
        return BundleError(
            f"the encoder {reason}",
            path=self.bundle.graphs["encoder"].path,
            remedy="audiosearch models verify",
        )


def _mean_direction(vectors: Sequence[Floats]) -> Floats:
    """The unit vector of the sum of some."""
    total: Floats = np.sum(vectors, axis=0, dtype=np.float32)
    length = float(np.linalg.norm(total))
    direction: Floats = total / np.float32(length or 1.0)
    return direction
