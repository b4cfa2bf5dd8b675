"""A sound is as good an answer as its best window."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.evaluation.ranking import pool_greatest, pool_least


def test_least_and_greatest():
    values = np.array([[1.0, 5.0], [2.0, 4.0], [7.0, 0.0]])
    owners = np.array([0, 0, 1])
    assert pool_least(values, owners).tolist() == [[1, 4], [7, 0]]
    assert pool_greatest(values, owners).tolist() == [[2, 5], [7, 0]]


@pytest.mark.parametrize("owners", [[], [1, 1], [0, 2], [0, 1, 0]])
def test_sounds_out_of_order_are_refused(owners: list[int]):
    with pytest.raises(ValueError, match="order"):
        pool_least(np.zeros((len(owners), 1)), np.array(owners, dtype=np.int64))


@given(st.lists(st.lists(st.floats(-9, 9), min_size=1, max_size=4), min_size=1, max_size=5))
def test_equals_plain_min(sounds: list[list[float]]):
    owners = np.array([i for i, windows in enumerate(sounds) for _ in windows], dtype=np.int64)
    values = np.array([value for windows in sounds for value in windows])
    assert pool_least(values, owners).tolist() == [min(windows) for windows in sounds]
