"""The decoder: how probable each next word is, given frames and the words before.

In go frames and token ids, out come log-probabilities. One graph serves both uses: all words of
a known caption at once (teacher forcing), and one word at a time with caches (beam search).
Cross-attention keys and values of a sound are computed once (`Memory`) and shared by every
caption tried on it. This module knows neither words nor scores.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audiosearch.errors import BundleError
from audiosearch.model.abreast import even_blocks, in_worker, spread
from audiosearch.model.bundle import Bundle
from audiosearch.model.runtime import Array, Device, GraphSession, RuntimeOptions, empty

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
AnyFloats = npt.NDArray[np.float16] | npt.NDArray[np.float32]

LARGE = 12_000_000  # bytes of a graph
MEMORY_BLOCK = 32  # sounds a run


@dataclass(frozen=True)
class Memory:
    """What the decoder attends to: cross-attention keys and values of B sounds.

    `keys` and `values` are (B, L, H, T, d), frames at and after `lengths` (B,) are padding.
    """

    keys: Floats
    values: Floats
    lengths: Ints

    def __len__(self) -> int:
        return len(self.lengths)

    def take(self, rows: Ints) -> Memory:
        """The memory of some rows, in that order, repeats allowed; no longer than they need."""
        lengths = self.lengths[rows]
        longest = int(lengths.max(initial=1))
        chosen: Ints | slice = rows
        if len(rows) and np.array_equal(rows, np.arange(rows[0], rows[0] + len(rows))):
            chosen = slice(int(rows[0]), int(rows[0]) + len(rows))  # neighbours need no copy
        return Memory(
            self.keys[:, :, :, :longest][chosen], self.values[:, :, :, :longest][chosen], lengths
        )


class Decoder:
    """The decoder of a bundle; its graphs are loaded at the first use."""

    def __init__(self, bundle: Bundle, *, options: RuntimeOptions | None = None) -> None:
        self.bundle = bundle
        self._options = options or RuntimeOptions()
        self._sessions: dict[tuple[str, bool], GraphSession] = {}  # by name and `shared`
        self._loading = threading.Lock()
        self._null_memory: Memory | None = None

    @property
    def device(self) -> Device:
        """What the decoder runs on."""
        return self._session("decoder").device

    @property
    def workers(self) -> int:
        """How many runs at the same time keep the device busy; see `abreast`."""
        return self._session("decoder").workers

    def _session(self, name: str, *, shared: bool = True) -> GraphSession:
        graph = self.bundle.graphs[name]
        large = graph.size >= LARGE
        shared = shared or not large
        with self._loading:
            if (name, shared) not in self._sessions:
                # Looking for operators to join pays for itself within a few queries of a large
                # decoder (an eighth of the time at published size), and only costs at the start
                # of a small one.
                self._sessions[name, shared] = GraphSession(
                    graph, options=self._options, fused=large, shared=shared
                )
            return self._sessions[name, shared]

    def memory(self, frames: Sequence[AnyFloats]) -> Memory:
        """The memory of sounds given as their frames, (T_i, D) each, in that order.

        Shorter ones are padded; the decoder never attends to the padding.
        """
        if not frames:
            raise ValueError("the memory of no sound at all")
        lengths = np.array([len(rows) for rows in frames], dtype=np.int64)
        if lengths.min() == 0:
            raise ValueError("a sound without frames has no memory")
        session = self._session("memory")
        shape = self.bundle.decoder
        longest = int(lengths.max())
        keys = np.empty(
            (len(frames), shape.layers, shape.heads, longest, shape.head_dim), np.float32
        )
        values = np.empty_like(keys)

        def remember(block: list[int]) -> None:
            padded = empty((len(block), longest, self.bundle.frame_dim))
            for row, place in zip(padded, block, strict=True):
                row[: lengths[place]] = frames[place]
            rows = slice(block[0], block[-1] + 1)
            keys[rows], values[rows] = session.run_anywhere(
                ["memory_keys", "memory_values"], {"frames": padded}
            )

        workers = session.workers
        blocks = even_blocks(range(len(frames)), most=MEMORY_BLOCK, workers=workers)
        spread(remember, blocks, workers=workers)
        return Memory(keys, values, lengths)

    def null_memory(self) -> Memory:
        """The memory of no sound: one frame of zeros. What a caption weighs by itself."""
        if self._null_memory is None:
            self._null_memory = self.memory([empty((1, self.bundle.frame_dim))])
        return self._null_memory

    def log_probs(self, tokens: Ints, memory: Memory) -> Floats:
        """Log-probabilities (B, S, V) of the token after each of `tokens` (B, S).

        Row i hears sound i of `memory`. Rows may end in padding: what stands behind a place
        never reaches it.
        """
        shape = self.bundle.decoder
        past = empty((len(tokens), shape.layers, shape.heads, 0, shape.head_dim))
        session = self._session("decoder")
        [log_probs] = self._run(session, ["log_probs"], tokens, past, past, memory)
        return log_probs

    def steps(self, memory: Memory) -> Steps:
        """A step function for beam search over the sounds of `memory`."""
        return Steps(self, memory)

    def _for_steps(self) -> GraphSession:
        """The graph for a beam: alone it has all cores, which a large decoder is worth.

        A step reads all weights for a few rows, and two cores read twice as fast as one.
        """
        return self._session("decoder", shared=in_worker() or self.device.name == "cuda")

    def _run(
        self,
        session: GraphSession,
        outputs: list[str],
        tokens: Ints,
        past_keys: Floats,
        past_values: Floats,
        memory: Memory,
    ) -> list[Array]:
        results = session.run_anywhere(
            outputs,
            {
                "tokens": tokens,
                "past_keys": past_keys,
                "past_values": past_values,
                "memory_keys": memory.keys,
                "memory_values": memory.values,
                "memory_lengths": memory.lengths,
            },
        )
        n_words = len(self.bundle.vocabulary)
        if results[0].shape != (*tokens.shape, n_words):
            raise BundleError(
                f"the decoder gives {results[0].shape[-1]} probabilities for {n_words} words",
                path=self.bundle.graphs["decoder"].path,
                remedy="audiosearch models verify",
            )
        return results


class Steps:
    """Next-token log-probabilities with caches that follow the beam's rows (`StepFunction`)."""

    def __init__(self, decoder: Decoder, memory: Memory) -> None:
        self._decoder = decoder
        self._session = decoder._for_steps()
        self._all = memory
        self._memory = memory
        self._sounds: Ints | None = None  # the sound that each row hears
        self._keys: Floats | None = None
        self._values: Floats | None = None

    def __call__(self, tokens: Ints, parents: Ints) -> Floats:
        """(R,) last tokens and (R,) rows they continue, to (R, V) log-probabilities."""
        sounds = parents if self._sounds is None else self._sounds[parents]
        if self._sounds is None or not np.array_equal(sounds, self._sounds):
            # Gathered only when rows were added or left: it is the largest thing a step copies.
            self._memory = self._all.take(sounds)
        self._sounds = sounds
        if self._keys is None or self._values is None:
            shape = self._decoder.bundle.decoder
            keys = values = empty((len(tokens), shape.layers, shape.heads, 0, shape.head_dim))
        else:
            keys, values = self._keys[parents], self._values[parents]
        log_probs, self._keys, self._values = self._decoder._run(
            self._session,
            ["log_probs", "present_keys", "present_values"],
            tokens[:, None],
            keys,
            values,
            self._memory,
        )
        last: Floats = log_probs[:, -1]
        return last
