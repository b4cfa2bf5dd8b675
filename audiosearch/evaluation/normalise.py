"""Making losses of different captions comparable: min-max, z-score, lift.

In go cross-entropies (n, n_captions), one row a sound or window, lower is better; out come costs
of the same shape, lower is better still. A caption of common words has a low loss with every sound;
each caption's own statistics take that out (Labbé et al. 2023, https://arxiv.org/abs/2308.15090,
section on scaling). Within one caption the order never changes, so text-to-audio ranks stay as
they are; it is the captions of one sound that change places.

Values are not clamped: a new sound may lie outside 0..1, and clamping would only make ties.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]


class Normalisation(StrEnum):
    """How captions are made comparable."""

    NONE = "none"
    MINMAX = "minmax"  # (CE - least) / (greatest - least) of this caption
    ZSCORE = "zscore"  # (CE - mean) / standard deviation of this caption
    LIFT = "lift"  # CE - CE without any sound


@dataclass(frozen=True)
class CaptionScale:
    """Statistics of each caption's cross-entropies over `n` sounds; arrays are (n_captions,)."""

    n: int
    least: Doubles
    greatest: Doubles
    mean: Doubles
    deviation: Doubles  # with divisor n


def scale_of(cross_entropies: Values) -> CaptionScale:
    """The statistics of (n, n_captions) cross-entropies, caption by caption.

    Raises:
        ValueError: there is no sound, or a value is not finite.
    """
    if not len(cross_entropies):
        raise ValueError("no sound to take a caption's scale from")
    if not np.isfinite(cross_entropies).all():
        raise ValueError("a cross-entropy is not finite")
    values = cross_entropies.astype(np.float64)
    return CaptionScale(
        n=len(values),
        least=values.min(axis=0),
        greatest=values.max(axis=0),
        mean=values.mean(axis=0),
        deviation=values.std(axis=0),
    )


def normalised(
    cross_entropies: Values,
    *,
    how: Normalisation,
    scale: CaptionScale,
    without_sound: Values,
) -> Doubles:
    """Costs (n, n_captions) of cross-entropies of that shape.

    Args:
        cross_entropies: nats a word.
        how: the normalisation.
        scale: each caption's statistics; of these very sounds, or of a sample of a library.
        without_sound: (n_captions,) cross-entropies when there is nothing to hear.

    A caption whose loss is the same with every sound gets 0 everywhere: the raw loss, which
    breaks ties, then decides.
    """
    values = cross_entropies.astype(np.float64)
    if how is Normalisation.NONE:
        return values
    if how is Normalisation.LIFT:
        return values - without_sound
    if how is Normalisation.MINMAX:
        return _divided(values - scale.least, scale.greatest - scale.least)
    return _divided(values - scale.mean, scale.deviation)


def _divided(values: Doubles, by: Doubles) -> Doubles:
    """`values` (n, C) over `by` (C,), and 0 where there is nothing to divide by."""
    flat = by <= 0
    return np.where(flat, 0.0, values / np.where(flat, 1.0, by))
