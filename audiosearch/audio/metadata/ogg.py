"""Ogg: the comment packets of the Vorbis, Opus, Speex and FLAC streams in its first pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from audiosearch.audio.metadata.fields import Fields
from audiosearch.audio.metadata.unreadable import reading
from audiosearch.audio.metadata.vorbis import read_comments

MAX_PAGES = 4096  # of 64 kB at most; a picture may stand before the comments are over
MAX_PACKET_BYTES = 32 << 20
_FLAC_COMMENTS = 4


def read_ogg(path: bytes, fields: Fields, _sample_rate: int) -> bool:
    """The comments of an Ogg file; False: it is no such file, or has none.

    Raises:
        OSError: the file cannot be read.
    """
    read = False
    with open(path, "rb") as file:  # noqa: PTH123  (paths are bytes here)
        for first, packet in _first_packets(file):
            content = _comments_in(first, packet)
            if content is not None:
                with reading("Vorbis comments"):
                    read_comments(content, fields)
                    read = True
    return read


def _comments_in(first: bytes, packet: bytes) -> bytes | None:
    for mark in (b"\x03vorbis", b"OpusTags"):
        if packet.startswith(mark):
            return packet[len(mark) :]
    if first.startswith(b"Speex   "):
        return packet
    if first.startswith(b"\x7fFLAC") and packet[0] & 0x7F == _FLAC_COMMENTS:
        return packet[4:]
    return None


def _first_packets(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """The first two packets of each stream of the first link."""
    packets: dict[bytes, list[bytearray]] = {}  # by the stream's number; the last one is open
    for _ in range(MAX_PAGES):
        header = file.read(27)
        if len(header) < 27 or header[:4] != b"OggS":
            return
        sizes = file.read(header[26])
        serial = header[14:18]
        if header[5] & 2:  # a stream begins
            packets[serial] = [bytearray()]
        elif packets and not any(len(each) <= 2 for each in packets.values()):
            return  # all streams have theirs
        own = packets.get(serial)
        for size in sizes:
            piece = file.read(size)
            if own is None or len(own) > 2:
                continue
            own[-1] += piece
            if len(own[-1]) > MAX_PACKET_BYTES:
                return
            if size < 255:
                if len(own) == 2 and own[1]:
                    yield bytes(own[0]), bytes(own[1])
                own.append(bytearray())
