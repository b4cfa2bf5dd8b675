"""The score that people see: lift and joint likeness turned into 0..1.

`score = sigmoid(lift * L + joint * cosine + bias)`, where L is the lift in nats a word (the
cross-entropy of the words without any sound, minus that with the sound) and cosine the likeness
of text and sound in the joint space. The weights are calibrated with the bundle that carries
them, so that one threshold means "no good match" in every library.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Score:
    """Weights of the calibration; greater scores are better, all lie in 0..1."""

    lift: float
    joint: float
    bias: float
    min_score: float  # hits below are no good match

    def __call__(self, *, lift: Floats, cosine: Floats | None) -> Doubles:
        """Scores (n,) of lifts (n,) and cosines (n,), or of lifts alone without a joint space.

        Doubles, so that the best scores, close to 1, keep their order.
        """
        evidence = self.lift * lift.astype(np.float64) + self.bias
        if cosine is not None:
            evidence = evidence + self.joint * cosine
        # Written with tanh, the sigmoid overflows for no value.
        scores: Doubles = 0.5 * (1.0 + np.tanh(0.5 * evidence))
        return scores
