"""Identity of a sound: a hash of its compressed audio, which tags, names and places do not touch.

Nothing is decoded, so it costs one read of the file. Two encodings of the same music are two
sounds here; likeness is a matter for embeddings.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO

from av.audio.stream import AudioStream
from av.packet import Packet

from audiosearch.audio.container import (
    OpenedPart,
    StreamFormat,
    has_decoder,
    packets,
    stream_format,
)
from audiosearch.audio.extent import disagreement
from audiosearch.audio.headers.durations import MAY_BE_LONGER, cut_off, declared_seconds
from audiosearch.audio.sound import KeptPackets, Sound, open_sound
from audiosearch.audio.source import BUFFER_BYTES, Span, SpanFile
from audiosearch.audio.types import Fingerprint

__all__ = ["HASH_BYTES", "Fingerprint", "Survey", "fingerprint", "survey_of"]

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


@dataclass(frozen=True)
class Survey:
    """What reading a file through without decoding tells."""

    fingerprint: Fingerprint
    remark: str | None  # header and file disagree, or some of it cannot be heard


def fingerprint(path: bytes, *, progress: Callable[[], None] = _no_progress) -> Fingerprint:
    """Hash the audio packets of the file at `path`; `progress` is called for each.

    Raises:
        DecodeError: the file cannot be opened or read, or holds no audio.
    """
    with open_sound(path) as sound:
        return survey_of(sound, progress=progress).fingerprint


def survey_of(
    sound: Sound,
    *,
    progress: Callable[[], None] = _no_progress,
    kept: KeptPackets | None = None,
) -> Survey:
    """Read a file just opened through; all its packets are used up, but for what `kept` keeps.

    Hashed are codec, sample rate and channels, then the bytes of the audio stream's packets, one
    after the other: never container headers, tags or pictures, and never where one packet ends
    and the next begins. Tags appended behind raw streams (ID3v1, APEv2), which some demuxers hand
    out as if they were sound, are cut off. A file with several audio streams, or of several
    parts, is the hash of their hashes, each made as if it were alone.

    Raises:
        DecodeError: it cannot be read.
    """
    if sound.plain is not None:
        progress()
        digest = _head_digest(sound.form)
        digest.update(b"".join(sound.plain.packets))
        return Survey(_fingerprint_of(digest.digest(), sound), remark=None)
    hashes: list[bytes] = []
    remarks: list[str] = [sound.extent.note] if sound.extent.note else []
    n_refused = 0
    if kept is not None and not kept.wants(sound):
        kept = None
    for part in sound.parts():
        if isinstance(part, Span):
            n_refused += 1
            hashes.append(_hash_of_bytes(sound.path, part, progress=progress))
            continue
        readings = _read(sound.path, part, progress=progress, kept=kept)
        hashes += [reading.digest.digest() for reading in readings]
        if part.unheard:
            remarks.append(
                f"{len(part.unheard)} of its {len(part.streams)} audio streams cannot be heard"
            )
        if sound.n_parts == sound.extent.n_links == 1:
            remarks += filter(None, [_disagreement(sound, part, readings)])
    if n_refused:
        remarks.append(f"{n_refused} of its {sound.n_parts} parts cannot be read")
    return Survey(
        _fingerprint_of(hashes[0] if len(hashes) == 1 else _hash_of_several(hashes), sound),
        remark="; ".join(remarks) or None,
    )


def _fingerprint_of(audio_hash: bytes, sound: Sound) -> Fingerprint:
    form = sound.form
    return Fingerprint(
        audio_hash=audio_hash,
        codec=form.codec,
        container=form.container,
        sample_rate=form.sample_rate,
        channels=sound.channels,
        bit_depth=form.bit_depth,
    )


@dataclass
class _StreamReading:
    """One stream as its packets come: the hash so far, and times in units of its time base."""

    stream: AudioStream
    digest: hashlib._Hash
    counted: int = 0
    first: int | None = None
    last_end: int | None = None
    all_counted: bool = True

    def add(self, packet: Packet[AudioStream]) -> None:
        """Count a packet's time."""
        duration, start = packet.duration or 0, packet.pts
        self.counted += duration
        if duration <= 0:
            self.all_counted = False
        if start is None:
            return
        if self.first is None or start < self.first:
            self.first = start
        end = start + duration
        if self.last_end is None or end > self.last_end:
            self.last_end = end

    def seconds(self) -> float | None:
        """How much sound its packets hold; None where they do not say."""
        if self.stream.time_base is None:
            return None
        if self.all_counted:
            return float(self.counted * self.stream.time_base)
        if self.first is None or self.last_end is None or self.last_end <= self.first:
            return None
        return float((self.last_end - self.first) * self.stream.time_base)

    def end_s(self) -> float:
        """When its last packet ends, by the container's clock."""
        if self.last_end is None or self.stream.time_base is None:
            return 0.0
        return float(self.last_end * self.stream.time_base)


def _read(
    path: bytes, part: OpenedPart, *, progress: Callable[[], None], kept: KeptPackets | None
) -> list[_StreamReading]:
    """All packets of a part's audio streams, hashed and counted."""
    kind = part.container.format.name.partition(",")[0]
    end = _end_of_sound(path) if kind in _RAW_CONTAINERS else None
    readings = {
        stream.index: _StreamReading(stream, _fresh_digest(part, stream)) for stream in part.streams
    }
    held: list[Packet[AudioStream]] = []
    room = 0 if kept is None else kept.MOST_BYTES
    for packet in packets(path, part.container, *part.streams):
        progress()
        size = packet.size
        if room > 0:
            held.append(packet)
            room -= size + KeptPackets.PACKET_BYTES
            if room <= 0:
                held = []
        reading = readings[packet.stream_index]
        reading.add(packet)
        if end is None or packet.pos is None or packet.pos + size <= end:
            reading.digest.update(packet)
        else:
            reading.digest.update(memoryview(packet)[: max(0, end - packet.pos)])
    if kept is not None and room > 0:
        kept.packets = held
    return list(readings.values())


def _head_digest(form: StreamFormat) -> hashlib._Hash:
    # SHA-256 for its speed: processors have instructions for it, which BLAKE2 lacks.
    return hashlib.sha256(f"{_SCHEME} {form.codec} {form.sample_rate} {form.channels}\n".encode())


def _fresh_digest(part: OpenedPart, stream: AudioStream) -> hashlib._Hash:
    if not has_decoder(stream):
        return hashlib.sha256(f"{_SCHEME} undecodable\n".encode())
    digest = _head_digest(stream_format(part.container, stream))
    if gain := opus_gain(stream):
        digest.update(f"gain {gain}\n".encode())
    return digest


def opus_gain(stream: AudioStream) -> int:
    """What an Opus stream is to be amplified by, in 1/256 dB, by its header; 0 for other codecs."""
    head = bytes(stream.codec_context.extradata or b"")
    if not head.startswith(b"OpusHead") or len(head) < 18:
        return 0
    return int.from_bytes(head[16:18], "little", signed=True)


def _hash_of_several(hashes: list[bytes]) -> bytes:
    return hashlib.sha256(f"{_SCHEME} {len(hashes)}\n".encode() + b"".join(hashes)).digest()


def _hash_of_bytes(path: bytes, span: Span, *, progress: Callable[[], None]) -> bytes:
    """Of a part that cannot be opened, so that two files that differ in it stay two."""
    digest = hashlib.sha256(f"{_SCHEME} unread\n".encode())
    with closing(SpanFile(path, span)) as file:
        while piece := file.read(BUFFER_BYTES):
            progress()
            digest.update(piece)
    return digest.digest()


def _disagreement(sound: Sound, part: OpenedPart, readings: list[_StreamReading]) -> str | None:
    """What header and file do not agree on."""
    extent = sound.extent
    if extent.declared_s is not None and extent.present_s is not None:
        return disagreement(extent.declared_s, extent.present_s, by_bytes=True)
    kind = part.container.format.name.partition(",")[0]
    if kind == "avi":
        return cut_off(sound.path)
    of_container = kind in ("asf", "flv", "matroska")
    heard = {stream.index for stream in part.heard}
    start_s = max(0, part.container.start_time or 0) / 1_000_000
    last_s = max(reading.end_s() for reading in readings) - start_s
    if kind == "asf":
        last_s = max(reading.seconds() or 0.0 for reading in readings)
    for reading in readings:
        if reading.stream.index not in heard:
            continue
        declared_s = declared_seconds(sound.path, part.container, reading.stream)
        present_s = last_s if of_container else reading.seconds()
        if declared_s is None or present_s is None:
            continue
        if present_s > declared_s and kind in MAY_BE_LONGER:
            continue
        found = disagreement(declared_s, present_s, by_bytes=False)
        if found is not None:
            return found
    return None


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
