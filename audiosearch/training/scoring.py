"""How well texts fit sounds, whatever found it out: what a score is calibrated from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audiosearch._typing import Floats
from audiosearch.model.calibration import USUAL_WORDS


@dataclass(frozen=True)
class PairScores:
    """All scenes against all texts."""

    cross_entropy: Floats
    """`(n_scenes, n_texts)` nats a word, lower is better."""
    silent: Floats
    """`(n_texts,)` cross-entropy without any sound."""
    cosine: Floats
    """`(n_scenes, n_texts)`."""
    words: Floats
    """`(n_texts,)` words of each text, its end among them."""
    known: Floats
    """`(n_texts,)` share of its content words that the decoder knows."""

    @property
    def lift(self) -> Floats:
        """`(n_scenes, n_texts)`: what the sound adds, in nats a word."""
        return np.asarray(self.silent[None, :] - self.cross_entropy, dtype=np.float32)

    def trusted_lift(self, words_power: float) -> Floats:
        """`(n_scenes, n_texts)`: the lift as it counts in the score (`model.calibration`)."""
        trust = self.known * (self.words / USUAL_WORDS) ** words_power
        return np.asarray(self.lift * trust, dtype=np.float32)
