"""Matroska and WebM: the title, the names of tracks, and tags, all values of each.

(FFmpeg keeps the last of several tags of one name, and lets a track's title hide the file's.)
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

from audiosearch.audio.metadata.fields import MetadataFields
from audiosearch.audio.metadata.text import decode, until_nul

MAX_ELEMENTS = 50_000  # passed over or read; a cluster is one
MAX_TEXT_BYTES = 1 << 18
_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067
_INFO, _TITLE = 0x1549A966, 0x7BA9
_TRACKS, _TRACK, _NAME = 0x1654AE6B, 0xAE, 0x536E
_TAGS, _TAG, _SIMPLE, _TAG_NAME, _TAG_STRING = 0x1254C367, 0x7373, 0x67C8, 0x45A3, 0x4487
_INSIDE = frozenset((_SEGMENT, _INFO, _TRACKS, _TRACK, _TAGS, _TAG))
_KEYS = {"keyword": "keywords", "lead_performer": "performer", "part_number": "track"}
_MAX_DEPTH = 8


def read_matroska(path: bytes, fields: MetadataFields, _sample_rate: int) -> bool:
    """Titles and tags of a Matroska file; False: FFmpeg may know more.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:  # noqa: PTH123  (paths are bytes here)
        end = file.seek(0, os.SEEK_END)
        file.seek(0)
        if int.from_bytes(file.read(4), "big") == _EBML:
            _Walk(file, fields).read(0, end, depth=0)
    return False


class _Walk:
    def __init__(self, file: BinaryIO, fields: MetadataFields) -> None:
        self._file = file
        self._fields = fields
        self._left = MAX_ELEMENTS

    def read(self, start: int, stop: int, *, depth: int) -> None:
        for number, begin, end in self._elements(start, stop):
            if number in _INSIDE and depth < _MAX_DEPTH:
                self.read(begin, end, depth=depth + 1)
            elif number in (_TITLE, _NAME):
                self._fields.add("title", self._text(begin, end))
            elif number == _SIMPLE:
                self._simple(begin, end, depth=depth + 1)

    def _simple(self, start: int, stop: int, *, depth: int) -> None:
        name = value = ""
        for number, begin, end in self._elements(start, stop):
            if number == _TAG_NAME:
                name = self._text(begin, end).lower()
            elif number == _TAG_STRING:
                value = self._text(begin, end)
            elif number == _SIMPLE and depth < _MAX_DEPTH:
                self._simple(begin, end, depth=depth + 1)
        self._fields.add(_KEYS.get(name, name), value)

    def _text(self, begin: int, end: int) -> str:
        self._file.seek(begin)
        return decode(until_nul(self._file.read(min(end - begin, MAX_TEXT_BYTES))))

    def _elements(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Number, and where the content begins and ends, of the elements between two places."""
        while start + 2 <= stop and self._left > 0:
            self._left -= 1
            self._file.seek(start)
            head = self._file.read(12)
            width = 9 - head[0].bit_length() if head else 9
            if width > 4 or width >= len(head):
                return
            number = int.from_bytes(head[:width], "big")
            size_width = 9 - head[width].bit_length()
            body = width + size_width
            if size_width > 8 or body > len(head):
                return
            ones = (1 << 7 * size_width) - 1
            size = int.from_bytes(head[width:body], "big") & ones
            begin = start + body
            # A size of ones is not known yet: to the end of what is around it.
            end = stop if size == ones else min(begin + size, stop)
            yield number, begin, end
            start = end
