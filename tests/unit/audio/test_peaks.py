"""The outline of a sound: each bin holds the least and the greatest sample that lies in it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.audio.peaks import FACTOR, PeakMeter, PeakTrace, bin_edges


def outline(samples: np.ndarray, width: int, *, pieces: int = 1) -> PeakTrace:
    block = np.atleast_2d(samples.astype(np.float32).T).T
    meter = PeakMeter(len(block), width)
    for piece in np.array_split(block, pieces):
        meter.feed(piece)
    return meter.result()


def test_a_ramp() -> None:
    trace = outline(np.arange(8) / 7, 4)
    assert trace.minimum.tolist() == [0, 36, 73, 109]
    assert trace.maximum.tolist() == [18, 54, 91, 127]


def test_silence_one_sample_and_what_is_beyond_full_scale() -> None:
    assert outline(np.zeros(100), 7).maximum.tolist() == [0] * 7
    one = outline(np.array([-0.5]), 3)
    assert one.minimum.tolist() == one.maximum.tolist() == [-64] * 3
    loud = outline(np.array([-9.0, 9.0]), 1)
    assert (loud.minimum.tolist(), loud.maximum.tolist()) == ([-127], [127])


def test_the_loudest_channel_counts() -> None:
    trace = outline(np.array([[0.0, 1.0], [-1.0, 0.0]]), 2)
    assert (trace.minimum.tolist(), trace.maximum.tolist()) == ([0, -127], [127, 0])


def test_what_never_comes_is_silence() -> None:
    meter = PeakMeter(100, 4)
    meter.feed(np.full((30, 1), 0.5, np.float32))
    assert meter.result().maximum.tolist() == [64, 64, 0, 0]
    meter.feed(np.full((500, 1), 1.0, np.float32))  # more than was to come
    assert meter.result().maximum.tolist() == [64, 127, 127, 127]


@pytest.mark.parametrize(("n_samples", "width"), [(0, 1), (1, 0)])
def test_nothing_has_no_outline(n_samples: int, width: int) -> None:
    with pytest.raises(ValueError, match="samples in"):
        PeakMeter(n_samples, width)


@given(st.integers(1, 200), st.integers(1, 60), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_however_it_comes_it_is_what_numpy_finds(
    n_samples: int, width: int, pieces: int, seed: int
) -> None:
    samples = np.random.default_rng(seed).uniform(-1, 1, (n_samples, 2)).astype(np.float32)
    trace = outline(samples, width, pieces=pieces)
    edges = bin_edges(n_samples, width)
    for number, (start, end) in enumerate(pairwise(edges)):
        some = samples[start : max(end, start + 1)]
        assert trace.minimum[number] == np.rint(some.min() * np.float32(127))
        assert trace.maximum[number] == np.rint(some.max() * np.float32(127))


@given(st.integers(1, 3000), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_a_kept_outline_covers_what_is_asked_for(n_samples: int, width: int, seed: int) -> None:
    """Taken from bins of many samples it may show a bit of its neighbours, and hides nothing."""
    rng = np.random.default_rng(seed)
    samples = rng.uniform(-1, 1, n_samples)
    bin_size = 16
    n_bins = -(-n_samples // bin_size)
    padded = np.concatenate([samples, np.zeros(n_bins * bin_size - n_samples)])
    kept = outline(padded, n_bins)
    start = int(rng.integers(0, n_samples))
    end = int(rng.integers(start + 1, n_samples + 1))
    trace = kept.within(start, end, bin_size=bin_size, width=width)
    edges = bin_edges(end - start, width) + start
    for number, (first, border) in enumerate(pairwise(edges)):
        last = max(border, first + 1)
        around = padded[first // bin_size * bin_size : -(-last // bin_size) * bin_size]
        assert trace.maximum[number] >= round(float(samples[first:last].max()) * 127)
        assert trace.maximum[number] <= round(float(around.max()) * 127)
        assert trace.minimum[number] <= round(float(samples[first:last].min()) * 127)
        assert trace.minimum[number] >= round(float(around.min()) * 127)


def test_levels_and_bytes() -> None:
    trace = outline(np.sin(np.arange(1000)), 100)
    coarse = trace.coarser()
    assert len(coarse) == -(-100 // FACTOR)
    assert coarse.maximum[0] == trace.maximum[:FACTOR].max()
    assert coarse.minimum[-1] == trace.minimum[96:].min()
    again = PeakTrace.of_bytes(trace.to_bytes())
    assert again.minimum.tolist() == trace.minimum.tolist()
    assert again.maximum.tolist() == trace.maximum.tolist()
    with pytest.raises(ValueError, match="reshape"):
        PeakTrace.of_bytes(b"\0\0\0")
