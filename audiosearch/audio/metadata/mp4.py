"""MP4, M4A and QuickTime: iTunes' tags, all values of each, and XMP.

What mutagen does not know (QuickTime's own texts and keys) comes through FFmpeg.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

from audiosearch.audio.metadata.fields import MetadataFields
from audiosearch.audio.metadata.text import decode, until_nul
from audiosearch.audio.metadata.unreadable import FROM_MUTAGEN, reading
from audiosearch.audio.metadata.xmp import read_xmp

MAX_TAGS_BYTES = 64 << 20  # of pictures, all but a little
MAX_XMP_BYTES = 16 << 20
_MAX_BOXES = 4096
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_KEYS = {
    "\xa9ART": "artist",
    "\xa9alb": "album",
    "\xa9cmt": "comment",
    "\xa9day": "date",
    "\xa9gen": "genre",
    "\xa9grp": "grouping",
    "\xa9lyr": "lyrics",
    "\xa9mvn": "movement",
    "\xa9nam": "title",
    "\xa9too": "encoder",
    "\xa9wrk": "work",
    "\xa9wrt": "composer",
    "aART": "album_artist",
    "catg": "category",
    "cprt": "copyright",
    "desc": "description",
    "keyw": "keywords",
    "ldes": "description",
    "tven": "episode",
    "tvnn": "network",
    "tvsh": "show",
}
_FREEFORM = "----:"
# 3GPP's own boxes (TS 26.244), of telephones and their recorders.
_OF_3GPP = {
    b"albm": "album",
    b"auth": "artist",
    b"cprt": "copyright",
    b"dscp": "description",
    b"gnre": "genre",
    b"perf": "performer",
    b"titl": "title",
}
_MAX_TEXT_BYTES = 1 << 16


def read_mp4(path: bytes, fields: MetadataFields, _sample_rate: int) -> bool:
    """Tags of an MP4 file; False: FFmpeg may know more.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:  # noqa: PTH123  (paths are bytes here)
        end = file.seek(0, os.SEEK_END)
        has_tags = False
        for name, start, stop in _boxes(file, 0, end):
            if name == b"moov":
                has_tags = _has_tags(file, start, stop, fields)
            elif name == b"uuid" and stop - start <= MAX_XMP_BYTES:
                file.seek(start)
                content = file.read(stop - start)
                if content[:16] == _XMP:
                    with reading("XMP"):
                        read_xmp(content[16:], fields)
        if has_tags:
            with reading("MP4's tags"):
                _read_tags(file, fields)
    return False


def _has_tags(file: BinaryIO, start: int, stop: int, fields: MetadataFields) -> bool:
    """Whether `moov` has iTunes' tags, of a size to be read; reads XMP beside them."""
    found = False
    for name, inner, end in _boxes(file, start, stop):
        if name != b"udta":
            continue
        for kind, place, after in _boxes(file, inner, end):
            if kind == b"meta":
                found |= after - place <= MAX_TAGS_BYTES
            elif kind in _OF_3GPP or kind == b"kywd":
                file.seek(place)
                _read_3gpp(kind, file.read(min(after - place, _MAX_TEXT_BYTES)), fields)
            elif kind == b"XMP_" and after - place <= MAX_XMP_BYTES:
                file.seek(place)
                with reading("XMP"):
                    read_xmp(file.read(after - place), fields)
    return found


def _read_3gpp(kind: bytes, content: bytes, fields: MetadataFields) -> None:
    """A text after its version (4 bytes) and language (2); keywords are counted, with sizes."""
    if kind != b"kywd":
        text = content[6:]
        wide = text[:2] in (b"\xfe\xff", b"\xff\xfe")
        fields.add(_OF_3GPP[kind], decode(text if wide else until_nul(text)).rstrip("\0"))
        return
    place = 7
    while place < len(content):
        size = content[place]
        fields.add("keywords", decode(content[place + 1 : place + 1 + size]).rstrip("\0"))
        place += 1 + size


def _boxes(file: BinaryIO, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, and where the content begins and ends, of the boxes between two places."""
    for _ in range(_MAX_BOXES):
        if start + 8 > stop:
            return
        file.seek(start)
        head = file.read(16)
        if len(head) < 8:
            return
        size, name, body = int.from_bytes(head[:4], "big"), head[4:8], start + 8
        if size == 1:
            size, body = int.from_bytes(head[8:16], "big"), start + 16
        elif size == 0:
            size = stop - start
        if size < body - start:
            return
        yield name, body, min(start + size, stop)
        start += size


def _read_tags(file: BinaryIO, fields: MetadataFields) -> None:
    from mutagen import MutagenError  # noqa: PLC0415
    from mutagen.mp4 import MP4  # noqa: PLC0415

    file.seek(0)
    with reading("MP4", MutagenError, *FROM_MUTAGEN, passed_on=True):
        for name, values in (MP4(file).tags or {}).items():
            if name.startswith(_FREEFORM):
                key = name.rpartition(":")[2]
                for value in values:
                    fields.add(key, decode(bytes(value)))
            elif name in _KEYS:
                for value in values:
                    fields.add(_KEYS[name], value)
