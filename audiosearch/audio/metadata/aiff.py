"""AIFF and AIFF-C: their own text chunks, comments and markers, and ID3, XMP or RIFF's in them."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator

from audiosearch.audio.metadata.chunks import listed, read_bext
from audiosearch.audio.metadata.fields import MAX_MARKERS, MetadataFields
from audiosearch.audio.metadata.id3 import read_id3
from audiosearch.audio.metadata.ixml import read_ixml
from audiosearch.audio.metadata.text import decode, until_nul
from audiosearch.audio.metadata.unreadable import reading
from audiosearch.audio.metadata.xmp import read_xmp

MAX_CHUNK_BYTES = 16 << 20
MAX_ALL_CHUNKS_BYTES = 64 << 20
MAX_CHUNKS = 4096
_FORMS = (b"AIFF", b"AIFC")
_TEXTS = {b"NAME": "title", b"AUTH": "artist", b"(c) ": "copyright", b"ANNO": "comment"}
_WANTED = frozenset((*_TEXTS, b"MARK", b"COMT", b"ID3 ", b"id3 ", b"APPL", b"iXML", b"bext"))


def read_aiff(path: bytes, fields: MetadataFields, sample_rate: int) -> bool:
    """All that the chunks of an AIFF file say; False: it is no such file.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:  # noqa: PTH123  (paths are bytes here)
        head = file.read(12)
        if head[:4] != b"FORM" or head[8:] not in _FORMS:
            return False
        size_of_file = file.seek(0, os.SEEK_END)
        found: list[tuple[bytes, bytes]] = []
        left = MAX_ALL_CHUNKS_BYTES
        place = 12
        for _ in range(MAX_CHUNKS):
            file.seek(place)
            header = file.read(8)
            if len(header) < 8 or place > size_of_file:
                break
            size = int.from_bytes(header[4:], "big")
            if header[:4] in _WANTED and left > 0:
                found.append((header[:4], file.read(min(size, MAX_CHUNK_BYTES, left))))
                left -= len(found[-1][1])
            place += 8 + size + size % 2
    read_chunks(found, fields, sample_rate=sample_rate)
    return True


def chunks_in(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Wanted chunks of a piece of an AIFF file that another container keeps."""
    if content[:4] == b"FORM":
        content = content[12:]
    yield from (each for each in listed(content, big=True) if each[0] in _WANTED)


def read_chunks(
    found: list[tuple[bytes, bytes]], fields: MetadataFields, *, sample_rate: int
) -> None:
    """What AIFF's chunks say, wherever they are kept."""
    markers: dict[int, tuple[int, str]] = {}
    comments: dict[int, list[str]] = {}  # by the marker's number, 0 for the file's own
    for name, content in found:
        with reading(f"the chunk {name!r}"):
            if name in _TEXTS:
                fields.add(_TEXTS[name], decode(until_nul(content)))
            elif name == b"MARK":
                markers |= _markers(content)
            elif name == b"COMT":
                _comments(content, comments)
            elif name in _FOREIGN:
                _FOREIGN[name](content, fields)
            elif name == b"iXML":
                read_ixml(content, fields, sample_rate=sample_rate)
    placed = sorted(markers.items(), key=lambda item: item[1][0])
    for number, (frame, label) in placed[:MAX_MARKERS] if sample_rate else ():
        words = dict.fromkeys(text for text in (label, *comments.pop(number, ())) if text)
        fields.add_marker(frame / sample_rate, ", ".join(words))
    for text in (each for texts in comments.values() for each in texts):
        fields.add("comment", text)


def _read_application(content: bytes, fields: MetadataFields) -> None:
    if content[:4] == b"XMP ":
        read_xmp(content[4:], fields)


_FOREIGN: dict[bytes, Callable[[bytes, MetadataFields], None]] = {
    b"APPL": _read_application,
    b"ID3 ": read_id3,
    b"bext": read_bext,
    b"id3 ": read_id3,
}


def _markers(content: bytes) -> dict[int, tuple[int, str]]:
    """Place and label by number; a label and its count together have an even length."""
    found: dict[int, tuple[int, str]] = {}
    count = int.from_bytes(content[:2], "big")
    place = 2
    for _ in range(count):
        if place + 7 > len(content):
            break
        number, frame, size = struct.unpack_from(">HIB", content, place)
        place += 7
        found.setdefault(number, (frame, decode(until_nul(content[place : place + size])).strip()))
        place += size + (size + 1) % 2
    return found


def _comments(content: bytes, found: dict[int, list[str]]) -> None:
    count = int.from_bytes(content[:2], "big")
    place = 2
    for _ in range(count):
        if place + 8 > len(content):
            break
        _, marker, size = struct.unpack_from(">IHH", content, place)
        place += 8
        text = decode(until_nul(content[place : place + size])).strip()
        if text:
            found.setdefault(marker, []).append(text)
        place += size + size % 2
