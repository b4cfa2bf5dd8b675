"""The lot that a window draws, by which a uniform sample of the library is taken.

In goes what a window is, out comes a number that looks random and is always the same. The windows
with the least numbers are a uniform sample without replacement, which windows that come or go
change by at most one place each (bottom-k sampling, Cohen and Kaplan 2007).
"""

from __future__ import annotations

import hashlib
import struct


def sample_key(
    *, audio_hash: bytes, fingerprint: str, position: int, start_s: float, end_s: float
) -> int:
    """The lot of a window, 63 bits: of its sound, its place in it, and the bundle that heard it."""
    place = struct.pack("<qdd", position, start_s, end_s)
    return _number(audio_hash + fingerprint.encode() + place)


def signature(draws: bytes) -> int:
    """A number, 63 bits, that stands for a sample: its draws in order, as (n,) int64."""
    return _number(draws)


def _number(content: bytes) -> int:
    digest = hashlib.blake2b(content, digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1  # positive in the database's 64-bit integers
