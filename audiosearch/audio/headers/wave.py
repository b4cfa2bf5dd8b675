"""WAV, RF64, BW64 and Wave64: how much sound, and samples narrower than their containers."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from audiosearch.audio.headers.chunks import (
    WAVE64_MARK,
    Chunk,
    ChunkForm,
    SoundChunk,
    chunks,
    is_placeholder,
    joined_file,
    more_sound,
    sound_chunk,
)
from audiosearch.audio.headers.types import AS_IT_IS, Extent
from audiosearch.audio.source import Span

RIFF = ChunkForm(4, struct.Struct("<I"), align=2)
_GUID_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")
WAVE64 = ChunkForm(16, struct.Struct("<q"), includes_head=True, align=8)

_PCM, _FLOAT, _EXTENSIBLE = 0x0001, 0x0003, 0xFFFE
_BLOCK_CODECS = frozenset({0x0002, 0x0011, 0x0017, 0x0020, 0x0061, 0x0069, 0x0200})  # ADPCM
_BLOCK_CODECS |= {0x0031}  # GSM 6.10
_UNKNOWN = 0xFFFFFFFF
_LEAST_WAVE64 = 128
_ENDLESS = 1 << 62  # of 64 bits: all of them set, or all but the sign, less a header
_IGNORED_S = 0.02
_LOOK_BYTES = 1 << 16
_TINY_FLOAT = 1e-30


@dataclass(frozen=True)
class _Format:
    """The `fmt ` chunk."""

    at: int
    tag: int
    channels: int
    rate: int
    bytes_per_s: int
    block: int  # bytes of a sample of all channels, or of a block of a codec
    bits: int
    valid_bits: int  # 0 where it does not say
    subformat: int
    block_samples: int  # of each channel in a block of a codec; 0 where it does not say

    @property
    def codec(self) -> int:
        """The tag, also where it is within."""
        return self.subformat if self.tag == _EXTENSIBLE else self.tag

    @property
    def seconds_per_byte(self) -> float:
        """Of sound."""
        per_s: float = self.bytes_per_s
        if self.codec in (_PCM, _FLOAT):
            per_s = self.rate * self.block
        elif self.codec in _BLOCK_CODECS and self.block_samples:  # FFmpeg writes no true rate there
            per_s = self.rate * self.block / self.block_samples
        return 1 / per_s if per_s > 0 else 0.0


def wave_extent(file: BinaryIO) -> Extent:
    """Of a RIFF, RF64, BW64 or Wave64 file; as it is where that makes no sense to us.

    Raises:
        OSError: it cannot be read.
    """
    file.seek(0)
    head = file.read(40)
    wave64 = head.startswith(WAVE64_MARK)
    if not wave64 and (head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:12] != b"WAVE"):
        return AS_IT_IS
    form = WAVE64 if wave64 else RIFF
    found: dict[bytes, Chunk] = {}
    for each in chunks(file, 40 if wave64 else 12, form):
        found.setdefault(each.name[:4], each)
        if each.name[:4] == b"data":
            break
    if b"fmt " not in found or b"data" not in found:
        return AS_IT_IS
    described = _format(file, found[b"fmt "])
    if described is None:
        return AS_IT_IS
    long = found.get(b"ds64") if head[:4] in (b"RF64", b"BW64") else None
    data = found[b"data"]
    claimed, size_at, width = _claim(file, data, long, wave64=wave64)
    sound = sound_chunk(
        file,
        data.start,
        max(0, claimed),
        form,
        open_ended=claimed <= 0 or claimed >= _ENDLESS or (width == 4 and is_placeholder(claimed)),
        wraps=1 << 32 if width == 4 else None,
        ignored_bytes=max(described.block, math.ceil(_IGNORED_S / described.seconds_per_byte))
        if described.seconds_per_byte
        else 1,
    )
    patches = _width_patches(file, described, sound)
    mended = sound.claimed is None or sound.claimed < sound.present
    if mended:
        patches += _size_patch(sound, size_at, width, wave64=wave64)
    if wave64 and int.from_bytes(head[16:24], "little", signed=True) < _LEAST_WAVE64:
        patches.append((16, _size(file).to_bytes(8, "little")))  # or FFmpeg takes it for nothing
    per_byte = described.seconds_per_byte
    more = more_sound(file, sound.end, form, data.name)
    end = sound.end if mended or more else _size(file)
    spans = (Span(0, end, tuple(patches)),) if patches or more else ()
    return Extent(
        spans=(*spans, *(_own_file(file, found[b"fmt "], each, patches) for each in more)),
        declared_s=None if sound.claimed is None else sound.claimed * per_byte,
        present_s=sound.present * per_byte,
        n_samples=_fact(file, found.get(b"fact")) if described.codec in _BLOCK_CODECS else None,
        note=joined_file(file, sound.end, form) or (None if per_byte else _differing_bytes(sound)),
    )


def _own_file(file: BinaryIO, form: Chunk, data: Chunk, patches: list[tuple[int, bytes]]) -> Span:
    """A further chunk of sound, as FFmpeg is to read it: it knows only one in a file."""
    file.seek(form.start)
    content = bytearray(file.read(min(max(0, form.size), 256)))
    for at, patch in patches:
        if form.start <= at < form.start + len(content):
            content[at - form.start : at - form.start + len(patch)] = patch
    head = struct.pack("<4sI4s4sI", b"RIFF", _UNKNOWN, b"WAVE", b"fmt ", len(content)) + content
    head += struct.pack("<4sI", b"data", min(data.size, _UNKNOWN))
    return Span(data.start, min(data.start + data.size, _size(file)), head=head)


def _differing_bytes(sound: SoundChunk) -> str | None:
    """What to say where nothing tells how many seconds a byte is."""
    if sound.claimed is None or sound.agrees:
        return None
    return f"its header tells of {sound.claimed} bytes of sound, {sound.present} are there"


def _format(file: BinaryIO, chunk: Chunk) -> _Format | None:
    file.seek(chunk.start)
    content = file.read(min(40, max(0, chunk.size)))
    if len(content) < 16:
        return None
    tag, channels, rate, per_s, block, bits = struct.unpack("<HHIIHH", content[:16])
    valid = subformat = 0
    block_samples = int.from_bytes(content[18:20], "little") if tag in _BLOCK_CODECS else 0
    if tag == _EXTENSIBLE and len(content) >= 26:
        valid, _mask, subformat = struct.unpack("<HIH", content[18:26])
    if not channels or not rate:
        return None
    return _Format(
        *(chunk.start, tag, channels, rate, per_s, block, bits),
        *(valid, subformat, block_samples),
    )


def _claim(
    file: BinaryIO, data: Chunk, long: Chunk | None, *, wave64: bool
) -> tuple[int, int, int]:
    """Bytes of sound by the header, and where it says so: offset and width of the field."""
    if wave64:
        return data.size, data.size_at, 8
    if long is None or long.size < 16:
        return data.size, data.size_at, 4
    file.seek(long.start + 8)
    return int.from_bytes(file.read(8), "little"), long.start + 8, 8


def _size_patch(
    sound: SoundChunk, size_at: int, width: int, *, wave64: bool
) -> list[tuple[int, bytes]]:
    size = sound.present + (WAVE64.head_bytes if wave64 else 0)
    if width == 4:  # FFmpeg reads on to the end of what it is given
        size = min(size, _UNKNOWN)
    return [(size_at, size.to_bytes(width, "little"))]


def _width_patches(file: BinaryIO, form: _Format, data: SoundChunk) -> list[tuple[int, bytes]]:
    """MetadataFields to be changed so that the width in bytes counts, if that is not so already."""
    if form.codec not in (_PCM, _FLOAT):
        return []
    width = _true_width(file, form, data)
    if width is None:
        return []
    whole = (8 * width).to_bytes(2, "little")
    fields = (14, 18) if form.tag == _EXTENSIBLE else (14,)
    return [(form.at + field, whole) for field in fields]


# FFmpeg takes the number of valid bits for the width of a sample. Where a sample has more bytes
# than its valid bits need (24 bits in 4 bytes), it reads noise, or takes it for the floats that
# Cool Edit once wrote under the mark of integers. The width in bytes (`nBlockAlign`) is what
# libsndfile goes by, and so does this: the field is put right before FFmpeg sees it.
def _true_width(file: BinaryIO, form: _Format, data: SoundChunk) -> int | None:
    """Bytes of a sample where FFmpeg, which goes by the valid bits, takes another number of them.

    Three fields tell: valid bits, bits, and the size of a block. Two that agree are right.
    """
    by_block = 0 if form.block % form.channels else form.block // form.channels
    by_bits = (form.bits + 7) // 8
    taken = (form.valid_bits + 7) // 8 or by_bits
    if taken in (0, by_block):
        return None
    if by_bits != taken:
        return next((width for width in (by_bits, by_block) if 1 <= width <= 8), None)
    if by_block <= taken or by_block > 8:
        return None
    # Bits and block differ alone: one of them is wrong. FFmpeg reads 3 bytes in 4 as floats only.
    if form.codec == _FLOAT or (form.tag == _EXTENSIBLE and (by_bits, by_block) == (3, 4)):
        return by_block if form.tag == _EXTENSIBLE else None
    may_be_float = form.tag != _EXTENSIBLE and by_block == 4
    wide = _is_left_justified(file, data, width=by_block, bits=form.bits, may_be_float=may_be_float)
    return by_block if wide else None


def _is_left_justified(
    file: BinaryIO, data: SoundChunk, *, width: int, bits: int, may_be_float: bool
) -> bool:
    """Whether samples of `width` bytes hold integers of `bits` in their upper part.

    Without the extensible header a wide block may also be a wrong number in the header, or floats.
    """
    content = _first_sound(file, data, width)
    samples = np.frombuffer(content, np.uint8).reshape(-1, width)
    idle = width - (bits + 7) // 8
    if not samples.size or samples[:, :idle].any():
        return False
    if not may_be_float:
        return True
    floats = np.abs(samples.copy().view("<f4")[:, 0].astype(np.float64))
    return bool((~np.isfinite(floats) | ((floats > 0) & (floats < _TINY_FLOAT))).any())


def _first_sound(file: BinaryIO, data: SoundChunk, width: int) -> bytes:
    """Whole samples from the first on that is not 0; many recordings begin with digital silence."""
    size = _LOOK_BYTES // width * width
    for at in range(data.start, data.end, size):
        file.seek(at)
        content = file.read(min(size, data.end - at))
        content = content[: len(content) // width * width]
        if content.strip(b"\0"):
            return content
    return b""


def _fact(file: BinaryIO, chunk: Chunk | None) -> int | None:
    if chunk is None or chunk.size < 4:
        return None
    file.seek(chunk.start)
    return int.from_bytes(file.read(4), "little") or None


def _size(file: BinaryIO) -> int:
    return file.seek(0, 2)
