import numpy as np
import pytest

from audiosearch.store.vectors import from_blob, stack_blobs, to_blob


def test_a_matrix_survives_within_half_precision() -> None:
    matrix = np.random.default_rng(0).standard_normal((5, 7)).astype(np.float32)
    np.testing.assert_allclose(from_blob(to_blob(matrix), dim=7), matrix, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_what_half_precision_cannot_hold_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        to_blob(np.array([0.0, value], np.float32))


def test_stacking_gives_rows_in_order() -> None:
    rows = [np.full(3, n, np.float32) for n in range(4)]
    np.testing.assert_array_equal(stack_blobs([to_blob(row) for row in rows]), np.stack(rows))
    assert stack_blobs([]).shape == (0, 0)


def test_vectors_of_different_sizes_are_not_stacked() -> None:
    with pytest.raises(ValueError, match="different sizes"):
        stack_blobs([bytes(4), bytes(6)])
