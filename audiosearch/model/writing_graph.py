"""The words of a beam, one after the other, by a graph in 8 bits for processors.

On graphics cards, and where all is to be exact, captions are written by a bundle's decoder.
"""

from __future__ import annotations

import numpy as np

from audiosearch._typing import AnyArray, Floats, Ints
from audiosearch.errors import BundleError
from audiosearch.model.bundle import WRITING, Bundle, BundleFile, DecoderShape
from audiosearch.model.memory import AudioMemory
from audiosearch.model.runtime.session import GraphSession, RuntimeOptions

KINDS = ("keys", "values")


class WritingGraph:
    """The writing graph of a bundle at work."""

    def __init__(self, graph: BundleFile, shape: DecoderShape, *, options: RuntimeOptions) -> None:
        self.graph = graph
        self.shape = shape
        self.session = GraphSession(graph, options=options, fused=True)
        self.names = [f"{kind}.{layer}" for layer in range(shape.layers) for kind in KINDS]

    @classmethod
    def of(cls, bundle: Bundle, *, options: RuntimeOptions) -> WritingGraph | None:
        """The graph of `bundle`, where it has one and `options` leave it to the processor."""
        graph = options.for_processor(bundle.graphs, WRITING)
        if graph is None or bundle.decoder is None or options.hold:
            return None
        return cls(graph, bundle.decoder, options=options)

    @property
    def workers(self) -> int:
        """How many runs at the same time keep the processor busy; see `parallel_map`."""
        return self.session.workers

    def steps(self, memory: AudioMemory) -> WritingSteps:
        """A step function for beam search over the sounds of `memory`."""
        return WritingSteps(self, memory)


class WritingSteps:
    """Next-token log-probabilities with caches that follow the beam's rows (`StepFunction`)."""

    def __init__(self, graph: WritingGraph, memory: AudioMemory) -> None:
        assert isinstance(memory.keys, np.ndarray)
        assert isinstance(memory.values, np.ndarray)
        self._graph = graph
        self._all = {"keys": memory.keys, "values": memory.values}
        self._lengths = memory.lengths
        self._sounds: Ints | None = None  # the sound that each row hears
        self._heard: dict[str, AnyArray] = {}  # what the rows hear, as the graph takes it
        self._caches: list[Floats] = []

    def __call__(self, tokens: Ints, parents: Ints) -> Floats:
        """(R,) last tokens and (R,) rows they continue, to (R, V) log-probabilities."""
        first = self._sounds is None
        sounds = parents if self._sounds is None else self._sounds[parents]
        if self._sounds is None or not np.array_equal(sounds, self._sounds):
            self._hear(sounds)
        names = self._graph.names
        if first:
            shape = self._graph.shape
            nothing = np.empty((len(tokens), shape.heads, 0, shape.head_dim), np.float32)
            past = [nothing] * len(names)
        elif np.array_equal(parents, np.arange(len(self._caches[0]))):
            past = self._caches
        else:
            past = [each[parents] for each in self._caches]
        self._caches = []  # what is gathered takes its place
        feed = {"tokens": tokens, **self._heard}
        feed |= {f"past_{name}": each for name, each in zip(names, past, strict=True)}
        wanted = ["log_probs", *(f"present_{name}" for name in names)]
        log_probs, *self._caches = self._graph.session.run_anywhere(wanted, feed)
        if log_probs.ndim != 2 or len(log_probs) != len(tokens):
            raise BundleError(
                f"the writing graph gives an array of shape {log_probs.shape}",
                path=self._graph.graph.path,
                remedy="audiosearch models verify",
            )
        self._sounds = sounds
        return log_probs

    def _hear(self, sounds: Ints) -> None:
        """Gather what the rows hear, only as rows were added or left: it is the largest copy."""
        longest = int(self._lengths[sounds].max())
        self._heard = {"memory_lengths": self._lengths[sounds]}  # what was heard goes first
        for name in self._graph.names:
            kind, layer = name.split(".")
            self._heard[f"memory_{name}"] = self._all[kind][sounds, int(layer), :, :longest]
