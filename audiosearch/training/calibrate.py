"""From lift and cosine to one score between 0 and 1, fitted on held-out sounds.

The mix of the two is chosen for ranking, then made a probability by logistic regression.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from audiosearch._typing import Bools, Doubles, Ints
from audiosearch.errors import AudiosearchError
from audiosearch.model.calibration import ScoreCalibration
from audiosearch.training.scoring import PairScores
from audiosearch.training.text.captions import SceneDescription
from audiosearch.training.text_weight import (
    TextWeightMetrics,
    TextWeightTrial,
    fit_text_weight,
)

POWERS = (0.0, 1.0, 2.0, 3.0)  # of the number of words, that are tried
REFUSED = 0.05  # most of the texts whose best right sound is not even shown as a weak match
AS_GOOD = 0.015  # of merit: about one text of those that are asked, so no more than chance
HARDEST = 5  # wrong sounds of each text that the fit looks at: what is to be refused is the best


@dataclass(frozen=True)
class Trials:
    """Texts against a library of sounds, and which answers would be right."""

    scores: PairScores
    right: Bools
    """`(n_sounds, n_texts)` True where the text is about the sound."""
    wrong: Bools
    """`(n_sounds, n_texts)` True where text and sound have nothing in common."""

    def of_texts(self, columns: Ints) -> Trials:
        """The trial with some of the texts only."""
        scores = self.scores
        some = PairScores(
            cross_entropy=scores.cross_entropy[:, columns],
            silent=scores.silent[columns],
            cosine=scores.cosine[:, columns],
            words=scores.words[columns],
            known=scores.known[columns],
        )
        return Trials(some, self.right[:, columns], self.wrong[:, columns])


@dataclass(frozen=True)
class ThresholdErrors:
    """What a least score would do on the sounds that the score was fitted on."""

    min_score: float
    present_refused: float
    absent_answered: float


@dataclass(frozen=True)
class MixMetrics:
    """What a mix of lift and cosine is worth, by the name of the trial."""

    words_power: float
    joint: float
    """How much cosine is added to a lift of 1."""
    reciprocal_rank: dict[str, float]
    """Mean over texts, of the best right sound."""
    balanced_error: dict[str, float]
    """Where as many present things are refused as absent ones answered."""


@dataclass(frozen=True)
class Calibration:
    """The fitted score, and how often it errs on the sounds it was fitted on."""

    score: ScoreCalibration
    present_refused: float
    """Share of texts whose best right sound falls below the threshold; the mean over trials."""
    absent_answered: float
    """Share of texts for which some wrong sound reaches it: a library without what they ask for."""
    library: int
    """How many sounds were searched for that, in all trials."""
    thresholds: tuple[ThresholdErrors, ...]
    """The curve that the least score was chosen from."""
    mixes: tuple[MixMetrics, ...]
    """The curve that the weights of lift and cosine were chosen from."""
    texts: tuple[TextWeightMetrics, ...]
    """The curve that the weight of words in names and texts was chosen from."""

    def text(self) -> str:
        """One line for the log."""
        return (
            f"{self.score}; present_refused {self.present_refused:.3f}, "
            f"absent_answered {self.absent_answered:.3f}, library {self.library}"
        )


def unrelated(descriptions: list[SceneDescription]) -> Bools:
    """`(n, n)` True where two scenes have no sound in common."""
    sounds = [set(_all_sounds(what)) for what in descriptions]
    return np.array([[not (one & other) for other in sounds] for one in sounds])


def _all_sounds(what: SceneDescription) -> tuple[str, ...]:
    return what.sounds if what.background is None else (*what.sounds, what.background)


def scene_trials(scores: PairScores, descriptions: list[SceneDescription]) -> Trials:
    """Scenes with a caption each; scene i and text i belong together."""
    return Trials(scores, np.eye(len(descriptions), dtype=np.bool_), unrelated(descriptions))


def calibrate(trials: Mapping[str, Trials]) -> Calibration:
    """Fit the score on trials, by name, each of which counts the same."""
    mixes = mix_curve(trials)
    power, share = best_mix(mixes)
    chosen, truth, weight = [], [], []
    for trial in trials.values():
        present, hardest = _evidence(trial, power, share)
        chosen += [present, hardest.ravel()]
        truth += [np.ones(len(present)), np.zeros(hardest.size)]
        weight += [np.full(len(present), 1 / len(present)), np.full(hardest.size, 1 / hardest.size)]
    scale = 0.5 * sum(len(values) for values in chosen) / len(trials)
    slope, bias = fit_logistic(
        np.concatenate(chosen), np.concatenate(truth), scale * np.concatenate(weight)
    )
    pairs = [_probabilities(trial, power, share, slope, bias) for trial in trials.values()]
    thresholds = threshold_curve(pairs)
    best = balanced_threshold(thresholds)
    heard = [_heard(trial, power, share, slope, bias) for trial in trials.values()]
    texts = fit_text_weight(heard, min_score=best.min_score)
    weak = weak_threshold(thresholds, below=best.min_score)
    return Calibration(
        score=ScoreCalibration(
            lift=round(slope, 4),
            joint=round(share * slope, 4),
            bias=round(bias, 4),
            min_score=best.min_score,
            words_power=power,
            text_match=texts.text_match,
            weak_score=weak.min_score,
        ),
        present_refused=best.present_refused,
        absent_answered=best.absent_answered,
        library=sum(len(trial.right) for trial in trials.values()),
        thresholds=thresholds,
        mixes=mixes,
        texts=texts.curve,
    )


def _heard(trial: Trials, power: float, share: float, slope: float, bias: float) -> TextWeightTrial:
    scores = 1 / (1 + np.exp(-(slope * _mixed(trial.scores, power, share) + bias)))
    return TextWeightTrial(scores, trial.right, trial.wrong)


def _evidence(trial: Trials, power: float, share: float) -> tuple[Doubles, Doubles]:
    """Of texts with a right sound the evidence for the best; of all texts that of the worst errors.

    Shapes `(n_present,)` and `(at most HARDEST, n_texts)`.
    """
    evidence = _mixed(trial.scores, power, share)
    has = trial.right.any(axis=0)
    present = np.where(trial.right, evidence, -np.inf).max(axis=0)[has]
    wrong = np.sort(np.where(trial.wrong, evidence, -np.inf), axis=0)[-HARDEST:]
    return present, wrong[:, np.isfinite(wrong).all(axis=0)]


def _mixed(scores: PairScores, power: float, share: float) -> Doubles:
    lift = scores.trusted_lift(power).astype(np.float64)
    return lift + share * scores.cosine.astype(np.float64)


def _probabilities(
    trial: Trials, power: float, share: float, slope: float, bias: float
) -> tuple[Doubles, Doubles]:
    """Scores of the best right sound `(n_present,)` and of the best wrong one `(n_texts,)`."""
    present, hardest = _evidence(trial, power, share)
    one, other = (
        1 / (1 + np.exp(-(slope * values + bias))) for values in (present, hardest.max(axis=0))
    )
    return one, other


def mix_curve(trials: Mapping[str, Trials]) -> tuple[MixMetrics, ...]:
    """What every power of the number of words and share of cosine that is tried is worth."""
    lift = np.concatenate([trial.scores.lift.ravel() for trial in trials.values()]).std()
    cosine = np.concatenate([trial.scores.cosine.ravel() for trial in trials.values()]).std()
    unit = float(lift / max(cosine, 1e-9))
    shares = [0.0, *(unit * np.geomspace(1 / 16, 8, 22))]
    return tuple(_mix_figures(trials, power, share) for power in POWERS for share in shares)


def _mix_figures(trials: Mapping[str, Trials], power: float, share: float) -> MixMetrics:
    ranks, errors = {}, {}
    for name, trial in trials.items():
        ranks[name] = mean_reciprocal_rank(_mixed(trial.scores, power, share), trial.right)
        present, hardest = _evidence(trial, power, share)
        errors[name] = balanced_error(present, hardest.max(axis=0))
    return MixMetrics(power, float(share), ranks, errors)


def best_mix(mixes: Sequence[MixMetrics]) -> tuple[float, float]:
    """The power of the number of words, and how much cosine to add, that rank and refuse best.

    A mix is as good for a trial as the mean reciprocal rank of a right sound less the share of
    errors, when as many present things are refused as absent ones are answered. Wanted is a mix
    that is nowhere far from the best for a trial. Of those that are as good as the best of these
    (`AS_GOOD`), the one that has most of cosine: texts are made of phrases that the decoder has
    read in captions, while what people type it mostly has not. Reversed twins are among the scenes,
    so evidence that is deaf to order is held back where sentences are long enough to tell of order.
    """
    merits = np.array(
        [
            [mix.reciprocal_rank[name] - mix.balanced_error[name] for name in mix.balanced_error]
            for mix in mixes
        ]
    )
    regrets = (merits.max(axis=0) - merits).max(axis=1)
    good = [
        mix
        for mix, regret in zip(mixes, regrets.tolist(), strict=True)
        if regret <= regrets.min() + AS_GOOD
    ]
    chosen = max(good, key=lambda mix: (mix.joint, mix.words_power))
    return chosen.words_power, chosen.joint


def balanced_error(present: Doubles, absent: Doubles) -> float:
    """The smallest share that both errors stay within, of evidence `(n,)` and `(m,)`."""
    thresholds = np.unique(np.concatenate([present, absent]))
    refused = np.searchsorted(np.sort(present), thresholds) / len(present)
    answered = 1 - np.searchsorted(np.sort(absent), thresholds) / len(absent)
    return float(np.maximum(refused, answered).min())


def mean_reciprocal_rank(fit: Doubles, right: Bools) -> float:
    """Of the best right sound of each text, `(n_sounds, n_texts)`; ties count against it."""
    has = right.any(axis=0)
    best = np.where(right, fit, -np.inf).max(axis=0)
    above = ((fit >= best[None, :]) & ~right).sum(axis=0)
    return float((1.0 / (1 + above[has])).mean())


def fit_logistic(evidence: Doubles, truth: Doubles, weight: Doubles) -> tuple[float, float]:
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


def threshold_curve(pairs: Sequence[tuple[Doubles, Doubles]]) -> tuple[ThresholdErrors, ...]:
    """Both errors at all two-digit thresholds, means over trials.

    Args:
        pairs: of each trial the scores of the best right sounds and of the best wrong ones.
    """
    return tuple(
        ThresholdErrors(
            min_score=at / 100,
            present_refused=float(np.mean([(present < at / 100).mean() for present, _ in pairs])),
            absent_answered=float(np.mean([(absent >= at / 100).mean() for _, absent in pairs])),
        )
        for at in range(1, 100)
    )


def balanced_threshold(curve: Sequence[ThresholdErrors]) -> ThresholdErrors:
    """The first threshold with the smallest of the larger error share."""
    return min(curve, key=lambda one: max(one.present_refused, one.absent_answered))


def weak_threshold(curve: Sequence[ThresholdErrors], *, below: float) -> ThresholdErrors:
    """The greatest threshold up to `below` that refuses at most `REFUSED` of what is there.

    The least one where all refuse more.
    """
    some = [one for one in curve if one.min_score <= below]
    return max(
        (one for one in some if one.present_refused <= REFUSED),
        key=lambda one: one.min_score,
        default=some[0],
    )


def read_calibration(path: Path) -> Calibration:
    """What the stage `calibrate` has written.

    Raises:
        AudiosearchError: it has written nothing yet.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise AudiosearchError(
            "the score is not calibrated", path=path, remedy="run the stage `calibrate` first"
        ) from error
    nested = {
        "score": ScoreCalibration(**stored["score"]),
        "thresholds": tuple(ThresholdErrors(**one) for one in stored["thresholds"]),
        "mixes": tuple(MixMetrics(**one) for one in stored["mixes"]),
        "texts": tuple(TextWeightMetrics(**one) for one in stored["texts"]),
    }
    return Calibration(**(stored | nested))


def write_calibration(fitted: Calibration, path: Path) -> None:
    """Write it as JSON: for later stages, and beside the bundle for people."""
    path.write_text(json.dumps(asdict(fitted), indent=1) + "\n", encoding="utf-8")
