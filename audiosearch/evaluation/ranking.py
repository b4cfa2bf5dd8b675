"""How good a ranking is: recall@k, mAP@10, by the definitions of the field.

Knows no sounds, captions or models: costs, lower is better, and which items answer which query.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audiosearch._typing import AnyFloats, Bools, Ints, Positions

MAP_DEPTH = 10  # mAP@10


@dataclass(frozen=True)
class RetrievalFigures:
    """Figures of one direction, over `n_queries`; shares in 0..1.

    Text-to-audio: the queries are all captions, the items all sounds, one of them right.
    Audio-to-text: the queries are the sounds, the items all captions, several of them right (five
    in Clotho). A caption that two clips share is right for the clip it was written for alone.
    """

    n_queries: int
    n_items: int
    recall_1: float
    recall_5: float
    recall_10: float
    map_10: float
    median_rank: float


def rank_order(costs: AnyFloats, *, ties: AnyFloats | None = None) -> Ints:
    """The items of each query, best first: (n_queries, n_items) of places.

    Items of equal cost are ordered by `ties` where given (the raw cross-entropy, for scaled costs),
    then by their place in the list, the earlier first.

    Raises:
        ValueError: a cost is NaN, which has no place in an order.
    """
    if np.isnan(costs).any() or (ties is not None and np.isnan(ties).any()):
        raise ValueError("a cost is not a number")
    if ties is None:
        return np.argsort(costs, axis=1, kind="stable")
    order: Ints = np.lexsort(
        (ties, costs), axis=1
    )  # the last key counts first; stable, so then by place
    return order


def hits_in_order(order: Ints, relevant: Bools) -> Bools:
    """(n_queries, n_items): whether the item at each rank is right.

    Raises:
        ValueError: a query has no right item, so that no rank of it would mean anything.
    """
    if not relevant.any(axis=1).all():
        raise ValueError("a query has no right item")
    return np.take_along_axis(relevant, order, axis=1)


def best_ranks(hits: Bools) -> Ints:
    """The rank, from 1, of the first right item of each query: (n_queries,)."""
    ranks: Ints = np.argmax(hits, axis=1).astype(np.int64) + 1
    return ranks


def recall_at(ranks: Ints, k: int) -> float:
    """The share of queries whose best rank is k or better."""
    return float(np.mean(ranks <= k))


def recall_curve(ranks: Ints, *, depth: int) -> tuple[float, ...]:
    """Recall at 1, 2, ... `depth`."""
    return tuple(recall_at(ranks, k) for k in range(1, depth + 1))


def mean_average_precision(hits: Bools, *, depth: int = MAP_DEPTH) -> float:
    """mAP@depth: the mean over queries of their average precision within the first `depth`.

    That is the sum, over right items at ranks up to `depth`, of (right items so far) / rank,
    divided by the number of right items there are; with one right item it is 1 / rank.
    """
    n_relevant = hits.sum(axis=1)
    top = hits[:, :depth]
    precision = np.cumsum(top, axis=1) / np.arange(1, top.shape[1] + 1)
    return float(np.mean((precision * top).sum(axis=1) / n_relevant))


def figures_of_hits(hits: Bools) -> RetrievalFigures:
    """All figures of ordered hits (n_queries, n_items)."""
    ranks = best_ranks(hits)
    return RetrievalFigures(
        n_queries=len(hits),
        n_items=hits.shape[1],
        recall_1=recall_at(ranks, 1),
        recall_5=recall_at(ranks, 5),
        recall_10=recall_at(ranks, 10),
        map_10=mean_average_precision(hits),
        median_rank=float(np.median(ranks)),
    )


def figures(
    costs: AnyFloats, relevant: Bools, *, ties: AnyFloats | None = None
) -> RetrievalFigures:
    """All figures of costs (n_queries, n_items) with `relevant` of the same shape."""
    return figures_of_hits(hits_in_order(rank_order(costs, ties=ties), relevant))


def first_windows(owners: Ints) -> Positions:
    """The place of each sound's first window; `owners` (n_windows,) is 0, 0, 1, 2, 2 ...

    Raises:
        ValueError: the windows are out of order, or a sound has none.
    """
    steps = np.diff(owners, prepend=-1)
    if len(owners) == 0 or steps[0] != 1 or ((steps != 0) & (steps != 1)).any():
        raise ValueError("the windows must stand in the order of their sounds, none left out")
    return np.flatnonzero(steps)


def pool_least(values: AnyFloats, owners: Ints) -> AnyFloats:
    """The least value of each sound's windows, for costs."""
    return np.minimum.reduceat(values, first_windows(owners), axis=0)


def pool_greatest(values: AnyFloats, owners: Ints) -> AnyFloats:
    """The greatest value of each sound's windows, for likeness."""
    return np.maximum.reduceat(values, first_windows(owners), axis=0)
