"""Recall and mAP against worked examples and a slow, plain implementation."""

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from audiosearch.evaluation import ranking
from audiosearch.evaluation.tagging import average_precision

# The example of the paper's Table 3: three sounds (rows), three captions (columns).
TABLE_3 = np.array([[1.7, 8.4, 8.1], [2.1, 7.6, 8.5], [2.0, 8.3, 6.5]])
OWN = np.eye(3, dtype=bool)


def test_table_3_text_to_audio_is_right():
    figures = ranking.figures(TABLE_3.T, OWN)
    assert (figures.recall_1, figures.map_10, figures.median_rank) == (1.0, 1.0, 1.0)
    assert (figures.n_queries, figures.n_items) == (3, 3)


def test_table_3_audio_to_text_always_gives_the_first_caption():
    assert ranking.rank_order(TABLE_3)[:, 0].tolist() == [0, 0, 0]
    assert ranking.figures(TABLE_3, OWN).recall_1 == pytest.approx(1 / 3)


def test_several_right_items_worked_by_hand():
    # One sound with right captions at ranks 1, 3 and 12 of 12: AP@10 = (1/1 + 2/3) / 3.
    relevant = np.zeros((1, 12), dtype=bool)
    relevant[0, [0, 2, 11]] = True
    figures = ranking.figures(np.arange(12.0)[None], relevant)
    assert figures.map_10 == pytest.approx((1 + 2 / 3) / 3)
    assert (figures.recall_1, figures.recall_5) == (1.0, 1.0)


def test_one_right_item_gives_the_reciprocal_rank_up_to_ten():
    costs = np.tile(np.arange(20.0), (3, 1))
    relevant = np.zeros((3, 20), dtype=bool)
    relevant[[0, 1, 2], [3, 9, 10]] = True
    figures = ranking.figures(costs, relevant)
    assert figures.map_10 == pytest.approx((1 / 4 + 1 / 10 + 0) / 3)
    assert (figures.recall_1, figures.recall_5, figures.recall_10) == (0, 1 / 3, 2 / 3)
    assert figures.median_rank == 10


def test_ties_go_to_the_second_cost_then_to_the_earlier():
    costs, ties = np.zeros((1, 4)), np.array([[2.0, 1.0, 1.0, 3.0]])
    assert ranking.rank_order(costs).tolist() == [[0, 1, 2, 3]]
    assert ranking.rank_order(costs, ties=ties).tolist() == [[1, 2, 0, 3]]


def test_nan_and_queries_without_an_answer_are_refused():
    with pytest.raises(ValueError, match="not a number"):
        ranking.rank_order(np.array([[np.nan, 1.0]]))
    with pytest.raises(ValueError, match="no right item"):
        ranking.figures(np.ones((2, 2)), np.array([[True, False], [False, False]]))


def slow_ranks(costs: np.ndarray, relevant: np.ndarray) -> list[list[int]]:
    """The ranks of the right items of each query, by counting what stands before them."""
    table = []
    for row, right in zip(costs.tolist(), relevant.tolist(), strict=True):
        ranks = [
            1 + sum((other, j) < (cost, i) for j, other in enumerate(row))
            for i, cost in enumerate(row)
            if right[i]
        ]
        table.append(sorted(ranks))
    return table


def slow_average_precision(ranks: list[int]) -> float:
    total = 0.0
    for rank in ranks:
        if rank <= 10:
            total += sum(other <= rank for other in ranks) / rank
    return total / len(ranks)


@given(st.data(), st.integers(1, 6), st.integers(1, 25))
def test_equals_the_slow_implementation(data: st.DataObject, n_queries: int, n_items: int):
    shape = (n_queries, n_items)
    # Few different values, so that ties are common.
    costs = data.draw(arrays.arrays(np.float64, shape, elements=st.integers(0, 5).map(float)))
    relevant = data.draw(arrays.arrays(np.bool_, shape))
    relevant[:, data.draw(st.integers(0, n_items - 1))] = True
    table = slow_ranks(costs, relevant)
    figures = ranking.figures(costs, relevant)
    for k, got in ((1, figures.recall_1), (5, figures.recall_5), (10, figures.recall_10)):
        assert got == pytest.approx(sum(ranks[0] <= k for ranks in table) / n_queries)
    assert figures.map_10 == pytest.approx(sum(map(slow_average_precision, table)) / n_queries)
    ranks = ranking.best_ranks(ranking.hits_in_order(ranking.rank_order(costs), relevant))
    curve = ranking.recall_curve(ranks, depth=n_items)
    assert list(curve) == sorted(curve)
    assert curve[-1] == 1.0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("n_queries", "n_items"), [(1, 1), (7, 8), (30, 60)])
def test_figures_are_those_of_ir_measures(n_queries: int, n_items: int, seed: int):
    """Recall@k of this field, any right item among the first k, is Success@k of that one."""
    generator = np.random.default_rng(seed)
    # No ties: trec_eval, which counts there, orders them by the names of the items.
    costs = np.stack([generator.permutation(n_items) for _ in range(n_queries)]).astype(float)
    relevant = generator.random((n_queries, n_items)) < generator.uniform(0.02, 0.6)
    relevant[np.arange(n_queries), generator.integers(n_items, size=n_queries)] = True
    cells = [(q, i) for q in range(n_queries) for i in range(n_items)]
    theirs = ir_measures.calc_aggregate(
        [*(ir_measures.Success @ k for k in (1, 5, 10)), ir_measures.AP @ ranking.MAP_DEPTH],
        [ir_measures.Qrel(str(q), str(i), int(relevant[q, i])) for q, i in cells],
        [ir_measures.ScoredDoc(str(q), str(i), -costs[q, i]) for q, i in cells],
    )
    figures = ranking.figures(costs, relevant)
    ours = {"Success@1": figures.recall_1, "Success@5": figures.recall_5}
    ours |= {"Success@10": figures.recall_10, "AP@10": figures.map_10}
    assert ours == pytest.approx({str(measure): value for measure, value in theirs.items()})


def test_average_precision_is_that_of_ir_measures():
    generator = np.random.default_rng(6)
    scores, positive = generator.permutation(50).astype(float), generator.random(50) < 0.3
    theirs = ir_measures.calc_aggregate(
        [ir_measures.AP],
        [ir_measures.Qrel("q", str(i), int(right)) for i, right in enumerate(positive)],
        [ir_measures.ScoredDoc("q", str(i), score) for i, score in enumerate(scores)],
    )
    assert average_precision(scores, positive) == pytest.approx(theirs[ir_measures.AP])
