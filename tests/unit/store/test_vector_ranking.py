import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.store.vectors import VectorTable, top_positions, unit_rows


@given(
    # few distinct values, so that equals stand at the border
    st.lists(st.integers(-3, 3), max_size=40),
    st.integers(-1, 50),
)
def test_top_positions_equal_a_full_sort(values: list[int], k: int) -> None:
    array = np.array(values, np.float32)
    naive = sorted(range(len(values)), key=lambda position: (-values[position], position))
    assert top_positions(array, k).tolist() == naive[: max(k, 0)]


def make_table(n: int, *, dim: int = 16, seed: int = 0) -> VectorTable:
    random = np.random.default_rng(seed)
    ids = np.cumsum(random.integers(1, 5, n)).astype(np.int64)
    matrix = unit_rows(random.standard_normal((n, dim)).astype(np.float32))
    return VectorTable(ids=ids, matrix=matrix)


def naive_top(table: VectorTable, query: np.ndarray, k: int, allowed: set[int] | None) -> list[int]:
    query = query / np.linalg.norm(query)
    scored = [
        (-float(row @ query), int(window_id))
        for window_id, row in zip(table.ids, table.matrix, strict=True)
        if allowed is None or int(window_id) in allowed
    ]
    return [window_id for _, window_id in sorted(scored)[:k]]


@pytest.mark.parametrize("n_allowed", [None, 0, 3, 100, 400])
def test_top_k_is_exact(n_allowed: int | None) -> None:
    table = make_table(500)
    random = np.random.default_rng(1)
    allowed = None
    if n_allowed is not None:
        chosen = random.choice(table.ids, n_allowed, replace=False)
        allowed = np.concatenate([chosen, [10**9, -4]]).astype(np.int64)  # unknown ids too
    for _ in range(5):
        query = random.standard_normal(16).astype(np.float32)
        ids, cosines = table.top_k(query, 20, allowed=allowed)
        expected = naive_top(table, query, 20, None if allowed is None else set(allowed.tolist()))
        assert ids.tolist() == expected
        assert np.all(np.diff(cosines) <= 0)


def test_filters_come_before_the_limit() -> None:
    table = make_table(100)
    query = table.matrix[0]
    worst = table.top_k(-query, 1)[0]
    assert table.top_k(query, 1, allowed=worst)[0].tolist() == worst.tolist()


def test_a_vector_finds_itself_whatever_its_length() -> None:
    table = make_table(50)
    ids, cosines = table.top_k(table.matrix[7] * 123, 1)
    assert ids.tolist() == [table.ids[7]]
    assert cosines[0] == pytest.approx(1, abs=1e-6)


def test_an_empty_table_has_no_neighbours() -> None:
    table = VectorTable(ids=np.zeros(0, np.int64), matrix=np.zeros((0, 0), np.float32))
    ids, cosines = table.top_k(np.ones(16, np.float32), 5)
    assert len(ids) == len(cosines) == 0


def test_zero_rows_stay_zero() -> None:
    np.testing.assert_array_equal(unit_rows(np.zeros((2, 3), np.float32)), np.zeros((2, 3)))
