"""Trials of other scores: a query's own scale, and the table."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks.score_trials import best_of_both, lines, own_scale, standardised

EVIDENCE = np.array([[1.0, 20.0], [2.0, 30.0], [3.0, 10.0]])


def test_a_scale_of_its_own_leaves_the_order_and_takes_the_level():
    for scaled in (own_scale(EVIDENCE, 0.5), standardised(EVIDENCE)):
        assert (np.argsort(scaled, axis=0) == np.argsort(EVIDENCE, axis=0)).all()
    assert np.median(own_scale(EVIDENCE, 0.5), axis=0).tolist() == [0.0, 0.0]
    assert standardised(EVIDENCE).std(axis=0) == pytest.approx([1.0, 1.0])


def test_the_best_right_sound_stands_against_the_best_wrong_one():
    right = np.array([[True, False], [True, False], [False, True]])
    present, absent = best_of_both(EVIDENCE, right)
    assert present.tolist() == [2.0, 10.0]
    assert absent.tolist() == [3.0, 30.0]


def test_a_row_has_a_figure_a_column():
    header, rule, row = lines({"joint space": ["0.5"] * 8})
    assert header.count("|") == rule.count("|") == row.count("|") == 10
