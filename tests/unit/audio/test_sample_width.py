"""Samples that are narrower than their containers or lie the other way, or cannot be sound.

The right values are those of libsndfile 1.2: the container's width counts, and the valid bits stand
in its upper part.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest

from audiosearch.audio.decode import AudioFacts, Decoding
from audiosearch.audio.fingerprint import fingerprint, survey_of
from audiosearch.audio.metadata import read_metadata
from audiosearch.audio.sound import open_sound
from audiosearch.errors import DecodeCode, DecodeError
from tests.sounds import chunk, tone, wav_bytes, wide_wav_bytes, write_audio

RATE = 16_000


def decode(path: Path) -> tuple[np.ndarray, AudioFacts]:
    decoding = Decoding(os.fsencode(path), sample_rate=RATE)
    return np.concatenate(list(decoding)), decoding.facts


def written(folder: Path, content: bytes) -> Path:
    path = folder / "sound.wav"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("bits", "width"),
    [(24, 4), (20, 4), (16, 4), (12, 4), (8, 4), (16, 3), (20, 3), (12, 3), (12, 2), (8, 2)],
)
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_valid_bits_fewer_than_the_container_has(
    tmp_path: Path, bits: int, width: int, channels: int
) -> None:
    sound = tone(440, seconds=0.5)
    several = np.stack([sound] * channels, axis=1)
    samples, facts = decode(written(tmp_path, wide_wav_bytes(several, bits=bits, width=width)))
    assert facts.duration_s == 0.5
    assert np.abs(samples - sound).max() < 2.0 ** (1 - bits)
    assert facts.peak_db == pytest.approx(-6.02, abs=0.05)


def test_the_block_counts_where_the_container_is_said_to_be_as_narrow(tmp_path: Path) -> None:
    sound = tone(440, seconds=0.5)
    content = wide_wav_bytes(sound, bits=24, width=4, container_bits=24)
    samples, _ = decode(written(tmp_path, content))
    assert np.abs(samples - sound).max() < 1e-6


@pytest.mark.parametrize(
    ("width", "bits", "valid"),
    [(2, 16, 32), (2, 16, 24), (2, 16, 40), (2, 16, 0xFFFF), (3, 24, 32), (4, 32, 64), (4, 32, 33)],
)
def test_valid_bits_more_than_the_container_has(
    tmp_path: Path, width: int, bits: int, valid: int
) -> None:
    sound = tone(440, seconds=0.5)
    content = bytearray(wide_wav_bytes(sound, bits=8 * width, width=width, container_bits=bits))
    struct.pack_into("<H", content, content.index(b"fmt ") + 8 + 18, valid)
    samples, facts = decode(written(tmp_path, bytes(content)))
    assert facts.duration_s == 0.5
    assert np.abs(samples - sound).max() < 2.0 ** (1 - min(bits, 24))


@pytest.mark.parametrize("valid", [16, 24, 64])
def test_floats_with_odd_valid_bits(tmp_path: Path, valid: int) -> None:
    sound = tone(440, seconds=0.5)
    content = bytearray(wide_wav_bytes(sound, bits=32, width=4, subformat=3))
    struct.pack_into("<H", content, content.index(b"fmt ") + 8 + 18, valid)
    at = content.index(b"data") + 8
    content[at : at + 4 * len(sound)] = sound.astype("<f4").tobytes()
    samples, _ = decode(written(tmp_path, bytes(content)))
    assert np.abs(samples - sound).max() < 1e-6


def test_a_wrong_block_size_beside_right_bits(tmp_path: Path) -> None:
    """Bits and valid bits say 16; as 32 its lower half would not be empty."""
    content = bytearray(wide_wav_bytes(tone(440, seconds=0.5), bits=16, width=2))
    struct.pack_into("<H", content, content.index(b"fmt ") + 8 + 12, 4)
    samples, _ = decode(written(tmp_path, bytes(content)))
    assert len(samples) == RATE / 2


@pytest.mark.parametrize("bits", [24, 20, 16])
def test_a_plain_header_before_digital_silence(tmp_path: Path, bits: int) -> None:
    sound = np.concatenate((np.zeros(20_000), tone(440, seconds=0.5)))
    content = wide_wav_bytes(sound, bits=bits, width=4, tag=1)
    samples, _ = decode(written(tmp_path, content))
    assert np.abs(samples - sound).max() < 2.0 ** (1 - bits)


@pytest.mark.parametrize(
    ("codec", "bits", "width"),
    [
        *((b"sowt", bits, width) for bits, width in [(8, 1), (12, 2), (16, 2), (20, 3), (24, 3)]),
        *[(b"sowt", 32, 4), (b"42n1", 24, 3), (b"42ni", 24, 3), (b"23n1", 32, 4), (b"23ni", 32, 4)],
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_aifc_with_the_least_byte_first(
    tmp_path: Path, codec: bytes, bits: int, width: int, channels: int
) -> None:
    """FFmpeg takes `sowt` of any width for 16 bits, and does not know the others."""
    sound = tone(440, seconds=0.5)
    several = np.stack([sound] * channels, axis=1)
    whole = np.round(several.reshape(-1) * 2.0 ** (bits - 1)).astype("<i8") << (8 * width - bits)
    raw = whole.view(np.uint8).reshape(-1, 8)[:, :width].tobytes()
    rate = struct.pack(">HQ", 16383 + 13, RATE << 50)
    common = struct.pack(">hIh", channels, len(sound), bits) + rate + codec + b"\0\0"
    body = b"AIFC" + b"COMM" + struct.pack(">I", len(common)) + common
    body += b"SSND" + struct.pack(">IIII", 12 + len(raw), 4, 0, 0xFFFFFFFF) + raw
    body += b"NAME" + struct.pack(">I", 4) + b"bell"
    path = written(tmp_path, b"FORM" + struct.pack(">I", len(body)) + body)
    samples, facts = decode(path)
    assert facts.duration_s == 0.5
    assert (facts.container, facts.bit_depth) == ("aiff", 8 * width)
    assert np.abs(samples - sound).max() < 2.0 ** (1 - min(bits, 24))
    with open_sound(os.fsencode(path)) as opened:
        assert survey_of(opened).remark is None
    assert read_metadata(os.fsencode(path))["title"] == ("bell",)


def test_narrow_samples_in_rf64(tmp_path: Path) -> None:
    sound = tone(440, seconds=0.5)
    content = wide_wav_bytes(sound, bits=24, width=4, rf64=True)
    samples, _ = decode(written(tmp_path, content))
    assert np.abs(samples - sound).max() < 1e-6


def test_narrow_samples_in_wave64(tmp_path: Path) -> None:
    sound = tone(440, seconds=0.5)
    wav = wide_wav_bytes(sound, bits=24, width=4)
    tail = bytes.fromhex("f3acd3118cd100c04f8edb8a")
    form, data = wav[20:60], wav[68:]
    body = b"fmt " + tail + struct.pack("<q", 24 + 40) + form
    body += b"data" + tail + struct.pack("<q", 24 + len(data)) + data
    head = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")
    content = head + struct.pack("<q", 40 + len(body)) + b"wave" + tail + body
    path = tmp_path / "sound.w64"
    path.write_bytes(content)
    samples, _ = decode(path)
    assert np.abs(samples - sound).max() < 1e-6


@pytest.mark.parametrize("channels", [1, 2])
def test_narrow_samples_in_caf(tmp_path: Path, channels: int) -> None:
    sound = np.round(tone(440, seconds=0.5) * 2**23) / 2**23
    several = np.stack([sound] * channels, axis=1)
    path = write_audio(tmp_path / "sound.caf", several, codec="pcm_s32le")
    content = bytearray(path.read_bytes())
    struct.pack_into(">I", content, content.index(b"desc") + 12 + 28, 24)
    path.write_bytes(content)
    samples, _ = decode(path)
    assert np.abs(samples - sound).max() < 1e-6


@pytest.mark.parametrize(("bits", "width"), [(24, 4), (20, 4), (16, 4), (16, 3)])
def test_integers_of_a_plain_header_too(tmp_path: Path, bits: int, width: int) -> None:
    sound = tone(440, seconds=0.5)
    samples, facts = decode(written(tmp_path, wide_wav_bytes(sound, bits=bits, width=width, tag=1)))
    assert facts.duration_s == 0.5
    assert np.abs(samples - sound).max() < 2.0 ** (1 - bits)


def test_floats_under_a_plain_header_stay_floats(tmp_path: Path) -> None:
    """Cool Edit's "24.0": floats of the size of integers, marked as integers of 24 bits."""
    sound = tone(440, seconds=0.5)
    raw = (sound * 2**23).astype("<f4").tobytes()
    form = struct.pack("<HHIIHH", 1, 1, RATE, RATE * 4, 4, 24)
    body = b"WAVE" + chunk(b"fmt ", form) + chunk(b"data", raw)
    samples, _ = decode(written(tmp_path, b"RIFF" + struct.pack("<I", len(body)) + body))
    assert np.abs(samples - sound).max() < 1e-6


def test_a_wrong_block_size_alone_changes_nothing(tmp_path: Path) -> None:
    """Some writers get it wrong for 16 bits; the samples themselves say how wide they are."""
    content = bytearray(wav_bytes(tone(440, seconds=0.5)))
    struct.pack_into("<H", content, content.index(b"fmt ") + 8 + 12, 4)
    samples, _ = decode(written(tmp_path, bytes(content)))
    assert len(samples) == RATE / 2


def test_width_is_put_right_for_identity_as_well(tmp_path: Path) -> None:
    sound = tone(440, seconds=0.5)
    wide = written(tmp_path, wide_wav_bytes(sound, bits=24, width=4))
    as_it_should_be = tmp_path / "32.wav"
    as_it_should_be.write_bytes(wide_wav_bytes(np.round(sound * 2**23) / 2**23, bits=32, width=4))
    name = os.fsencode(wide), os.fsencode(as_it_should_be)
    assert fingerprint(name[0]).audio_hash == fingerprint(name[1]).audio_hash


@pytest.mark.parametrize("peak", [1e3, 2.0**15, 2.0**31, 1e30])
def test_a_peak_that_no_recording_reaches_is_damage(tmp_path: Path, peak: float) -> None:
    sound = tone(440, seconds=0.5)
    sound[4_000] = peak
    with pytest.raises(DecodeError, match="a peak of") as caught:
        decode(written(tmp_path, wav_bytes(sound, bits=32, floating=True)))
    assert caught.value.code is DecodeCode.DAMAGED


def test_a_hot_float_file_is_sound(tmp_path: Path) -> None:
    content = wav_bytes(tone(440, seconds=0.5, amplitude=900), bits=32, floating=True)
    _, facts = decode(written(tmp_path, content))
    assert facts.peak_db == pytest.approx(59.1, abs=0.1)


def test_nan_in_a_file_of_integers_is_damage(tmp_path: Path) -> None:
    """Marked as integers, read as floats by FFmpeg: NaN shows that they were none."""
    floats = (tone(440, seconds=0.5) * 2**23).astype("<f4")
    floats[100] = np.nan
    raw = floats.view(np.uint8).reshape(-1, 4)
    raw[0, 0] = 1  # not left-justified integers either
    form = struct.pack("<HHIIHH", 1, 1, RATE, RATE * 4, 4, 24)
    body = b"WAVE" + chunk(b"fmt ", form) + chunk(b"data", raw.tobytes())
    with pytest.raises(DecodeError, match="no number") as caught:
        decode(written(tmp_path, b"RIFF" + struct.pack("<I", len(body)) + body))
    assert caught.value.code is DecodeCode.DAMAGED


def test_nothing_but_nan_is_damage_not_silence(tmp_path: Path) -> None:
    content = wav_bytes(np.full(8_000, np.nan), bits=32, floating=True)
    with pytest.raises(DecodeError) as caught:
        decode(written(tmp_path, content))
    assert caught.value.code is DecodeCode.DAMAGED
