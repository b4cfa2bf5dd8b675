"""How many sounds it takes to know a caption's scale.

A library of a million windows cannot score each caption with each of them: this says what a sample
costs. Samples are uniform, without replacement, and drawn several times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audiosearch._typing import AnyFloats, Bools, Ints
from audiosearch._wording import counted
from audiosearch.evaluation.datasets import Dataset
from audiosearch.evaluation.ranking import (
    best_ranks,
    hits_in_order,
    pool_least,
    rank_order,
    recall_at,
)
from audiosearch.evaluation.retrieval import rankings
from audiosearch.evaluation.retrieval_benchmark import gather
from audiosearch.evaluation.run import EvaluationRun
from audiosearch.evaluation.tables import Cell, Line, LineFigure, Outcome, Table
from audiosearch.search.normalise import ScaleTable

SAMPLE_SIZES = (16, 64, 256, 1024)
DRAWS = 5


@dataclass(frozen=True)
class ScaleEstimate:
    """Audio-to-text R@1 with scales of `n_windows` windows: mean and spread over `draws`."""

    n_windows: int
    draws: int
    recall_1: float
    deviation: float


def estimates(
    cross_entropies: AnyFloats,
    *,
    owners: Ints,
    relevant: Bools,
    seed: int,
    sizes: tuple[int, ...] = SAMPLE_SIZES,
    draws: int = DRAWS,
) -> list[ScaleEstimate]:
    """R@1 for each sample size below the number of windows, and for all windows.

    Args:
        cross_entropies: (n_windows, n_captions) nats a word.
        owners: (n_windows,) the sound of each window, ascending.
        relevant: (n_sounds, n_captions) which captions are right.
        seed: of the draws.
        sizes: windows in a sample.
        draws: samples of each size.
    """
    generator = np.random.default_rng(seed)
    n_windows = len(cross_entropies)
    results = []
    for size in (*(s for s in sorted(sizes) if s < n_windows), n_windows):
        samples = [
            np.sort(generator.choice(n_windows, size, replace=False))
            for _ in range(draws if size < n_windows else 1)
        ]
        recalls = [recall_1(cross_entropies, owners, relevant, sample=rows) for rows in samples]
        results.append(
            ScaleEstimate(size, len(samples), float(np.mean(recalls)), float(np.std(recalls)))
        )
    return results


def recall_1(cross_entropies: AnyFloats, owners: Ints, relevant: Bools, *, sample: Ints) -> float:
    """Audio-to-text R@1 when captions are scaled by the windows of `sample` alone."""
    scaled = ScaleTable.of(cross_entropies[sample]).scaled(cross_entropies)
    order = rank_order(pool_least(scaled, owners), ties=pool_least(cross_entropies, owners))
    return recall_at(best_ranks(hits_in_order(order, relevant)), 1)


def evaluate_scale(dataset: Dataset, run: EvaluationRun, *, seed: int) -> Outcome:
    """Audio-to-text R@1 when captions are scaled by samples of windows.

    Raises:
        DatasetError: there are no captions, or clips cannot be decoded.
    """
    encoded, matrices = gather(dataset, run)
    n_windows = len(encoded.frames)
    found = estimates(
        matrices.cross_entropies, owners=matrices.owners, relevant=matrices.relevant, seed=seed
    )
    raw = next(
        one for one in rankings(matrices) if (one.direction, one.score) == ("audio-to-text", "ce")
    )
    rows: list[tuple[Cell, ...]] = [("no scaling", 0, 1, raw.figures.recall_1, 0.0)]
    rows += [
        (
            "all windows" if one.n_windows == n_windows else "sample",
            *(one.n_windows, one.draws, one.recall_1, one.deviation),
        )
        for one in found
    ]
    line = Line(
        "min-max", tuple(float(e.n_windows) for e in found), tuple(e.recall_1 for e in found)
    )
    title = "R@1 by windows that a caption's scale is taken from"
    return Outcome(
        name="scale",
        title=f"Scales from samples on {dataset.name}",
        facts=run.facts(dataset, encoded),
        tables=(
            Table(
                "scale",
                "Audio-to-text R@1 by size of the sample",
                ("scale", "windows", "draws", "r1", "r1_draw_sd"),
                tuple(rows),
            ),
        ),
        figures=(LineFigure(title, "windows", "R@1", (line,), y_max=None, by_doubling=True),),
        remarks=_too_large(n_windows),
    )


def _too_large(n_windows: int) -> tuple[str, ...]:
    """The samples that so few windows do not give, in words."""
    sizes = [str(size) for size in SAMPLE_SIZES if size >= n_windows]
    if not sizes:
        return ()
    return (
        f"the data set has only {counted(n_windows, 'window')}: "
        f"no samples of {' or '.join(sizes)}; "
        "a larger one has (evaluate scenes --ordered 300 --together 300 --three 100)",
    )
