"""Weights in 8 bits: no processor's 16-bit sums overflow, and little is lost for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

pytest.importorskip("onnx")

from audiosearch.convert.int8 import MOST, safe_steps

FINITE = st.floats(-1e6, 1e6, width=32, allow_subnormal=False)
WEIGHTS = arrays.arrays(
    np.float32, st.tuples(st.integers(1, 9), st.integers(1, 4)), elements=FINITE
)


def without_vnni(given: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The product of bytes (n, in) and (in, out) as `vpmaddubsw` computes it."""
    odd = weight.shape[0] % 2
    given = np.pad(given.astype(np.int64), ((0, 0), (0, odd)))
    weight = np.pad(weight.astype(np.int64), ((0, odd), (0, 0)))
    pairs = given[:, 0::2, None] * weight[None, 0::2] + given[:, 1::2, None] * weight[None, 1::2]
    return np.clip(pairs, -(2**15), 2**15 - 1).sum(axis=1)


@settings(max_examples=300)
@given(WEIGHTS, st.integers(0, 2**32 - 1))
def test_no_sum_of_two_overflows_whatever_the_weights(weight: np.ndarray, seed: int) -> None:
    whole, sizes = safe_steps(weight)
    assert whole.dtype == np.int8
    assert whole.shape == weight.shape
    assert sizes.shape == (weight.shape[1],)
    assert np.isfinite(sizes).all()
    assert (sizes > 0).all()
    given = np.random.default_rng(seed).choice([0, 1, 254, 255], (8, len(weight)))
    given[0] = 255  # the worst that there is
    np.testing.assert_array_equal(without_vnni(given, whole), given @ whole.astype(np.int64))
    steps = whole.astype(np.int64)
    one, other = steps[0 : len(steps) // 2 * 2 : 2], steps[1::2]
    assert (np.abs(one + other)[np.sign(one) == np.sign(other)] <= MOST).all()


def test_the_full_range_would_overflow() -> None:
    given, weight = np.full((1, 2), 255), np.full((2, 1), 127)
    assert without_vnni(given, weight) == 2**15 - 1 != given @ weight


@given(WEIGHTS)
def test_signs_stay_and_no_weight_is_far_off(weight: np.ndarray) -> None:
    whole, sizes = safe_steps(weight)
    back = whole * sizes
    assert (np.sign(back) * np.sign(weight) >= 0).all()
    # At worst the range of a column is halved: a step of 1 / 63.5 of the greatest weight.
    worst = np.maximum(np.abs(weight).max(axis=0), 1e-12) / 63.5
    halved = np.clip(np.round(weight / worst), -64, 64) * worst
    error, allowed = (np.square(each - weight).sum(axis=0) for each in (back, halved))
    assert (error <= allowed * 1.01 + 1e-12).all()


def test_ordinary_weights_lose_half_of_what_seven_bits_would() -> None:
    weight = np.random.default_rng(0).normal(size=(256, 64)).astype(np.float32)
    whole, sizes = safe_steps(weight)
    seven = np.abs(weight).max(axis=0) / 63
    error = np.square(whole * sizes - weight).mean()
    assert error < 0.6 * np.square(np.round(weight / seven) * seven - weight).mean()
    assert np.abs(whole).max() > 100
