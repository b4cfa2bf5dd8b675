"""Short sounds for tests: generators with numpy, and writers of real files (PyAV, or by hand).

Samples are float64 in -1..1 of shape (n,) or (n, channels). `write_audio` makes any format that
FFmpeg can write; `wav_bytes` builds RIFF by hand, so that headers can lie and odd chunks be added.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

Samples = npt.NDArray[np.float64]

# Formats every test may want: suffix -> codec. All are written by the FFmpeg inside PyAV.
LOSSLESS = {
    ".wav": "pcm_s16le",
    ".flac": "flac",
    ".aiff": "pcm_s16be",
    ".caf": "pcm_s16le",
    ".au": "pcm_s16be",
    ".w64": "pcm_s16le",
    ".tta": "tta",
    ".wv": "wavpack",
}
LOSSY = {
    ".ogg": "vorbis",
    ".opus": "libopus",
    ".mp3": "libmp3lame",
    ".m4a": "aac",
    ".aac": "aac",
    ".wma": "wmav2",
    ".mka": "libopus",
    ".ac3": "ac3",
}
# Encoders that take few rates: what to generate the sound at.
RATES = {".opus": 48_000, ".mka": 48_000, ".ac3": 48_000, ".wma": 44_100}


def tone(
    frequency: float = 440.0, *, seconds: float = 1.0, rate: int = 16_000, amplitude: float = 0.5
) -> Samples:
    """A sine of (n,) samples."""
    time_s = np.arange(round(seconds * rate)) / rate
    return amplitude * np.sin(2 * np.pi * frequency * time_s)


def noise(
    *, seconds: float = 1.0, rate: int = 16_000, amplitude: float = 0.1, seed: int = 0
) -> Samples:
    """White noise of (n,) samples, the same for the same seed."""
    return amplitude * np.random.default_rng(seed).standard_normal(round(seconds * rate))


def tones(
    frequencies: Sequence[float],
    *,
    seconds: float = 0.5,
    rate: int = 16_000,
    amplitude: float = 0.5,
) -> Samples:
    """One tone after the other: a sound with an order in it."""
    return np.concatenate(
        [tone(f, seconds=seconds, rate=rate, amplitude=amplitude) for f in frequencies]
    )


def silence(*, seconds: float = 1.0, rate: int = 16_000) -> Samples:
    """Digital silence of (n,) samples."""
    return np.zeros(round(seconds * rate))


def write_audio(
    path: Path | str | bytes,
    samples: Samples,
    *,
    rate: int = 16_000,
    codec: str | None = None,
    container: str | None = None,
    tags: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
    container_options: Mapping[str, str] | None = None,
    sample_format: str | None = None,
) -> Path:
    """Write (n,) or (n, channels) samples in the format of the suffix; `codec` as in FFmpeg."""
    name = os.fsdecode(path)
    suffix = Path(name).suffix.lower()
    codec = codec or (LOSSLESS | LOSSY)[suffix]
    block = np.atleast_2d(samples) if samples.ndim == 1 else samples.T  # (channels, n)
    settings = dict(options or {})
    if codec == "vorbis":  # FFmpeg's own encoder: marked experimental, and stereo only
        settings["strict"] = "experimental"
        block = np.repeat(block, 2, axis=0) if len(block) == 1 else block
    with av.open(
        "file:" + name,
        "w",
        format=container or _MUXERS.get(suffix),
        container_options=dict(container_options or {}),
    ) as output:
        output.metadata.update(tags or {})
        stream = output.add_stream(codec, rate=rate, options=settings)
        assert isinstance(stream, AudioStream)
        if sample_format or codec in _SIXTEEN_BITS:
            stream.codec_context.format = sample_format or _SIXTEEN_BITS[codec]
        if codec == "wmav2":
            stream.bit_rate = 128_000
        stream.codec_context.layout = _LAYOUTS[len(block)]
        if suffix in (".ogg", ".opus", ".oga"):
            stream.metadata.update(tags or {})
        _encode(output, stream, block, rate)
    return Path(name)


_SIXTEEN_BITS = {"tta": "s16", "wavpack": "s16p"}  # which else start with 8
_MUXERS = {".mka": "matroska", ".wma": "asf", ".m4a": "ipod", ".aac": "adts"}
_LAYOUTS = {
    1: "mono",
    2: "stereo",
    3: "2.1",
    4: "quad",
    5: "5.0",
    6: "5.1",
    7: "6.1",
    8: "7.1",
}


def _encode(
    output: av.container.OutputContainer,
    stream: AudioStream,
    block: Samples,
    rate: int,
    *,
    start: int = 0,
) -> None:
    """Feed (channels, n) samples to an encoder in pieces, in whatever sample format it takes."""
    resampler = av.AudioResampler(
        format=stream.codec_context.format, layout=stream.codec_context.layout, rate=rate
    )
    done = start
    for at in range(0, block.shape[1], 4096):
        piece = np.ascontiguousarray(block[:, at : at + 4096])
        frame = AudioFrame.from_ndarray(piece, format="dblp", layout=_LAYOUTS[len(block)])
        frame.sample_rate = rate
        frame.pts, frame.time_base = done, Fraction(1, rate)
        done += piece.shape[1]
        for converted in resampler.resample(frame):
            output.mux(stream.encode(converted))
    for converted in resampler.resample(None):
        output.mux(stream.encode(converted))
    output.mux(stream.encode(None))


def pcm_bytes(samples: Samples, *, bits: int = 16, floating: bool = False) -> bytes:
    """Interleaved little-endian PCM of (n,) or (n, channels) samples."""
    flat = samples.reshape(-1)
    if floating:
        return flat.astype({32: "<f4", 64: "<f8"}[bits]).tobytes()
    if bits == 8:
        return np.clip(np.round(flat * 127 + 128), 0, 255).astype(np.uint8).tobytes()
    whole = np.clip(np.round(flat * 2.0 ** (bits - 1)), -(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1)
    if bits == 24:
        return whole.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    return whole.astype({16: "<i2", 32: "<i4"}[bits]).tobytes()


def chunk(name: bytes, content: bytes) -> bytes:
    """One RIFF chunk, padded."""
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def wav_bytes(
    samples: Samples,
    *,
    rate: int = 16_000,
    bits: int = 16,
    floating: bool = False,
    declared_bytes: int | None = None,
    before: bytes = b"",
    after: bytes = b"",
    rf64: bool = False,
) -> bytes:
    """A WAV file by hand: `declared_bytes` is what its data chunk claims, `before` and `after`
    are whole chunks around the sound, `rf64` writes the 64-bit form.
    """
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    sound = pcm_bytes(samples, bits=bits, floating=floating)
    width = channels * bits // 8
    form = struct.pack("<HHIIHH", 3 if floating else 1, channels, rate, rate * width, width, bits)
    claimed = len(sound) if declared_bytes is None else declared_bytes
    body = b"WAVE"
    if rf64:
        sizes = struct.pack("<QQQI", 0, len(sound), len(sound) // width, 0)
        body += chunk(b"ds64", sizes)
        claimed = 0xFFFFFFFF
    body += chunk(b"fmt ", form) + before + b"data" + struct.pack("<I", claimed) + sound
    body += b"\0" * (len(sound) % 2) + after
    size = 0xFFFFFFFF if rf64 or claimed > 0x7FFFFFFF else len(body)
    return (b"RF64" if rf64 else b"RIFF") + struct.pack("<I", size) + body


def info_chunk(fields: Mapping[bytes, bytes]) -> bytes:
    """A RIFF INFO list: {b"INAM": b"title"}."""
    return chunk(
        b"LIST", b"INFO" + b"".join(chunk(key, text + b"\0") for key, text in fields.items())
    )


def bext_chunk(
    *,
    description: bytes = b"",
    originator: bytes = b"",
    reference: bytes = b"",
    date: bytes = b"2024-05-01",
    time: bytes = b"12:34:56",
    time_reference: int = 0,
) -> bytes:
    """A Broadcast Wave chunk, version 1."""
    fixed = struct.pack(
        "<256s32s32s10s8sQH64s190s",
        description,
        originator,
        reference,
        date,
        time,
        time_reference,
        1,
        b"",
        b"",
    )
    return chunk(b"bext", fixed)


def cue_chunks(markers: Sequence[tuple[int, bytes]]) -> bytes:
    """Cue points at sample offsets with their labels."""
    points = struct.pack("<I", len(markers)) + b"".join(
        struct.pack("<II4sIII", number, offset, b"data", 0, 0, offset)
        for number, (offset, _) in enumerate(markers, 1)
    )
    labels = b"".join(
        chunk(b"labl", struct.pack("<I", number) + text + b"\0")
        for number, (_, text) in enumerate(markers, 1)
    )
    return chunk(b"cue ", points) + chunk(b"LIST", b"adtl" + labels)


def id3v2_tag(frames: Mapping[bytes, bytes]) -> bytes:
    """An ID3v2.3 tag of raw frames: {b"TIT2": b"\\0title"}."""
    body = b"".join(
        name + struct.pack(">I", len(content)) + b"\0\0" + content
        for name, content in frames.items()
    )
    size = bytes((len(body) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + body


def id3v1_tag(title: bytes) -> bytes:
    """The 128 bytes of an ID3v1 tag."""
    return b"TAG" + title.ljust(30, b"\0") + b"\0" * 94 + b"\x0c"


def ape_tag(items: Mapping[bytes, bytes]) -> bytes:
    """An APEv2 tag with header and footer."""
    body = b"".join(
        struct.pack("<II", len(value), 0) + key + b"\0" + value for key, value in items.items()
    )
    shared = struct.pack("<III", 2000, len(body) + 32, len(items))
    header = b"APETAGEX" + shared + struct.pack("<I", 0xA0000000) + b"\0" * 8
    footer = b"APETAGEX" + shared + struct.pack("<I", 0x80000000) + b"\0" * 8
    return header + body + footer


def wide_wav_bytes(
    samples: Samples,
    *,
    bits: int,
    width: int,
    rate: int = 16_000,
    tag: int = 0xFFFE,
    subformat: int = 1,
    container_bits: int | None = None,
    rf64: bool = False,
) -> bytes:
    """A WAV file whose samples of `bits` stand in the upper part of `width` bytes.

    `tag` 0xFFFE writes the extensible header, 1 the plain one; `container_bits` is what the
    former says of the container, `8 * width` if it is right.
    """
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    whole = np.round(samples.reshape(-1) * 2.0 ** (bits - 1)).astype(np.int64) << (8 * width - bits)
    sound = whole.astype("<i8").view(np.uint8).reshape(-1, 8)[:, :width].tobytes()
    block = channels * width
    stated = bits if tag == 1 else container_bits or 8 * width
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, stated)
    if tag == 0xFFFE:
        guid = struct.pack("<H", subformat) + bytes.fromhex("000000001000800000aa00389b71")
        form += struct.pack("<HHI", 22, bits, 0) + guid
    body = b"WAVE"
    if rf64:
        body += chunk(b"ds64", struct.pack("<QQQI", 0, len(sound), len(sound) // block, 0))
    body += chunk(b"fmt ", form) + b"data"
    body += struct.pack("<I", 0xFFFFFFFF if rf64 else len(sound)) + sound + b"\0" * (len(sound) % 2)
    size = 0xFFFFFFFF if rf64 else len(body)
    return (b"RF64" if rf64 else b"RIFF") + struct.pack("<I", size) + body


@dataclass(frozen=True, eq=False)
class StreamOfSound:
    """One audio stream of a file with several."""

    samples: Samples
    rate: int = 48_000
    codec: str = "flac"
    start_s: float = 0.0


def write_streams(
    path: Path, streams: Sequence[StreamOfSound], *, container: str | None = None
) -> Path:
    """Write a file with several audio streams, as captures and multi-microphone recordings are."""
    with av.open("file:" + str(path), "w", format=container or _MUXERS.get(path.suffix)) as output:
        opened = []
        for each in streams:
            block = np.atleast_2d(each.samples) if each.samples.ndim == 1 else each.samples.T
            stream = output.add_stream(each.codec, rate=each.rate)
            assert isinstance(stream, AudioStream)
            stream.codec_context.layout = _LAYOUTS[len(block)]
            opened.append((stream, block, each))
        for stream, block, each in opened:
            _encode(output, stream, block, each.rate, start=round(each.start_s * each.rate))
    return path
