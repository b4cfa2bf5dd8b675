"""APEv2 tags at the end of a file: Monkey's Audio, WavPack, Musepack, and MP3 of old players."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import BinaryIO

from audiosearch.audio.metadata import riff
from audiosearch.audio.metadata.fields import MetadataFields
from audiosearch.audio.metadata.id3 import ID3V1_BYTES, read_id3, read_id3v1, tags_before
from audiosearch.audio.metadata.unreadable import FROM_MUTAGEN, Unreadable, reading

MAX_TAG_BYTES = 32 << 20  # of pictures, all but a little
_MARK = b"APETAGEX"
_FOOTER_BYTES = 32
_KEYS = {
    "album artist": "album_artist",
    "disc": "disc",
    "keyword": "keywords",
    "record date": "date",
    "year": "date",
}


def read_tags_around(path: bytes, fields: MetadataFields, _sample_rate: int) -> bool:
    """ID3 before the sound, APEv2 and ID3v1 after it; False: FFmpeg may know more.

    Raises:
        OSError: the file cannot be read.
    """
    read = False
    with open(path, "rb") as file:  # noqa: PTH123  (paths are bytes here)
        with reading("the ID3 tag"):
            for tag in tags_before(file):
                read_id3(tag, fields)
            read = True
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - ID3V1_BYTES - _FOOTER_BYTES))
        tail = file.read()
        old = tail[-ID3V1_BYTES:] if tail[-ID3V1_BYTES:-125] == b"TAG" else b""
        with reading("the APE tag"):
            _read_ape(file, fields, end=size - len(old))
        read_id3v1(old, fields)
    return read


def _read_ape(file: BinaryIO, fields: MetadataFields, *, end: int) -> None:
    file.seek(max(0, end - _FOOTER_BYTES))
    footer = file.read(_FOOTER_BYTES)
    if footer[:8] != _MARK:
        return
    size = int.from_bytes(footer[12:16], "little") + _FOOTER_BYTES  # with the header, if it has one
    if size > MAX_TAG_BYTES:
        raise Unreadable(f"an APE tag of {size} bytes")
    from mutagen import MutagenError  # noqa: PLC0415
    from mutagen.apev2 import APEv2  # noqa: PLC0415

    start = max(0, end - size)
    file.seek(start)
    with reading("APE", MutagenError, *FROM_MUTAGEN, passed_on=True):
        for name, value in APEv2(io.BytesIO(file.read(end - start))).items():
            if value.kind == 0:  # text
                for text in value:
                    fields.add(_KEYS.get(name.lower(), name), text)


MAX_BLOCKS = 100_000  # half a second each
MAX_BLOCK_BYTES = 1 << 24
_HEADER_BYTES = 32
_WITHOUT_SOUND = 0  # samples in a block that holds nothing but what came after the sound
_KEPT = (0x21, 0x22)  # what stood before the sound, and after it
_ODD, _LARGE = 0x40, 0x80


def read_wavpack(path: bytes, fields: MetadataFields, sample_rate: int) -> bool:
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
