"""What is known of a sound file: its identity, and what it turned out to be when decoded.

Plain values, apart from the code that finds them, so that the main process can hold them without
loading FFmpeg.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fingerprint:
    """A sound's identity, and what its headers say of it."""

    audio_hash: bytes  # (32,)
    codec: str  # FFmpeg's name: "vorbis", "pcm_s24le", "mp3"
    container: str  # FFmpeg's name of the demuxer: "ogg", "mov", "wav"
    sample_rate: int
    channels: int
    bit_depth: int | None  # None for lossy codecs, and where the stream does not say


@dataclass(frozen=True)
class AudioFacts:
    """What a whole decoded file turned out to be."""

    duration_s: float  # from the samples decoded, not from what a header says
    sample_rate: int  # of the file
    channels: int
    bit_depth: int | None  # None for lossy codecs
    codec: str
    container: str
    peak_db: float | None  # sample peak over all channels in dBFS; None = digital silence
    loudness_lufs: float | None  # EBU R128 integrated; None = too short, too quiet or not one run
    bad_packets: int = 0  # refused by the decoder and left out
    bad_samples: int = 0  # not finite, and set to 0
    remark: str | None = None  # what of the file could not be decoded
