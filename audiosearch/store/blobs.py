"""Vectors as the database keeps them: little-endian float16, row-major, no header.

Half precision costs cosine similarities less than 1e-3 and halves the library; everything is
computed in float32 again. Knows no table.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audiosearch._typing import Floats


def to_blob(array: Floats) -> bytes:
    """The bytes of an array of any shape.

    Raises:
        ValueError: a value is no finite float16 (NaN, infinite, beyond 65504).
    """
    with np.errstate(over="ignore"):
        half = np.asarray(array, dtype=np.float32).astype("<f2")
    if not np.isfinite(half).all():
        raise ValueError("a vector with values that are not finite")
    return half.tobytes()


def from_blob(blob: bytes, *, dim: int) -> Floats:
    """The array of a blob: (n, dim) float32, n following from its length."""
    return np.frombuffer(blob, dtype="<f2").astype(np.float32).reshape(-1, dim)


def stack_blobs(blobs: Sequence[bytes]) -> Floats:
    """Many vectors of one size as a matrix (n, dim) float32; (0, 0) for none.

    Raises:
        ValueError: they differ in size.
    """
    if not blobs:
        return np.zeros((0, 0), np.float32)
    size = len(blobs[0])
    if any(len(blob) != size for blob in blobs):
        raise ValueError("vectors of different sizes in one table")
    return from_blob(b"".join(blobs), dim=size // 2)
