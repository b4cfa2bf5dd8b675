"""Frames as they are stored: what they have beyond their bundle's base, without the zeros.

A decoder's memory is the output of a rectifier plus a constant for each place in the window. The
constant, found as the least values seen, is stored once; of the rest nineteen in twenty are zero.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audiosearch._typing import Floats

MAX_VALUE = 32_752.0  # of a frame: the difference of two is a finite float16 still
_MOST_INFLATED = 1032  # bytes that zlib makes of one, at most
_LEVEL = 1  # of zlib: more takes as long again and spares a fiftieth
_POOR = 0.01  # of values below the base: from there on another one is worth its row


@dataclass(frozen=True, eq=False)
class FrameBase:
    """The base (T, D) float32 of a bundle's frames: what stands in nearly all of them.

    Frames are stored as float16 differences from it, so they come back as exactly as float16
    keeps what is beyond the base. Any base serves; one that fits makes them small.
    """

    rows: Floats

    def pack(self, frames: Floats) -> bytes:
        """Frames (T, D) as bytes: which differences are not zero, then these as float16.

        Raises:
            ValueError: a value is no finite float16 (NaN, infinite, beyond 65504).
        """
        with np.errstate(over="ignore", invalid="ignore"):
            half = (frames - self._of(len(frames))).T.ravel().astype("<f2")
        if not np.isfinite(half).all():
            raise ValueError("frames with values that are not finite")
        present = half != 0
        octets = half[present].view(np.uint8).reshape(-1, 2)
        # High and low bytes apart: the high ones are much alike.
        parts = (np.packbits(present), octets[:, 1], octets[:, 0])
        return zlib.compress(b"".join(part.tobytes() for part in parts), _LEVEL)

    def unpack(self, blob: object, n_frames: object) -> Floats:
        """The frames (T, D) float32 that `pack` was given; SQLite may have kept anything for them.

        Raises:
            ValueError: the bytes are not those of so many frames.
        """
        dim = self.rows.shape[1]
        if not isinstance(n_frames, int) or not isinstance(blob, bytes):
            raise ValueError("frames that cannot be unpacked")
        n_values = n_frames * dim
        n_mask = -(-n_values // 8)
        if n_mask > _MOST_INFLATED * len(blob):
            raise ValueError(f"{len(blob)} bytes do not hold {n_frames} frames of {dim}")
        inflate = zlib.decompressobj()
        try:
            content = inflate.decompress(blob, n_mask + 2 * n_values + 1)
        except (zlib.error, TypeError) as error:
            raise ValueError("frames that cannot be unpacked") from error
        mask = np.frombuffer(content[:n_mask], np.uint8)
        present = np.unpackbits(mask, count=n_values).view(np.bool_)
        n_present = int(np.count_nonzero(present))
        if not inflate.eof or len(content) != n_mask + 2 * n_present or n_frames < 1:
            raise ValueError(f"{len(blob)} bytes do not hold {n_frames} frames of {dim}")
        octets = np.empty((n_present, 2), np.uint8)
        octets[:, 1] = np.frombuffer(content, np.uint8, n_present, n_mask)
        octets[:, 0] = np.frombuffer(content, np.uint8, n_present, n_mask + n_present)
        values = np.zeros(n_values, np.float32)
        values[present] = octets.view("<f2")[:, 0]
        frames: Floats = self._of(n_frames) + values.reshape(dim, n_frames).T
        return frames

    def _of(self, n_frames: int) -> Floats:
        """The base of so many frames; those beyond its end have its last row."""
        if n_frames <= len(self.rows):
            return self.rows[:n_frames]
        return self.rows[np.minimum(np.arange(n_frames), len(self.rows) - 1)]


def checked_frames(frames: Floats) -> Floats:
    """The frames, if they can be packed with any base that is made of such frames.

    Raises:
        ValueError: a value is not finite, or too large.
    """
    if not (np.abs(frames) <= MAX_VALUE).all():
        raise ValueError("a vector with values that are not finite")
    return frames


def better_base(base: FrameBase | None, frames: Sequence[Floats]) -> FrameBase | None:
    """A base that fits checked frames (T_i, D) which are to be stored; None where `base` does well.

    Where windows are longer than all before, or lie below the base, it is the least of both.
    """
    longest = max(len(each) for each in frames)
    least = np.full((longest, frames[0].shape[1]), np.inf, np.float32)
    for each in frames:
        least[: len(each)] = np.minimum(least[: len(each)], each)
    if base is None:
        return FrameBase(least)
    known = base.rows
    if len(known) >= longest:
        n_below = sum(int(np.count_nonzero(each < known[: len(each)])) for each in frames)
        if n_below <= _POOR * sum(each.size for each in frames):
            return None
    made = np.full((max(longest, len(known)), least.shape[1]), np.inf, np.float32)
    made[: len(known)] = known
    made[:longest] = np.minimum(made[:longest], least)
    return FrameBase(made)
