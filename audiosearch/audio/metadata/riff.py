"""WAV in all its forms: RIFF, RIFX, RF64, BW64 and Sony's Wave64.

A walk that reads heads only, survives lying sizes, and hands each chunk that says something to
its reader; one that cannot be read costs itself alone.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field
from typing import BinaryIO

from audiosearch.audio.metadata import chunks
from audiosearch.audio.metadata.chunks import listed
from audiosearch.audio.metadata.fields import MAX_MARKERS, MetadataFields
from audiosearch.audio.metadata.id3 import read_id3
from audiosearch.audio.metadata.ixml import read_ixml
from audiosearch.audio.metadata.text import decode, until_nul
from audiosearch.audio.metadata.unreadable import reading
from audiosearch.audio.metadata.xmp import read_xmp

MAX_CHUNK_BYTES = 16 << 20  # of a larger one the beginning is read
MAX_ALL_CHUNKS_BYTES = 64 << 20
MAX_CHUNKS = 4096
_FORMS = (b"RIFF", b"RIFX", b"RF64", b"BW64")
_IN_DS64 = 0xFFFFFFFF  # a size that does not fit 32 bits stands in the ds64 chunk
# Wave64's names are GUIDs whose first four bytes are RIFF's, but for these.
_W64_FORM = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_W64_SUMMARY = bytes.fromhex("bc945f925a52d21186dc00c04f8edb8a")

Chunk = tuple[bytes, bytes]  # name in lower case, content
_READERS: dict[bytes, Callable[[bytes, MetadataFields], None]] = {
    b"bext": chunks.read_bext,
    b"cart": chunks.read_cart,
    b"disp": chunks.read_disp,
    b"guan": chunks.read_guano,
    b"wamd": chunks.read_wamd,
    b"axml": chunks.read_axml,
    b"_pmx": read_xmp,
    b"id3 ": read_id3,
    b"summ": chunks.read_summary,
}
_WANTED = frozenset((*_READERS, b"ixml", b"cue ", b"list", b"info"))


def read_riff(path: bytes, fields: MetadataFields, sample_rate: int) -> bool:
    """All that the chunks of a WAV file say; False: it is no such file.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:  # noqa: PTH123  (paths are bytes here)
        head = file.read(40)
        if head[:4] in _FORMS and head[8:12] == b"WAVE":
            found = _chunks(file, big=head[:4] == b"RIFX")
        elif head[:16] == _W64_FORM:
            found = _wave64_chunks(file)
        else:
            return False
        read_chunks(found, fields, sample_rate=sample_rate)
    return True


def read_raw_chunks(path: bytes, names: Set[bytes]) -> dict[bytes, bytes]:
    """The contents of the chunks of a WAV file, by name in small letters, of each the first.

    None where it is no WAV file with the least byte first, or cannot be read.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123  (paths are bytes here)
            head = file.read(12)
            if head[:4] not in _FORMS or head[:4] == b"RIFX" or head[8:] != b"WAVE":
                return {}
            found: dict[bytes, bytes] = {}
            for name, content in _chunks(file, big=False, wanted=_WANTED | names):
                if name in names:
                    found.setdefault(name, content)
            return found
    except OSError:
        return {}


def read_chunks(found: Iterator[Chunk], fields: MetadataFields, *, sample_rate: int) -> None:
    """What RIFF's chunks say, wherever they are kept."""
    cues = Cues()
    for name, content in found:
        with reading(f"the chunk {name!r}"):
            if name == b"ixml":
                read_ixml(content, fields, sample_rate=sample_rate)
            elif name == b"cue ":
                cues.read_points(content)
            elif name == b"list" and content[:4] == b"adtl":
                cues.read_list(content[4:])
            elif name == b"list" and content[:4] == b"INFO":
                chunks.read_info(content[4:], fields)
            elif name in _READERS:
                _READERS[name](content, fields)
    cues.tell(fields, sample_rate=sample_rate)


def chunks_in(content: bytes) -> Iterator[Chunk]:
    """Wanted chunks of a piece of a RIFF file that another container keeps."""
    if content[:4] in _FORMS:
        content = content[12:]
    for name, text in chunks.listed(content):
        if name.lower() in _WANTED:
            yield name.lower(), text


def wave64_chunks_in(content: bytes) -> Iterator[Chunk]:
    """Wanted chunks of a piece of a Wave64 file that another container keeps."""
    place = 40 if content[:16] == _W64_FORM else 0
    while place + 24 <= len(content):
        size = int.from_bytes(content[place + 16 : place + 24], "little")
        name = _wave64_name(content[place : place + 16])
        if name in _WANTED:
            yield name, content[place + 24 : place + size]
        place += max(24, -(-size // 8) * 8)


def _chunks(file: BinaryIO, *, big: bool, wanted: Set[bytes] = _WANTED) -> Iterator[Chunk]:
    size_of_file = file.seek(0, os.SEEK_END)
    data_bytes = None  # of the sound itself, from ds64
    left = MAX_ALL_CHUNKS_BYTES
    place = 12
    for _ in range(MAX_CHUNKS):
        file.seek(place)
        header = file.read(8)
        if len(header) < 8:
            return
        name, size = header[:4].lower(), int.from_bytes(header[4:], "big" if big else "little")
        if name == b"ds64":
            data_bytes = int.from_bytes(file.read(16)[8:], "little")
        elif name in wanted and left > 0:
            content = file.read(min(size, MAX_CHUNK_BYTES, left))
            left -= len(content)
            yield name, content
        if name == b"data" and size == _IN_DS64 and data_bytes is not None:
            size = data_bytes
        place += 8 + size
        if place > size_of_file:
            return
        if size % 2:
            place += _padding(file, place)


def _padding(file: BinaryIO, place: int) -> int:
    """1 after a chunk of odd size, 0 where its writer forgot the byte and the next begins here."""
    file.seek(place)
    head = file.read(4)
    return 0 if len(head) == 4 and head.lower() in _WANTED else 1


def _wave64_chunks(file: BinaryIO) -> Iterator[Chunk]:
    size_of_file = file.seek(0, os.SEEK_END)
    left = MAX_ALL_CHUNKS_BYTES
    place = 40
    for _ in range(MAX_CHUNKS):
        file.seek(place)
        header = file.read(24)
        if len(header) < 24:
            return
        size = int.from_bytes(header[16:], "little")
        name = _wave64_name(header[:16])
        if name in _WANTED and left > 0:
            content = file.read(min(max(size - 24, 0), MAX_CHUNK_BYTES, left))
            left -= len(content)
            yield name, content
        place += max(24, -(-size // 8) * 8)
        if place > size_of_file:
            return


def _wave64_name(guid: bytes) -> bytes:
    return b"summ" if guid == _W64_SUMMARY else guid[:4].lower()


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

    def tell(self, fields: MetadataFields, *, sample_rate: int) -> None:
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
