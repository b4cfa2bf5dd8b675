"""The score that people see: lift and joint likeness turned into 0..1.

`score = sigmoid(lift * L + joint * cosine + bias)`, where L is the lift in nats a word (the
cross-entropy of the words without any sound, minus that with the sound) and cosine the likeness
of text and sound in the joint space. The weights are calibrated with the bundle that carries
them, so that one threshold means "no good match" in every library.

Bundles may weigh the lift by how much the decoder has to say of the words: a long sentence, whose
order only the decoder hears, counts for more than a single word, and words that it never learned
count for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

USUAL_WORDS = 6  # a text of five words and its end has a trust of 1


@dataclass(frozen=True, kw_only=True)
class Score:
    """Weights of the calibration; greater scores are better, all lie in 0..1."""

    lift: float
    joint: float
    bias: float
    min_score: float  # hits below are no good match
    words_power: float | None = None  # of the number of words; None: all lifts count the same

    def trust(self, *, n_words: int, known: float) -> float:
        """How much the lift of a text counts.

        Args:
            n_words: of the text, its end among them.
            known: share of its content words that the decoder knows, 0..1.
        """
        if self.words_power is None:
            return 1.0
        return float(known * (n_words / USUAL_WORDS) ** self.words_power)

    def __call__(
        self, *, lift: Floats, cosine: Floats | None, trust: float | Doubles = 1.0
    ) -> Doubles:
        """Scores (n,) of lifts (n,) and cosines (n,), or of lifts alone without a joint space.

        Args:
            lift: in nats a word.
            cosine: likeness in the joint space.
            trust: how much each lift counts, or all of them; see `trust`.

        Doubles, so that the best scores, close to 1, keep their order.
        """
        evidence = self.lift * (trust * lift.astype(np.float64)) + self.bias
        if cosine is not None:
            evidence = evidence + self.joint * cosine
        # Written with tanh, the sigmoid overflows for no value.
        scores: Doubles = 0.5 * (1.0 + np.tanh(0.5 * evidence))
        return scores
