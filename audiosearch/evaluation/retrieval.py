"""Retrieval: captions find their sounds, sounds their captions, by several scores.

A sound counts by its best window. A caption's scale is taken over all windows of the data set, as
over those of a library.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from audiosearch._typing import AnyFloats, Bools, Doubles, Ints
from audiosearch.evaluation.ranking import (
    RetrievalFigures,
    best_ranks,
    figures_of_hits,
    hits_in_order,
    pool_least,
    rank_order,
    recall_curve,
)
from audiosearch.evaluation.tables import Cell, Figure, HistogramFigure, Line, LineFigure, Table
from audiosearch.model.calibration import ScoreCalibration
from audiosearch.search.normalise import Likeness, Normalise, ScaleTable, costs

CURVE_DEPTH = 50
BINS = 60
_NORMALISED = (
    ("ce", Normalise.NONE),
    ("minmax", Normalise.MINMAX),
    ("zscore", Normalise.ZSCORE),
    ("lift", Normalise.LIFT),
    ("mean", Normalise.MEAN),
)
COLUMNS = (
    *("direction", "score", "queries", "items"),
    *("r1", "r5", "r10", "map10", "median_rank", "distinct_top1"),
)


@dataclass(frozen=True)
class ScoreMatrices:
    """All that a ranking of captions and sounds can go by.

    Attributes:
        cross_entropies: (n_windows, n_captions) nats a word.
        without_sound: (n_captions,) with nothing to hear.
        cosine: (n_windows, n_captions); None without a joint space.
        owners: (n_windows,) the sound of each window.
        relevant: (n_sounds, n_captions) which belong together.
        weights: of the combined score.
        lift_weights: (n_captions,) how much the lift of each counts in it; all the same if None.
        known: (n_captions,) share of content words that the decoder knows; all of them if None.
    """

    cross_entropies: AnyFloats
    without_sound: AnyFloats
    cosine: AnyFloats | None
    owners: Ints
    relevant: Bools
    weights: ScoreCalibration
    lift_weights: Doubles | None = None
    known: Doubles | None = None

    def lifts(self) -> Doubles:
        """(n_windows, n_captions) nats a word that the sound adds."""
        return self.without_sound.astype(np.float64) - self.cross_entropies

    def combined(self) -> AnyFloats | None:
        """(n_windows, n_captions) costs of the bundle's own score; None without a joint space."""
        if self.cosine is None:
            return None
        lifts = self.lifts() if self.lift_weights is None else self.lifts() * self.lift_weights
        return -(self.weights.lift * lifts + self.weights.joint * self.cosine)

    def normalised(self, how: Normalise, *, sample: Ints | None = None) -> Doubles:
        """(n_windows, n_captions) costs that are comparable between captions.

        Args:
            how: the normalisation.
            sample: (n,) the windows that each caption's statistics are taken over; None: all.
        """
        rows = slice(None) if sample is None else sample
        likeness = None
        if self.cosine is not None:
            known = np.ones(self.cosine.shape[1]) if self.known is None else self.known
            near = ScaleTable.of(self.cosine[rows])
            likeness = Likeness(cosines=self.cosine, scales=near, known=known)
        return costs(
            how,
            cross_entropies=self.cross_entropies,
            lifts=self.lifts(),
            scales=ScaleTable.of(self.cross_entropies[rows]),
            likeness=likeness,
        )


@dataclass(frozen=True)
class Ranking:
    """What one score makes of one direction.

    Attributes:
        order: (n_queries, n_items) items, best first.
        hits: (n_queries, n_items) whether the item at each rank is right.
    """

    direction: str
    score: str
    order: Ints
    hits: Bools

    @property
    def figures(self) -> RetrievalFigures:
        """Recall and mAP."""
        return figures_of_hits(self.hits)

    @property
    def distinct(self) -> int:
        """How many different items come first for some query: whether a few swallow all others.

        In Labbé et al. 2023 (https://arxiv.org/abs/2308.15090), raw losses retrieve 120 different
        captions for 1045 sounds.
        """
        return len(np.unique(self.order[:, 0]))

    @property
    def row(self) -> tuple[Cell, ...]:
        """The row of the table."""
        f = self.figures
        return (
            *(self.direction, self.score, f.n_queries, f.n_items),
            *(f.recall_1, f.recall_5, f.recall_10, f.map_10, f.median_rank, self.distinct),
        )


def ranking(
    direction: str, score: str, costs: AnyFloats, relevant: Bools, *, ties: AnyFloats | None = None
) -> Ranking:
    """The ranking of costs (n_queries, n_items)."""
    order = rank_order(costs, ties=ties)
    return Ranking(direction, score, order, hits_in_order(order, relevant))


def text_to_audio_costs(matrices: ScoreMatrices) -> Iterator[tuple[str, AnyFloats]]:
    """Names of scores with their costs (n_captions, n_sounds)."""
    yield "ce", pool_least(matrices.cross_entropies, matrices.owners).T
    combined = matrices.combined()
    if matrices.cosine is not None and combined is not None:
        yield "joint", pool_least(-matrices.cosine, matrices.owners).T
        yield "combined", pool_least(combined, matrices.owners).T


def audio_to_text_costs(matrices: ScoreMatrices) -> Iterator[tuple[str, AnyFloats]]:
    """Names of scores with their costs (n_sounds, n_captions)."""
    for name, how in _NORMALISED:
        yield name, pool_least(matrices.normalised(how), matrices.owners)
    combined = matrices.combined()
    if matrices.cosine is not None and combined is not None:
        yield "joint", pool_least(-matrices.cosine, matrices.owners)
        yield "combined", pool_least(combined, matrices.owners)


def rankings(matrices: ScoreMatrices) -> list[Ranking]:
    """All scores in both directions; captions tied by a scaled loss are parted by the raw one.

    - `ce`: the cross-entropy as it is;
    - `minmax`, `zscore`, `lift`: the same made comparable between captions (`search.normalise`);
      within one caption they change nothing, so text-to-audio has no rows for them;
    - `joint`: the cosine in the space that text and sound share, where the bundle has one;
    - `combined`: lift and cosine, weighed as the bundle's own score weighs them;
    - `mean`: the mean of the scaled cross-entropy and the scaled cosine, by which `describe` ranks.
    """
    raw = pool_least(matrices.cross_entropies, matrices.owners)
    found = [
        ranking("text-to-audio", score, costs, matrices.relevant.T)
        for score, costs in text_to_audio_costs(matrices)
    ]
    found += [
        ranking("audio-to-text", score, costs, matrices.relevant, ties=raw)
        for score, costs in audio_to_text_costs(matrices)
    ]
    return found


def retrieval_table(found: list[Ranking]) -> Table:
    """The figures of rankings."""
    return Table("retrieval", "Retrieval", COLUMNS, tuple(one.row for one in found))


def recall_figures(found: list[Ranking]) -> list[Figure]:
    """Recall curves, a figure a direction."""
    figures: list[Figure] = []
    for direction in dict.fromkeys(one.direction for one in found):
        mine = [one for one in found if one.direction == direction]
        depth = min(CURVE_DEPTH, mine[0].figures.n_items)
        ks = tuple(float(k) for k in range(1, depth + 1))
        lines = tuple(
            Line(one.score, ks, recall_curve(best_ranks(one.hits), depth=depth)) for one in mine
        )
        title = f"Recall, {direction}"
        figures.append(LineFigure(title, "first k answers", "recall at k", lines))
    return figures


def loss_figures(matrices: ScoreMatrices) -> list[Figure]:
    """Losses of pairs that belong together and of others, before and after min-max scaling."""
    raw = pool_least(matrices.cross_entropies, matrices.owners)
    scaled = pool_least(matrices.normalised(Normalise.MINMAX), matrices.owners)
    return [
        histogram("Cross-entropy before scaling", "nats a word", raw, matrices.relevant),
        histogram(
            "Cross-entropy after min-max scaling",
            "share of the caption's own range",
            scaled,
            matrices.relevant,
        ),
    ]


def histogram(title: str, x_label: str, values: AnyFloats, own: Bools) -> HistogramFigure:
    """Shares of `values` in common bins, of pairs that are `own` and of all others."""
    edges = np.histogram_bin_edges(values, bins=BINS)
    series = []
    for name, chosen in (("own caption", own), ("other captions", ~own)):
        counts, _ = np.histogram(values[chosen], bins=edges)
        shares = counts / max(1, counts.sum())
        series.append((name, tuple(shares.tolist())))
    return HistogramFigure(title, x_label, tuple(edges.tolist()), tuple(series))
