"""Vorbis comments, the tags of FLAC and of everything in Ogg: names of one's own choice."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import BinaryIO

from audiosearch.audio.metadata import aiff, riff
from audiosearch.audio.metadata.fields import MAX_MARKERS, MetadataFields
from audiosearch.audio.metadata.id3 import read_id3, tags_before
from audiosearch.audio.metadata.text import decode
from audiosearch.audio.metadata.unreadable import Unreadable, reading
from audiosearch.audio.metadata.xmp import read_xmp

_MAX_COMMENTS = 20_000
_MAX_COMMENT_BYTES = 1 << 18  # pictures are longer
_KEYS = {
    "albumartist": "album_artist",
    "discnumber": "disc",
    "keyword": "keywords",
    "tracknumber": "track",
    "unsyncedlyrics": "lyrics",
}
_CHAPTER = re.compile(r"chapter(\d{2,4})(name)?")
_TIME = re.compile(r"(\d{1,4}):(\d{1,2}):(\d{1,2}(?:\.\d{1,9})?)")
_CUE_INDEX = re.compile(r"INDEX\s+0*1\s+(\d{1,5}):(\d{1,2}):(\d{1,2})")
_CUE_TITLE = re.compile(r'TITLE\s+(?:"([^"]*)"|(\S.*))')
_CUE_FRAMES = 75  # a second


def read_comments(content: bytes, fields: MetadataFields) -> None:
    """A comment block, from the vendor's name on; what there is of one that is cut short.

    Raises:
        Unreadable: it is none.
    """
    if len(content) < 8:
        raise Unreadable("Vorbis comments of less than eight bytes")
    place = 4 + int.from_bytes(content[:4], "little")
    if place + 4 > len(content):
        raise Unreadable("Vorbis comments that end in the vendor's name")
    (count,) = struct.unpack_from("<I", content, place)
    place += 4
    starts: dict[str, float] = {}
    names: dict[str, str] = {}
    for _ in range(min(count, _MAX_COMMENTS)):
        if place + 4 > len(content):
            break
        (size,) = struct.unpack_from("<I", content, place)
        place += 4
        if size <= _MAX_COMMENT_BYTES:
            name, _, value = decode(content[place : place + size]).partition("=")
            _comment(name.strip().lower(), value, fields, starts=starts, names=names)
        place += size
    for number in sorted(starts, key=lambda each: starts[each])[:MAX_MARKERS]:
        fields.add_marker(starts[number], names.get(number, ""))


def _comment(
    name: str,
    value: str,
    fields: MetadataFields,
    *,
    starts: dict[str, float],
    names: dict[str, str],
) -> None:
    chapter = _CHAPTER.fullmatch(name)
    if chapter and chapter[2]:
        names[chapter[1]] = value
    elif chapter:
        time = _TIME.fullmatch(value.strip())
        if time:
            starts[chapter[1]] = int(time[1]) * 3600 + int(time[2]) * 60 + float(time[3])
    elif name in ("cuesheet", "cue_sheet"):
        read_cue_sheet(value, fields)
    else:
        fields.add(_KEYS.get(name, name), value)


def read_cue_sheet(text: str, fields: MetadataFields) -> None:
    """A cue sheet, as CD burners and players keep it: a title and a start for each track."""
    title = ""
    in_track = False
    for line in text.splitlines()[: 10 * MAX_MARKERS]:
        line = line.strip()  # noqa: PLW2901
        if line.upper().startswith("TRACK"):
            in_track, title = True, ""
        elif in_track and (found := _CUE_TITLE.match(line)):
            title = found[1] if found[1] is not None else found[2]
        elif in_track and (found := _CUE_INDEX.match(line)):
            frames = int(found[3]) / _CUE_FRAMES
            fields.add_marker(int(found[1]) * 60 + int(found[2]) + frames, title)


MAX_PAGES = 4096  # of 64 kB at most; a picture may stand before the comments are over
MAX_PACKET_BYTES = 32 << 20
_FLAC_COMMENTS = 4


def read_ogg(path: bytes, fields: MetadataFields, _sample_rate: int) -> bool:
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


MAX_BLOCKS = 4096
MAX_ALL_BLOCKS_BYTES = 64 << 20
_APPLICATION, _COMMENTS, _LAST = 2, 4, 0x80


def read_flac(path: bytes, fields: MetadataFields, sample_rate: int) -> bool:
    """All that the blocks of a FLAC file say; False: it is no such file.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:  # noqa: PTH123  (paths are bytes here)
        with reading("the ID3 tag"):
            for tag in tags_before(file):
                read_id3(tag, fields)
        if file.read(4) != b"fLaC":
            return False
        _read_blocks(file, fields, sample_rate=sample_rate)
    return True


def _read_blocks(file: BinaryIO, fields: MetadataFields, *, sample_rate: int) -> None:
    foreign: list[bytes] = []
    left = MAX_ALL_BLOCKS_BYTES
    for _ in range(MAX_BLOCKS):
        header = file.read(4)
        if len(header) < 4:
            break
        kind, size = header[0] & 0x7F, int.from_bytes(header[1:], "big")
        end = file.tell() + size
        if kind == _COMMENTS and size <= left:
            content = file.read(size)
            left -= size
            with reading("Vorbis comments"):
                read_comments(content, fields)
        elif kind == _APPLICATION and size <= left:
            foreign.append(file.read(size))
            left -= size
        if header[0] & _LAST:
            break
        file.seek(end)
    _read_foreign(foreign, fields, sample_rate=sample_rate)


def _read_foreign(blocks: list[bytes], fields: MetadataFields, *, sample_rate: int) -> None:
    of_riff = [
        chunk for each in blocks if each[:4] == b"riff" for chunk in riff.chunks_in(each[4:])
    ]
    of_riff += [
        chunk for each in blocks if each[:4] == b"w64 " for chunk in riff.wave64_chunks_in(each[4:])
    ]
    of_aiff = [
        chunk for each in blocks if each[:4] == b"aiff" for chunk in aiff.chunks_in(each[4:])
    ]
    riff.read_chunks(iter(of_riff), fields, sample_rate=sample_rate)
    aiff.read_chunks(of_aiff, fields, sample_rate=sample_rate)
    for each in blocks:
        if each[:4].lower() == b"xmp ":
            with reading("XMP"):
                read_xmp(each[4:], fields)
