"""Containers that are lists of chunks (RIFF, AIFF, CAF, Wave64), and where sound ends in them.

The question here is what lies behind the end that a header claims for its sound. Chunks that fit
one another up to the end of the file are texts and indices. Anything else is sound that a recorder
wrote and had no time to announce, or more than its header's 32 bits can tell.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

# Writers to a pipe claim 2 or 4 GiB, less their headers; sox also less 16 MiB.
_PLACEHOLDERS = (0x7F000000, 1 << 31, 1 << 32)
_PLACEHOLDER_SLACK = 4096
_ID3V1_BYTES = 128
_LOOK_BYTES = 1 << 20
WAVE64_MARK = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")
JOINED = "another file is joined to its end, and is not heard"
MAX_CHUNKS = 10_000  # more in a row are no chunks
# Known to stand behind sound, so that they are believed even where the file is cut off in them.
_WELL_KNOWN = frozenset(
    {
        *(b"LIST", b"bext", b"iXML", b"id3 ", b"ID3 ", b"cue ", b"smpl", b"axml", b"_PMX", b"JUNK"),
        *(b"fact", b"PEAK", b"inst", b"chna", b"umid", b"levl", b"guan", b"wamd", b"afsp", b"DISP"),
        *(b"acid", b"strc", b"PAD ", b"FLLR", b"minf", b"elm1", b"regn", b"plst", b"data"),
        *(b"MARK", b"COMT", b"NAME", b"AUTH", b"(c) ", b"ANNO", b"INST", b"MIDI", b"APPL", b"AESD"),
        *(b"info", b"mark", b"strg", b"edct", b"peak", b"ovvw", b"uuid", b"kuki", b"pakt", b"free"),
        *(b"APET", b"LYRI"),
    }
)
_WELL_KNOWN_NAMES = re.compile(b"|".join(map(re.escape, sorted(_WELL_KNOWN))))


@dataclass(frozen=True)
class ChunkForm:
    """How a container writes a chunk: name, size, content, padding."""

    name_bytes: int
    size: struct.Struct
    includes_head: bool = False  # the size counts name and size themselves
    align: int = 1  # chunks start at multiples of this

    @property
    def head_bytes(self) -> int:
        """Bytes of name and size."""
        return self.name_bytes + self.size.size


@dataclass(frozen=True)
class Chunk:
    """A chunk as its head has it."""

    name: bytes
    size_at: int  # offset of the size field
    start: int  # of the content
    size: int  # of the content, as claimed; may be negative or beyond the file


def read_chunk(file: BinaryIO, at: int, form: ChunkForm) -> Chunk | None:
    """The chunk whose head lies at `at`; None at the end of the file."""
    file.seek(at)
    head = file.read(form.head_bytes)
    if len(head) < form.head_bytes:
        return None
    size = int(form.size.unpack(head[form.name_bytes :])[0])
    if form.includes_head:
        size -= form.head_bytes
    return Chunk(head[: form.name_bytes], at + form.name_bytes, at + form.head_bytes, size)


def chunks(file: BinaryIO, at: int, form: ChunkForm) -> Iterator[Chunk]:
    """Chunk after chunk from `at` on, as long as their sizes make sense."""
    end = file.seek(0, os.SEEK_END)
    for _ in range(MAX_CHUNKS):
        found = read_chunk(file, at, form) if at < end else None
        if found is None:
            return
        yield found
        if found.size < 0:
            return
        at = aligned(found.start + found.size, form)


def aligned(at: int, form: ChunkForm) -> int:
    """Where the next chunk starts, if one ends at `at`."""
    return -(-at // form.align) * form.align


def chunks_until_end(file: BinaryIO, at: int, form: ChunkForm, *, end: int) -> bool:
    """Whether from `at` to `end` there is nothing but chunks, or nothing at all."""
    starts = {at, aligned(at, form)}  # some writers forget to pad
    return any(_fit(file, start, form, end) for start in starts)


def _fit(file: BinaryIO, at: int, form: ChunkForm, end: int) -> bool:
    known = False
    for found in chunks(file, at, form):
        if found.start - form.head_bytes >= end - (form.head_bytes - 1):
            break
        name = found.name[:4]
        if name == b"\0\0\0\0":
            return _all_zero(file, at, end)
        if not all(0x20 <= letter < 0x7F for letter in name):
            return False
        known = known or name in _WELL_KNOWN
        at = found.start + found.size
        if found.size < 0 or at > end:
            return known  # cut off in the middle of it
        at = aligned(at, form)
    return end - at < max(2, form.align) or _all_zero(file, at, end)


def _chunks_at_end(file: BinaryIO, start: int, form: ChunkForm, *, end: int) -> int:
    """Where behind sound of unknown size well-known chunks begin that fit up to the end."""
    first = max(start, end - _LOOK_BYTES)
    file.seek(first)
    content = file.read(end - first)
    for match in _WELL_KNOWN_NAMES.finditer(content):
        at = first + match.start()
        if _all_well_known(file, at, form, end=end):
            return at
    return end


def _all_well_known(file: BinaryIO, at: int, form: ChunkForm, *, end: int) -> bool:
    for found in chunks(file, at, form):
        if found.name[:4] not in _WELL_KNOWN or found.size < 0:
            return False
        at = found.start + found.size
        if at >= end:
            return at == end
        at = aligned(at, form)
    return at == end


def _all_zero(file: BinaryIO, start: int, end: int) -> bool:
    """Whether nothing was ever written there: room that a recorder set aside."""
    file.seek(start)
    while start < end:
        piece = file.read(min(_LOOK_BYTES, end - start))
        if not piece:
            return True
        if piece.strip(b"\0"):
            return False
        start += len(piece)
    return True


def end_of_content(file: BinaryIO) -> int:
    """The end of the file, but for an ID3v1 tag."""
    end = file.seek(0, os.SEEK_END)
    if end >= _ID3V1_BYTES:
        file.seek(end - _ID3V1_BYTES)
        if file.read(3) == b"TAG":
            return end - _ID3V1_BYTES
    return end


def is_placeholder(claimed: int) -> bool:
    """Whether a size of 32 bits stands for "as many as will come"."""
    return any(abs(claimed - each) <= _PLACEHOLDER_SLACK for each in _PLACEHOLDERS)


def joined_file(file: BinaryIO, at: int, form: ChunkForm) -> str | None:
    """What to say where another file was joined to one whose sound ends at `at`."""
    file.seek(aligned(at, form))
    head = file.read(16)
    riff = head[:4] in (b"RIFF", b"RF64", b"FORM") and head[8:12] in (b"WAVE", b"AIFF", b"AIFC")
    return JOINED if riff or head == WAVE64_MARK else None


def more_sound(file: BinaryIO, at: int, form: ChunkForm, name: bytes) -> list[Chunk]:
    """Further chunks of sound behind that which ends at `at`."""
    behind = chunks(file, aligned(at, form), form)
    return [found for found in behind if found.name == name and found.size > 0]


@dataclass(frozen=True)
class SoundChunk:
    """Where a chunk of sound lies by its head, and where its sound really ends."""

    start: int
    claimed: int | None  # bytes; None: its head leaves it open
    end: int

    @property
    def present(self) -> int:
        """Bytes of sound that are there."""
        return self.end - self.start

    @property
    def agrees(self) -> bool:
        """Whether head and file say the same."""
        return self.claimed == self.present


def sound_chunk(
    file: BinaryIO,
    start: int,
    claimed: int,
    form: ChunkForm,
    *,
    open_ended: bool,
    wraps: int | None,
    ignored_bytes: int,
) -> SoundChunk:
    """Find the true end of the sound that starts at `start`.

    Args:
        file: the whole file.
        start: offset of the first byte of sound.
        claimed: bytes that the head tells of.
        form: of the chunks that may follow.
        open_ended: the head uses a number that may stand for "until the end".
        wraps: what a size is counted modulo, where large ones do not fit their field.
        ignored_bytes: fewer bytes behind the claimed end are nobody's sound.
    """
    end = end_of_content(file)
    if (open_ended and start + claimed >= end) or claimed == 0:
        if chunks_until_end(file, start, form, end=end):
            return SoundChunk(start, None, start)
        return SoundChunk(start, None, max(start, _chunks_at_end(file, start, form, end=end)))
    if start + claimed >= end or end - (start + claimed) < ignored_bytes:
        return SoundChunk(start, claimed, min(max(start, end), start + claimed))
    at = start + claimed
    while at <= end:
        if chunks_until_end(file, at, form, end=end):
            return SoundChunk(start, claimed, at)
        if wraps is None:
            break
        at += wraps
    return SoundChunk(start, claimed, _chunks_at_end(file, start + claimed, form, end=end))
