"""What the first step of a search loses: candidates against listening to everything.

Sounds that are no candidate come after all that are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audiosearch._typing import AnyFloats, Bools, Ints
from audiosearch.evaluation.ranking import (
    RetrievalFigures,
    figures_of_hits,
    first_windows,
    hits_in_order,
    pool_least,
    rank_order,
)

TOP = 10


@dataclass(frozen=True)
class Shortlisted:
    """What candidates are worth; all but `end_to_end` and `exhaustive` are shares of 0..1.

    Attributes:
        right: queries whose right sound is among the candidates.
        best: queries whose exhaustively best sound is.
        top: of the ten exhaustively best sounds, how many are, on average.
        end_to_end: figures when only candidates are ranked.
        exhaustive: figures when all are.
    """

    right: float
    best: float
    top: float
    end_to_end: RetrievalFigures
    exhaustive: RetrievalFigures


def shortlisted(
    costs: AnyFloats, *, owners: Ints, relevant: Bools, candidates: Sequence[Ints]
) -> Shortlisted:
    """What the candidates of each query are worth.

    Args:
        costs: (n_windows, n_queries), lower is better.
        owners: (n_windows,) the sound of each window.
        relevant: (n_sounds, n_queries) which sounds are right.
        candidates: for each query, rows of `costs`.
    """
    n_windows, n_queries = costs.shape
    listed = np.zeros((n_windows, n_queries), dtype=np.bool_)
    for query, rows in enumerate(candidates):
        listed[rows, query] = True
    sound_listed = pool_any(listed, owners).T  # (n_queries, n_sounds)
    all_costs = pool_least(costs, owners).T
    some_costs = pool_least(np.where(listed, costs, np.inf), owners).T
    order = rank_order(all_costs)
    some_order = order_of_listed(some_costs, listed=sound_listed, relevant=relevant.T)
    among = np.take_along_axis(sound_listed, order, axis=1)
    return Shortlisted(
        right=float(np.mean((sound_listed & relevant.T).any(axis=1))),
        best=float(np.mean(among[:, 0])),
        top=float(np.mean(among[:, :TOP])),
        end_to_end=figures_of_hits(hits_in_order(some_order, relevant.T)),
        exhaustive=figures_of_hits(hits_in_order(order, relevant.T)),
    )


def pool_any(values: Bools, owners: Ints) -> Bools:
    """Whether any window of each sound is true: (n_windows, ...) to (n_sounds, ...)."""
    pooled: Bools = np.logical_or.reduceat(values, first_windows(owners), axis=0)
    return pooled


def order_of_listed(costs: AnyFloats, *, listed: Bools, relevant: Bools) -> Ints:
    """Orders (n_queries, n_items) in which what is not `listed` comes after all that is.

    Of what is not listed the right items come last of all, so that no luck of place counts.
    """
    luckless = np.where(listed, 0.0, 1.0 + relevant)
    order: Ints = np.lexsort((costs, luckless), axis=1)
    return order


def order_of_answers(answers: Sequence[Sequence[int]], relevant: Bools) -> Ints:
    """Whole orders (n_queries, n_items) from the items that an engine answered with.

    Items that are no answer follow, the right ones last of all.

    Args:
        answers: items of each query, best first, perhaps few.
        relevant: (n_queries, n_items) which are right.
    """
    n_items = relevant.shape[1]
    places = np.empty(relevant.shape, dtype=np.float64)
    for query, answer in enumerate(answers):
        places[query] = n_items + relevant[query] * n_items
        places[query, list(answer)] = np.arange(len(answer))
    return rank_order(places)
