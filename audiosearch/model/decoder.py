"""The decoder: how probable each next word is, given frames and the words before.

If a graphics card gives up, all graphs go on on the CPU: memory is made anew from its frames,
caches from the words before.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from audiosearch._typing import AnyArray, Floats, HalfOrFloats, Ints
from audiosearch.errors import BundleError
from audiosearch.model.beam import StepFunction
from audiosearch.model.bundle import Bundle, DecoderShape
from audiosearch.model.memory import AudioMemory, Gather, lengths_of, padded
from audiosearch.model.runtime.device_array import DeviceArray
from audiosearch.model.runtime.parallel import even_blocks, in_worker, parallel_map
from audiosearch.model.runtime.session import (
    Device,
    GraphSession,
    Lost,
    OutOfMemory,
    RuntimeOptions,
    empty,
)
from audiosearch.model.scoring_graph import ScoringGraph
from audiosearch.model.writing_graph import WritingGraph

Caches = tuple[
    Floats | DeviceArray, Floats | DeviceArray
]  # keys and values (B, L, H, P, d) of the words before

LARGE = 12_000_000  # bytes of a graph
MEMORY_BLOCK = 32  # sounds a run


class Decoder:
    """The decoder of a bundle; its graphs are loaded at the first use.

    One graph serves both uses: all words of a known caption at once (teacher forcing), and one word
    at a time with caches (beam search). Keys and values of a sound are computed once and shared by
    every caption tried on it. On a graphics card, memory and caches stay there from run to run;
    only words go to it and only log-probabilities come back.
    """

    def __init__(self, bundle: Bundle, *, options: RuntimeOptions | None = None) -> None:
        self.bundle = bundle
        self._options = options or RuntimeOptions()
        self._sessions: dict[tuple[str, bool], GraphSession] = {}  # by name and `shared`
        self._loading = threading.Lock()
        self._null_memory: AudioMemory | None = None
        self._gather: Gather | None = None
        self._scoring: ScoringGraph | None = None
        self._asked_for_scoring = False
        self._writing: WritingGraph | None = None
        self._asked_for_writing = False

    @property
    def _shape(self) -> DecoderShape:
        assert self.bundle.decoder is not None  # `AbsentDecoder` stands in where there is none
        return self.bundle.decoder

    @property
    def scoring(self) -> ScoringGraph | None:
        """What scores words in its place; None where it does that itself."""
        with self._loading:
            if not self._asked_for_scoring:
                self._scoring = ScoringGraph.of(self.bundle, options=self._options)
                self._asked_for_scoring = True
            return self._scoring

    @property
    def writing(self) -> WritingGraph | None:
        """What writes the words of a beam in its place; None where it does that itself."""
        with self._loading:
            if not self._asked_for_writing:
                self._writing = WritingGraph.of(self.bundle, options=self._options)
                self._asked_for_writing = True
            return self._writing

    @property
    def device(self) -> Device:
        """What words are scored and captions are written on."""
        if self._writing is not None:  # no need to load another graph to tell
            return self._writing.session.device
        if (scoring := self.scoring) is not None:
            return scoring.device
        return self._session("decoder").device

    @property
    def workers(self) -> int:
        """How many runs at the same time keep the device busy; see `parallel_map`."""
        return self._session("decoder").workers if self.writing is None else self.writing.workers

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

    def memory(self, frames: Sequence[HalfOrFloats]) -> AudioMemory:
        """The memory of sounds given as their frames, (T_i, D) each, in that order.

        Shorter ones are padded; the decoder never attends to the padding.
        """
        lengths = lengths_of(frames)
        session = self._session("memory")
        if session.holds:
            try:
                return self._held_memory(session, frames, lengths)
            except OutOfMemory as error:
                self._leave_card(error)
                return self.memory(frames)
        shape = self._shape
        longest = int(lengths.max())
        keys = np.empty(
            (len(frames), shape.layers, shape.heads, longest, shape.head_dim), np.float32
        )
        values = np.empty_like(keys)

        def remember(block: list[int]) -> None:
            given = padded([frames[place] for place in block], longest=longest)
            rows = slice(block[0], block[-1] + 1)
            feed = _memory_feed(session, given, lengths[rows])
            made = session.run_anywhere(["memory_keys", "memory_values"], feed)
            for array in made:
                self._check_memory(array.shape, keys[rows].shape)
            keys[rows], values[rows] = made

        workers = session.workers
        blocks = even_blocks(range(len(frames)), most=MEMORY_BLOCK, workers=workers)
        parallel_map(remember, blocks, workers=workers)
        return AudioMemory(keys, values, lengths)

    def _held_memory(
        self, session: GraphSession, frames: Sequence[HalfOrFloats], lengths: Ints
    ) -> AudioMemory:
        """The memory of all sounds by one run, held where it was made."""
        given = padded(frames, longest=int(lengths.max()))
        names = ["memory_keys", "memory_values"]
        _, [keys, values] = session.run_holding([], names, _memory_feed(session, given, lengths))
        shape = self._shape
        expected = (len(frames), shape.layers, shape.heads, given.shape[1], shape.head_dim)
        for array in (keys, values):
            self._check_memory(array.shape, expected)
        return AudioMemory(keys, values, lengths, frames)

    def _check_memory(self, shape: Sequence[int], expected: Sequence[int]) -> None:
        """See that the memory of sounds is as the manifest says of the decoder.

        Raises:
            BundleError: it is not.
        """
        if tuple(shape) != tuple(expected):
            raise BundleError(
                f"the decoder's memory has shape {tuple(shape)}, not {tuple(expected)}",
                path=self.bundle.graphs["memory"].path,
                remedy="audiosearch models verify",
            )

    def null_memory(self) -> AudioMemory:
        """The memory of no sound: one frame of zeros. What a caption weighs by itself."""
        if self._null_memory is None:
            self._null_memory = self.memory([empty((1, self.bundle.frame_dim))])
        return self._null_memory

    def log_probs(self, tokens: Ints, memory: AudioMemory) -> Floats:
        """Log-probabilities (B, S, V) of the token after each of `tokens` (B, S).

        Row i hears sound i of `memory`. Rows may end in padding: what stands behind a place
        never reaches it.
        """
        session = self._session("decoder")
        try:
            log_probs, _ = self._run(session, tokens, None, self._gathered(memory), grown=False)
        except OutOfMemory as error:
            return self.log_probs(tokens, self._made_anew(memory, error))
        return log_probs

    def steps(self, memory: AudioMemory) -> StepFunction:
        """A step function for beam search over the sounds of `memory`, by the decoder itself."""
        return Steps(self, memory)

    def writer(self, frames: Sequence[HalfOrFloats]) -> StepFunction:
        """A step function for beam search over sounds, given as their frames (T_i, D)."""
        if self.writing is None:
            return self.steps(self.memory(frames))
        return self.writing.steps(frames)

    def _for_steps(self) -> GraphSession:
        """The graph for a beam: alone it has all cores, which a large decoder is worth.

        A step reads all weights for a few rows, and two cores read twice as fast as one.
        """
        return self._session("decoder", shared=in_worker() or self.device.name == "cuda")

    def _taken(self, values: Floats | DeviceArray, rows: Ints) -> Floats | DeviceArray:
        """`values[rows]`, where they are."""
        if not isinstance(values, DeviceArray):
            return values[rows]
        with self._loading:
            if self._gather is None:
                self._gather = Gather(options=self._options)
        return self._gather.take(values, rows)

    def _gathered(self, memory: AudioMemory) -> AudioMemory:
        """`memory` with just the rows that are meant."""
        if memory.rows is None:
            return memory
        keys, values = (self._taken(each, memory.rows) for each in (memory.keys, memory.values))
        return AudioMemory(keys, values, memory.lengths, memory.frames)

    def _leave_card(self, error: OutOfMemory) -> None:
        """Go on on the CPU with every graph.

        Raises:
            MemoryError: they are there already, and have no room.
        """
        sessions = [*self._sessions.values(), *([self._gather.session] if self._gather else [])]
        on_card = [session for session in sessions if session.device.name == "cuda"]
        if not on_card and not isinstance(error, Lost):
            raise MemoryError(f"no memory to run the model: {error}") from error
        for session in on_card:
            session.use_cpu(reason=f"the graphics card gave up ({error}); using the CPU")
        self._null_memory = None

    def _made_anew(self, memory: AudioMemory, error: OutOfMemory) -> AudioMemory:
        """`memory` for the CPU, after the card gave up or was left.

        Raises:
            MemoryError: it was the CPU that has no room.
        """
        self._leave_card(error)
        return self.memory(memory.frames) if memory.frames else memory

    def _run(
        self,
        session: GraphSession,
        tokens: Ints,
        past: Caches | None,
        memory: AudioMemory,
        *,
        grown: bool,
    ) -> tuple[Floats, Caches | None]:
        """Log-probabilities (B, S, V), and the caches with these words where `grown`."""
        if past is None:
            shape = self._shape
            nothing = empty((len(tokens), shape.layers, shape.heads, 0, shape.head_dim))
            past = nothing, nothing
        [log_probs], caches = session.run_holding(
            ["log_probs"],
            ["present_keys", "present_values"] if grown else [],
            {
                "tokens": tokens,
                "past_keys": past[0],
                "past_values": past[1],
                "memory_keys": memory.keys,
                "memory_values": memory.values,
                "memory_lengths": memory.lengths,
            },
        )
        n_words = len(self.bundle.vocabulary)
        if log_probs.shape != (*tokens.shape, n_words):
            raise BundleError(
                f"the decoder gives {log_probs.shape[-1]} probabilities for {n_words} words",
                path=self.bundle.graphs["decoder"].path,
                remedy="audiosearch models verify",
            )
        return log_probs, (caches[0], caches[1]) if grown else None


def _memory_feed(session: GraphSession, rows: Floats, lengths: Ints) -> dict[str, AnyArray]:
    """What a memory graph takes: a captioner with a GRU needs to know where each sound ends."""
    feed: dict[str, AnyArray] = {"frames": rows}
    if "frame_lengths" in session.inputs:
        feed["frame_lengths"] = lengths
    return feed


class Steps:
    """Next-token log-probabilities with caches that follow the beam's rows (`StepFunction`)."""

    def __init__(self, decoder: Decoder, memory: AudioMemory) -> None:
        self._decoder = decoder
        self._session = decoder._for_steps()
        self._all = memory
        self._memory = memory
        self._sounds: Ints | None = None  # the sound that each row hears
        self._words: Ints | None = None  # (R, S) what each row has said
        self._caches: Caches | None = None

    def __call__(self, tokens: Ints, parents: Ints) -> Floats:
        """(R,) last tokens and (R,) rows they continue, to (R, V) log-probabilities."""
        sounds, words = parents, tokens[:, None]
        if self._sounds is not None and self._words is not None:
            sounds = self._sounds[parents]
            words = np.concatenate([self._words[parents], words], axis=1)
        try:
            log_probs = self._next(tokens, parents, sounds)
        except OutOfMemory as error:
            self._all = self._decoder._made_anew(self._all, error)
            log_probs = self._anew(words, sounds)
        self._sounds, self._words = sounds, words
        last: Floats = log_probs[:, -1]
        return last

    def _next(self, tokens: Ints, parents: Ints, sounds: Ints) -> Floats:
        """Log-probabilities (R, 1, V) by the caches."""
        if self._sounds is None or not np.array_equal(sounds, self._sounds):
            # Gathered only when rows were added or left: it is the largest thing a step copies.
            self._memory = self._decoder._gathered(self._all.take(sounds))
        past = self._caches
        if past is not None:
            keys, values = (self._decoder._taken(each, parents) for each in past)
            past = keys, values
        return self._run(tokens[:, None], past)

    def _anew(self, words: Ints, sounds: Ints) -> Floats:
        """The same (R, S, V) without caches, which are made anew."""
        self._memory = self._decoder._gathered(self._all.take(sounds))
        return self._run(words, None)

    def _run(self, tokens: Ints, past: Caches | None) -> Floats:
        log_probs, self._caches = self._decoder._run(
            self._session, tokens, past, self._memory, grown=True
        )
        return log_probs
