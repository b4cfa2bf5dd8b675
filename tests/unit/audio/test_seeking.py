"""Decoding from any sample on gives what decoding from the start gives there."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from audiosearch.audio import seeking
from audiosearch.audio.decode import Decoding
from audiosearch.audio.seeking import decode_from
from audiosearch.errors import DecodeCode, DecodeError
from tests.sounds import LOSSLESS, LOSSY, RATES, wav_bytes, write_audio

_MORE = {".mkv": "flac", ".webm": "libopus", ".mov": "pcm_s24le", ".avi": "pcm_s16le"}
# Whose decoders fill what they cannot know with noise, another each time they begin.
_NOISY = {".aac": 0.2, ".m4a": 0.2, ".ac3": 0.3, ".opus": 1e-3, ".mka": 1e-3, ".webm": 1e-3}


def sound(*, seconds: float = 14.0, rate: int = 16_000, channels: int = 1) -> np.ndarray:
    """Noise that is never the same: a place in it cannot be mistaken for another."""
    rng = np.random.default_rng(5)
    low = np.cumsum(rng.standard_normal((round(seconds * rate), channels)), axis=0)
    low -= np.linspace(low[0], low[-1], len(low))
    samples = 0.4 * low / np.abs(low).max() + 0.05 * rng.standard_normal(low.shape)
    return samples[:, 0] if channels == 1 else samples


def whole(path: Path, rate: int) -> np.ndarray:
    blocks = list(Decoding(os.fsencode(path), sample_rate=rate, mixed=False))
    joined = np.concatenate(blocks)
    return joined if joined.ndim == 2 else joined[:, np.newaxis]


@pytest.mark.parametrize("suffix", sorted(LOSSLESS | LOSSY | _MORE))
def test_each_format_is_sought_to_the_sample(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_arguments: object, **_named: object) -> None:
        raise AssertionError("decoded from the start")

    monkeypatch.setattr(seeking, "_from_the_start", never)
    rate = {".webm": 48_000, ".m4a": 44_100}.get(suffix, RATES.get(suffix, 16_000))
    codec = (LOSSLESS | LOSSY | _MORE)[suffix]
    path = write_audio(tmp_path / f"a{suffix}", sound(rate=rate), rate=rate, codec=codec)
    expected = whole(path, rate)
    for start in (0, rate, 5 * rate + 17, 9 * rate + 12_345, len(expected) - rate // 2):
        found = np.concatenate(list(decode_from(os.fsencode(path), sample_rate=rate, start=start)))
        wanted = expected[start:]
        assert len(found) >= len(wanted)  # some tell of the padding at their ends
        atol = _NOISY.get(suffix, 1e-4 if suffix in LOSSY else 0.0)
        np.testing.assert_allclose(found[: len(wanted)], wanted, atol=atol)


def test_the_last_page_of_ogg_flac(tmp_path: Path) -> None:
    """FFmpeg gives wrong times there; see findings/ffmpeg-ogg-flac-late-last-page.sh."""
    rate = 44_100
    samples = sound(seconds=40.0, rate=rate, channels=2)
    path = write_audio(tmp_path / "a.oga", samples, rate=rate, codec="flac", container="ogg")
    expected = whole(path, rate)
    for start in (len(expected) - 300, len(expected) - 5000, len(expected) - rate):
        found = np.concatenate(list(decode_from(os.fsencode(path), sample_rate=rate, start=start)))
        assert np.array_equal(found, expected[start:])


@pytest.mark.parametrize("start", [0, 1, 4_999, 15_999])
def test_near_places_and_several_channels(tmp_path: Path, start: int) -> None:
    path = write_audio(tmp_path / "a.flac", sound(seconds=1.0, channels=3))
    found = np.concatenate(list(decode_from(os.fsencode(path), sample_rate=16_000, start=start)))
    assert np.array_equal(found, whole(path, 16_000)[start:])


def test_another_rate_is_decoded_from_the_start(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.wav", sound())
    start = 7 * 24_000
    found = np.concatenate(list(decode_from(os.fsencode(path), sample_rate=24_000, start=start)))
    assert np.array_equal(found, whole(path, 24_000)[start:])


def test_a_header_that_lies_is_seen_through(tmp_path: Path) -> None:
    """A recorder that lost its battery: the header tells of no sound at all."""
    path = tmp_path / "a.wav"
    path.write_bytes(wav_bytes(sound(), declared_bytes=0))
    expected = whole(path, 16_000)
    start = 10 * 16_000
    found = np.concatenate(list(decode_from(os.fsencode(path), sample_rate=16_000, start=start)))
    assert np.array_equal(found, expected[start:])


def test_behind_the_end_there_is_nothing(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.flac", sound(seconds=6.0))
    assert list(decode_from(os.fsencode(path), sample_rate=16_000, start=7 * 16_000)) == []


def test_what_is_no_sound_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF, but no more of it" * 99)
    for start in (0, 1_000_000):
        with pytest.raises(DecodeError) as told:
            list(decode_from(os.fsencode(path), sample_rate=16_000, start=start))
        assert told.value.code in (DecodeCode.UNSUPPORTED, DecodeCode.DAMAGED)
