"""Ranges for 8 bits: drawn in where that leaves less error, and only there."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx")

from audiosearch.convert.ranges import Range, best_range


def _error(heard, rows, weight):
    return float(np.square((heard.rounded(rows) - rows) @ weight).sum())


def _rows(*, rare):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((4096, 8)).clip(-3, 3).astype(np.float32)
    rows[0, 0] = rare
    return rows, rng.standard_normal((8, 16)).astype(np.float32)


def test_a_rare_value_little_beyond_the_others_is_cut_off():
    rows, weight = _rows(rare=4.0)
    whole = Range(-3.75, 4.0)
    found = best_range(whole, rows, weight)
    assert found.greatest < whole.greatest
    assert _error(found, rows, weight) < _error(whole, rows, weight)


def test_a_rare_value_far_beyond_the_others_is_kept_unless_its_channel_counts_for_little():
    rows, weight = _rows(rare=400.0)
    whole = Range(-3.75, 400.0)
    assert best_range(whole, rows, weight) == whole
    weight[0] = 0
    assert best_range(whole, rows, weight).greatest < whole.greatest


def test_what_is_rounded_is_off_by_half_a_step_within_the_range_and_cut_off_beyond():
    heard = Range(-0.5, 2.0)
    values = np.linspace(-0.5, 2.0, 1001, dtype=np.float32)
    assert np.abs(heard.rounded(values) - values).max() <= 0.501 * heard.scale
    assert heard.rounded(np.zeros(1, np.float32))[0] == 0
    assert heard.rounded(np.array([9.0], np.float32))[0] == pytest.approx(2.0, abs=heard.scale)
