"""Markers and regions of RIFF: cue points, and the labels, notes and lengths that adtl lists add.

Several lists may speak of one point; a label whose point is not there is kept without a time.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from audiosearch.audio.metadata.chunks import listed
from audiosearch.audio.metadata.fields import MAX_MARKERS, Fields
from audiosearch.audio.metadata.text import decode, until_nul

_POINT = struct.Struct("<II4sIII")
_MAX_POINTS = 100_000


@dataclass
class Cues:
    """What a file's cue and adtl chunks say, gathered until all are read."""

    _frames: dict[int, int] = field(default_factory=dict)  # by the point's number
    _words: dict[int, dict[str, None]] = field(default_factory=dict)
    _lengths: dict[int, int] = field(default_factory=dict)

    def read_points(self, content: bytes) -> None:
        """A `cue ` chunk."""
        places = range(4, len(content) - _POINT.size + 1, _POINT.size)
        for place in places[:_MAX_POINTS]:
            number, position, _, _, _, offset = _POINT.unpack_from(content, place)
            self._frames.setdefault(number, offset or position)

    def read_list(self, content: bytes) -> None:
        """A list of type adtl, after that type."""
        for name, sub in listed(content):
            if len(sub) < 4 or name not in (b"labl", b"note", b"ltxt"):
                continue
            (number,) = struct.unpack_from("<I", sub)
            if name == b"ltxt":
                self._read_region(number, sub)
            else:
                self._say(number, decode(until_nul(sub[4:])))

    def _read_region(self, number: int, sub: bytes) -> None:
        """ltxt: length, purpose, country, language, dialect, code page, text."""
        if len(sub) < 8:
            return
        (length,) = struct.unpack_from("<I", sub, 4)
        if length:
            self._lengths.setdefault(number, length)
        page = int.from_bytes(sub[18:20], "little")
        self._say(number, decode(until_nul(sub[20:]), otherwise=f"cp{page or 1252}"))

    def _say(self, number: int, text: str) -> None:
        if text.strip() and len(self._words) < _MAX_POINTS:
            self._words.setdefault(number, {})[text.strip()] = None

    def tell(self, fields: Fields, *, sample_rate: int) -> None:
        """Those with words, in the order of time: "12.500 s dog", "20.100-21.000 s door"."""
        timed = sorted(
            (self._frames[number], number) for number in self._words if number in self._frames
        )
        for frame, number in timed[:MAX_MARKERS]:
            words = ", ".join(self._words[number])
            length = self._lengths.get(number)
            if sample_rate:
                end_s = (frame + length) / sample_rate if length else None
                fields.add_marker(frame / sample_rate, words, end_s=end_s)
            else:
                fields.add("markers", words)
        for number in [each for each in self._words if each not in self._frames][:MAX_MARKERS]:
            fields.add("markers", ", ".join(self._words[number]))
