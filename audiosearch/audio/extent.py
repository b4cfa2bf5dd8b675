"""How much sound a file's header tells of, how much is there, and how to have FFmpeg read it all.

In: a path. Out: an `Extent`, most often `AS_IT_IS`; and the sentence for people where header and
file disagree. Only containers whose sound is one range of bytes are seen to here, and chains of
Ogg; of the others FFmpeg reads all that is there by itself.
"""

from __future__ import annotations

import os
from typing import BinaryIO

from audiosearch.audio.headers.blocks import voc_extent
from audiosearch.audio.headers.chunks import JOINED
from audiosearch.audio.headers.iff import aiff_extent, au_extent, caf_extent
from audiosearch.audio.headers.ogg import ogg_extent
from audiosearch.audio.headers.types import AS_IT_IS, Extent
from audiosearch.audio.headers.wave import wave_extent
from audiosearch.errors import DecodeCode, DecodeError

_ASF_MARK = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_MAX_PARTS = 100_000


def mp4_extent(file: BinaryIO) -> Extent:
    """Of a file of boxes.

    Raises:
        OSError: it cannot be read.
    """
    end = file.seek(0, os.SEEK_END)
    at, whole = 0, False
    for _ in range(_MAX_PARTS):
        file.seek(at)
        head = file.read(16)
        size, name = int.from_bytes(head[:4], "big"), head[4:8]
        if size == 1:
            size = int.from_bytes(head[8:], "big")
        if whole and name == b"ftyp" and at:
            return Extent(note=JOINED)
        whole = whole or name == b"moov"
        if size < 8 or at + size >= end:
            break
        at += size
    return AS_IT_IS


def asf_extent(file: BinaryIO) -> Extent:
    """Of a file of ASF objects.

    Raises:
        OSError: it cannot be read.
    """
    end = file.seek(0, os.SEEK_END)
    at = 0
    for _ in range(_MAX_PARTS):
        file.seek(at)
        head = file.read(24)
        size = int.from_bytes(head[16:], "little")
        if at and head.startswith(_ASF_MARK):
            return Extent(note=JOINED)
        if size < 24 or at + size >= end:
            break
        at += size
    return AS_IT_IS


__all__ = ["AS_IT_IS", "Extent", "disagreement", "extent_of"]

_READERS = {
    b"RIFF": wave_extent,
    b"RF64": wave_extent,
    b"BW64": wave_extent,
    b"riff": wave_extent,
    b"FORM": aiff_extent,
    b"caff": caf_extent,
    b".snd": au_extent,
    b"OggS": ogg_extent,
    b"Crea": voc_extent,
    b"\x30\x26\xb2\x75": asf_extent,
}
_BYTES_DIFFER_S = 0.05
# Packets of lossy codecs carry up to some thousand samples that their decoders drop.
_PACKETS_DIFFER_S = 0.25
_PACKETS_DIFFER_SHARE = 0.002


def extent_of(path: bytes) -> Extent:
    """What the header of the file at `path` says of its sound.

    Raises:
        DecodeError: UNREADABLE.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123  (paths are bytes here)
            head = file.read(8)
            reader = mp4_extent if head[4:] == b"ftyp" else _READERS.get(head[:4])
            return AS_IT_IS if reader is None else reader(file)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DecodeError(reason, code=DecodeCode.UNREADABLE, path=path) from error


def disagreement(declared_s: float, present_s: float, *, by_bytes: bool) -> str | None:
    """A clause on header and file where they differ by more than what coding explains."""
    allowed = _BYTES_DIFFER_S
    if not by_bytes:
        allowed = max(_PACKETS_DIFFER_S, _PACKETS_DIFFER_SHARE * declared_s)
    if abs(declared_s - present_s) <= allowed:
        return None
    return f"its header tells of {_seconds(declared_s)}, {_seconds(present_s)} are there"


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 1e7 else "more than 100 days"
