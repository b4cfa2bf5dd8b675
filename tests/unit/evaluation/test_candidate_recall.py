"""Candidates against everything, worked by hand and by a plain implementation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.evaluation.candidate_recall import (
    order_of_answers,
    order_of_listed,
    shortlisted,
)
from audiosearch.evaluation.ranking import figures

# Windows (rows) of sounds 0, 0, 1, 2 and two queries; sound 0 is right for 0, sound 2 for 1.
COSTS = np.array([[5.0, 3.0], [1.0, 9.0], [2.0, 1.0], [4.0, 2.0]])
OWNERS = np.array([0, 0, 1, 2])
RELEVANT = np.array([[True, False], [False, False], [False, True]])


def lists(*rows: list[int]) -> list[np.ndarray]:
    return [np.array(each, dtype=np.int64) for each in rows]


def test_all_windows_as_candidates_lose_nothing():
    found = shortlisted(
        COSTS, owners=OWNERS, relevant=RELEVANT, candidates=lists([0, 1, 2, 3], [3, 2, 1, 0])
    )
    assert (found.right, found.best, found.top) == (1, 1, 1)
    assert found.end_to_end == found.exhaustive
    assert found.exhaustive.recall_1 == 0.5
    assert found.exhaustive.map_10 == pytest.approx((1 + 1 / 2) / 2)


def test_a_right_sound_that_is_no_candidate_comes_last():
    found = shortlisted(COSTS, owners=OWNERS, relevant=RELEVANT, candidates=lists([2], [2, 3]))
    assert (found.right, found.best) == (0.5, 0.5)
    assert found.top == pytest.approx((1 / 3 + 2 / 3) / 2)
    assert found.end_to_end.recall_1 == 0
    assert found.end_to_end.map_10 == pytest.approx((1 / 3 + 1 / 2) / 2)


def test_only_the_windows_listed_count():
    # The good window of sound 0 is not listed: it loses to sound 1.
    found = shortlisted(COSTS, owners=OWNERS, relevant=RELEVANT, candidates=lists([0, 2], [3]))
    assert found.right == 1
    assert found.end_to_end.recall_1 == 0.5
    assert found.end_to_end.map_10 == pytest.approx((1 / 2 + 1) / 2)


def test_what_is_not_listed_comes_last_and_right_ones_last_of_all():
    costs = np.array([[1.0, 2.0, 0.0, 3.0, -1.0]])
    listed = np.array([[True, True, False, True, False]])
    relevant = np.array([[False, False, False, True, True]])
    order = order_of_listed(costs, listed=listed, relevant=relevant)
    assert order.tolist() == [[0, 1, 3, 2, 4]]


def test_answers_of_an_engine_become_whole_orders():
    relevant = np.array([[True, False, False, False], [False, True, False, False]])
    order = order_of_answers([[2, 3], [1]], relevant)
    assert order.tolist() == [[2, 3, 1, 0], [1, 0, 2, 3]]


@given(st.integers(1, 8), st.integers(1, 6), st.data())
def test_full_lists_equal_the_plain_figures(n_sounds: int, n_queries: int, data: st.DataObject):
    counts = data.draw(st.lists(st.integers(1, 3), min_size=n_sounds, max_size=n_sounds))
    owners = np.repeat(np.arange(n_sounds), counts)
    generator = np.random.default_rng(data.draw(st.integers(0, 99)))
    costs = generator.normal(size=(len(owners), n_queries))
    relevant = np.zeros((n_sounds, n_queries), dtype=bool)
    relevant[generator.integers(n_sounds, size=n_queries), np.arange(n_queries)] = True
    every = [np.arange(len(owners))] * n_queries
    found = shortlisted(costs, owners=owners, relevant=relevant, candidates=every)
    best = np.array([costs[owners == sound].min(axis=0) for sound in range(n_sounds)])
    assert found.end_to_end == found.exhaustive == figures(best.T, relevant.T)
