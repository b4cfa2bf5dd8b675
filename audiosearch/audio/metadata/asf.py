"""ASF (WMA): all values of each attribute."""

from __future__ import annotations

from typing import BinaryIO

from audiosearch.audio.metadata.fields import Fields
from audiosearch.audio.metadata.text import key_of
from audiosearch.audio.metadata.unreadable import FROM_MUTAGEN, Unreadable, reading

MAX_HEADER_BYTES = 64 << 20  # of pictures, all but a little
_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_KEYS = {
    "albumartist": "album_artist",
    "albumtitle": "album",
    "author": "artist",
    "description": "comment",
    "mood": "mood",
    "partofset": "disc",
    "text": "comment",
    "tracknumber": "track",
    "year": "date",
}


def read_asf(path: bytes, fields: Fields, _sample_rate: int) -> bool:
    """Attributes of an ASF file; False: FFmpeg may know more.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:  # noqa: PTH123  (paths are bytes here)
        head = file.read(24)
        if head[:16] != _HEADER:
            return False
        with reading("ASF's attributes"):
            size = int.from_bytes(head[16:], "little")
            if size > MAX_HEADER_BYTES:
                raise Unreadable(f"a header of {size} bytes")
            file.seek(0)
            _read_attributes(file, fields)
    return False


def _read_attributes(file: BinaryIO, fields: Fields) -> None:
    from mutagen import MutagenError  # noqa: PLC0415
    from mutagen.asf import ASF  # noqa: PLC0415

    with reading("ASF", MutagenError, *FROM_MUTAGEN, passed_on=True):
        for name, value in ASF(file).tags or ():
            key = name.rpartition("/")[2].lower()
            if isinstance(value.value, str):
                fields.add(_KEYS.get(key, key_of(key)), value.value)
