"""Frames come back as float16 keeps them, whatever base they were packed with."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from audiosearch._typing import Floats
from audiosearch.store.packed_frames import MAX_VALUE, FrameBase, better_base, checked_frames

VALUES = st.floats(-1000, 1000, width=32)


def rectified(n_frames: int, dim: int, *, seed: int) -> Floats:
    """Frames as a decoder's memory has them: places plus a rectifier that is mostly closed."""
    generator = np.random.default_rng(seed)
    places = np.random.default_rng(99).standard_normal((64, dim)).astype(np.float32)
    heard = np.maximum(generator.standard_normal((n_frames, dim)) - 1.6, 0) * 8
    return places[:n_frames] + heard.astype(np.float32)


@given(
    base=arrays.arrays(np.float32, (3, 5), elements=VALUES),
    frames=arrays.arrays(np.float32, st.tuples(st.integers(1, 9), st.just(5)), elements=VALUES),
)
def test_any_frames_survive_any_base(base: Floats, frames: Floats):
    packing = FrameBase(base)
    found = packing.unpack(packing.pack(frames), len(frames))
    np.testing.assert_allclose(found, frames, rtol=2e-3, atol=2.1)
    assert found.dtype == np.float32
    assert found.shape == frames.shape


def test_a_fitting_base_makes_them_small_and_exact():
    some = [rectified(31, 256, seed=seed) for seed in range(32)]
    base = better_base(None, some)
    assert base is not None
    for frames in some:
        blob = base.pack(frames)
        assert len(blob) < 31 * 256 * 2 / 5
        np.testing.assert_allclose(base.unpack(blob, 31), frames, rtol=5e-4, atol=5e-3)


def test_digits_beyond_the_base_are_those_of_float16():
    base = FrameBase(np.full((1, 3), 100.0, np.float32))
    frames = np.array([[100.0, 100.0 + 1 / 1024, 103.0009765625]], np.float32)
    found = base.unpack(base.pack(frames), 1)
    np.testing.assert_array_equal(found[0, :2], frames[0, :2])
    assert found[0, 2] == pytest.approx(frames[0, 2], abs=1e-3)


def test_windows_longer_than_the_base_are_packed_too():
    base = FrameBase(rectified(4, 16, seed=1))
    frames = rectified(40, 16, seed=2)
    np.testing.assert_allclose(base.unpack(base.pack(frames), 40), frames, rtol=1e-3, atol=8e-3)


def test_a_base_is_made_anew_only_where_it_pays():
    some = [rectified(31, 64, seed=seed) for seed in range(32)]
    short = better_base(None, [each[:5] for each in some[:8]])
    assert short is not None
    longer = better_base(short, some)
    assert longer is not None
    assert longer.rows.shape == (31, 64)
    assert (longer.rows[:5] <= short.rows).all()
    assert better_base(longer, [each[:9] for each in some]) is None
    lower = [each - 1 for each in some]
    assert better_base(longer, lower) is not None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, MAX_VALUE * 1.01, 1e30])
def test_what_is_no_number_is_refused(value: float):
    frames = np.zeros((2, 3), np.float32)
    frames[1, 1] = value
    with pytest.raises(ValueError, match="not finite"):
        checked_frames(frames)


@pytest.mark.parametrize("value", [MAX_VALUE, -MAX_VALUE])
def test_the_largest_values_have_room_beside_each_other(value: float):
    base = FrameBase(np.full((1, 2), -value, np.float32))
    frames = np.full((1, 2), value, np.float32)
    np.testing.assert_allclose(base.unpack(base.pack(checked_frames(frames)), 1), frames)


@pytest.mark.parametrize("n_frames", [0, -1, 30, 32, 10_000])
def test_another_number_of_frames_is_noticed(n_frames: int):
    base = FrameBase(rectified(31, 64, seed=1))
    with pytest.raises(ValueError, match=r"do not hold|cannot be unpacked|negative"):
        base.unpack(base.pack(rectified(31, 64, seed=3)), n_frames)


@given(blob=st.binary(max_size=200))
def test_damaged_bytes_are_noticed(blob: bytes):
    base = FrameBase(np.zeros((4, 8), np.float32))
    with pytest.raises(ValueError, match=r"do not hold|cannot be unpacked"):
        base.unpack(blob, 4)


def test_bytes_cut_short_or_changed_are_noticed():
    base = FrameBase(rectified(31, 64, seed=1))
    blob = base.pack(rectified(31, 64, seed=3))
    changed = blob[:40] + bytes([blob[40] ^ 1]) + blob[41:]
    for broken in (
        blob[:-1],
        blob[: len(blob) // 2],
        changed,
    ):
        with pytest.raises(ValueError, match=r"do not hold|cannot be unpacked"):
            base.unpack(broken, 31)
