"""Making cross-entropies of different captions comparable: min-max, lift, z-score, and a mean.

In go the cross-entropies of captions with one sound and each caption's statistics, out come costs,
lower is better. A caption of common words has a low cross-entropy with every sound; what it is by
itself has to be taken out before captions are ranked for a sound (Labbé et al. 2023,
https://arxiv.org/abs/2308.15090, section on scaling).

Values are not clamped: a new sound may lie outside 0..1, and clamping would only make ties.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

# Spans below are rounding: two batches of the decoder differ by as much for the same pair.
FLAT = 1e-5


class Normalise(StrEnum):
    """How captions are made comparable."""

    MINMAX = "minmax"  # (CE - least) / (greatest - least) of this caption
    LIFT = "lift"  # CE - CE without any sound; needs no statistics
    ZSCORE = "zscore"  # (CE - mean) / deviation of this caption
    NONE = "none"
    MEAN = "mean"  # the mean of a caption's places by min-max and by the bundle's own score

    @property
    def needs_scale(self) -> bool:
        """Whether it goes by a caption's own statistics."""
        return self in (Normalise.MINMAX, Normalise.ZSCORE, Normalise.MEAN)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Statistics of a caption's cross-entropies over `n` windows, in nats a word."""

    n: int
    minimum: float
    maximum: float
    mean: float
    deviation: float  # with divisor n

    @classmethod
    def of(cls, losses: Floats) -> Scale:
        """The statistics of cross-entropies (n,).

        Raises:
            ValueError: there are none, or one is not finite.
        """
        if not len(losses) or not np.isfinite(losses).all():
            raise ValueError("a scale is taken over cross-entropies, all of them finite")
        values = losses.astype(np.float64)
        return cls(
            n=len(values),
            minimum=float(values.min()),
            maximum=float(values.max()),
            mean=float(values.mean()),
            deviation=float(values.std()),
        )

    def scaled(self, cross_entropy: float) -> float:
        """The place of a cross-entropy between the least (0) and the greatest (1).

        0 where all are equal, as in a library of one sound: the cross-entropy itself then decides.
        """
        span = self.maximum - self.minimum
        return 0.0 if span < FLAT else (cross_entropy - self.minimum) / span

    def standard(self, cross_entropy: float) -> float:
        """How many deviations a cross-entropy lies above the mean; 0 where all are equal."""
        return 0.0 if self.deviation < FLAT else (cross_entropy - self.mean) / self.deviation


def costs(
    how: Normalise,
    *,
    cross_entropies: Floats,
    lifts: Floats,
    scores: Doubles,
    scales: Sequence[Scale | None],
) -> Doubles:
    """What ranks captions for one sound: costs (n,), lower is better.

    Args:
        how: the normalisation.
        cross_entropies: (n,) of the captions with the sound.
        lifts: (n,).
        scores: (n,) of the bundle, 0..1.
        scales: one a caption; None where the library has no sounds to take one from. If any is
            missing, the lift takes the place of the scaled value.
    """
    values = cross_entropies.astype(np.float64)
    if how is Normalise.MEAN:
        scaled = costs(
            Normalise.MINMAX,
            cross_entropies=cross_entropies,
            lifts=lifts,
            scores=scores,
            scales=scales,
        )
        return places(scaled, ties=values) + places(-scores, ties=values)
    if how is Normalise.NONE:
        return values
    known = [scale for scale in scales if scale is not None]
    if how is Normalise.LIFT or len(known) < len(values):
        return -lifts.astype(np.float64)
    pairs = zip(known, values.tolist(), strict=True)
    if how is Normalise.MINMAX:
        return np.array([scale.scaled(value) for scale, value in pairs], dtype=np.float64)
    return np.array([scale.standard(value) for scale, value in pairs], dtype=np.float64)


def places(cost: Doubles, *, ties: Doubles) -> Doubles:
    """(n,) the place of each, from 0, when ordered by cost, ties by a second one."""
    found = np.empty(len(cost), dtype=np.float64)
    found[np.lexsort((ties, cost))] = np.arange(len(cost))
    return found


def ranked(cost: Doubles, *, cross_entropies: Floats, ids: npt.NDArray[np.int64]) -> list[int]:
    """Places of captions, best first: by cost, ties by cross-entropy, then by id."""
    return [int(each) for each in np.lexsort((ids, cross_entropies, cost))]
