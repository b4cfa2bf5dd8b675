"""How well single sounds are found in usual words and in other words for the same things.

Clips that no stage has seen against queries for their labels, also in a library without any answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audiosearch._typing import AnyFloats, Bools, Floats
from audiosearch.training.calibrate import Trials
from audiosearch.training.checkpoints import Report
from audiosearch.training.data.dataset import SoundCache
from audiosearch.training.metrics import TrainedModel, mean_fit, scaled
from audiosearch.training.scenes.features import encode_clips
from audiosearch.training.scoring import PairScores
from audiosearch.training.text.captions import PHRASES, sound_of
from audiosearch.training.text.esc50 import read_phrasings
from audiosearch.training.text.labels import tags_of

AT = 10


@dataclass(frozen=True)
class SingleEventQuery:
    """A text about one label."""

    text: str
    label: str
    wording: str
    """`usual` or `other` words, their bare names `name` and `other name`, or `grammar`."""


def single_event_queries(labels: Sequence[str]) -> list[SingleEventQuery]:
    """All wordings of these labels; those that nobody has phrased are left out."""
    phrased = read_phrasings()
    found = []
    for label in sorted(set(labels)):
        phrasing, phrases = phrased.get(label), PHRASES.get(sound_of(label))
        if phrasing is not None:
            found += [
                SingleEventQuery(phrasing.usual, label, "usual"),
                SingleEventQuery(phrasing.other, label, "other"),
                SingleEventQuery(label.replace("_", " "), label, "name"),
                SingleEventQuery(phrasing.other_name, label, "other name"),
            ]
        elif phrases is not None:
            found += [
                SingleEventQuery(phrases.clauses[0], label, "grammar"),
                SingleEventQuery(phrases.nouns[-1], label, "grammar"),
            ]
    return found


def single_event_trials(
    scores: PairScores, labels: Sequence[str], queries: Sequence[SingleEventQuery]
) -> Trials:
    """Clips with these labels against queries; a clip that shares a tag is neither right nor wrong.

    Args:
        scores: All clips against all queries.
        labels: Of the clips, `(n_clips,)`.
        queries: The texts, `(n_texts,)`.
    """
    right = [[sound_of(label) == sound_of(query.label) for query in queries] for label in labels]
    wrong = [
        [
            not (same or set(tags_of(label)) & set(tags_of(query.label)))
            for same, query in zip(row, queries, strict=True)
        ]
        for row, label in zip(right, labels, strict=True)
    ]
    return Trials(scores, np.array(right), np.array(wrong))


@dataclass(frozen=True)
class ParaphraseMetrics:
    """One wording: queries of all labels against all clips."""

    queries: int
    clips: int
    map_10: dict[str, float]
    """Mean average precision of the first ten, by what ranks: `loss`, `joint`, `score`."""
    labels: dict[str, float]
    """Share of clips whose own label comes first; `scaled` is the loss by each text's own scale."""
    present_refused: float
    absent_answered: float
    """Of queries in a library without any sound that they are about."""


def by_wording(trials: Trials, queries: Sequence[SingleEventQuery]) -> dict[str, Trials]:
    """The trials of each wording by themselves, by its name, in order of appearance."""
    wordings = np.array([query.wording for query in queries])
    return {
        str(one): trials.of_texts(np.flatnonzero(wordings == one))
        for one in dict.fromkeys(wordings)
    }


def paraphrase_metrics(
    model: TrainedModel, sounds: SoundCache, clips: Sequence[int], *, report: Report
) -> dict[str, ParaphraseMetrics]:
    """The figures of every wording, by its name."""
    labels = [sounds.clips[index].label for index in clips]
    queries = single_event_queries(labels)
    features = encode_clips(model.encoder, sounds, clips, report=report)
    scores = model.pairs(features, [query.text for query in queries])
    trials = by_wording(single_event_trials(scores, labels, queries), queries)
    return {wording: _figures(model, some) for wording, some in trials.items()}


def _figures(model: TrainedModel, trials: Trials) -> ParaphraseMetrics:
    right, wrong = trials.right, trials.wrong
    scores = trials.scores
    evidence = model.evidence(scores)
    fits = {
        "loss": -scores.cross_entropy,
        "joint": scores.cosine,
        "score": evidence,
    }
    named = fits | {
        "scaled": -scaled(scores.cross_entropy),
        "mean": mean_fit(scores),
    }
    answers = 1 / (1 + np.exp(-(evidence.astype(np.float64) + model.score.bias)))
    least = model.score.min_score
    best_right = np.where(right, answers, 0.0).max(axis=0)
    best_wrong = np.where(wrong, answers, 0.0).max(axis=0)
    return ParaphraseMetrics(
        queries=right.shape[1],
        clips=len(right),
        map_10={name: mean_average_precision(fit, right) for name, fit in fits.items()},
        labels={name: label_accuracy(fit, right) for name, fit in named.items()},
        present_refused=float((best_right < least).mean()),
        absent_answered=float((best_wrong >= least).mean()),
    )


def mean_average_precision(fit: Floats, right: Bools, *, at: int = AT) -> float:
    """Mean over texts of the average precision of the `at` best sounds, `(n_sounds, n_texts)`."""
    precisions = []
    for values, own in zip(fit.T, right.T, strict=True):
        hits = own[np.argsort(-values, kind="stable")][:at]
        ranks = np.arange(1, len(hits) + 1)
        best = min(at, int(own.sum()))
        precisions.append(float((hits * np.cumsum(hits) / ranks).sum()) / max(1, best))
    return float(np.mean(precisions))


def label_accuracy(fit: AnyFloats, right: Bools) -> float:
    """Share of sounds whose best text is about them."""
    return float(right[np.arange(len(right)), fit.argmax(axis=1)].mean())
