"""AIFF and AIFF-C, CAF, AU: how much sound there is."""

from __future__ import annotations

import math
import os
import struct
from dataclasses import dataclass, replace
from typing import BinaryIO

from audiosearch.audio.headers.blocks import svx_extent
from audiosearch.audio.headers.chunks import (
    Chunk,
    ChunkForm,
    SoundChunk,
    chunks,
    end_of_content,
    is_placeholder,
    joined_file,
    sound_chunk,
)
from audiosearch.audio.headers.types import AS_IT_IS, Extent
from audiosearch.audio.source import Span

AIFF = ChunkForm(4, struct.Struct(">I"), align=2)
CAF = ChunkForm(4, struct.Struct(">q"))

_UNKNOWN = 0xFFFFFFFF
_IGNORED_S = 0.02
# AIFF-C's names of sound that is not compressed, or to half: bits of a sample, 0 = as COMM has it.
_AIFC_BITS = dict.fromkeys((b"NONE", b"twos", b"sowt", b"raw "), 0)
_AIFC_BITS |= {b"in24": 24, b"in32": 32, b"fl32": 32, b"FL32": 32, b"fl64": 64, b"FL64": 64}
_AIFC_BITS |= dict.fromkeys((b"alaw", b"ulaw", b"ALAW", b"ULAW"), 8)
_AIFC_BITS |= {
    b"42n1": 24,
    b"42ni": 24,
    b"23n1": 32,
    b"23ni": 32,
}  # libsndfile's, in both spellings
_LEAST_FIRST = frozenset((b"sowt", b"42n1", b"42ni", b"23n1", b"23ni"))
_AU_BITS = {1: 8, 2: 8, 3: 16, 4: 24, 5: 32, 6: 32, 7: 64, 27: 8}


def aiff_extent(file: BinaryIO) -> Extent:
    """Of an AIFF or AIFF-C file, or another of the same form.

    Raises:
        OSError: it cannot be read.
    """
    file.seek(0)
    head = file.read(12)
    if head == b"FORM" + head[4:8] + b"8SVX":
        return svx_extent(file)
    if head[:4] != b"FORM" or head[8:12] not in (b"AIFF", b"AIFC"):
        return AS_IT_IS
    found = _chunks(file, 12, AIFF)
    if b"COMM" not in found or b"SSND" not in found:
        return AS_IT_IS
    common = _aiff_common(file, found[b"COMM"])
    per_s = common.bytes_per_s
    data = found[b"SSND"]
    start = data.start + 8  # an offset and a block size come first
    unknown = data.size in (0, 8) or is_placeholder(data.size)
    sound = _sound(file, start, data.size - 8, AIFF, per_s, unknown=unknown)
    size = min(sound.present + 8, _UNKNOWN)
    told = _extent(file, sound, per_s, (data.size_at, size.to_bytes(4, "big")))
    # The count of frames stands beside the size of the chunk, and may tell of more.
    counted = told.present_s is not None and not is_placeholder(common.n_bytes)
    if counted and common.seconds > max(told.declared_s or 0.0, told.present_s or 0.0):
        told = replace(told, declared_s=common.seconds)
    if common.codec in _LEAST_FIRST and common.width != 2:
        file.seek(data.start)
        offset = int.from_bytes(file.read(4), "big")
        told = _least_first(told, found[b"COMM"], common, replace(sound, start=start + offset))
    return replace(told, note=joined_file(file, sound.end, AIFF))


def caf_extent(file: BinaryIO) -> Extent:
    """Of a Core Audio file.

    Raises:
        OSError: it cannot be read.
    """
    file.seek(0)
    if file.read(4) != b"caff":
        return AS_IT_IS
    found = _chunks(file, 8, CAF)
    if b"desc" not in found or b"data" not in found:
        return AS_IT_IS
    file.seek(found[b"desc"].start)
    content = file.read(32)
    if len(content) < 32:
        return AS_IT_IS
    rate, codec, _flags, packet, per_packet, channels, bits = struct.unpack(">d4sIIIII", content)
    if not (packet and per_packet and math.isfinite(rate) and rate > 0):
        return AS_IT_IS  # packets of changing size: their table tells
    per_s = rate * packet / per_packet
    data = found[b"data"]
    start = data.start + 4  # a count of edits comes first
    sound = _sound(file, start, data.size - 4, CAF, per_s, unknown=data.size in (-1, 0, 4))
    told = _extent(
        file, sound, per_s, (data.size_at, (sound.present + 4).to_bytes(8, "big", signed=True))
    )
    width = packet // channels if channels and packet % channels == 0 else 0
    if codec != b"lpcm" or not 1 <= width <= 8 or not 0 < bits < 8 * width - 7:
        return told
    wide = (found[b"desc"].start + 28, (8 * width).to_bytes(4, "big"))
    spans = told.spans or (Span(0, file.seek(0, os.SEEK_END)),)
    return replace(told, spans=(Span(0, spans[0].end, (*spans[0].patches, wide)),))


def au_extent(file: BinaryIO) -> Extent:
    """Of a Sun or NeXT file, which FFmpeg reads to its end whatever the header says.

    Raises:
        OSError: it cannot be read.
    """
    file.seek(0)
    head = file.read(24)
    if head[:4] != b".snd" or len(head) < 24:
        return AS_IT_IS
    start, claimed, encoding, rate, channels = struct.unpack(">IIIII", head[4:])
    per_s = rate * channels * _AU_BITS.get(encoding, 0) / 8
    end = end_of_content(file)
    if not per_s or end < start:
        return AS_IT_IS
    open_ended = claimed in (0, _UNKNOWN)
    unknown = (8, _UNKNOWN.to_bytes(4, "big"))
    return Extent(
        spans=(Span(0, end, (unknown,)),) if claimed == 0 and end > start else (),
        declared_s=None if open_ended else claimed / per_s,
        present_s=(end - start) / per_s,
    )


def _chunks(file: BinaryIO, at: int, form: ChunkForm) -> dict[bytes, Chunk]:
    """The first chunk of each name; those behind the sound only where its size is right."""
    found: dict[bytes, Chunk] = {}
    for each in chunks(file, at, form):
        found.setdefault(each.name, each)
    return found


def _sound(
    file: BinaryIO, start: int, claimed: int, form: ChunkForm, per_s: float, *, unknown: bool
) -> SoundChunk:
    return sound_chunk(
        file,
        start,
        max(0, claimed),
        form,
        open_ended=unknown,
        wraps=1 << 32 if form.size.size == 4 else None,
        ignored_bytes=math.ceil(_IGNORED_S * per_s) or form.head_bytes,
    )


def _extent(file: BinaryIO, sound: SoundChunk, per_s: float, patch: tuple[int, bytes]) -> Extent:
    beyond = sound.claimed is None or sound.claimed < sound.present
    return Extent(
        spans=(Span(0, file.seek(0, os.SEEK_END), (patch,)),) if beyond and sound.present else (),
        declared_s=sound.claimed / per_s if sound.claimed is not None and per_s else None,
        present_s=sound.present / per_s if per_s else None,
    )


@dataclass(frozen=True)
class _Common:
    """The `COMM` chunk."""

    codec: bytes = b""
    rate: float = 0.0
    channels: int = 0
    width: int = 0  # bytes of a sample; 0 where the codec does not tell
    seconds: float = 0.0  # by its count of frames

    @property
    def bytes_per_s(self) -> float:
        """Of sound; 0 where the codec does not tell."""
        return self.rate * self.channels * self.width

    @property
    def n_bytes(self) -> int:
        """Of sound by its count of frames; 0 where the codec does not tell."""
        return round(self.seconds * self.bytes_per_s)


def _aiff_common(file: BinaryIO, common: Chunk) -> _Common:
    file.seek(common.start)
    content = file.read(min(22, max(0, common.size)))
    if len(content) < 18:
        return _Common()
    channels, frames, bits = struct.unpack(">hIh", content[:8])
    exponent, mantissa = struct.unpack(">HQ", content[8:18])
    rate = math.ldexp(mantissa, (exponent & 0x7FFF) - 16383 - 63)
    codec = content[18:22]
    if len(codec) == 4:
        bits = (_AIFC_BITS.get(codec, -1) or bits) if codec in _AIFC_BITS else 0
    if not 0 < rate * channels * bits < 1e12:
        return _Common()
    return _Common(codec, rate, channels, (bits + 7) // 8, frames / rate)


def _least_first(told: Extent, chunk: Chunk, common: _Common, sound: SoundChunk) -> Extent:
    """How FFmpeg is to read samples whose least byte comes first, which it takes for 16 bits."""
    if common.width == 1:  # nothing comes first there
        patch = (chunk.start + 18, b"NONE")
        patches = (*told.spans[0].patches, patch) if told.spans else (patch,)
        return replace(told, spans=(Span(0, sound.end, patches),))
    rate, block = round(common.rate), common.channels * common.width
    form = (1, common.channels, rate, min(rate * block, _UNKNOWN), block, 8 * common.width)
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", _UNKNOWN, b"WAVE", b"fmt ", 16, *form)
    head += struct.pack("<4sI", b"data", min(sound.present, _UNKNOWN))
    return replace(told, spans=(Span(sound.start, sound.end, head=head),), container="aiff")
