"""What the headers of other containers say of how long their sound is, where they say so exactly.

FFmpeg gives durations for every file. In some containers they are the header's word; in the others
they are guesses from a bit rate, or from what is there, and tell nothing. This sorts them.
"""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

from av.audio.stream import AudioStream
from av.container import InputContainer

# FFmpeg's `stream.duration` is what the header says, in any state of the rest of the file.
_STREAM_TELLS = frozenset({"ape", "caf", "dsf", "iff", "mov", "mpc8", "mxf", "tak", "tta", "wv"})
# There the packets may rightly hold more: edit lists and end times cut them.
MAY_BE_LONGER = frozenset({"asf", "caf", "flv", "matroska", "mov", "mxf"})
_ASF_MARK = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_HEAD_BYTES = 1 << 16
_MICROSECONDS = 1_000_000
_MATROSKA_SEGMENT = bytes.fromhex("18538067")
_MPEG_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def declared_seconds(path: bytes, container: InputContainer, stream: AudioStream) -> float | None:
    """Seconds of sound that the headers tell of; None where they do not.

    Raises:
        OSError: the file cannot be read.
    """
    kind = container.format.name.partition(",")[0]
    name = stream.codec_context.codec.canonical_name
    if kind in _STREAM_TELLS:
        told = stream.duration
        if told is None or told <= 0 or stream.time_base is None:
            return None
        return float(told * stream.time_base)
    if name == "flac" and kind in ("flac", "ogg"):
        return _flac(bytes(stream.codec_context.extradata or b""))
    reader = {"matroska": _matroska, "mp3": _mp3, "asf": _asf, "flv": _flv}.get(kind)
    if reader is None:
        return None
    with open(path, "rb") as file:  # noqa: PTH123  (paths are bytes here)
        return reader(file, container)


def cut_off(path: bytes) -> str | None:
    """What is to be said of an AVI file that is shorter than its first list claims.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:  # noqa: PTH123
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:12] != b"AVI ":
            return None
        claimed = int.from_bytes(head[4:8], "little") + 8
        size = file.seek(0, os.SEEK_END)
    if size >= claimed or claimed >= 0xFFFFFFF0:
        return None
    return f"its header tells of {claimed} bytes, {size} are there"


def _flac(streaminfo: bytes) -> float | None:
    if len(streaminfo) < 18:
        return None
    packed = int.from_bytes(streaminfo[10:18], "big")
    rate, n_samples = packed >> 44, packed & (1 << 36) - 1
    return n_samples / rate if rate and n_samples else None


def _matroska(file: BinaryIO, container: InputContainer) -> float | None:
    """By the segment's duration; that may be a picture's, which counts only if the file is cut."""
    cut = _matroska_end(file) > file.seek(0, os.SEEK_END)
    if not container.duration or (container.streams.video and not cut):
        return None
    return container.duration / _MICROSECONDS


def _flv(_file: BinaryIO, container: InputContainer) -> float | None:
    """By its first tag; that may be a picture's."""
    if not container.duration or container.streams.video:
        return None
    return container.duration / _MICROSECONDS


def _mp3(file: BinaryIO, _container: InputContainer) -> float | None:
    """By the count of frames in a Xing ("Info" where the bit rate is constant) or VBRI header."""
    file.seek(0)
    head = file.read(10)
    at = 0
    if head[:3] == b"ID3" and len(head) == 10:
        size = 0
        for byte in head[6:10]:
            size = size << 7 | byte & 0x7F
        at = 10 + size + (10 if head[5] & 0x10 else 0)
    file.seek(at)
    frame = file.read(4096).lstrip(b"\0")
    if len(frame) < 64 or frame[0] != 0xFF or frame[1] & 0xE0 != 0xE0:
        return None
    version, layer, rate_index = frame[1] >> 3 & 3, frame[1] >> 1 & 3, frame[2] >> 2 & 3
    if version not in _MPEG_RATES or layer != 1 or rate_index == 3:
        return None
    mono = frame[3] >> 6 == 3
    side = (17 if mono else 32) if version == 3 else (9 if mono else 17)
    mark = frame[4 + side : 16 + side]
    if frame[36:40] == b"VBRI":
        n_frames = struct.unpack(">I", frame[50:54])[0]
    elif mark[:4] in (b"Xing", b"Info") and mark[7] & 1:
        n_frames = struct.unpack(">I", mark[8:12])[0]
    else:
        return None
    n_samples = n_frames * (1152 if version == 3 else 576)
    return n_samples / _MPEG_RATES[version][rate_index] if n_samples else None


def _asf(file: BinaryIO, container: InputContainer) -> float | None:
    """By the longest of its streams; that may be a picture's, which counts only if it is cut."""
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    at = head.find(_ASF_FILE_PROPERTIES)
    if not head.startswith(_ASF_MARK) or at < 0 or len(head) < at + 92:
        return None
    size = int.from_bytes(head[at + 40 : at + 48], "little")
    play, _send, preroll_ms, flags = struct.unpack("<QQQI", head[at + 64 : at + 92])
    seconds = play / 10_000_000 - preroll_ms / 1000
    broadcast = flags & 1
    if seconds <= 0 or broadcast:
        return None
    return None if container.streams.video and size <= file.seek(0, os.SEEK_END) else seconds


def _matroska_end(file: BinaryIO) -> int:
    """Where the segment ends by its head; 0 where that is left open."""
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    at = head.find(_MATROSKA_SEGMENT) + 4
    if at < 4 or at >= len(head) or not head[at]:
        return 0
    width = 9 - head[at].bit_length()
    size = int.from_bytes(head[at : at + width], "big") & (1 << 7 * width) - 1
    return 0 if size == (1 << 7 * width) - 1 else at + width + size
