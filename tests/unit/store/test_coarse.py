import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosearch.store.coarse import coarse_rows, may_be_best
from audiosearch.store.vectors import VectorTable, unit_rows


def vectors(seed: int, n: int, dim: int) -> np.ndarray:
    """Rows of several kinds: even ones, ones with a few great values, the same again, zeros."""
    random = np.random.default_rng(seed)
    rows = random.standard_normal((n, dim)) * random.choice([1e-3, 1.0, 50.0], (n, dim))
    rows[random.random(n) < 0.1] = 0
    rows[random.random(n) < 0.2] = rows[0]
    return unit_rows(rows.astype(np.float32))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.integers(1, 65), st.integers(1, 4))
def test_no_cosine_is_farther_off_than_its_margin(seed: int, n: int, dim: int, n_queries: int):
    rows, queries = vectors(seed, n, dim), vectors(seed + 1, n_queries, dim)
    near, margins = coarse_rows(rows).near(queries)
    exact = (rows.astype(np.float64) @ queries.T.astype(np.float64)).max(axis=1)
    assert np.all(np.abs(near - exact) <= margins)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.integers(1, 40), st.booleans())
def test_the_best_are_those_of_the_vectors_themselves(seed: int, n: int, k: int, filtered: bool):
    rows = vectors(seed, n, 24)
    ids = np.cumsum(np.random.default_rng(seed).integers(1, 4, n))
    allowed = ids[:: 1 + (seed % 2)] if filtered else None
    plain = VectorTable(ids=ids, matrix=rows)
    table = VectorTable(ids=ids, matrix=rows, coarse=coarse_rows(rows))
    query = vectors(seed + 1, 1, 24)[0]
    expected_ids, expected = plain.top_k(query, k, allowed=allowed)
    found_ids, found = table.top_k(query, k, allowed=allowed)
    assert found == pytest.approx(expected, abs=1e-6)
    # Of equals to the last bit but one, either may come first, or be the last that is taken.
    _, beyond = plain.top_k(query, k + 1, allowed=allowed)
    apart = np.abs(np.diff(beyond, append=-2)) > 1e-6
    apart &= np.abs(np.diff(beyond, prepend=2)) > 1e-6
    apart = apart[: len(expected)]
    assert found_ids[apart].tolist() == expected_ids[apart].tolist()


def test_rows_of_a_damaged_library_are_told_by_themselves():
    rows = unit_rows(np.random.default_rng(0).standard_normal((1000, 24)).astype(np.float32))
    rows[3, 5], rows[7], rows[9] = np.nan, np.inf, 0
    coarse = coarse_rows(rows)
    assert np.isinf(coarse.losses).nonzero()[0].tolist() == [3, 7]
    near, margins = coarse.near(rows[11:12])
    assert {3, 7, 11} <= set(may_be_best(near, margins, 3).tolist())
    sound = np.isfinite(rows).all(axis=1)
    assert np.all(np.abs(near[sound] - rows[sound] @ rows[11]) <= margins[sound])


def test_few_rows_are_computed_of_many():
    rows = vectors(3, 20_000, 320)
    near, margins = coarse_rows(rows).near(rows[5:6])
    assert len(may_be_best(near, margins, 10)) < 6_000  # the copies of the first row among them


def test_rows_that_are_left_out_cannot_be_among_the_best():
    random = np.random.default_rng(0)
    cosines = random.random(1000).astype(np.float32)
    margins = (random.random(1000) * 0.2).astype(np.float32)
    for _ in range(50):
        real = cosines + margins * random.uniform(-1, 1, 1000)
        best = np.argsort(-real)[:20]
        assert set(best.tolist()) <= set(may_be_best(cosines, margins, 20).tolist())
    assert may_be_best(cosines, margins, 2000).tolist() == list(range(1000))
