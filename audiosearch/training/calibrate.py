"""From lift and cosine to one score between 0 and 1, fitted on validation scenes.

In: pair scores of held-out scenes and their captions. Out: the weights of a logistic regression
and a threshold below which there is no good match. It knows no networks.
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
    chosen_lift = np.concatenate([lift[own, own], lift[top, own].ravel()])
    chosen_cosine = np.concatenate([cosine[own, own], cosine[top, own].ravel()])
    truth = np.concatenate([np.ones(count), np.zeros(top.size)])
    weight = np.where(truth > 0, 1.0, 1 / len(top))
    lift_weight, cosine_weight, bias = fit_logistic(
        np.stack([chosen_lift, chosen_cosine], axis=1), truth, weight
    )
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


def fit_logistic(
    values: npt.NDArray[np.float64],
    truth: npt.NDArray[np.float64],
    weight: npt.NDArray[np.float64],
) -> tuple[float, float, float]:
    """Weighted logistic regression on two columns by Newton's method: two weights and a bias.

    Weights of evidence are kept from falling below zero: a negative one is fixed at zero.
    """
    columns = np.concatenate([values, np.ones((len(values), 1))], axis=1)
    active = np.array([True, True, True])
    while True:
        beta = np.zeros(3)
        beta[active] = _newton(columns[:, active], truth, weight)
        negative = active & (beta < 0) & np.array([True, True, False])
        if not negative.any():
            return float(beta[0]), float(beta[1]), float(beta[2])
        active &= ~negative


def _newton(
    columns: npt.NDArray[np.float64],
    truth: npt.NDArray[np.float64],
    weight: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    beta = np.zeros(columns.shape[1])
    ridge = 1e-3 * np.eye(columns.shape[1])  # keeps separable data finite
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(columns @ beta, -30, 30)))
        gradient = columns.T @ (weight * (truth - p)) - ridge @ beta
        curvature = (columns * (weight * p * (1 - p))[:, None]).T @ columns + ridge
        step = np.linalg.solve(curvature, gradient)
        beta = beta + np.clip(step, -5, 5)
        if np.abs(step).max() < 1e-9:
            break
    return np.asarray(beta)


def _balanced_threshold(present: npt.NDArray[np.float64], absent: npt.NDArray[np.float64]) -> float:
    """The two-digit threshold with the smallest of the larger error share."""
    candidates = np.arange(1, 100) / 100
    errors = [max((present < t).mean(), (absent >= t).mean()) for t in candidates]
    return float(candidates[int(np.argmin(errors))])
