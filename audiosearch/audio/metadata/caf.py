"""Core Audio: markers and regions, whose names stand in a chunk of strings.

FFmpeg reads its texts (`info`), but no markers.
"""

from __future__ import annotations

import math
import os
import struct
from typing import BinaryIO

from audiosearch.audio.metadata.fields import MAX_MARKERS, MetadataFields
from audiosearch.audio.metadata.text import decode, until_nul

MAX_CHUNK_BYTES = 16 << 20
MAX_CHUNKS = 4096
_WANTED = (b"mark", b"regn", b"strg", b"info")
_MARKER = struct.Struct(">4sdI8sI")  # kind, frame, number, SMPTE time, channel


def read_caf(path: bytes, fields: MetadataFields, sample_rate: int) -> bool:
    """Texts and markers of a CAF file; False: FFmpeg may know more.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:  # noqa: PTH123  (paths are bytes here)
        if file.read(4) != b"caff":
            return False
        found = _chunks(file)
    _info(found.get(b"info", b""), fields)
    if sample_rate:
        names = _strings(found.get(b"strg", b""))
        _markers(found.get(b"mark", b""), names, fields, sample_rate=sample_rate)
        _regions(found.get(b"regn", b""), names, fields, sample_rate=sample_rate)
    return False


def _chunks(file: BinaryIO) -> dict[bytes, bytes]:
    end = file.seek(0, os.SEEK_END)
    found: dict[bytes, bytes] = {}
    place = 8
    for _ in range(MAX_CHUNKS):
        file.seek(place)
        header = file.read(12)
        if len(header) < 12:
            break
        size = int.from_bytes(header[4:], "big", signed=True)
        if header[:4] in _WANTED:
            found[header[:4]] = file.read(min(max(size, 0), MAX_CHUNK_BYTES))
        place += 12 + size
        if size < 0 or place > end:
            break
    return found


def _info(content: bytes, fields: MetadataFields) -> None:
    texts = content[4:].split(b"\0")
    for name, value in zip(texts[0:10_000:2], texts[1:10_000:2], strict=False):
        key = decode(name).lower()
        fields.add({"comments": "comment", "year": "date"}.get(key, key), decode(value))


def _strings(content: bytes) -> dict[int, str]:
    """Strings by number."""
    count = int.from_bytes(content[:4], "big")
    texts = 4 + 12 * count
    found: dict[int, str] = {}
    for place in range(4, min(texts, len(content) - 11), 12):
        number, offset = struct.unpack_from(">Iq", content, place)
        if 0 <= offset <= len(content):
            found[number] = decode(until_nul(content[texts + offset :][:4000]))
    return found


def _markers(
    content: bytes, names: dict[int, str], fields: MetadataFields, *, sample_rate: int
) -> None:
    for place in range(8, len(content) - _MARKER.size + 1, _MARKER.size)[:MAX_MARKERS]:
        _, frame, number, _, _ = _MARKER.unpack_from(content, place)
        if math.isfinite(frame) and 0 <= frame < 2**53:
            fields.add_marker(frame / sample_rate, names.get(number, ""))


def _regions(
    content: bytes, names: dict[int, str], fields: MetadataFields, *, sample_rate: int
) -> None:
    place = 8
    for _ in range(MAX_MARKERS):
        if place + 12 > len(content):
            return
        region, _, count = struct.unpack_from(">III", content, place)
        place += 12
        frames: list[float] = []
        words = [names.get(region, "")]
        for _ in range(count):
            if place + _MARKER.size > len(content):
                return
            _, frame, number, _, _ = _MARKER.unpack_from(content, place)
            place += _MARKER.size
            if math.isfinite(frame) and 0 <= frame < 2**53:
                frames.append(frame)
            words.append(names.get(number, ""))
        if frames:
            start_s, end_s = min(frames) / sample_rate, max(frames) / sample_rate
            fields.add_marker(start_s, ", ".join(dict.fromkeys(filter(None, words))), end_s=end_s)
