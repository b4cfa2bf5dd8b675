"""How many sounds it takes to know a caption's scale.

In go cross-entropies (n_windows, n_captions); out comes, for samples of several sizes, how often
the first caption of a sound is right when each caption's least and greatest loss come from the
sample alone. A library of a million windows cannot score each caption with each of them: this says
what a sample costs. Samples are uniform, without replacement, and drawn several times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audiosearch._typing import AnyFloats, Bools, Ints
from audiosearch.evaluation.pooling import pool_least
from audiosearch.evaluation.ranking import best_ranks, hits_in_order, rank_order, recall_at
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
