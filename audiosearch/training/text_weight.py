"""How much words in names and texts count in the score, fitted on held-out sounds.

Tried as a library has them: a right sound with the words in its name against all others without,
and a wrong sound with the words in its name against the best right one without.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audiosearch._typing import Bools, Doubles

MISNAMED_FIRST = 0.1  # most of the cases in which a misnamed sound may come before a right one


@dataclass(frozen=True)
class TextWeightTrial:
    """Texts against sounds, by what is heard alone."""

    scores: Doubles
    """`(n_sounds, n_texts)` in 0..1."""
    right: Bools
    """`(n_sounds, n_texts)` True where the text is about the sound."""
    wrong: Bools
    """`(n_sounds, n_texts)` True where text and sound have nothing in common."""


@dataclass(frozen=True)
class TextWeightMetrics:
    """What a weight would do, as shares of cases, means over trials."""

    weight: float
    misnamed_first: float
    """A wrong sound whose name holds the words comes before the best right one."""
    named_first: float
    """A right sound whose name holds the words comes before all wrong ones."""


@dataclass(frozen=True)
class FittedTextWeight:
    """The chosen weight, and what all two-digit ones would do."""

    text_match: float
    curve: tuple[TextWeightMetrics, ...]


def fit_text_weight(trials: Sequence[TextWeightTrial], *, min_score: float) -> FittedTextWeight:
    """The largest weight that keeps misnamed sounds within `MISNAMED_FIRST`.

    Never less than the least score: a file whose name holds all words is shown.
    """
    curve = tuple(
        TextWeightMetrics(
            weight=weight,
            misnamed_first=_mean([_misnamed_first(one, weight, min_score) for one in trials]),
            named_first=_mean([_named_first(one, weight) for one in trials]),
        )
        for weight in (step / 100 for step in range(1, 100))
    )
    allowed = [one.weight for one in curve if one.misnamed_first <= MISNAMED_FIRST]
    return FittedTextWeight(max([math.ceil(100 * min_score) / 100, *allowed]), curve)


def _mean(shares: Sequence[float | None]) -> float:
    known = [share for share in shares if share is not None]
    return float(np.mean(known)) if known else 0.0


def _with_words(scores: Doubles, weight: float) -> Doubles:
    together: Doubles = 1 - (1 - scores) * (1 - weight)
    return together


def _best_right(trial: TextWeightTrial) -> Doubles:
    best: Doubles = np.where(trial.right, trial.scores, -np.inf).max(axis=0)
    return best


def _misnamed_first(trial: TextWeightTrial, weight: float, min_score: float) -> float | None:
    """Of pairs of a wrong sound and a text whose best right sound is a good match; None: none."""
    best = _best_right(trial)
    pairs = trial.wrong & (best >= min_score)[None, :]
    first = _with_words(trial.scores, weight) > best[None, :]
    return float(first[pairs].mean()) if pairs.any() else None


def _named_first(trial: TextWeightTrial, weight: float) -> float | None:
    worst = np.where(trial.wrong, trial.scores, 0.0).max(axis=0)
    first = _with_words(trial.scores, weight) > worst[None, :]
    return float(first[trial.right].mean()) if trial.right.any() else None
