"""Ogg: the links of a chained file, and whether its last page is whole.

Ogg files may be joined end to end (RFC 3533). FFmpeg goes from one link to the next and keeps the
decoder of the first: where rate, channels, gain or codebooks change, it stops without a word, or
decodes noise. So a chain of unlike links is read link by link; one of like links, as FFmpeg does.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from audiosearch.audio.headers.types import AS_IT_IS, Extent
from audiosearch.audio.source import Span

# RFC 3533, 6: mark, version, flags, granule, serial, number, checksum, number of lacing values
PAGE_HEAD = struct.Struct("<4sBBqIIIB")
CONTINUED, FIRST = 0x01, 0x02  # flags of a page
VORBIS_HEADERS = 3
_MAX_HEADER_BYTES = 1 << 20  # set-up headers have some kilobytes; more is not looked at
_SEARCH_BYTES = 1 << 16
MAX_LINKS = 1000


@dataclass(frozen=True)
class _Page:
    at: int
    flags: int
    granule: int  # samples by its end; 0 for headers, -1 where no packet ends on it
    serial: int
    number: int
    lacing: bytes
    body_at: int
    end: int


@dataclass
class _Stream:
    """The headers of one logical stream, as far as they have come."""

    packets: list[bytes] = field(default_factory=list)
    rest: bytes = b""

    @property
    def wants_more(self) -> bool:
        """Whether what tells it from others may still come."""
        vorbis = bool(self.packets) and self.packets[0].startswith(b"\x01vorbis")
        enough = VORBIS_HEADERS if vorbis else 1
        return len(self.packets) < enough and len(self.rest) < _MAX_HEADER_BYTES

    @property
    def signature(self) -> bytes:
        """The same for streams that one decoder can take one after the other; empty: no sound."""
        first = self.packets[0] if self.packets else b""
        if first.startswith(b"\x01vorbis"):  # channels and rate, block sizes; not the bit rates
            codebooks = self.packets[2] if len(self.packets) > 2 else b""
            return first[:16] + first[28:29] + hashlib.sha256(codebooks).digest()
        if first.startswith(b"OpusHead"):  # not the pre-skip nor the input's rate
            return first[:10] + first[16:]
        if first.startswith(b"\x7fFLAC"):  # rate, channels and bits, by STREAMINFO
            return (
                b"fLaC" + first[27:30] + bytes([first[30] & 0xF0]) if len(first) > 30 else b"fLaC"
            )
        return first if first.startswith(b"Speex   ") else b""


@dataclass
class _Link:
    start: int
    streams: dict[int, _Stream] = field(default_factory=dict)

    @property
    def signature(self) -> tuple[bytes, ...]:
        """Of all its sound."""
        return tuple(filter(None, (each.signature for each in self.streams.values())))


@dataclass
class _Numbering:
    """Pages of a stream are counted; FFmpeg goes over a hole without a word."""

    last: dict[int, _Page] = field(default_factory=dict)
    n_missing: int = 0

    def add(self, page: _Page) -> None:
        """The next page. What was cut out between headers and sound is not missed."""
        before = self.last.get(page.serial)
        if before is not None and not page.flags & FIRST and before.granule > 0:
            self.n_missing += max(0, page.number - before.number - 1)
        self.last[page.serial] = page


def ogg_extent(file: BinaryIO) -> Extent:
    """Of an Ogg file.

    Raises:
        OSError: it cannot be read.
    """
    file.seek(0)
    if file.read(4) != b"OggS":
        return AS_IT_IS
    size = file.seek(0, 2)
    links: list[_Link] = []
    heads_before = False
    whole_until = 0
    numbering = _Numbering()
    for page in _pages(file, size):
        heads = bool(page.flags & FIRST)
        if (heads and not heads_before) or not links:
            links.append(_Link(page.at))
        heads_before = heads
        numbering.add(page)
        if page.end <= size:
            whole_until = page.end
            _take(file, page, links[-1], heads=heads)
        if len(links) > MAX_LINKS:
            return Extent(note=f"only the first of its more than {MAX_LINKS} parts may be heard")
    broken = _breaks_off(file, whole_until, size)
    notes = ["it breaks off in the middle of a page"] if broken else []
    if numbering.n_missing:
        notes.insert(0, f"{numbering.n_missing} of its pages are missing or damaged")
    n_links = sum(bool(link.signature) for link in links)
    return Extent(spans=_spans(links, size), n_links=max(1, n_links), note="; ".join(notes) or None)


def _spans(links: list[_Link], size: int) -> tuple[Span, ...]:
    """A span for each run of like links with sound in them; none where there is one run only."""
    starts: list[int] = []
    before: tuple[bytes, ...] | None = None
    for link in links:
        if link.signature != before and (link.signature or not starts):
            starts.append(link.start)
            before = link.signature
    if len(starts) < 2:
        return ()
    return tuple(Span(start, end) for start, end in zip(starts, [*starts[1:], size], strict=True))


def _take(file: BinaryIO, page: _Page, link: _Link, *, heads: bool) -> None:
    """Collect the header packets that a page holds."""
    if heads:
        link.streams.setdefault(page.serial, _Stream())
    stream = link.streams.get(page.serial)
    if stream is None or not stream.wants_more:
        return
    file.seek(page.body_at)
    body = file.read(page.end - page.body_at)
    if not page.flags & CONTINUED:
        stream.rest = b""
    at = 0
    for size in page.lacing:
        stream.rest += body[at : at + size]
        at += size
        if size < 255:
            stream.packets.append(stream.rest)
            stream.rest = b""


def _pages(file: BinaryIO, size: int) -> Iterator[_Page]:
    """Pages in order; what lies between them is passed over."""
    at = 0
    while at + PAGE_HEAD.size <= size:
        file.seek(at)
        head = file.read(PAGE_HEAD.size + 255)
        if head[:4] != b"OggS" or len(head) < PAGE_HEAD.size:
            at = _next_mark(file, at + 1)
            continue
        _, _, flags, granule, serial, number, _, n_lacing = PAGE_HEAD.unpack(head[: PAGE_HEAD.size])
        lacing = head[PAGE_HEAD.size : PAGE_HEAD.size + n_lacing]
        body_at = at + PAGE_HEAD.size + n_lacing
        page = _Page(
            *(at, flags, granule, serial, number),
            *(lacing, body_at, body_at + sum(lacing)),
        )
        yield page
        at = page.end


def _next_mark(file: BinaryIO, at: int) -> int:
    """Where the next page may begin; far beyond the end if there is none."""
    kept = b""
    file.seek(at)
    while piece := file.read(_SEARCH_BYTES):
        found = (kept + piece).find(b"OggS")
        if found >= 0:
            return at - len(kept) + found
        at += len(piece)
        kept = piece[-3:]
    return 1 << 62


def _breaks_off(file: BinaryIO, whole_until: int, size: int) -> bool:
    """Whether behind the last whole page there is the beginning of another."""
    file.seek(whole_until)
    rest = file.read(4)
    return bool(rest) and whole_until < size and rest == b"OggS"[: len(rest)]
