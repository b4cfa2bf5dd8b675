"""What an excluded text costs: who stays, and in which order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.search.exclusion import (
    HALF,
    HALF_IN_ORDER,
    Penalties,
    penalised,
    share_left,
)
from audiosearch.search.rerank import ScoredWindow

GOOD, WEAK = 0.62, 0.21
SHARES = st.floats(0.0, 1.0)


def penalties(*excluded: float) -> Penalties:
    """Of windows 0, 1, ... in which an excluded text scores so much."""
    scores = [np.array([each]) for each in excluded]
    return Penalties(
        kept=dict(enumerate(map(share_left, scores))),
        in_order={n: share_left(each, HALF_IN_ORDER) for n, each in enumerate(scores)},
        floors=(GOOD, WEAK),
        fits={},
    )


def odds(value: float) -> float:
    """The score of these odds."""
    return value / (1.0 + value)


def test_halves_are_where_they_are_said_to_be() -> None:
    assert share_left(np.array([odds(HALF)])) == pytest.approx(0.5)
    assert share_left(np.array([odds(HALF_IN_ORDER)]), HALF_IN_ORDER) == pytest.approx(0.5)
    assert share_left(np.array([odds(HALF), odds(HALF)])) == pytest.approx(0.25)
    assert share_left(np.array([0.0])) == 1.0
    assert share_left(np.array([1.0])) == 0.0


def test_a_trace_takes_no_good_hit_away_but_puts_it_behind() -> None:
    """A trace is what rain has of thunder where nobody hears any."""
    found = [ScoredWindow(window_id=0, score=0.97), ScoredWindow(window_id=1, score=0.93)]
    left = penalised(found, penalties(0.04, 0.002))
    assert [each.window_id for each in left] == [1, 0]
    assert all(each.score is not None and each.score >= GOOD for each in left)


def test_what_is_heard_is_taken_away() -> None:
    assert penalties(0.5).lowered(0, 0.99) < WEAK
    assert WEAK <= penalties(0.23).lowered(0, 0.9) < GOOD  # half heard: a weak match


@given(score=SHARES, excluded=SHARES)
def test_nothing_gains_and_nothing_falls_below_the_least_for_its_place(
    score: float, excluded: float
) -> None:
    made = penalties(excluded)
    left = made.lowered(0, score)
    assert 0.0 <= left <= score
    for least in (GOOD, WEAK):
        assert (left >= least) == (score * made.kept[0] >= least)


@given(score=SHARES, one=SHARES, other=SHARES)
def test_of_equal_scores_the_one_with_less_of_it_is_first(
    score: float, one: float, other: float
) -> None:
    made = penalties(min(one, other), max(one, other))
    assert made.lowered(0, score) >= made.lowered(1, score)


@given(excluded=SHARES, one=SHARES, other=SHARES)
def test_of_equal_traces_the_greater_score_stays_first(
    excluded: float, one: float, other: float
) -> None:
    made = penalties(excluded)
    assert made.lowered(0, max(one, other)) >= made.lowered(0, min(one, other))
