"""The words of a beam, one after the other, by graphs in 8 bits for processors.

On graphics cards, and where all is to be exact, captions are written by a bundle's decoder.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audiosearch._typing import AnyArray, Floats, HalfOrFloats, Ints
from audiosearch.errors import BundleError
from audiosearch.model.bundle import WRITING, WRITING_MEMORY, Bundle, DecoderShape
from audiosearch.model.memory import lengths_of, padded
from audiosearch.model.runtime.session import GraphSession, RuntimeOptions

KINDS = ("keys", "values")


class WritingGraph:
    """The writing graphs of a bundle at work."""

    def __init__(self, bundle: Bundle, shape: DecoderShape, *, options: RuntimeOptions) -> None:
        self.graph = bundle.graphs[WRITING]
        self.shape = shape
        self.memory = GraphSession(bundle.graphs[WRITING_MEMORY], options=options, fused=True)
        self.session = GraphSession(self.graph, options=options, fused=True)
        self.names = [f"{kind}.{layer}" for layer in range(shape.layers) for kind in KINDS]

    @classmethod
    def of(cls, bundle: Bundle, *, options: RuntimeOptions) -> WritingGraph | None:
        """The graphs of `bundle`, where it has them and `options` leave it to the processor."""
        graphs = [options.for_processor(bundle.graphs, each) for each in (WRITING, WRITING_MEMORY)]
        if None in graphs or bundle.decoder is None or options.hold:
            return None
        return cls(bundle, bundle.decoder, options=options)

    @property
    def workers(self) -> int:
        """How many runs at the same time keep the processor busy; see `parallel_map`."""
        return self.session.workers

    def steps(self, frames: Sequence[HalfOrFloats]) -> WritingSteps:
        """A step function for beam search over sounds, each given as its frames (T_i, D)."""
        return WritingSteps(self, frames)


class WritingSteps:
    """Next-token log-probabilities with caches that follow the beam's rows (`StepFunction`)."""

    def __init__(self, graph: WritingGraph, frames: Sequence[HalfOrFloats]) -> None:
        self._graph = graph
        self._lengths = lengths_of(frames)
        self._held = np.arange(len(frames))  # the sounds whose memory there is
        names = [f"memory_{name}" for name in graph.names]
        rows = padded(frames, longest=int(self._lengths.max()))
        given = graph.memory.run_anywhere(names, {"frames": rows})
        self._memory = dict(zip(names, given, strict=True))
        self._sounds: Ints | None = None  # the sound that each row hears
        self._caches: list[AnyArray] = []

    def __call__(self, tokens: Ints, parents: Ints) -> Floats:
        """(R,) last tokens and (R,) rows they continue, to (R, V) log-probabilities."""
        if self._sounds is None:
            sounds, parents = parents, np.arange(len(tokens))
            shape = self._graph.shape
            nothing = np.empty((len(tokens), shape.heads, 0, shape.head_dim), np.float32)
            self._caches = [nothing] * len(self._graph.names)
        else:
            sounds = self._sounds[parents]
        feed = {"tokens": tokens, "parents": parents, **self._asking(sounds), **self._memory}
        feed["memory_lengths"] = self._lengths[self._held]
        names = self._graph.names
        feed |= {f"past_{name}": each for name, each in zip(names, self._caches, strict=True)}
        self._caches = []
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

    def _asking(self, sounds: Ints) -> dict[str, AnyArray]:
        """Which row's heads are at each place of a sound, and at which place those of a row are."""
        live = np.unique(sounds)
        if len(live) <= len(self._held) // 2:
            self._let_go(live)
        places = np.searchsorted(self._held, sounds)
        counts = np.bincount(places, minlength=len(self._held))
        order = np.argsort(places, kind="stable")
        turns = np.empty_like(order)  # of the rows of a sound, one after the other
        turns[order] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        heads = np.arange(self._graph.shape.heads)
        n_places = int(counts.max())
        asking = np.zeros((len(self._held), len(heads), n_places), dtype=np.int64)  # some row
        asking[places, :, turns] = np.arange(len(sounds))[:, None] * len(heads) + heads
        asked = (places[:, None] * len(heads) + heads) * n_places + turns[:, None]
        return {"asking": asking, "asked": asked}

    def _let_go(self, live: Ints) -> None:
        """Keep the memory of these sounds alone: half of it at most, so that it pays the copy."""
        kept = np.searchsorted(self._held, live)
        longest = int(self._lengths[live].max())
        for name, each in self._memory.items():
            of_live = each[kept]
            self._memory[name] = (
                of_live[..., :longest] if "keys" in name else of_live[:, :, :longest]
            )
        self._held = live
