"""Average precision by hand and by a plain implementation; labels in words; confusion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.evaluation.tagging import average_precision, confusion, in_words


def test_average_precision_by_hand():
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    positive = np.array([True, False, True, False])
    assert average_precision(scores, positive) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(np.zeros(4), positive) == pytest.approx((1 + 2 / 3) / 2)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=20))
def test_average_precision_equals_the_plain_one(items: list[tuple[int, bool]]):
    scores = np.array([float(score) for score, _ in items])
    positive = np.array([flag for _, flag in items])
    if not positive.any():
        positive[0] = True
    order = sorted(range(len(items)), key=lambda i: (-scores[i], i))
    ranks = [rank for rank, i in enumerate(order, 1) if positive[i]]
    plain = sum(n / rank for n, rank in enumerate(ranks, 1)) / len(ranks)
    assert average_precision(scores, positive) == pytest.approx(plain)


def test_labels_in_words():
    assert in_words("dog", None) == "a dog barking"
    assert in_words("nose_flute", None) == "nose flute"
    assert in_words("nose_flute", "the sound of {}") == "the sound of nose flute"


def test_confusion_counts():
    grid = confusion("tags", ("cat", "dog"), np.array([0, 0, 1]), [0, 1, 1])
    assert grid.values == ((1, 1), (0, 1))
