"""Windows: where they start and end, whatever the blocks they come from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.audio.windows import MIN_TAIL_S, SILENCE_PEAK, Window, windows

RATE = 100  # samples a second: small enough to count by hand


def ramp(n: int) -> np.ndarray:
    """Samples that tell where they stood; the first is not silent."""
    return np.arange(1, n + 1, dtype=np.float32)


def cut(n: int, *, window_s: float = 10, hop_s: float = 5, block: int = 70) -> list[Window]:
    sound = ramp(n)
    blocks = (sound[start : start + block] for start in range(0, n, block))
    return list(windows(blocks, sample_rate=RATE, window_s=window_s, hop_s=hop_s))


def spans(found: list[Window]) -> list[tuple[float, float]]:
    return [(window.start_s, window.end_s) for window in found]


def test_a_short_sound_is_one_window_of_its_own_length() -> None:
    assert spans(cut(370)) == [(0, 3.7)]
    assert spans(cut(1)) == [(0, 0.01)]
    assert spans(cut(999)) == [(0, 9.99)]


def test_a_whole_number_of_hops() -> None:
    assert spans(cut(1000)) == [(0, 10)]
    assert spans(cut(2000)) == [(0, 10), (5, 15), (10, 20)]
    assert spans(cut(2000, hop_s=10)) == [(0, 10), (10, 20)]


def test_the_end_gets_a_full_window_that_ends_with_the_sound() -> None:
    assert spans(cut(1230)) == [(0, 10), pytest.approx((2.3, 12.3))]
    assert spans(cut(2730, hop_s=10)) == [(0, 10), (10, 20), pytest.approx((17.3, 27.3))]


def test_a_rest_too_short_to_say_anything_is_left() -> None:
    at_most = int(MIN_TAIL_S * RATE)
    assert len(cut(1000 + at_most)) == 1
    assert len(cut(1000 + at_most + 1)) == 2


def test_nothing_gives_nothing() -> None:
    assert cut(0) == []
    assert list(windows([np.empty(0, np.float32)], sample_rate=RATE, window_s=1, hop_s=1)) == []


@given(
    n=st.integers(1, 4000),
    block=st.integers(1, 1500),
    window=st.integers(30, 1000),
    overlap=st.floats(0.05, 1),
)
def test_every_sample_is_heard_and_every_window_is_where_it_says(
    n: int, block: int, window: int, overlap: float
) -> None:
    hop_s = max(1, round(window * overlap)) / RATE
    found = cut(n, window_s=window / RATE, hop_s=hop_s, block=block)
    sound = ramp(n)
    heard = np.zeros(n, bool)
    for index, each in enumerate(found):
        start, end = round(each.start_s * RATE), round(each.end_s * RATE)
        assert each.position == index
        assert np.array_equal(each.samples, sound[start:end])
        assert len(each.samples) == min(window, n)
        heard[start:end] = True
    missed = np.flatnonzero(~heard)
    assert len(missed) <= MIN_TAIL_S * RATE
    assert not len(missed) or missed[0] == n - len(missed)
    starts = [each.start_s for each in found]
    assert starts == sorted(set(starts))


@given(blocks=st.lists(st.integers(0, 400), max_size=12))
def test_how_the_sound_was_cut_into_blocks_does_not_matter(blocks: list[int]) -> None:
    sound = ramp(sum(blocks))
    ends = np.cumsum(blocks)
    pieces = [sound[end - size : end] for size, end in zip(blocks, ends, strict=True)]
    whole = [sound] if len(sound) else []
    options = {"sample_rate": RATE, "window_s": 3.0, "hop_s": 1.5}
    one = list(windows(pieces, **options))  # type: ignore[arg-type]
    other = list(windows(whole, **options))  # type: ignore[arg-type]
    assert spans(one) == spans(other)
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a.samples, b.samples)


def test_it_looks_no_further_than_it_must() -> None:
    taken = 0

    def blocks() -> Iterator[np.ndarray]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield ramp(100)

    found = windows(blocks(), sample_rate=RATE, window_s=10, hop_s=5)
    next(found)
    assert taken == 10
    next(found)
    assert taken == 15


def test_windows_own_their_samples() -> None:
    block = ramp(2000)
    found = list(windows([block], sample_rate=RATE, window_s=10, hop_s=5))
    block[:] = 0
    assert all(window.samples.any() for window in found)


def test_neighbours_share_memory_where_they_overlap() -> None:
    found = cut(50_000)
    wholes = {id(each.samples.base): each.samples.base for each in found}
    held = sum(whole.nbytes for whole in wholes.values() if whole is not None)
    assert held < 0.7 * sum(each.samples.nbytes for each in found)


@pytest.mark.parametrize("n", [370, 1000, 1230])
def test_a_short_sound_takes_no_more_memory_than_it_has(n: int) -> None:
    first = cut(n)[0].samples
    whole = first if first.base is None else first.base
    assert whole.nbytes == first.nbytes


def test_silence_is_marked() -> None:
    quiet = np.full(1000, SILENCE_PEAK / 2, np.float32)
    loud = quiet.copy()
    loud[500] = -2 * SILENCE_PEAK
    found = list(windows([quiet, loud], sample_rate=RATE, window_s=10, hop_s=10))
    assert [window.silent for window in found] == [True, False]


@pytest.mark.parametrize(("window_s", "hop_s"), [(1, 2), (1, 0), (0, 0), (1, -1)])
def test_windows_that_make_no_sense(window_s: float, hop_s: float) -> None:
    with pytest.raises(ValueError, match="hop"):
        list(windows([ramp(10)], sample_rate=RATE, window_s=window_s, hop_s=hop_s))
