"""Words scored by a graph that takes frames and keeps nothing for a next word.

It is the captioner in 8 bits, for processors; on graphics cards a bundle's
other graphs are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audiosearch._typing import AnyArray, Floats, HalfOrFloats, Ints
from audiosearch.errors import BundleError
from audiosearch.model.bundle import SCORING, Bundle
from audiosearch.model.runtime.session import Device, GraphSession, RuntimeOptions


@dataclass(frozen=True)
class HeardFrames:
    """Sounds to score words in, as their frames (T_i, D) each."""

    frames: Sequence[HalfOrFloats]

    def __len__(self) -> int:
        return len(self.frames)

    def take(self, rows: Ints) -> HeardFrames:
        """Some of the sounds, in that order, repeats allowed."""
        return HeardFrames([self.frames[row] for row in rows.tolist()])


class ScoringGraph:
    """The scoring graph of a bundle at work."""

    def __init__(self, bundle: Bundle, *, options: RuntimeOptions) -> None:
        self._bundle = bundle
        self._session = GraphSession(bundle.graphs[SCORING], options=options, fused=True)

    @classmethod
    def of(cls, bundle: Bundle, *, options: RuntimeOptions) -> ScoringGraph | None:
        """The graph of `bundle`, where it has one and `options` leave it to the processor."""
        wanted = options.for_processor(bundle.graphs, SCORING)
        return None if wanted is None else cls(bundle, options=options)

    @property
    def sha256(self) -> str:
        """What tells it from any other."""
        return self._bundle.graphs[SCORING].sha256

    @property
    def device(self) -> Device:
        """What it runs on: the processor, and why that was not what was asked for."""
        return self._session.device

    @property
    def workers(self) -> int:
        """How many runs at the same time keep the processor busy; see `parallel_map`."""
        return self._session.workers

    def log_probs(self, tokens: Ints, targets: Ints, sounds: HeardFrames) -> Floats:
        """Log-probabilities (B, S) of `targets` after `tokens`, (B, S) both, row i in sound i.

        What all rows have in common, the words or the sound, is computed once.

        Raises:
            BundleError: the graph is none of this form.
        """
        n_pairs, frames = len(tokens), sounds.frames
        if all(rows is frames[0] for rows in frames):
            frames = frames[:1]
        elif (tokens == tokens[0]).all() and (targets == targets[0]).all():
            tokens, targets = tokens[:1], targets[:1]
        lengths = np.array([len(rows) for rows in frames], dtype=np.int64)
        padded = np.zeros((len(lengths), int(lengths.max()), self._bundle.frame_dim), np.float32)
        for row, given in zip(padded, frames, strict=True):
            row[: len(given)] = given
        feed: dict[str, AnyArray] = {
            "tokens": tokens,
            "targets": targets,
            "frames": padded,
            "frame_lengths": lengths,
        }
        [found] = self._session.run_anywhere(["word_log_probs"], feed)
        if found.shape != (n_pairs, tokens.shape[1]):
            raise BundleError(
                f"the scoring graph gives an array of shape {found.shape}",
                path=self._bundle.graphs[SCORING].path,
                remedy="audiosearch models verify",
            )
        return found
