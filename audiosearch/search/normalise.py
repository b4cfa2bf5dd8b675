"""Making cross-entropies of different captions comparable: min-max, lift, z-score, and a mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from audiosearch._typing import AnyFloats, Doubles, Ints

# Spans below are rounding: two batches of the decoder differ by as much for the same pair.
FLAT = 1e-5
# Of the deviations from a caption's mean, beside its place between least and greatest, in `MEAN`.
# Places rank long captions best, deviations labels of a few words (`benchmarks.caption_ranking`).
DEVIATIONS = 0.1


class Normalise(StrEnum):
    """How captions are made comparable.

    A caption of common words has a low cross-entropy with every sound; what it is by itself has to
    be taken out before captions are ranked for a sound (Labbé et al. 2023,
    https://arxiv.org/abs/2308.15090, section on scaling). Within one caption the order of sounds
    never changes, but for `MEAN`; it is the captions of one sound that change places. A likeness
    in the joint space is taken out in the same way: some captions are near every sound.
    """

    MINMAX = "minmax"  # (CE - least) / (greatest - least) of this caption
    LIFT = "lift"  # CE - CE without any sound; needs no statistics
    ZSCORE = "zscore"  # (CE - mean) / deviation of this caption
    NONE = "none"
    MEAN = "mean"  # the mean place of the CE and of the likeness in the joint space

    @property
    def needs_scale(self) -> bool:
        """Whether it goes by a caption's own statistics."""
        return self in (Normalise.MINMAX, Normalise.ZSCORE, Normalise.MEAN)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Statistics of a caption's cross-entropies (or likenesses) over `n` windows."""

    n: int
    minimum: float
    maximum: float
    mean: float
    deviation: float  # with divisor n

    @classmethod
    def of(cls, losses: AnyFloats) -> Scale:
        """The statistics of cross-entropies (n,).

        Raises:
            ValueError: there are none, or one is not finite.
        """
        return ScaleTable.of(losses[:, None])[0]

    def scaled(self, cross_entropy: float) -> float:
        """The place of a cross-entropy between the least (0) and the greatest (1).

        0 where all are equal, as in a library of one sound: the cross-entropy itself then decides.
        """
        return float(ScaleTable.stack([self]).scaled(np.array([cross_entropy]))[0])


@dataclass(frozen=True, kw_only=True)
class ScaleTable:
    """The scales of several captions; arrays are (n_captions,)."""

    n: Ints
    minimum: Doubles
    maximum: Doubles
    mean: Doubles
    deviation: Doubles  # with divisor n

    @classmethod
    def of(cls, losses: AnyFloats) -> ScaleTable:
        """The statistics of cross-entropies (n, n_captions), caption by caption.

        Raises:
            ValueError: there is no sound, or a value is not finite.
        """
        if not len(losses) or not np.isfinite(losses).all():
            raise ValueError("a scale is taken over cross-entropies, all of them finite")
        values = losses.astype(np.float64)
        return cls(
            n=np.full(values.shape[1], len(values), dtype=np.int64),
            minimum=values.min(axis=0),
            maximum=values.max(axis=0),
            mean=values.mean(axis=0),
            deviation=values.std(axis=0),
        )

    @classmethod
    def stack(cls, scales: Sequence[Scale]) -> ScaleTable:
        """The table of single scales."""
        return cls(
            n=np.array([each.n for each in scales], dtype=np.int64),
            minimum=np.array([each.minimum for each in scales], dtype=np.float64),
            maximum=np.array([each.maximum for each in scales], dtype=np.float64),
            mean=np.array([each.mean for each in scales], dtype=np.float64),
            deviation=np.array([each.deviation for each in scales], dtype=np.float64),
        )

    def __getitem__(self, caption: int) -> Scale:
        return Scale(
            n=int(self.n[caption]),
            minimum=float(self.minimum[caption]),
            maximum=float(self.maximum[caption]),
            mean=float(self.mean[caption]),
            deviation=float(self.deviation[caption]),
        )

    def scaled(self, cross_entropies: AnyFloats) -> Doubles:
        """Places (..., n_captions) between each caption's least (0) and greatest (1).

        Not clamped: a new sound may lie outside 0..1, and clamping would only make ties.
        """
        return _divided(cross_entropies - self.minimum, self.maximum - self.minimum)

    def standard(self, cross_entropies: AnyFloats) -> Doubles:
        """Deviations (..., n_captions) above each caption's mean."""
        return _divided(cross_entropies - self.mean, self.deviation)

    def place(self, values: AnyFloats) -> Doubles:
        """Places (..., n_captions) between least and greatest, and a little of the deviation."""
        return self.scaled(values) + DEVIATIONS * self.standard(values)


def _divided(values: Doubles, by: Doubles) -> Doubles:
    """`values` (..., n) over `by` (n,), and 0 where there is nothing to divide by."""
    flat = by < FLAT
    return np.where(flat, 0.0, values / np.where(flat, 1.0, by))


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """How near captions are to sounds in the joint space, and what it has to stand in for.

    Attributes:
        cosines: (..., n_captions).
        scales: of the cosines; None where the library has no sounds to take them from.
        known: (n_captions,) share of each caption's content words that the decoder knows.
    """

    cosines: AnyFloats
    scales: ScaleTable | None
    known: AnyFloats


def costs(
    how: Normalise,
    *,
    cross_entropies: AnyFloats,
    lifts: AnyFloats,
    scales: ScaleTable | None,
    likeness: Likeness | None,
) -> Doubles:
    """What ranks captions for a sound: costs (..., n_captions), lower is better.

    Args:
        how: the normalisation.
        cross_entropies: (..., n_captions) nats a word, a row a sound.
        lifts: of that shape.
        scales: of the cross-entropies; None where the library has no sounds to take them from. The
            lift then takes the place of the scaled value.
        likeness: in the joint space; None where there is none, or where `how` is not `MEAN`. The
            place is then that of the cross-entropies alone.
    """
    values = cross_entropies.astype(np.float64)
    if how is Normalise.NONE:
        return values
    if how is Normalise.LIFT or scales is None:
        return -lifts.astype(np.float64)
    if how is Normalise.MINMAX:
        return scales.scaled(values)
    if how is Normalise.ZSCORE:
        return scales.standard(values)
    if likeness is None or likeness.scales is None:
        return scales.place(values)
    # What the decoder would say of words that it does not know: a cross-entropy as far below the
    # caption's mean as its likeness is above its own. So nobody is favoured, whatever is known.
    guessed = scales.mean - scales.deviation * likeness.scales.standard(likeness.cosines)
    trusted = likeness.known * values + (1 - likeness.known) * guessed
    return (scales.place(trusted) - likeness.scales.place(likeness.cosines)) / 2


def ranked(cost: Doubles, *, cross_entropies: AnyFloats, ids: Ints) -> list[int]:
    """Places of captions, best first: by cost, ties by cross-entropy, then by id."""
    return [int(each) for each in np.lexsort((ids, cross_entropies, cost))]
