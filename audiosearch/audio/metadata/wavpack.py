"""WavPack: the chunks of the WAV file that it was made from, which it keeps, and tags after it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

from audiosearch.audio.metadata import riff
from audiosearch.audio.metadata.ape import read_tags_around
from audiosearch.audio.metadata.fields import Fields

MAX_BLOCKS = 100_000  # half a second each
MAX_BLOCK_BYTES = 1 << 24
_HEADER_BYTES = 32
_WITHOUT_SOUND = 0  # samples in a block that holds nothing but what came after the sound
_KEPT = (0x21, 0x22)  # what stood before the sound, and after it
_ODD, _LARGE = 0x40, 0x80


def read_wavpack(path: bytes, fields: Fields, sample_rate: int) -> bool:
    """Tags and kept chunks; False: FFmpeg may know more.

    Raises:
        OSError: the file cannot be read.
    """
    read_tags_around(path, fields, sample_rate)
    with open(path, "rb") as file:  # noqa: PTH123  (paths are bytes here)
        kept = [chunk for part in _kept(file) for chunk in riff.chunks_in(part)]
    riff.read_chunks(iter(kept), fields, sample_rate=sample_rate)
    return False


def _kept(file: BinaryIO) -> Iterator[bytes]:
    """What the first block and those without sound keep of the original."""
    end = file.seek(0, os.SEEK_END)
    place = 0
    for number in range(MAX_BLOCKS):
        if place + _HEADER_BYTES > end:
            return
        file.seek(place)
        header = file.read(_HEADER_BYTES)
        size = int.from_bytes(header[4:8], "little") + 8
        if header[:4] != b"wvpk" or not _HEADER_BYTES <= size <= MAX_BLOCK_BYTES:
            return
        if number == 0 or int.from_bytes(header[20:24], "little") == _WITHOUT_SOUND:
            yield from _parts(file.read(size - _HEADER_BYTES))
        place += size


def _parts(content: bytes) -> Iterator[bytes]:
    place = 0
    while place + 2 <= len(content):
        kind = content[place]
        width = 3 if kind & _LARGE else 1  # of the size, which counts words of two bytes
        size = 2 * int.from_bytes(content[place + 1 : place + 1 + width], "little")
        place += 1 + width
        if kind & 0x3F in _KEPT:
            yield content[place : place + size - bool(kind & _ODD)]
        place += size
