"""FLAC: its comments, an ID3 tag before it, and what `flac --keep-foreign-metadata` kept.

That is the chunks of the WAV, AIFF or Wave64 file that it was made from, one a block.
"""

from __future__ import annotations

from typing import BinaryIO

from audiosearch.audio.metadata import aiff, riff
from audiosearch.audio.metadata.fields import Fields
from audiosearch.audio.metadata.id3 import read_id3, tags_before
from audiosearch.audio.metadata.unreadable import reading
from audiosearch.audio.metadata.vorbis import read_comments
from audiosearch.audio.metadata.xmp import read_xmp

MAX_BLOCKS = 4096
MAX_ALL_BLOCKS_BYTES = 64 << 20
_APPLICATION, _COMMENTS, _LAST = 2, 4, 0x80


def read_flac(path: bytes, fields: Fields, sample_rate: int) -> bool:
    """All that the blocks of a FLAC file say; False: it is no such file.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:  # noqa: PTH123  (paths are bytes here)
        with reading("the ID3 tag"):
            for tag in tags_before(file):
                read_id3(tag, fields)
        if file.read(4) != b"fLaC":
            return False
        _read_blocks(file, fields, sample_rate=sample_rate)
    return True


def _read_blocks(file: BinaryIO, fields: Fields, *, sample_rate: int) -> None:
    foreign: list[bytes] = []
    left = MAX_ALL_BLOCKS_BYTES
    for _ in range(MAX_BLOCKS):
        header = file.read(4)
        if len(header) < 4:
            break
        kind, size = header[0] & 0x7F, int.from_bytes(header[1:], "big")
        end = file.tell() + size
        if kind == _COMMENTS and size <= left:
            content = file.read(size)
            left -= size
            with reading("Vorbis comments"):
                read_comments(content, fields)
        elif kind == _APPLICATION and size <= left:
            foreign.append(file.read(size))
            left -= size
        if header[0] & _LAST:
            break
        file.seek(end)
    _read_foreign(foreign, fields, sample_rate=sample_rate)


def _read_foreign(blocks: list[bytes], fields: Fields, *, sample_rate: int) -> None:
    of_riff = [
        chunk for each in blocks if each[:4] == b"riff" for chunk in riff.chunks_in(each[4:])
    ]
    of_riff += [
        chunk for each in blocks if each[:4] == b"w64 " for chunk in riff.wave64_chunks_in(each[4:])
    ]
    of_aiff = [
        chunk for each in blocks if each[:4] == b"aiff" for chunk in aiff.chunks_in(each[4:])
    ]
    riff.read_chunks(iter(of_riff), fields, sample_rate=sample_rate)
    aiff.read_chunks(of_aiff, fields, sample_rate=sample_rate)
    for each in blocks:
        if each[:4].lower() == b"xmp ":
            with reading("XMP"):
                read_xmp(each[4:], fields)
