"""Windows put together lose nothing: each is where it says, in a stretch with what is around it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch._typing import Floats
from audiosearch.audio.stretches import WINDOWS, SharedStretch, in_stretches
from audiosearch.audio.windows import Window, windows

RATE, STEP, HALO = 100, 7, 3


def sound(n: int) -> Floats:
    return np.random.default_rng(n).uniform(-1, 1, n).astype(np.float32)


def blocks(samples: Floats, size: int = 130) -> Iterator[Floats]:
    return (samples[at : at + size] for at in range(0, len(samples), size))


def found(samples: Floats, *, hop_s: float) -> list[Window]:
    cut = windows(blocks(samples), sample_rate=RATE, window_s=2.0, hop_s=hop_s)
    return list(in_stretches(cut, step=STEP, halo=HALO))


def stretches(some: list[Window]) -> list[SharedStretch]:
    return list({id(each.stretch): each.stretch for each in some if each.stretch}.values())


@given(n=st.integers(1, 12_000), hop_s=st.sampled_from([0.1, 0.5, 1.0, 1.3]))
def test_windows_are_those_that_come_alone(n: int, hop_s: float):
    samples = sound(n)
    alone = list(windows(blocks(samples), sample_rate=RATE, window_s=2.0, hop_s=hop_s))
    together = found(samples, hop_s=hop_s)
    assert [(x.position, x.start, x.start_s, x.end_s, x.silent) for x in together] == [
        (x.position, x.start, x.start_s, x.end_s, x.silent) for x in alone
    ]
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)
        if other.stretch is not None:
            at = other.start - other.stretch.start
            assert at >= 0
            np.testing.assert_array_equal(other.stretch.samples[at : at + 200], one.samples)


@given(n=st.integers(201, 12_000), hop_s=st.sampled_from([0.5, 1.0, 1.3]))
def test_stretches_are_sound_of_the_recording_with_what_is_around_them(n: int, hop_s: float):
    samples = sound(n)
    together = found(samples, hop_s=hop_s)
    if len(together) == 1:
        return  # the rest is too short for a window of its own
    assert all(each.stretch is not None for each in together)
    for stretch in stretches(together):
        own = [each for each in together if each.stretch is stretch]
        assert len(own) <= WINDOWS
        assert own[-1].position == stretch.last
        assert [each.goes_on for each in own] == [True] * (len(own) - 1) + [False]
        assert stretch.start % STEP == 0
        end = stretch.start + len(stretch.samples)
        np.testing.assert_array_equal(stretch.samples, samples[stretch.start : end])
        assert stretch.start <= max(0, own[0].start - (HALO - 1) * STEP)
        last = own[-1].start + 200
        assert end >= min(last + min(HALO * STEP, round(hop_s * RATE)), together[-1].start + 200)


@pytest.mark.parametrize("n", [1, 150, 200, 220])
def test_a_recording_of_one_window_is_left_as_it_is(n: int):
    [only] = found(sound(n), hop_s=1.0)
    assert only.stretch is None
    assert not only.goes_on


def test_it_holds_no_more_than_two_stretches_however_long_the_sound():
    seen = 0

    def endless() -> Iterator[Floats]:
        nonlocal seen
        while True:
            seen += 1
            yield np.zeros(100, np.float32)

    cut = windows(endless(), sample_rate=RATE, window_s=2.0, hop_s=1.0)
    for window in in_stretches(cut, step=STEP, halo=HALO):
        assert seen <= window.position + 2 * WINDOWS
        if window.position > 300:
            break
