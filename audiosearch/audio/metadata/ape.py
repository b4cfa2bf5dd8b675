"""APEv2 tags at the end of a file: Monkey's Audio, WavPack, Musepack, and MP3 of old players."""

from __future__ import annotations

import io
import os
from typing import BinaryIO

from audiosearch.audio.metadata.fields import Fields
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


def read_tags_around(path: bytes, fields: Fields, _sample_rate: int) -> bool:
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


def _read_ape(file: BinaryIO, fields: Fields, *, end: int) -> None:
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
