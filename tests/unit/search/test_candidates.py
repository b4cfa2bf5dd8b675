"""Fusing rankings and sharing places."""

from hypothesis import given
from hypothesis import strategies as st

from audiosearch.search.candidates import diversify, fuse

RANKING = st.lists(st.integers(0, 30), unique=True, max_size=12)


def test_agreement_beats_one_first_place() -> None:
    assert fuse([[1, 2, 3], [4, 2, 5]])[0] == 2


def test_one_ranking_keeps_its_order() -> None:
    assert fuse([[3, 1, 2], [], []]) == [3, 1, 2]
    assert fuse([]) == []


def test_equals_are_ordered_by_id() -> None:
    assert fuse([[9, 5], [5, 9]]) == [5, 9]


@given(st.lists(RANKING, max_size=3))
def test_every_window_is_there_once(rankings: list[list[int]]) -> None:
    fused = fuse(rankings)
    assert sorted(fused) == sorted({each for ranking in rankings for each in ranking})


@given(RANKING, st.integers(1, 12))
def test_a_share_loses_no_place(ranking: list[int], limit: int) -> None:
    chosen = diversify(ranking, limit=limit, recording_of=lambda each: each % 3)
    assert len(chosen) == min(limit, len(ranking))
    assert set(chosen) <= set(ranking)
    assert len(set(chosen)) == len(chosen)


def test_a_long_recording_waits_while_others_come() -> None:
    long, others = list(range(100, 200)), [1, 2, 3]
    chosen = diversify(long + others, limit=20, recording_of=lambda each: each if each < 100 else 0)
    assert set(others) <= set(chosen)
    assert chosen[:2] == [100, 101]
    assert len(chosen) == 20
