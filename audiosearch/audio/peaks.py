"""The outline of a sound: its least and greatest sample in each of many equal bins.

Bins are counted in whole samples, so that one outline joins the next without a seam.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audiosearch._typing import Floats

FULL_SCALE = 127  # of an outline's values; beyond full scale they stay there
FACTOR = 8  # bins of one level in one of the next


@dataclass(frozen=True, eq=False)
class PeakTrace:
    """Least and greatest value of each bin, (width,) int8 of -127 to 127; 0 where nothing is."""

    minimum: np.ndarray[tuple[int], np.dtype[np.int8]]
    maximum: np.ndarray[tuple[int], np.dtype[np.int8]]

    @classmethod
    def of_bytes(cls, content: bytes) -> PeakTrace:
        """What `to_bytes` gave.

        Raises:
            ValueError: it is none: of an odd length.
        """
        both = np.frombuffer(content, np.int8).reshape(2, -1)
        return cls(both[0], both[1])

    def to_bytes(self) -> bytes:
        """All least values, then all greatest, a byte each."""
        return self.minimum.tobytes() + self.maximum.tobytes()

    def __len__(self) -> int:
        return len(self.minimum)

    def coarser(self) -> PeakTrace:
        """With `FACTOR` bins as one; the last is of what is left."""
        starts = np.arange(0, len(self), FACTOR)
        return PeakTrace(
            np.minimum.reduceat(self.minimum, starts), np.maximum.reduceat(self.maximum, starts)
        )

    def within(self, start: int, end: int, *, bin_size: int, width: int) -> PeakTrace:
        """`width` bins of samples `start` to `end` where each bin here is of `bin_size` samples.

        A bin on the border of two wanted ones counts for both.
        """
        edges = bin_edges(end - start, width) + start
        first = np.clip(edges[:-1] // bin_size, 0, len(self) - 1)
        last = np.clip(-(-edges[1:] // bin_size), first + 1, len(self))
        pairs = np.stack([first, last], axis=1).ravel()
        # Every second of what `reduceat` gives is from one pair's end to the next one's start. The
        # end of the last may be the end of all, which is no place of its own: hence one value more.
        low = np.minimum.reduceat(np.append(self.minimum, self.minimum[-1]), pairs)[::2]
        high = np.maximum.reduceat(np.append(self.maximum, self.maximum[-1]), pairs)[::2]
        return PeakTrace(low, high)


def bin_edges(n_samples: int, width: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Where each of `width` bins of `n_samples` begins, and where the last ends: (width + 1,)."""
    return np.arange(width + 1, dtype=np.int64) * n_samples // width


class PeakMeter:
    """Makes the outline of `n_samples` of sound that come block by block.

    Where there are more bins than samples, each bin is the sample that lies there.
    """

    def __init__(self, n_samples: int, width: int) -> None:
        """For a stretch.

        Raises:
            ValueError: there is no sample, or no bin.
        """
        if n_samples < 1 or width < 1:
            raise ValueError(f"{n_samples} samples in {width} bins")
        self._edges = bin_edges(n_samples, width)
        self._low = np.full(width, np.inf, np.float32)
        self._high = np.full(width, -np.inf, np.float32)
        self._at = 0

    def feed(self, block: Floats) -> None:
        """Take in the next samples (n, channels); what lies beyond the stretch is left out."""
        block = block[: self._edges[-1] - self._at]
        if not len(block):
            return
        edges, at = self._edges, self._at
        first = int(np.searchsorted(edges, at, "left"))
        first -= edges[first] > at
        last = int(np.searchsorted(edges[:-1], at + len(block), "left"))
        starts = np.maximum(edges[first:last] - at, 0)
        some = slice(first, last)
        low = high = block.ravel()
        if len(self._low) > edges[-1]:  # bins without a sample of their own take the next one
            low, high = block.min(axis=1), block.max(axis=1)
        else:  # all channels of a sample lie side by side: as one row, at a hundredth of the time
            starts *= block.shape[1]
        self._low[some] = np.minimum(self._low[some], np.minimum.reduceat(low, starts))
        self._high[some] = np.maximum(self._high[some], np.maximum.reduceat(high, starts))
        self._at += len(block)

    def result(self) -> PeakTrace:
        """The outline of what came."""
        return PeakTrace(_levels(self._low), _levels(self._high))


def _levels(values: Floats) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    known = np.where(np.isfinite(values), values, 0.0)
    levels: np.ndarray[tuple[int], np.dtype[np.int8]] = np.rint(
        np.clip(known, -1.0, 1.0) * FULL_SCALE
    ).astype(np.int8)
    return levels
