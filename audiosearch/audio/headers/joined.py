"""MP4 and ASF files that are joined end to end: FFmpeg reads the first, and says nothing."""

from __future__ import annotations

import os
from typing import BinaryIO

from audiosearch.audio.headers.chunks import JOINED
from audiosearch.audio.headers.types import AS_IT_IS, Extent

_ASF_MARK = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_MAX_PARTS = 100_000


def mp4_extent(file: BinaryIO) -> Extent:
    """Of a file of boxes.

    Raises:
        OSError: it cannot be read.
    """
    end = file.seek(0, os.SEEK_END)
    at, whole = 0, False
    for _ in range(_MAX_PARTS):
        file.seek(at)
        head = file.read(16)
        size, name = int.from_bytes(head[:4], "big"), head[4:8]
        if size == 1:
            size = int.from_bytes(head[8:], "big")
        if whole and name == b"ftyp" and at:
            return Extent(note=JOINED)
        whole = whole or name == b"moov"
        if size < 8 or at + size >= end:
            break
        at += size
    return AS_IT_IS


def asf_extent(file: BinaryIO) -> Extent:
    """Of a file of ASF objects.

    Raises:
        OSError: it cannot be read.
    """
    end = file.seek(0, os.SEEK_END)
    at = 0
    for _ in range(_MAX_PARTS):
        file.seek(at)
        head = file.read(24)
        size = int.from_bytes(head[16:], "little")
        if at and head.startswith(_ASF_MARK):
            return Extent(note=JOINED)
        if size < 24 or at + size >= end:
            break
        at += size
    return AS_IT_IS
