"""Where things lie in sound files: spans (chunks, pages, blocks) and the fields that size them.

In: the bytes of a whole, well-formed file. Out: its `Layout`. Only as much of each format as it
takes to damage files in their structure (`tests/mutations.py`), where reading code is weakest; of
formats not known here any four-byte word counts as a field. Never fails: what cannot be followed
further ends the list.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Field:
    """A number in a file."""

    at: int  # byte offset
    width: int  # bytes: 1, 2, 3, 4 or 8
    big: bool  # most significant byte first


@dataclass
class Layout:
    """Parts of a file, each a range of bytes, and its numbers."""

    spans: list[tuple[int, int]] = field(default_factory=list)
    fields: list[Field] = field(default_factory=list)

    def add(self, start: int, end: int, *numbers: Field) -> None:
        """A part and the numbers in it."""
        self.spans.append((start, end))
        self.fields.extend(numbers)


def layout(content: bytes) -> Layout:
    """The parts of a file, by what it begins with."""
    found = Layout()
    for mark, read in _READERS.items():
        if content.startswith(mark):
            read(content, found)
            break
    else:
        if content[4:8] == b"ftyp":
            _boxes(content, 0, len(content), found)
        else:
            _synced(content, found)
    return found


def _head(content: bytes, found: Layout, *, start: int, end: int) -> None:
    """Whatever stands in a head of fixed form: each two bytes are a number."""
    end = min(end, len(content) - 2)
    found.fields += [Field(at, 2, big=False) for at in range(start, end, 2)]


def _riff(content: bytes, found: Layout) -> None:
    found.fields.append(Field(4, 4, big=False))
    _chunks(content, 12, found, big=False)
    _head(content, found, start=12, end=64)


def _aiff(content: bytes, found: Layout) -> None:
    found.fields.append(Field(4, 4, big=True))
    _chunks(content, 12, found, big=True)
    _head(content, found, start=12, end=64)


def _wave64(content: bytes, found: Layout) -> None:
    _guid_chunks(content, 40, found, padded=8)
    _head(content, found, start=40, end=112)


def _asf(content: bytes, found: Layout) -> None:
    _guid_chunks(content, 0, found, padded=1)
    _guid_chunks(content, 30, found, padded=1)  # inside the first one


def _au(_content: bytes, found: Layout) -> None:
    found.add(0, 24, *(Field(at, 4, big=True) for at in range(4, 24, 4)))


def _ogg(content: bytes, found: Layout) -> None:
    for start, end in _between(content, b"OggS"):
        found.add(start, end, *(Field(start + at, 1, big=False) for at in (4, 5, 26, 27)))
        found.fields += [Field(start + 6, 8, big=False), Field(start + 14, 4, big=False)]
    _packets(content, found)


def _matroska(content: bytes, found: Layout) -> None:
    _ebml(content, 0, len(content), found)


def _wavpack(content: bytes, found: Layout) -> None:
    _synced(content, found)
    _head(content, found, start=4, end=64)


def _chunks(content: bytes, at: int, found: Layout, *, big: bool) -> None:
    """RIFF and AIFF: four letters, a size, that many bytes, padded to two."""
    while at + 8 <= len(content):
        (size,) = struct.unpack_from(">I" if big else "<I", content, at + 4)
        end = min(at + 8 + size + size % 2, len(content))
        found.add(at, end, Field(at + 4, 4, big=big))
        at = end


def _guid_chunks(content: bytes, at: int, found: Layout, *, padded: int) -> None:
    """Wave64 and ASF: 16 bytes of name, 8 of size, which counts these too."""
    while at + 24 <= len(content):
        (size,) = struct.unpack_from("<Q", content, at + 16)
        end = min(at + max(24, -(-size // padded) * padded), len(content))
        found.add(at, end, Field(at + 16, 8, big=False))
        at = end


def _caf(content: bytes, found: Layout) -> None:
    at = 8
    while at + 12 <= len(content):
        (size,) = struct.unpack_from(">q", content, at + 4)
        end = len(content) if size < 0 else min(at + 12 + size, len(content))
        found.add(at, end, Field(at + 4, 8, big=True))
        if content[at : at + 4] == b"desc":
            found.fields += [Field(inner, 4, big=True) for inner in range(at + 12, end - 3, 4)]
        at = end


def _between(content: bytes, mark: bytes) -> Iterator[tuple[int, int]]:
    """From each occurrence of a mark to the next."""
    starts = [match.start() for match in re.finditer(re.escape(mark), content)]
    yield from zip(starts, [*starts[1:], len(content)], strict=True)


def _packets(content: bytes, found: Layout) -> None:
    """The headers of Vorbis and Opus inside their pages."""
    for match in re.finditer(rb"\x01vorbis|\x03vorbis|\x05vorbis|OpusHead|OpusTags", content):
        start = match.start()
        found.add(start, min(start + 64, len(content)))
        found.fields += [Field(at, 4, big=False) for at in range(start + 7, start + 32, 3)]


def _flac(content: bytes, found: Layout) -> None:
    at = 4
    while at + 4 <= len(content):
        size = int.from_bytes(content[at + 1 : at + 4], "big")
        end = min(at + 4 + size, len(content))
        found.add(at, end, Field(at, 1, big=True), Field(at + 1, 3, big=True))
        last, at = content[at] & 0x80, end
        if last:
            break
    found.fields += [Field(each, 2, big=True) for each in range(8, 26, 2)]
    for start, end in _between(content, b"\xff\xf8"):
        if start >= at:
            found.add(start, end, *(Field(start + each, 1, big=True) for each in range(2, 6)))


_BOXES_WITH_BOXES = frozenset(
    (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"udta", b"edts", b"dinf", b"ilst", b"meta")
)
_TABLES = frozenset(
    (b"stsz", b"stsc", b"stco", b"stts", b"mdhd", b"mvhd", b"stsd", b"esds", b"elst", b"dref")
)


def _boxes(content: bytes, at: int, stop: int, found: Layout) -> None:
    while at + 8 <= stop:
        size, name = struct.unpack_from(">I4s", content, at)
        end = min(at + max(size, 8), stop)
        found.add(at, end, Field(at, 4, big=True))
        if name in _BOXES_WITH_BOXES:
            _boxes(content, at + (12 if name == b"meta" else 8), end, found)
        elif name in _TABLES:
            first = range(at + 8, min(end, at + 72) - 3, 4)
            found.fields += [Field(inner, 4, big=True) for inner in first]
        at = end


_EBML_WITH_ELEMENTS = frozenset(
    (0x18538067, 0x1654AE6B, 0xAE, 0xE1, 0x1F43B675, 0xA0, 0x114D9B74, 0x1C53BB6B, 0x1549A966)
)


def _ebml(content: bytes, at: int, stop: int, found: Layout) -> None:
    """Matroska: an id and a size, both of variable length, then the content or more elements."""
    while at + 2 <= stop:
        id_width = 9 - content[at].bit_length()
        size_at = at + id_width
        if id_width > 4 or size_at >= stop:
            return
        size_width = 9 - content[size_at].bit_length()
        body = size_at + size_width
        if size_width > 8 or body > stop:
            return
        size = int.from_bytes(content[size_at:body], "big") & ((1 << (7 * size_width)) - 1)
        unknown = size == (1 << (7 * size_width)) - 1
        end = stop if unknown else min(body + size, stop)
        number = Field(size_at, size_width if size_width in (1, 2, 3, 4, 8) else 1, big=True)
        found.add(at, end, number)
        if int.from_bytes(content[at:size_at], "big") in _EBML_WITH_ELEMENTS:
            _ebml(content, body, end, found)
        elif end - body in (1, 2, 4, 8):
            found.fields.append(Field(body, end - body, big=True))
        at = end


# MPEG audio, ADTS and AC-3 frames, WavPack blocks; each begins with a mark
_MARKS = (b"wvpk", b"\x0b\x77", b"\xff\xfb", b"\xff\xf1", b"\xff\xf9", b"\xff\xfd", b"\xff\xf3")


def _synced(content: bytes, found: Layout) -> None:
    if content[:3] == b"ID3":
        size = 0
        for byte in content[6:10]:
            size = size << 7 | byte & 0x7F
        found.add(0, min(10 + size, len(content)), Field(6, 4, big=True), Field(14, 4, big=True))
    mark = max(_MARKS, key=content.count)
    if content.count(mark):
        for start, end in _between(content, mark):
            found.add(start, end, *(Field(start + at, 1, big=True) for at in range(2, 7)))
    else:
        found.add(0, min(64, len(content)))
        found.fields += [Field(at, 4, big=False) for at in range(4, min(60, len(content) - 4), 2)]


_READERS: Mapping[bytes, Callable[[bytes, Layout], None]] = {
    b"RIFF": _riff,
    b"RF64": _riff,
    b"FORM": _aiff,
    b"riff": _wave64,
    b"\x30\x26\xb2\x75": _asf,
    b"caff": _caf,
    b".snd": _au,
    b"OggS": _ogg,
    b"fLaC": _flac,
    b"\x1a\x45\xdf\xa3": _matroska,
    b"wvpk": _wavpack,
    b"TTA1": _wavpack,
}
