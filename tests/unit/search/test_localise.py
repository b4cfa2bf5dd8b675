"""Stretches out of lifts of words, with plain numbers."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from audiosearch.search.localise import Slices, Stretch, active_frames, joined, stretches
from audiosearch.search.moments import JOINED_S, Moment, join_moments, merged
from audiosearch.store.queries.search import WindowSpan

SLICES = Slices(31, 3, 1)
N = len(SLICES.starts)
DOG_BARKS = np.array([False, True, True])  # "a" tells nothing


def lifts(**where: tuple[int, int]) -> np.ndarray:
    """Lifts of "a dog barks" and its end: low but in the slices that are named by word."""
    found = np.full((N, 4), -2.0, np.float32)
    found[:, 0] = 9.0  # an article tells nothing, however it rises
    for word, (first, last) in where.items():
        found[first : last + 1, ("a", "dog", "barks").index(word)] = 4.0
    return found


def test_frames_are_those_of_the_slices_that_hear_it() -> None:
    active = active_frames(lifts(dog=(10, 14), barks=(10, 14)), slices=SLICES, telling=DOG_BARKS)
    assert np.flatnonzero(active).tolist() == [12, 13, 14]
    # An edge of the window has fewer slices around it.
    active = active_frames(lifts(dog=(0, 4), barks=(0, 4)), slices=SLICES, telling=DOG_BARKS)
    assert np.flatnonzero(active).tolist() == [0, 1, 2, 3, 4]


def test_words_that_disagree_span_from_the_first_to_the_last() -> None:
    active = active_frames(lifts(dog=(2, 6), barks=(20, 24)), slices=SLICES, telling=DOG_BARKS)
    assert np.flatnonzero(active).tolist() == list(range(4, 25))


def test_a_word_that_tells_little_is_not_asked() -> None:
    values = lifts(dog=(10, 14))
    values[:, 2] = np.linspace(0.5, 1.5, N)
    active = active_frames(values, slices=SLICES, telling=DOG_BARKS)
    assert np.flatnonzero(active).tolist() == [12, 13, 14]


def test_two_places_are_two_stretches() -> None:
    values = lifts(dog=(2, 6))
    values[20:25, 1] = 4.0
    active = active_frames(values, slices=SLICES, telling=DOG_BARKS)
    assert stretches(active, start_s=100.0, end_s=131.0) == [
        Stretch(104.0, 107.0),
        Stretch(122.0, 125.0),
    ]


def test_what_is_everywhere_is_one_stretch() -> None:
    active = active_frames(
        lifts(dog=(0, N - 1), barks=(0, N - 1)), slices=SLICES, telling=DOG_BARKS
    )
    assert stretches(active, start_s=0.0, end_s=10.0) == [Stretch(0.0, 10.0)]


@given(arrays.arrays(np.float32, (N, 4), elements=st.floats(-20, 20, width=32)))
def test_something_is_always_heard(values: np.ndarray) -> None:
    active = active_frames(values, slices=SLICES, telling=DOG_BARKS)
    assert active.shape == (31,)
    assert active.any()
    found = stretches(active, start_s=5.0, end_s=15.0)
    assert all(5 <= each.start_s < each.end_s <= 15 + 1e-9 for each in found)


SPANS = st.lists(st.tuples(st.floats(0, 50), st.floats(0.1, 5)), max_size=8)


@given(SPANS)
def test_joined_stretches_cover_the_same_and_stand_apart(spans: list[tuple[float, float]]) -> None:
    given_ = [Stretch(start, start + length) for start, length in spans]
    made = joined(given_)
    assert all(b.start_s - a.end_s > JOINED_S for a, b in itertools.pairwise(made))
    for each in given_:
        assert any(x.start_s <= each.start_s and each.end_s <= x.end_s for x in made)


def window(window_id: int, start_s: float) -> WindowSpan:
    return WindowSpan(window_id, 1, start_s, start_s + 10, 60.0)


def moment(window_id: int, start_s: float, end_s: float, score: float) -> Moment:
    return Moment(recording_id=1, window_id=window_id, start_s=start_s, end_s=end_s, score=score)


WINDOWS = {1: window(1, 0.0), 2: window(2, 5.0), 3: window(3, 10.0)}


def as_spans(found: list[Moment]) -> list[tuple[float, float, float]]:
    return [(each.start_s, each.end_s, each.score) for each in found]


def test_a_sound_in_two_windows_is_placed_by_the_one_that_hears_it_better() -> None:
    found = merged([moment(1, 6.0, 8.0, 0.8), moment(2, 6.5, 7.5, 0.9)], WINDOWS)
    assert as_spans(found) == [(6.5, 7.5, 0.9)]


def test_a_sound_that_goes_on_beyond_its_window_is_one() -> None:
    parts = [moment(1, 7.0, 10.0, 0.8), moment(2, 7.0, 15.0, 0.9), moment(3, 10.0, 16.0, 0.7)]
    assert as_spans(merged(parts, WINDOWS)) == [(7.0, 16.0, 0.9)]


def test_near_moments_are_joined_and_far_ones_are_not() -> None:
    found = join_moments([moment(1, 1.0, 2.0, 0.8), moment(1, 2.9, 3.5, 0.9)])
    assert as_spans(found) == [(1.0, 3.5, 0.9)]
    far = [moment(1, 1.0, 2.0, 0.8), moment(1, 4.5, 5.0, 0.9)]
    assert len(join_moments(far)) == 2


@given(st.integers(1, 200), st.floats(0.3, 30), st.floats(0.1, 5), st.floats(0.1, 5))
def test_slices_cover_every_frame(
    n_frames: int, lasts_s: float, slice_s: float, step_s: float
) -> None:
    step_s = min(step_s, slice_s)
    slices = Slices.of(n_frames, lasts_s=lasts_s, slice_s=slice_s, step_s=step_s)
    cut = slices.cut(np.arange(n_frames, dtype=np.float32)[:, None])
    assert {len(each) for each in cut} == {slices.width}
    assert set(np.concatenate(cut)[:, 0].astype(int).tolist()) == set(range(n_frames))
    assert np.allclose(slices.mean_of_frames(np.full(len(cut), 2.5, np.float32)), 2.5)


def test_a_second_is_as_long_whatever_the_frames() -> None:
    assert Slices.of(31, lasts_s=10.0, slice_s=1.0, step_s=0.3) == Slices(31, 3, 1)
    assert Slices.of(93, lasts_s=10.0, slice_s=1.0, step_s=0.3) == Slices(93, 9, 3)
    assert Slices.of(2, lasts_s=0.6, slice_s=1.0, step_s=0.3).starts == [0]
