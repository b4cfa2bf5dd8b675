"""Accuracies of the relation tests, worked by hand."""

from pathlib import Path

from audiosearch.evaluation.datasets import Dataset, DatasetClip
from audiosearch.evaluation.relation_benchmark import (
    answers,
    cases_of,
    summary_table,
    word_table,
)
from audiosearch.evaluation.temporal import Perturbation


def dataset() -> Dataset:
    captions = (("a then b", "rain"), ("b before a",))
    clips = (
        DatasetClip(name=str(i), path=Path(str(i)), captions=c) for i, c in enumerate(captions)
    )
    return Dataset(name="x", clips=tuple(clips))


def test_cases_are_the_captions_with_a_connective():
    cases = cases_of(dataset(), skip_idioms=False)
    found = [(case.test, case.clip, case.perturbed.word) for case in cases]
    assert found == [
        (Perturbation.REPLACE_BAT, 1, "before"),
        (Perturbation.REPLACE_SEQ2SUP, 0, "then"),
        (Perturbation.REPLACE_SEQ2SUP, 1, "before"),
        (Perturbation.INVERT_BAT, 1, "before"),
        (Perturbation.INVERT_SEQ, 0, "then"),
        (Perturbation.INVERT_SEQ, 1, "before"),
    ]


def test_accuracy_counts_lower_true_losses_and_equal_ones_are_wrong():
    cases = cases_of(dataset(), skip_idioms=False)
    costs = [
        {"a then b": 1.0, "a as b": 2.0, "a while b": 0.5, "b then a": 1.0},
        {"b before a": 1.0, "b after a": 2.0, "b as a": 3.0, "b while a": 3.0, "a before b": 2.0},
    ]
    found = {"ce": answers(cases, costs, seed=0)}
    rows = {row[0]: row[1:] for row in summary_table(found).rows}
    assert rows["replace BAT"] == ("ce", 1, 1.0, 1.0)
    # Clip 0: "as" is right, "while" is not; clip 1: both right.
    assert rows["replace seq2sup"][:2] == ("ce", 2)
    assert rows["replace seq2sup"][3] == (0.5 + 1.0) / 2
    assert rows["replace seq2sup"][2] in (0.5, 1.0)  # one is drawn
    assert rows["invert seq"] == ("ce", 2, 0.5, 0.5)  # clip 0 ties
    assert rows["replace sup2seq"] == ("ce", 0, None, None)
    words = {row[:2]: row[2:] for row in word_table(found).rows}
    assert words["invert seq", "then"] == ("ce", 1, 0.0, 0.0)
    assert words["invert seq", "before"] == ("ce", 1, 1.0, 1.0)
    assert ("replace BAT", "after") not in words


def test_the_draw_is_seeded():
    cases = cases_of(dataset(), skip_idioms=False)
    costs = [dict.fromkeys([c.perturbed.caption for c in cases], 1.0) for _ in range(2)]
    for case in cases:
        costs[case.clip] |= dict.fromkeys(case.perturbed.altered, 2.0)
    assert answers(cases, costs, seed=4) == answers(cases, costs, seed=4)
