"""Channels that cancel are heard, all others are their mean to the last bit."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosearch.audio.decode import Decoding
from audiosearch.audio.mixing import Mixer
from audiosearch.audio.windows import SILENCE_PEAK, windows
from tests.sounds import noise, silence, tone, wav_bytes

RATE = 16_000


def mixed(*channels: np.ndarray, block: int = RATE) -> np.ndarray:
    sound = np.stack(channels, axis=1)
    mixer = Mixer(RATE)
    return np.concatenate(
        [mixer.mono(sound[at : at + block]) for at in range(0, len(sound), block)]
    )


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(samples.astype(float) ** 2)))


@pytest.mark.parametrize("balance", [1.0, 0.9, 0.8, 1.15])
def test_one_leg_reversed(balance: float) -> None:
    sound = noise(seconds=3)
    heard = mixed(sound, -balance * sound)
    assert rms(heard) == pytest.approx(max(1, balance) * rms(sound), rel=0.01)


@pytest.mark.parametrize("offset", [0.01, 0.1, 0.9, -0.3])
def test_one_leg_reversed_beside_an_offset(offset: float) -> None:
    sound = noise(seconds=3)
    heard = mixed(sound + offset, offset - sound)
    assert rms(heard - offset) == pytest.approx(rms(sound), rel=0.01)


def test_an_offset_alone_changes_nothing() -> None:
    both = np.stack([noise(seconds=1) + 0.5, noise(seconds=1, seed=1) + 0.5], axis=1)
    assert np.array_equal(Mixer(RATE).mono(both), (both @ np.full(2, 0.5)).astype(np.float32))
    constant = np.full((RATE, 2), 0.25)
    assert np.array_equal(Mixer(RATE).mono(constant), constant[:, 0].astype(np.float32))


def test_mid_and_side_taken_for_left_and_right() -> None:
    """A sound on the far right: side is the mid reversed."""
    right = noise(seconds=2)
    mid, side = right / 2, -right / 2
    assert rms(mixed(mid, side)) == pytest.approx(rms(mid), rel=0.01)


def test_the_four_channels_of_an_ambisonic_recording() -> None:
    """FuMa B-format, where a source behind, on the right and below cancels."""
    source = noise(seconds=2)
    direction = np.array([-0.5, -0.1, -0.1072])
    heard = mixed(source * np.sqrt(0.5), *(part * source for part in direction))
    assert rms(heard) == pytest.approx(rms(source) * np.sqrt(0.5), rel=0.01)


def test_one_channel_of_sixteen() -> None:
    sound = noise(seconds=2)
    quiet = [silence(seconds=2)] * 15
    assert rms(mixed(*quiet, sound)) == pytest.approx(rms(sound), rel=0.01)
    assert rms(mixed(*quiet[:7], sound)) == pytest.approx(rms(sound) / 8, rel=0.01)


def test_only_the_stretch_that_cancels_is_changed_and_without_a_click() -> None:
    sound = tone(200, seconds=6)
    other = sound.copy()
    other[2 * RATE : 4 * RATE] *= -1
    heard = mixed(sound, other)
    assert np.array_equal(heard[: 2 * RATE], sound[: 2 * RATE].astype(np.float32))
    faded = np.abs(heard - sound) > 1e-6
    assert np.flatnonzero(faded).max() < 2 * RATE + 0.01 * RATE
    steps = np.abs(np.diff(heard))
    assert steps.max() < 1.5 * np.abs(np.diff(sound)).max()


def test_from_the_mean_to_a_channel_it_fades() -> None:
    loud, reversed_ = tone(200, seconds=1, amplitude=0.5), -tone(200, seconds=1, amplitude=0.5)
    left = np.concatenate([loud, loud])
    right = np.concatenate([loud * 0.3, reversed_])
    steps = np.abs(np.diff(mixed(left, right)))
    assert steps.max() < 2 * np.abs(np.diff(left)).max()


@given(
    st.integers(2, 8),
    st.floats(0, 0.9),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=50, deadline=None)
def test_ordinary_channels_are_their_mean_to_the_last_bit(
    channels: int, common: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    sound = common * random.standard_normal((4_000, 1)) + random.standard_normal((4_000, channels))
    expected = (sound @ np.full(channels, 1 / channels)).astype(np.float32)
    assert np.array_equal(Mixer(RATE).mono(sound), expected)
    assert np.array_equal(Mixer(RATE).mono(sound, peak=float(np.abs(sound).max())), expected)


def test_a_known_peak_hides_no_loss() -> None:
    sound = noise(seconds=1)
    both = np.stack([sound, -0.9 * sound], axis=1)
    heard = Mixer(RATE).mono(both, peak=float(np.abs(both).max()))
    assert rms(heard) == pytest.approx(rms(sound), rel=0.01)


def test_silence_is_decided_on_the_channels(tmp_path: Path) -> None:
    """Just above silence in one channel of eight: their mean lies below it."""
    faint = tone(440, seconds=2, amplitude=3 * SILENCE_PEAK)
    several = np.stack([faint, *[silence(seconds=2)] * 7], axis=1)
    path = tmp_path / "faint.wav"
    path.write_bytes(wav_bytes(several, bits=32, floating=True))
    decoding = Decoding(os.fsencode(path), sample_rate=RATE)
    cut = list(windows(decoding, sample_rate=RATE, window_s=1.0, hop_s=1.0))
    assert [window.silent for window in cut] == [False, False]


def test_digital_silence_stays_silent() -> None:
    assert not mixed(silence(), silence()).any()
