"""The score that people see: lift and joint likeness turned into 0..1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audiosearch._typing import Bools, Doubles, Floats

# Where a bundle does not say from which likeness on sounds count as alike: that of the bundled
# joint space, to which 19 of 20 mixtures come that hold another clip of a sound, and one of ten
# that hold none; half of these come to the second (docs/searching.md, "By sound").
LIKE, WEAKLY_LIKE = 0.4, 0.2
TEXT_MATCH = 0.8  # where a bundle does not say how much words in names and texts count
USUAL_WORDS = 6  # a text of five words and its end has a weight of 1


@dataclass(frozen=True, kw_only=True)
class ScoreCalibration:
    """Weights of the calibration; greater scores are better, all lie in 0..1.

    `score = sigmoid(lift * L + joint * cosine + bias)`, where L is the lift in nats a word. They
    are fitted with the bundle that carries them, so that one threshold means "no good match" in
    every library.
    """

    lift: float
    joint: float
    bias: float
    min_score: float  # hits below are no good match
    words_power: float | None = None  # of the number of words; None: all lifts count the same
    text_match: float = TEXT_MATCH  # of a sound whose texts hold all words, whatever is heard
    weak_score: float | None = None  # hits below are not even weak matches; None: half of the other
    like: float = LIKE  # least cosine of a sound that counts as like the one that was given
    weakly_like: float = WEAKLY_LIKE  # and of one that is weakly like it

    @property
    def least_weak(self) -> float:
        """The least score of a weak match, which is shown below the good ones."""
        return 0.5 * self.min_score if self.weak_score is None else self.weak_score

    def lift_weight(self, *, n_words: int, known: float) -> float:
        """How much the lift of a text counts: by how much the decoder has to say of its words.

        A long sentence, whose order only the decoder hears, counts for more than a single word,
        and words that it never learned count for nothing.

        Args:
            n_words: of the text, its end among them.
            known: share of its content words that the decoder knows, 0..1.
        """
        if self.words_power is None:
            return 1.0
        return float(known * (n_words / USUAL_WORDS) ** self.words_power)

    def __call__(
        self, *, lift: Floats, cosine: Floats | None, lift_weight: float | Doubles = 1.0
    ) -> Doubles:
        """Scores (n,) of lifts (n,) and cosines (n,), or of lifts alone without a joint space.

        Args:
            lift: in nats a word.
            cosine: likeness in the joint space.
            lift_weight: how much each lift counts, or all of them; see `lift_weight`.

        Doubles, so that the best scores, close to 1, keep their order.
        """
        evidence = self.lift * (lift_weight * lift.astype(np.float64)) + self.bias
        if cosine is not None:
            evidence = evidence + self.joint * cosine
        # Written with tanh, the sigmoid overflows for no value.
        scores: Doubles = 0.5 * (1.0 + np.tanh(0.5 * evidence))
        return scores

    def with_texts(self, scores: Doubles, *, matched: Bools, is_known: Bools) -> Doubles:
        """Scores (n,) of sounds and the texts that belong to them, together.

        What is heard and what is written are two pieces of evidence, either of which may do:
        `1 - (1 - heard) * (1 - written)`. A text that holds some of the words counts with the
        square of their share. Words that the model does not know are found in texts alone: beside
        known ones they support a sound as far as the rest is found in it, and sounds whose texts
        lack a word that others hold are held back, so that a good match that has it comes first.

        Args:
            scores: by sound alone (n,); not looked at where no word is known.
            matched: (n, n_words) True where the texts of a sound hold a word.
            is_known: (n_words,) True for words that the model knows.
        """
        if not is_known.any():
            return self.text_match * _share(matched)
        found = 1.0 - (1.0 - scores) * (1.0 - self.text_match * _share(matched[:, is_known]) ** 2)
        names_only = matched[:, ~is_known & matched.any(axis=0)]
        together = self._supported(found, _share(names_only))
        # What the least good match comes to with the words, and so the best without them at most.
        held_back = self._supported(np.array([max(self.min_score, 0.5)]), np.ones(1))
        together *= held_back ** (~names_only).sum(axis=1)
        return together

    def _supported(self, found: Doubles, share: Doubles) -> Doubles:
        """Scores (n,) of sounds whose texts hold a share (n,) of the words that only texts know."""
        supported: Doubles = 1.0 - (1.0 - found) * (1.0 - self.text_match * share * found)
        return supported


def _share(matched: Bools) -> Doubles:
    """The share of words (n,) that are matched, of (n, n_words); 0 without words."""
    shares: Doubles = matched.sum(axis=1) / max(1, matched.shape[1])
    return shares
