"""Creative Voice files and Amiga's 8SVX: whether they break off.

FFmpeg gives what is there and takes the end of the file for that of the sound.
"""

from __future__ import annotations

import os
from typing import BinaryIO

from audiosearch.audio.headers.types import AS_IT_IS, Extent

_VOC_MARK = b"Creative Voice File\x1a"
_SOUND, _MORE_SOUND, _SOUND_16 = 1, 2, 9
_UNKNOWN = 0xFFFFFF
_MAX_BLOCKS = 100_000


def voc_extent(file: BinaryIO) -> Extent:
    """Of a Creative Voice file.

    Raises:
        OSError: it cannot be read.
    """
    file.seek(0)
    head = file.read(22)
    if not head.startswith(_VOC_MARK) or len(head) < 22:
        return AS_IT_IS
    end = file.seek(0, os.SEEK_END)
    at = int.from_bytes(head[20:22], "little")
    for _ in range(_MAX_BLOCKS):
        file.seek(at)
        block = file.read(4)
        if len(block) < 4 or not block[0]:
            return AS_IT_IS
        size = int.from_bytes(block[1:], "little")
        at += 4 + size
        if at > end and block[0] in (_SOUND, _MORE_SOUND, _SOUND_16) and size < _UNKNOWN:
            return Extent(note="it breaks off in the middle of a block")
    return AS_IT_IS


def svx_extent(file: BinaryIO) -> Extent:
    """Of an 8SVX file.

    Raises:
        OSError: it cannot be read.
    """
    end = file.seek(0, os.SEEK_END)
    at = 12
    for _ in range(_MAX_BLOCKS):
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            break
        size = int.from_bytes(head[4:], "big")
        at += 8 + size
        if head[:4] == b"BODY" and at > end:
            there = size - (at - end)
            return Extent(note=f"its header tells of {size} bytes of sound, {there} are there")
        at += size % 2
    return AS_IT_IS
