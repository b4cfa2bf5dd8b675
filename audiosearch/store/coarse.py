"""Vectors as whole numbers of eight bits: a quarter of the bytes to read, and how far off they are.

What they say of a cosine is never taken for it: it only tells which rows cannot be among the best
(`may_be_best`), and the others are computed from the vectors themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audiosearch._typing import Floats

Codes = npt.NDArray[np.int8]

_MOST = 127  # of a code
_ROUNDING = 2e-6  # what float32 may lose in sums of a thousand products of unit vectors
_CHUNK = 1 << 13  # rows multiplied at a time: what comes of them stays in the caches


@dataclass(frozen=True)
class CoarseRows:
    """Rows of unit vectors, roughly: row i is nearly `scales[i] * codes[i]`.

    Attributes:
        codes: (n, D) in -127..127.
        scales: (n,).
        losses: (n,), the length of what is lost of each row.
    """

    codes: Codes
    scales: Floats
    losses: Floats

    def near(self, queries: Floats) -> tuple[Floats, Floats]:
        """The greatest cosine of each row with any of the queries, and how far off it may be.

        Args:
            queries: (Q, D), of length 1 or 0.

        Returns:
            cosines (n,) and margins (n,).
        """
        import simsimd  # noqa: PLC0415 - only large libraries need it

        asked = coarse_rows(queries)
        found = np.empty(len(self.codes), np.float32)
        for start in range(0, len(self.codes), _CHUNK):
            some = slice(start, start + _CHUNK)
            products = np.asarray(
                simsimd.cdist(asked.codes, self.codes[some], metric="dot", out_dtype="float32")
            )
            best = (products * asked.scales[:, None]).max(axis=0)
            np.multiply(best, self.scales[some], out=found[some])
        lost = float(asked.losses.max(initial=0.0))
        return found, self.losses * np.float32(1 + lost) + np.float32(lost + _ROUNDING)


def coarse_rows(vectors: Floats) -> CoarseRows:
    """Rows (n, D) as codes; rows of zeros lose nothing, those that are not finite all."""
    greatest = np.abs(vectors).max(axis=1, initial=0.0)
    damaged = ~np.isfinite(greatest)
    if damaged.any():
        vectors = vectors.copy()
        vectors[damaged], greatest[damaged] = 0, 0
    scales = np.where(greatest > 0, greatest, 1).astype(np.float32) / np.float32(_MOST)
    codes = np.rint(vectors / scales[:, None]).astype(np.int8)
    lost = vectors - scales[:, None] * codes
    losses = np.linalg.norm(lost, axis=1).astype(np.float32)
    losses[damaged] = np.inf
    return CoarseRows(codes, scales, losses)


def may_be_best(cosines: Floats, margins: Floats, k: int) -> npt.NDArray[np.int64]:
    """Rows (m,), ascending, of which any may be among the `k` greatest of n, given as n ± margins.

    All others are smaller than `k` of these, whatever each of them really is.
    """
    if k >= len(cosines):
        return np.arange(len(cosines))
    least = np.partition(cosines - margins, len(cosines) - k)[len(cosines) - k]
    return np.flatnonzero(cosines + margins >= least).astype(np.int64)
