"""Queries about single sounds, and how they are judged."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from audiosearch.training.paraphrase_metrics import (
    label_accuracy,
    mean_average_precision,
    single_event_queries,
    single_event_trials,
)
from audiosearch.training.scoring import PairScores
from audiosearch.training.text.esc50 import read_phrasings


def test_every_class_is_phrased_in_usual_and_in_other_words():
    phrasings = read_phrasings()
    assert len(phrasings) == 50
    for one in phrasings.values():
        usual, other = set(one.usual.split()), set(f"{one.other} {one.other_name}".split())
        shared = usual & other - {"a", "an", "the", "on", "in", "of", "at", "with", "and"}
        assert not shared, one


def test_labels_are_asked_for_in_all_wordings():
    queries = single_event_queries(["dog", "door_slam", "dog", "nothing anybody knows"])
    assert [query.wording for query in queries if query.label == "dog"] == [
        "usual",
        "other",
        "name",
        "other name",
    ]
    assert {query.wording for query in queries if query.label == "door_slam"} == {"grammar"}
    assert {query.label for query in queries} == {"dog", "door_slam"}


def test_sounds_that_share_a_tag_are_neither_right_nor_wrong():
    labels = ["dog_bark", "wolf_howl", "parrot_chirp", "canary"]
    queries = single_event_queries(["dog", "canary"])
    nothing = np.zeros((4, len(queries)), np.float32)
    trials = single_event_trials(
        PairScores(nothing, nothing[0], nothing, nothing[0], nothing[0]), labels, queries
    )
    dog = [i for i, query in enumerate(queries) if query.label == "dog"]
    canary = [i for i, query in enumerate(queries) if query.label == "canary"]
    assert trials.right[0, dog].all()
    assert not trials.right[1:, dog].any()
    assert trials.wrong[1:, dog].all()
    assert trials.right[3, canary].all()
    assert not (trials.right | trials.wrong)[2, canary].any()  # both are birds that chirp


def test_precision_falls_with_each_wrong_sound_before_a_right_one():
    fit = np.array([[4.0], [3.0], [2.0], [1.0]], np.float32)
    right = np.array([[True], [False], [True], [False]])
    assert mean_average_precision(fit, right) == pytest.approx((1 + 2 / 3) / 2)
    assert mean_average_precision(fit, right, at=1) == 1.0
    assert label_accuracy(np.array([[1.0, 0.0], [1.0, 0.0]]), np.eye(2, dtype=bool)) == 0.5
