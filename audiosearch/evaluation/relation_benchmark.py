"""The relation tests: does a model prefer the true caption to one that says another order?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from audiosearch._typing import AnyFloats
from audiosearch.evaluation.datasets import Dataset
from audiosearch.evaluation.encode import EncodedDataset
from audiosearch.evaluation.run import EvaluationRun, need_captions
from audiosearch.evaluation.tables import Cell, Outcome, Table
from audiosearch.evaluation.temporal import Perturbation, Perturbed, connectives, perturb
from audiosearch.evaluation.work_folder import save_arrays

CHUNK = 32  # clips scored between two savings
_COLUMNS = ("test", "score", "eligible", "accuracy", "accuracy_all_choices")


@dataclass(frozen=True)
class Case:
    """One caption of one clip, altered."""

    clip: int
    test: Perturbation
    perturbed: Perturbed


@dataclass(frozen=True)
class CaseAnswer:
    """Of a case, whether each altered caption costs more than the true one; one was drawn."""

    case: Case
    right: tuple[bool, ...]
    drawn: int


def cases_of(dataset: Dataset, *, skip_idioms: bool) -> list[Case]:
    """Every caption that a test applies to, test by test and clip by clip."""
    return [
        Case(number, test, perturbed)
        for test in Perturbation
        for number, clip in enumerate(dataset.clips)
        for caption in clip.captions
        if (perturbed := perturb(caption, test, skip_idioms=skip_idioms)) is not None
    ]


def answers(
    cases: Sequence[Case], costs: Sequence[Mapping[str, float]], *, seed: int
) -> list[CaseAnswer]:
    """What costs, given for each clip by caption, say of each case."""
    generator = np.random.default_rng(seed)
    found = []
    for case in cases:
        cost = costs[case.clip]
        true = cost[case.perturbed.caption]
        right = tuple(true < cost[altered] for altered in case.perturbed.altered)
        found.append(CaseAnswer(case, right, int(generator.integers(len(right)))))
    return found


def evaluate_relations(
    dataset: Dataset, run: EvaluationRun, *, seed: int, skip_idioms: bool
) -> Outcome:
    """All six tests, and their results by word.

    For each perturbation the share of pairs in which the true caption has the lower loss with its
    own sound (Labbé et al. 2023, https://arxiv.org/abs/2308.15090, Tables 4 and 5). Equal counts as
    wrong; chance is one half. Where a word can be replaced by several, one is drawn with `seed`,
    and the mean over all is given besides. The joint space, where there is one, is put to the same
    test by cosine.

    Raises:
        DatasetError: there are no captions, or clips cannot be decoded.
    """
    need_captions(dataset)
    encoded = run.encode(dataset)
    cases = cases_of(dataset, skip_idioms=skip_idioms)
    texts: list[dict[str, None]] = [{} for _ in dataset.clips]
    for case in cases:
        texts[case.clip] |= dict.fromkeys((case.perturbed.caption, *case.perturbed.altered))
    by_score = {"ce": _losses(texts, encoded, run)}
    unlikeness = _unlikeness(texts, encoded, run)
    if unlikeness is not None:
        by_score["joint"] = unlikeness
    found = {score: answers(cases, costs, seed=seed) for score, costs in by_score.items()}
    return Outcome(
        name="relations",
        title=f"Relations in time on {dataset.name}",
        facts=run.facts(dataset, encoded),
        tables=(summary_table(found), word_table(found)),
        remarks=_remarks(run),
    )


def summary_table(found: Mapping[str, Sequence[CaseAnswer]]) -> Table:
    """Accuracy by test."""
    rows = [
        (str(test), score, *_accuracies([a for a in mine if a.case.test is test]))
        for test in Perturbation
        for score, mine in found.items()
    ]
    return Table("relations", "True caption before its altered form", _COLUMNS, tuple(rows))


def word_table(found: Mapping[str, Sequence[CaseAnswer]]) -> Table:
    """Accuracy by test and connective."""
    rows = []
    for test in Perturbation:
        for word in connectives(test):
            for score, mine in found.items():
                chosen = [a for a in mine if a.case.test is test and a.case.perturbed.word == word]
                if chosen:
                    rows.append((str(test), word, score, *_accuracies(chosen)))
    columns = (_COLUMNS[0], "word", *_COLUMNS[1:])
    return Table("relations_by_word", "The same by word", columns, tuple(rows))


def _accuracies(chosen: Sequence[CaseAnswer]) -> tuple[Cell, Cell, Cell]:
    """How many, accuracy of the drawn choices, mean accuracy over all choices."""
    if not chosen:
        return 0, None, None
    drawn = float(np.mean([answer.right[answer.drawn] for answer in chosen]))
    every = float(np.mean([np.mean(answer.right) for answer in chosen]))
    return len(chosen), drawn, every


def _remarks(run: EvaluationRun) -> tuple[str, ...]:
    vocabulary = run.model.bundle.vocabulary
    words = sorted({word for test in Perturbation for word in connectives(test)})
    unknown = [word for word in words if vocabulary.unknown_words(word)]
    if not unknown:
        return ()
    return (f"the model does not know {', '.join(unknown)}: tests with these mean little",)


def _losses(
    texts: Sequence[Mapping[str, None]], encoded: EncodedDataset, run: EvaluationRun
) -> list[dict[str, float]]:
    """For each clip its captions' cross-entropies, by its best window."""
    scorer = run.model.scorer
    windows: dict[int, list[int]] = defaultdict(list)
    for row, clip in enumerate(encoded.owners.tolist()):
        windows[clip].append(row)
    keys = ["\1".join(captions) for captions in texts]
    folder = run.work.part("relations", encoded.key, *scorer.kept_by, *keys)
    run.progress.start("scoring clips", total=len(texts))
    found: list[dict[str, float]] = []
    for start in range(0, len(texts), CHUNK):
        clips = range(start, min(start + CHUNK, len(texts)))
        file = folder / f"{start:06d}.npz"
        if not file.is_file():
            parts: list[AnyFloats] = [np.zeros(0, np.float32)]
            for clip in clips:
                ids = [scorer.encode(caption) for caption in texts[clip]]
                if ids:
                    memory = scorer.listen([encoded.frames[row] for row in windows[clip]])
                    parts.append(scorer.cross_entropies(ids, memory).min(axis=1))
            save_arrays(file, ["losses"], [np.concatenate(parts)])
        with np.load(file, allow_pickle=False) as saved:
            losses = iter(saved["losses"].tolist())
        found += [{caption: next(losses) for caption in texts[clip]} for clip in clips]
        run.progress.advance(len(clips))
    return found


def _unlikeness(
    texts: Sequence[Mapping[str, None]], encoded: EncodedDataset, run: EvaluationRun
) -> list[dict[str, float]] | None:
    """For each clip its captions' negated cosines, by its best window; None without the space."""
    if run.model.tower is None:
        return None
    every = sorted({caption for captions in texts for caption in captions})
    place = {caption: row for row, caption in enumerate(every)}
    vectors = run.model.tower.embed(every)
    found = []
    for clip, captions in enumerate(texts):
        rows = vectors[[place[caption] for caption in captions]]
        cosines = (encoded.joint[encoded.owners == clip] @ rows.T).max(axis=0)
        found.append(dict(zip(captions, (-cosines).tolist(), strict=True)))
    return found
