"""What is known of a sound file: its identity, and what it turned out to be when decoded.

Plain values, apart from the code that finds them, so that the main process can hold them without
loading FFmpeg.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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


@dataclass(frozen=True, kw_only=True)
class StretchRequest:
    """Some samples of a file, which must be the one that the library has heard.

    Attributes:
        path: absolute.
        size, mtime_ns: what the file is known by.
        sample_rate: Hz, that samples are counted and wanted at.
        start: the first sample.
        n_samples: how many of them; fewer come where the file ends before.
        in_order: the decoder refused nothing of the file, so that its clock can be believed.
    """

    path: bytes
    size: int
    mtime_ns: int
    sample_rate: int
    start: int
    n_samples: int
    in_order: bool = True


class ViewKind(StrEnum):
    """What can be seen of a sound."""

    PEAKS = "peaks"  # least values, then greatest ones, int8
    SPECTROGRAM = "spectrogram"  # row by row, uint8


@dataclass(frozen=True, kw_only=True)
class ViewRequest:
    """What is to be seen of some samples: bins or columns, and rows; within `patience_s`."""

    stretch: StretchRequest
    kind: ViewKind
    width: int
    height: int = 2
    patience_s: float = 300.0
