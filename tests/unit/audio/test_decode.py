"""Decoding: every format gives the same sound, at the rate asked for, whatever its shape."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest

from audiosearch.audio.decode import AudioFacts, Decoding
from audiosearch.errors import DecodeCode, DecodeError
from tests.sounds import LOSSLESS, LOSSY, RATES, noise, silence, tone, wav_bytes, write_audio


def decode(path: Path, *, rate: int = 16_000) -> tuple[np.ndarray, AudioFacts]:
    decoding = Decoding(os.fsencode(path), sample_rate=rate)
    blocks = list(decoding)
    return np.concatenate(blocks), decoding.facts


def decode_wav(
    folder: Path, content: bytes, *, rate: int = 16_000
) -> tuple[np.ndarray, AudioFacts]:
    path = folder / "by-hand.wav"
    path.write_bytes(content)
    return decode(path, rate=rate)


def facts_or_error(path: Path) -> AudioFacts | DecodeError:
    try:
        return decode(path)[1]
    except DecodeError as error:
        return error


def loudest_hz(samples: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * rate / len(samples))


@pytest.mark.parametrize("suffix", [*LOSSLESS, *LOSSY])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_format_gives_the_tone_it_holds(tmp_path: Path, suffix: str, channels: int) -> None:
    rate = RATES.get(suffix, 16_000)
    sound = np.stack([tone(440, seconds=2, rate=rate)] * channels, axis=1)
    samples, facts = decode(write_audio(tmp_path / f"tone{suffix}", sound, rate=rate))
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert facts.duration_s == pytest.approx(2, abs=0.15)  # lossy codecs pad
    assert len(samples) == pytest.approx(facts.duration_s * 16_000, abs=2)
    middle = samples[8_000:24_000]
    assert loudest_hz(middle, 16_000) == pytest.approx(440, abs=2)
    assert np.sqrt(np.mean(middle.astype(float) ** 2)) == pytest.approx(0.5 / math.sqrt(2), rel=0.1)


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_lossless_formats_give_the_very_samples(tmp_path: Path, suffix: str) -> None:
    sound = np.round(noise(seconds=0.5) * 32768) / 32768
    samples, facts = decode(write_audio(tmp_path / f"noise{suffix}", sound))
    assert np.abs(samples - sound).max() < 1e-7
    assert facts.peak_db == pytest.approx(20 * math.log10(np.abs(sound).max()), abs=1e-6)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_any_rate_is_resampled_to_the_one_asked_for(tmp_path: Path, rate: int) -> None:
    sound = tone(1000, seconds=1, rate=rate)
    samples, facts = decode_wav(tmp_path, wav_bytes(sound, rate=rate), rate=32_000)
    assert facts.sample_rate == rate
    assert facts.duration_s == 1
    assert len(samples) == pytest.approx(32_000, abs=1)
    inner = slice(3_200, -3_200)  # away from the filter's start and end
    assert np.abs(samples - tone(1000, seconds=1, rate=32_000)[: len(samples)])[inner].max() < 1e-3


def test_what_is_above_the_new_nyquist_is_gone(tmp_path: Path) -> None:
    sound = tone(12_000, seconds=1, rate=48_000)
    samples, _ = decode_wav(tmp_path, wav_bytes(sound, rate=48_000, bits=32, floating=True))
    assert np.abs(samples[1_600:-1_600]).max() < 1e-4


@pytest.mark.parametrize(
    ("bits", "floating", "tolerance"),
    [
        (8, False, 1e-2),
        (16, False, 1e-4),
        (24, False, 1e-6),
        (32, False, 1e-7),
        (32, True, 1e-7),
        (64, True, 1e-7),
    ],
)
def test_bit_depths(tmp_path: Path, bits: int, floating: bool, tolerance: float) -> None:
    sound = tone(440, seconds=0.5)
    samples, facts = decode_wav(tmp_path, wav_bytes(sound, bits=bits, floating=floating))
    assert facts.bit_depth == bits
    assert np.abs(samples - sound).max() < tolerance


def test_bit_depth_of_flac_is_what_was_encoded(tmp_path: Path) -> None:
    assert decode(write_audio(tmp_path / "sound.flac", tone()))[1].bit_depth == 16
    assert decode(write_audio(tmp_path / "sound.ogg", tone()))[1].bit_depth is None


@pytest.mark.parametrize("channels", range(1, 9))
def test_mono_is_the_mean_of_the_channels(tmp_path: Path, channels: int) -> None:
    sound = np.stack([noise(seconds=0.5, seed=seed) for seed in range(channels)], axis=1)
    samples, facts = decode_wav(tmp_path, wav_bytes(sound, bits=32, floating=True))
    assert facts.channels == channels
    assert np.abs(samples - sound.mean(axis=1)).max() < 1e-6
    assert facts.peak_db == pytest.approx(20 * math.log10(np.abs(sound).max()), abs=1e-5)


def test_a_constant_offset_stays(tmp_path: Path) -> None:
    samples, _ = decode_wav(tmp_path, wav_bytes(np.full(16_000, 0.25)))
    assert np.allclose(samples, 0.25)


def test_clipped_sound_is_at_full_scale(tmp_path: Path) -> None:
    _, facts = decode_wav(tmp_path, wav_bytes(np.clip(tone(amplitude=3), -1, 1)))
    assert facts.peak_db == pytest.approx(0, abs=1e-3)


def test_float_files_may_go_above_full_scale(tmp_path: Path) -> None:
    samples, facts = decode_wav(tmp_path, wav_bytes(tone(amplitude=2), bits=32, floating=True))
    assert samples.max() == pytest.approx(2, abs=1e-2)
    assert facts.peak_db == pytest.approx(20 * math.log10(2), abs=1e-2)


def test_samples_that_are_no_sound_become_silence_and_are_counted(tmp_path: Path) -> None:
    sound = tone(seconds=1)
    sound[100:110] = np.nan
    sound[200:205] = np.inf
    sound[300] = -np.inf
    samples, facts = decode_wav(tmp_path, wav_bytes(sound, bits=64, floating=True))
    assert np.isfinite(samples).all()
    assert facts.bad_samples == 16
    assert facts.remark == "16 of its samples are no numbers and are heard as silence"
    assert not samples[100:110].any()
    assert facts.peak_db == pytest.approx(-6.02, abs=0.01)
    assert facts.loudness_lufs is None  # the filter that measures it has been poisoned


def test_one_bad_channel_does_not_silence_the_other(tmp_path: Path) -> None:
    sound = np.stack([np.full(8_000, np.nan), np.full(8_000, 0.5)], axis=1)
    samples, facts = decode_wav(tmp_path, wav_bytes(sound, bits=32, floating=True))
    assert np.allclose(samples, 0.25)
    assert facts.bad_samples == 8_000


def test_silence_is_sound_without_a_level(tmp_path: Path) -> None:
    samples, facts = decode_wav(tmp_path, wav_bytes(silence()))
    assert len(samples) == 16_000
    assert facts.peak_db is None
    assert facts.loudness_lufs is None


def test_one_sample_is_a_sound(tmp_path: Path) -> None:
    samples, facts = decode_wav(tmp_path, wav_bytes(np.array([0.5])))
    assert samples.tolist() == [0.5]
    assert facts.duration_s == 1 / 16_000


def test_loudness_follows_ebu_tech_3341(tmp_path: Path) -> None:
    """Case 1 of EBU Tech 3341: a stereo sine of 1 kHz at -23 dBFS measures -23 LUFS."""
    left = tone(1000, seconds=5, rate=48_000, amplitude=10 ** (-23 / 20))
    sound = np.stack([left, left], axis=1)
    _, facts = decode_wav(tmp_path, wav_bytes(sound, rate=48_000, bits=24))
    assert facts.loudness_lufs == pytest.approx(-23, abs=0.1)


def test_loudness_gates_silence(tmp_path: Path) -> None:
    """The relative gate: a long pause does not make a sound quieter."""
    loud = tone(1000, seconds=3, rate=48_000, amplitude=0.1)
    pause = silence(seconds=5, rate=48_000)
    _, alone = decode_wav(tmp_path, wav_bytes(loud, rate=48_000))
    _, paused = decode_wav(tmp_path, wav_bytes(np.concatenate([loud, pause]), rate=48_000))
    assert alone.loudness_lufs is not None
    assert paused.loudness_lufs == pytest.approx(alone.loudness_lufs, abs=0.5)


@pytest.mark.parametrize("rate", [100, 1_000, 3_000, 768_000])
def test_unusual_rates_are_sound_too(tmp_path: Path, rate: int) -> None:
    """Geophones and bat detectors; loudness means nothing at the lowest."""
    samples, facts = decode_wav(tmp_path, wav_bytes(noise(seconds=2, rate=rate), rate=rate))
    assert facts.duration_s == 2
    assert len(samples) == pytest.approx(32_000, abs=2)
    assert (facts.loudness_lufs is None) == (rate < 8_000)


@pytest.mark.parametrize("rate", [1, 100_000_000, 2_000_000_000])
def test_impossible_rates_are_a_damaged_header(tmp_path: Path, rate: int) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_wav(tmp_path, wav_bytes(noise(), rate=rate))
    assert caught.value.code is DecodeCode.UNSUPPORTED


def test_loudness_is_the_same_at_every_rate(tmp_path: Path) -> None:
    levels = [
        decode_wav(tmp_path, wav_bytes(tone(1000, seconds=2, rate=rate), rate=rate))[
            1
        ].loudness_lufs
        for rate in (16_000, 44_100, 96_000)
    ]
    assert None not in levels
    assert max(levels) - min(levels) < 0.1  # type: ignore[type-var, operator]


def test_blocks_are_small_however_long_the_file(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "long.flac", noise(seconds=30, rate=8_000), rate=8_000)
    blocks = [len(block) for block in Decoding(os.fsencode(path), sample_rate=16_000)]
    assert sum(blocks) == pytest.approx(30 * 16_000, abs=2)
    assert max(blocks) <= 2 * 16_000


def test_a_chained_file_of_unlike_parts_is_one_sound(tmp_path: Path) -> None:
    """Ogg files may be joined end to end (RFC 3533); their parts need not be alike."""
    first = write_audio(tmp_path / "a.flac.ogg", tone(seconds=1), codec="flac")
    second = write_audio(
        tmp_path / "b.flac.ogg", tone(seconds=1, rate=8_000), codec="flac", rate=8_000
    )
    chained = tmp_path / "chained.ogg"
    chained.write_bytes(first.read_bytes() + second.read_bytes())
    samples, facts = decode(chained)
    assert np.isfinite(samples).all()
    assert len(samples) / 16_000 == pytest.approx(facts.duration_s, abs=0.01)
    assert facts.duration_s == 2


def test_facts_are_asked_for_too_early(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "sound.wav", tone())
    with pytest.raises(RuntimeError):
        _ = Decoding(os.fsencode(path), sample_rate=16_000).facts


def test_the_same_file_decodes_to_the_same_samples(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "sound.ogg", noise(seconds=2))
    assert np.array_equal(decode(path, rate=32_000)[0], decode(path, rate=32_000)[0])


@pytest.mark.parametrize("declared", [0, 0xFFFFFFFF, 2**31 - 8, 10**9])
def test_a_wav_header_that_lies_is_bounded_by_the_file(tmp_path: Path, declared: int) -> None:
    samples, _ = decode_wav(tmp_path, wav_bytes(noise(), declared_bytes=declared))
    assert len(samples) == 16_000


@pytest.mark.parametrize("declared", [None, 0, 0xFFFFFFFF, 2**31 - 8])
def test_a_header_without_sound_is_a_failure_not_silence(
    tmp_path: Path, declared: int | None
) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_wav(tmp_path, wav_bytes(np.zeros(0), declared_bytes=declared))
    assert caught.value.code is DecodeCode.NO_SAMPLES


def test_rf64(tmp_path: Path) -> None:
    assert len(decode_wav(tmp_path, wav_bytes(noise(), rf64=True))[0]) == 16_000


@pytest.mark.parametrize("suffix", [*LOSSLESS, *LOSSY])
@pytest.mark.parametrize("share", [0.001, 0.02, 0.1, 0.4, 0.7, 0.97])
def test_a_file_cut_short_gives_its_beginning_or_a_reason(
    tmp_path: Path, suffix: str, share: float
) -> None:
    rate = RATES.get(suffix, 16_000)
    sound = noise(seconds=2, rate=rate)
    whole = write_audio(tmp_path / f"whole{suffix}", sound, rate=rate).read_bytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole[: max(1, int(share * len(whole)))])
    outcome = facts_or_error(path)
    if isinstance(outcome, DecodeError):
        assert outcome.reason
        assert outcome.code in (DecodeCode.DAMAGED, DecodeCode.NO_SAMPLES, DecodeCode.UNSUPPORTED)
    else:
        assert 0 < outcome.duration_s <= 2.15


@pytest.mark.parametrize("suffix", [*LOSSLESS, *LOSSY])
def test_garbage_behind_good_sound_does_no_harm(tmp_path: Path, suffix: str) -> None:
    rate = RATES.get(suffix, 16_000)
    path = write_audio(tmp_path / f"sound{suffix}", noise(seconds=3, rate=rate), rate=rate)
    rubbish = np.random.default_rng(0).bytes(500)
    path.write_bytes(path.read_bytes() + rubbish)
    _, facts = decode(path)
    assert facts.duration_s == pytest.approx(3, abs=0.2)


@pytest.mark.parametrize("suffix", [".flac", ".mp3", ".ogg"])
def test_a_fault_in_the_middle_costs_little(tmp_path: Path, suffix: str) -> None:
    path = write_audio(tmp_path / f"sound{suffix}", noise(seconds=6, rate=44_100), rate=44_100)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4] = b"\xff\x00\xff\x00"
    path.write_bytes(content)
    samples, facts = decode(path)
    assert facts.duration_s > 4
    assert np.isfinite(samples).all()


def test_a_file_of_refused_packets_is_damaged(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "sound.m4a", noise(seconds=3))
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 4
    end = content.index(b"moov") - 4
    content[start:end] = np.random.default_rng(0).bytes(end - start)
    path.write_bytes(content)
    with pytest.raises(DecodeError, match="refuses") as caught:
        decode(path)
    assert caught.value.code is DecodeCode.DAMAGED
