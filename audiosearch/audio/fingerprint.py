"""Identity of a sound: a hash of its compressed audio, which tags, names and places do not touch.

In: a path. Out: a `Fingerprint`. Nothing is decoded, so it costs one read of the file. Hashed
are the codec, sample rate and channels, then the bytes of the first audio stream's packets, one
after the other: never container headers, tags, Vorbis comments or pictures, and never where one
packet ends and the next begins. Tags appended behind raw streams (ID3v1, APEv2), which some
demuxers hand out as if they were sound, are cut off.

Two encodings of the same music are two sounds here; likeness is a matter for embeddings.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import BinaryIO

from av.audio.stream import AudioStream
from av.container import InputContainer

from audiosearch.audio.container import open_audio, packets, stream_format
from audiosearch.audio.facts import Fingerprint

__all__ = ["HASH_BYTES", "Fingerprint", "fingerprint", "fingerprint_of"]

HASH_BYTES = 32
# Changing what is hashed makes every library encode everything again: change this with it.
_SCHEME = "audiosearch-1"

# Containers that are little more than the packets themselves, with tags behind them.
_RAW_CONTAINERS = frozenset(
    {"aac", "ac3", "ape", "dts", "eac3", "mp3", "mpc", "mpc8", "osq", "tak", "tta", "wv"}
)
_ID3V1_BYTES = 128
_APE_FOOTER_BYTES = 32
_APE_HAS_HEADER = 1 << 31


def _no_progress() -> None:
    """Nobody wants to know."""


def fingerprint(path: bytes, *, progress: Callable[[], None] = _no_progress) -> Fingerprint:
    """Hash the audio packets of the file at `path`; `progress` is called for each.

    Raises:
        DecodeError: the file cannot be opened or read, or holds no audio.
    """
    with open_audio(path) as (container, stream):
        return fingerprint_of(path, container, stream, progress=progress)


def fingerprint_of(
    path: bytes,
    container: InputContainer,
    stream: AudioStream,
    *,
    progress: Callable[[], None] = _no_progress,
) -> Fingerprint:
    """As `fingerprint`, of a file just opened; all its packets are used up."""
    form = stream_format(container, stream)
    end = _end_of_sound(path) if form.container in _RAW_CONTAINERS else None
    # SHA-256 for its speed: processors have instructions for it, which BLAKE2 lacks.
    digest = hashlib.sha256(f"{_SCHEME} {form.codec} {form.sample_rate} {form.channels}\n".encode())
    for packet in packets(container, stream):
        progress()
        if end is None or packet.pos is None or packet.pos + packet.size <= end:
            digest.update(packet)
        else:
            digest.update(memoryview(packet)[: max(0, end - packet.pos)])
    return Fingerprint(
        audio_hash=digest.digest(),
        codec=form.codec,
        container=form.container,
        sample_rate=form.sample_rate,
        channels=form.channels,
        bit_depth=form.bit_depth,
    )


def _end_of_sound(path: bytes) -> int:
    """Where the tags at the end of a raw stream begin, in bytes from the start of the file."""
    with open(path, "rb") as file:  # noqa: PTH123  (paths are bytes here)
        end = file.seek(0, os.SEEK_END)
        # Both orders are found in the wild, so look twice.
        for _ in range(2):
            end = _before_ape(file, _before_id3v1(file, end))
    return end


def _before_id3v1(file: BinaryIO, end: int) -> int:
    if end < _ID3V1_BYTES:
        return end
    file.seek(end - _ID3V1_BYTES)
    return end - _ID3V1_BYTES if file.read(3) == b"TAG" else end


def _before_ape(file: BinaryIO, end: int) -> int:
    if end < _APE_FOOTER_BYTES:
        return end
    file.seek(end - _APE_FOOTER_BYTES)
    footer = file.read(_APE_FOOTER_BYTES)
    if not footer.startswith(b"APETAGEX"):
        return end
    size = int.from_bytes(footer[12:16], "little")  # items and this footer, without the header
    if int.from_bytes(footer[20:24], "little") & _APE_HAS_HEADER:
        size += _APE_FOOTER_BYTES
    return max(0, end - size) if size >= _APE_FOOTER_BYTES else end
