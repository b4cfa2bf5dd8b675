"""From lift and cosine to one score between 0 and 1, fitted on validation scenes.

In: pair scores of held-out scenes and their captions. Out: the weights of the score and a threshold
below which there is no good match. The mix of lift and cosine is chosen for ranking, then made a
probability by logistic regression. It knows no networks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audiosearch.training.captions import Description
from audiosearch.training.export import ScoreSettings
from audiosearch.training.scoring import PairScores

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Calibration:
    """The fitted score, and how often it errs on the scenes it was fitted on."""

    score: ScoreSettings
    present_refused: float
    """Share of captions whose own scene falls below the threshold."""
    absent_answered: float
    """Share of captions for which some scene without any of their sounds reaches it."""
    library: int
    """How many scenes were searched for that."""


def unrelated(descriptions: list[Description]) -> Flags:
    """`(n, n)` True where two scenes have no sound in common."""
    sounds = [set(_all_sounds(what)) for what in descriptions]
    return np.array([[not (one & other) for other in sounds] for one in sounds])


def _all_sounds(what: Description) -> tuple[str, ...]:
    return what.sounds if what.background is None else (*what.sounds, what.background)


def calibrate(scores: PairScores, descriptions: list[Description]) -> Calibration:
    """Fit the score; scene i and text i belong together.

    Every caption is weighed against its own scene and, with the same total weight, against all
    scenes that share no sound with it, the likeliest of those most: what has to be refused in a
    library is the best of many wrong windows.
    """
    wrong = unrelated(descriptions)
    count = len(descriptions)
    own = np.arange(count)
    lift, cosine = scores.lift.astype(np.float64), scores.cosine.astype(np.float64)
    hardest = np.argsort(
        np.where(wrong, lift / lift.std() + cosine / cosine.std(), -np.inf), axis=0
    )
    top = hardest[-5:]  # the five likeliest wrong scenes of each text
    share = best_share(lift, cosine)
    evidence = lift + share * cosine
    chosen = np.concatenate([evidence[own, own], evidence[top, own].ravel()])
    truth = np.concatenate([np.ones(count), np.zeros(top.size)])
    weight = np.where(truth > 0, 1.0, 1 / len(top))
    lift_weight, bias = fit_logistic(chosen, truth, weight)
    cosine_weight = share * lift_weight
    logits = lift_weight * lift + cosine_weight * cosine + bias
    probability = 1 / (1 + np.exp(-logits))
    best_wrong = np.where(wrong, probability, 0.0).max(axis=0)
    threshold = _balanced_threshold(probability[own, own], best_wrong)
    return Calibration(
        score=ScoreSettings(
            lift=round(lift_weight, 4),
            joint=round(cosine_weight, 4),
            bias=round(bias, 4),
            min_score=threshold,
        ),
        present_refused=float((probability[own, own] < threshold).mean()),
        absent_answered=float((best_wrong >= threshold).mean()),
        library=count,
    )


def best_share(lift: npt.NDArray[np.float64], cosine: npt.NDArray[np.float64]) -> float:
    """How much cosine to add to lift so that each text's own scene comes first most often.

    Chosen by the mean reciprocal rank over all texts, `(n_scenes, n_texts)` each: reversed twins
    are among the scenes, so evidence that is deaf to order is held back.
    """
    unit = float(lift.std() / max(cosine.std(), 1e-9))
    shares = [0.0, *(unit * np.geomspace(1 / 16, 4, 25))]
    ranks = [_mean_reciprocal_rank(lift + share * cosine) for share in shares]
    return float(shares[int(np.argmax(ranks))])


def _mean_reciprocal_rank(fit: npt.NDArray[np.float64]) -> float:
    """Of the diagonal within its column `(n_scenes, n_texts)`, ties counted against it."""
    return float((1.0 / (fit >= np.diag(fit)[None, :]).sum(axis=0)).mean())


def fit_logistic(
    evidence: npt.NDArray[np.float64],
    truth: npt.NDArray[np.float64],
    weight: npt.NDArray[np.float64],
) -> tuple[float, float]:
    """Weighted logistic regression of `truth` on `evidence`, `(n,)` each: slope and bias.

    By Newton's method.
    """
    columns = np.stack([evidence, np.ones(len(evidence))], axis=1)
    beta = np.zeros(2)
    ridge = 1e-3 * np.eye(2)  # keeps separable data finite
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(columns @ beta, -30, 30)))
        gradient = columns.T @ (weight * (truth - p)) - ridge @ beta
        curvature = (columns * (weight * p * (1 - p))[:, None]).T @ columns + ridge
        step = np.linalg.solve(curvature, gradient)
        beta = beta + np.clip(step, -5, 5)
        if np.abs(step).max() < 1e-9:
            break
    return float(beta[0]), float(beta[1])


def _balanced_threshold(present: npt.NDArray[np.float64], absent: npt.NDArray[np.float64]) -> float:
    """The two-digit threshold with the smallest of the larger error share."""
    candidates = np.arange(1, 100) / 100
    errors = [max((present < t).mean(), (absent >= t).mean()) for t in candidates]
    return float(candidates[int(np.argmin(errors))])
