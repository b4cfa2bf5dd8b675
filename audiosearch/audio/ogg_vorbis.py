"""An Ogg Vorbis file in order, read without FFmpeg's demuxer: its packets, and where each ends.

FFmpeg opens a decoder to look at a file, seeks to its end and hands out each packet by itself,
which takes longer than to read, check and hash a short file; and it ends Vorbis a block too early
or too late. Whatever is not in order here in the least is left to it.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import cast

import av.error
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.codec import CodecContext
from av.packet import Packet

from audiosearch._typing import Ints
from audiosearch.audio.container import MAX_RATE, MIN_RATE, StreamFormat
from audiosearch.audio.headers.ogg import CONTINUED, FIRST, PAGE_HEAD, VORBIS_HEADERS
from audiosearch.errors import DecodeCode, DecodeError

MOST_BYTES = 8 << 20  # of a file that is read in one go: slow disks must not seem to hang
_SERIAL = slice(14, 18)
_CHECKSUM_AT = 22
_MOST_PACKET_BYTES = 1 << 18  # over several pages; comments may hold a picture of more
_FULL = 255  # a lacing value after which a packet goes on
_LAST = 0x04  # flag of a page
_IDENT = struct.Struct("<7sIBIiiiBB")  # Vorbis I, 4.2.2
_MAX_CHANNELS = 8  # Vorbis I names the loudspeakers of no more
_MODE_BITS = 41  # of a mode in the set-up header: flag, two types of 16 bits, mapping
_MAX_MODES = 64
_MODES_BYTES = _MAX_MODES * _MODE_BITS // 8 + 16
_MAX_START_S = 0.25  # the first packet only primes the decoder
_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


@dataclass(frozen=True, eq=False)
class OggVorbis:
    """A file as its packets: `ends` (n,) int64 is where each ends, in samples from the start."""

    headers: tuple[bytes, bytes, bytes]  # identification, comments, set-up
    packets: list[bytes]
    ends: Ints
    n_samples: int
    sample_rate: int
    channels: int
    path: bytes = b""

    @property
    def form(self) -> StreamFormat:
        """What its stream is."""
        return StreamFormat("vorbis", "ogg", self.sample_rate, self.channels, None)

    @property
    def comments(self) -> bytes:
        """Its comment block, from the vendor's name on."""
        return self.headers[1][7:]

    def before(self, sample: int) -> int:
        """The packet to decode from to hear `sample`; its own sound comes out of the next one."""
        return max(0, int(np.searchsorted(self.ends, sample, side="right")) - 1)

    def sound_from(self, first: int = 0) -> Iterator[Packet[AudioStream]]:
        """Its packets for the decoder from a number on.

        FFmpeg reads beyond the end of a packet, where there have to be zeros: as it makes packets
        itself there are, but not behind bytes of Python's that they are made of.
        """
        for content in islice(self.packets, first, None):
            packet = Packet(len(content))
            packet.update(content)
            yield cast("Packet[AudioStream]", packet)

    @contextmanager
    def decoder(self) -> Iterator[AudioCodecContext]:
        """A decoder that has seen nothing of it yet.

        Files of one encoder and quality have the same set-up header, whose codebooks take as long
        to build as a second of sound takes to decode: the decoder used last is kept for them.

        Raises:
            DecodeError: DAMAGED, it takes the headers for none.
        """
        key = self.headers[0] + self.headers[2]
        context = _kept.pop(key, None)
        if context is None:
            context = CodecContext.create("vorbis", "r")
            assert isinstance(context, AudioCodecContext)
            context.thread_count = 1
            context.extradata = _laced(self.headers)
            try:
                context.open()
            except av.error.FFmpegError as error:
                reason = "its set-up header is damaged"
                raise DecodeError(reason, code=DecodeCode.DAMAGED, path=self.path) from error
        yield context
        context.flush_buffers()
        _kept.clear()
        _kept[key] = context


_kept: dict[bytes, AudioCodecContext] = {}  # one at most, and none that is in use


def read_ogg_vorbis(path: bytes) -> OggVorbis | None:
    """The file at `path`; None: it is another kind, not in order, or too large to hold.

    In order is one stream of Vorbis from its first page to its last, of which no page is missing
    or damaged, and each but the last ends where its packets do.

    Raises:
        DecodeError: UNREADABLE.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123  (paths are bytes here)
            head = file.read(64)
            # 28 bytes of a page with one lacing value, then the first header.
            if head[:4] != b"OggS" or head[28:35] != b"\x01vorbis":
                return None
            size = os.fstat(file.fileno()).st_size
            if size > MOST_BYTES:
                return None
            content = head + file.read(size - len(head) + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DecodeError(reason, code=DecodeCode.UNREADABLE, path=path) from error
    found = None if len(content) != size else parse_ogg_vorbis(content)
    return None if found is None else replace(found, path=path)


def parse_ogg_vorbis(content: bytes) -> OggVorbis | None:
    """As `read_ogg_vorbis`, of what the file holds."""
    try:
        packets, pages = _packets(content)
        headers, sound = packets[:VORBIS_HEADERS], packets[VORBIS_HEADERS:]
        channels, rate, short, long = _identification(headers)
        lengths = _lengths(sound, _block_flags(headers[2]), short=short, long=long)
        ends: Ints = np.cumsum(lengths) - lengths[0]
        _check(int(lengths[0]) <= _MAX_START_S * rate)
        _check_times(pages, ends)
    except _OutOfOrder:
        return None
    return OggVorbis(
        headers=(headers[0], headers[1], headers[2]),
        packets=sound,
        ends=ends,
        n_samples=pages[-1][1],
        sample_rate=rate,
        channels=channels,
    )


class _OutOfOrder(Exception):
    """Something is not as it is in nearly every file: see `read_ogg_vorbis`."""


def _check(*in_order: bool) -> None:
    if not all(in_order):
        raise _OutOfOrder


def _packets(content: bytes) -> tuple[list[bytes], list[tuple[int, int]]]:
    """All packets, headers first; and of each page how many have ended with it, and its granule.

    Raises:
        _OutOfOrder: another stream, or a page that is missing, cut or damaged.
    """
    packets: list[bytes] = []
    pages: list[tuple[int, int]] = []
    mirrored = content.translate(_REVERSED)
    at, rest, serial = 0, b"", int.from_bytes(content[_SERIAL], "little")
    while at < len(content):
        _check(at + PAGE_HEAD.size < len(content))
        mark, version, flags, granule, own, number, _, n_lacing = PAGE_HEAD.unpack_from(content, at)
        start = at + PAGE_HEAD.size + n_lacing
        lacing = content[start - n_lacing : start]
        end = start + sum(lacing)
        wanted = (0 if at else FIRST) | (CONTINUED if rest else 0)
        if end == len(content):
            wanted |= _LAST
        in_order = mark == b"OggS" and not version and flags == wanted and number == len(pages)
        _check(in_order, own == serial, n_lacing > 0, end <= len(content))
        _check(_is_whole(mirrored, at, end))
        size = 0
        for length in lacing:
            size += length
            if length < _FULL:
                packets.append(rest + content[start : start + size])
                rest = b""
                start += size
                size = 0
        rest += content[start : start + size]
        _check(len(rest) <= _MOST_PACKET_BYTES)  # it is copied for each page
        pages.append((len(packets), granule))
        at = end
    _check(not rest)
    return packets, pages


def _is_whole(mirrored: bytes, at: int, end: int) -> bool:
    """Whether a page's checksum is right; `mirrored`: with the bits of each byte in reverse.

    Ogg's CRC is that of zlib with the most significant bit first, and begins and ends with 0.
    """
    place = at + _CHECKSUM_AT
    crc = zlib.crc32(mirrored[at:place], 0xFFFFFFFF)
    crc = zlib.crc32(mirrored[place + 4 : end], zlib.crc32(b"\0\0\0\0", crc)) ^ 0xFFFFFFFF
    return crc == int.from_bytes(mirrored[place : place + 4], "big")


def _identification(headers: Sequence[bytes]) -> tuple[int, int, int, int]:
    """Channels, sample rate, and the lengths of short and long blocks.

    Raises:
        _OutOfOrder: these are not the headers of Vorbis I.
    """
    kinds = [header[:7] for header in headers]
    _check(kinds == [b"\x01vorbis", b"\x03vorbis", b"\x05vorbis"])
    _check(len(headers[0]) == _IDENT.size)
    _, version, channels, rate, _, _, _, sizes, framing = _IDENT.unpack(headers[0])
    _check(version == 0, framing == 1, 1 <= channels <= _MAX_CHANNELS)
    _check(MIN_RATE <= rate <= MAX_RATE)
    return channels, rate, 1 << (sizes & 15), 1 << (sizes >> 4)


def _block_flags(setup: bytes) -> list[bool]:
    """Whether the blocks of each mode are long, by the end of the set-up header (Vorbis I, 4.2.4).

    Read from behind, since to come there from the front is to read all codebooks: a mode has 32
    bits of 0, and the number of modes stands before them.

    Raises:
        _OutOfOrder: no modes are found.
    """
    bits = int.from_bytes(setup[-_MODES_BYTES:], "little")
    place = bits.bit_length() - 1  # of the framing bit, the last that is set
    flags: list[bool] = []
    found: list[bool] = []
    while place >= _MODE_BITS + 6 and len(flags) < _MAX_MODES:
        place -= _MODE_BITS
        mode = bits >> place
        if mode >> 1 & 0xFFFFFFFF or mode >> 33 & 0xFF >= _MAX_MODES:
            break
        flags.insert(0, bool(mode & 1))
        if bits >> (place - 6) & 0x3F == len(flags) - 1:
            found = list(flags)
    _check(bool(found))
    return found


def _lengths(sound: Sequence[bytes], flags: Sequence[bool], *, short: int, long: int) -> Ints:
    """Samples that come out of each packet (n,), the first as if one like it had come before.

    Raises:
        _OutOfOrder: packets that are no sound, or whose windows do not fit each other.
    """
    _check(bool(sound), all(sound))
    first = np.frombuffer(bytes([packet[0] for packet in sound]), np.uint8)
    n_bits = (len(flags) - 1).bit_length()
    modes = (first >> 1) & ((1 << n_bits) - 1)
    _check(not (first & 1).any(), int(modes.max()) < len(flags))
    is_long = np.array(flags)[modes]
    blocks: Ints = np.where(is_long, long, short).astype(np.int64)
    # A long block's window tells the length of the one before; a short one's is always the same.
    told = np.where((first >> (n_bits + 1)) & 1, long, short)
    before = np.concatenate((np.where(is_long, told, short)[:1], blocks[:-1]))
    _check(not (is_long & (told != before)).any())
    lengths: Ints = (before + blocks) >> 2
    return lengths


def _check_times(pages: Sequence[tuple[int, int]], ends: Ints) -> None:
    """Each page ends where its packets do, and the last one within its last packet.

    Raises:
        _OutOfOrder: it does not.
    """
    _check(pages[0] == (1, 0))
    for n_packets, granule in pages[1:-1]:
        n_sound = n_packets - VORBIS_HEADERS
        _check(granule == (int(ends[n_sound - 1]) if n_sound > 0 else 0))
    before = int(ends[-2]) if len(ends) > 1 else 0
    _check(before <= pages[-1][1] <= int(ends[-1]), pages[-1][1] > 0)


def _laced(headers: Sequence[bytes]) -> bytes:
    """The three headers as FFmpeg's decoder takes them: Xiph's lacing."""
    sizes = b"".join(
        b"\xff" * (len(each) // _FULL) + bytes([len(each) % _FULL]) for each in headers[:2]
    )
    return bytes([len(headers) - 1]) + sizes + b"".join(headers)
