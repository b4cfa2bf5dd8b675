"""Both meters pass the same sound through and give the same loudness."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosearch._typing import Doubles
from audiosearch.audio.loudness import (
    FORMAT_OF,
    FilterMeter,
    FrameFormat,
    LoudnessMeter,
    NoMeter,
    WeightedMeter,
    loudness_meter,
)
from audiosearch.audio.weighting import Weighting, block_length, weighting
from tests.sounds import write_audio

FORMS = {"s16": np.int16, "fltp": np.float32, "flt": np.float32, "dblp": np.float64}


def frames(sound: Doubles, rate: int, form: str, length: int) -> Iterator[AudioFrame]:
    """Frames of `sound` (n, channels) with `length` samples each."""
    scaled = np.round(sound * 32_767) if form == "s16" else sound
    layout = "mono" if sound.shape[1] == 1 else "stereo"
    for at in range(0, len(sound), length):
        piece = scaled[at : at + length].astype(FORMS[form])
        planes = piece.T if form.endswith("p") else piece.reshape(1, -1)
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(planes), format=form, layout=layout)
        frame.sample_rate = rate
        yield frame


def measured(meter: LoudnessMeter, given: Iterator[AudioFrame]) -> tuple[Doubles, float | None]:
    blocks = list(meter.blocks(given))
    return np.concatenate(blocks), meter.integrated_lufs()


def compared(
    sound: Doubles, *, rate: int = 16_000, form: str = "fltp", length: int = 1_024
) -> float | None:
    """The loudness by the weighted meter, which is that of FFmpeg's."""
    given = FrameFormat(*FORMAT_OF(next(frames(sound, rate, form, length))))
    heard, lufs = measured(WeightedMeter(given), frames(sound, rate, form, length))
    passed, wanted = measured(FilterMeter(given), frames(sound, rate, form, length))
    assert np.array_equal(heard, passed)
    untouched, none = measured(NoMeter(given), frames(sound, rate, form, length))
    assert np.array_equal(untouched, passed)
    assert none is None
    assert heard.shape == sound.shape
    assert lufs == wanted
    return lufs


def levels(*db: float, rate: int = 16_000, channels: int = 1, seed: int = 0) -> Doubles:
    """A tenth of a second of noise at each level."""
    dice = np.random.default_rng(seed)
    gains = np.repeat(10 ** (np.asarray(db) / 20), rate // 10)
    noise = dice.standard_normal((len(gains), channels)) * 0.2
    return np.clip(noise * gains[:, None], -1, 1)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000, 192_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("form", FORMS)
def test_every_rate_and_form(rate: int, channels: int, form: str) -> None:
    sound = levels(*[0, -30, -6, -50] * 6, rate=rate, channels=channels)
    assert compared(sound, rate=rate, form=form) is not None


@pytest.mark.parametrize("length", [1, 399, 1_600, 16_000, 50_001])
def test_frames_of_any_length(length: int) -> None:
    sound = levels(*[-3] * 21)[: 33_333 if length > 1 else 6_500]
    assert compared(sound, length=length) is not None


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from([0.0, -9.9, -10.0, -10.1, -20, -55, -60, -70, -300]), max_size=40),
    st.integers(0, 9),
)
def test_tenths_about_the_gates(db: list[float], seed: int) -> None:
    compared(levels(*db, -20, seed=seed))


@pytest.mark.parametrize("n_samples", [1, 1_599, 6_399, 6_400, 15_999, 16_000, 16_001])
def test_short_sounds(n_samples: int) -> None:
    """No loudness below 400 ms."""
    assert (compared(levels(*[0] * 11)[:n_samples]) is None) == (n_samples < 6_400)


def test_silence_has_no_loudness() -> None:
    assert compared(np.zeros((20_000, 2))) is None


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("silent_tenths", [3, 9, 10, 19, 25, 40])
@pytest.mark.parametrize("tail", [[], [-20] * 13])
def test_zeros_between_and_behind_sounds(
    channels: int, silent_tenths: int, tail: list[float]
) -> None:
    sound = levels(*[-6] * 13, *[0] * silent_tenths, *tail, channels=channels)
    sound[13 * 1_600 : (13 + silent_tenths) * 1_600] = 0
    assert compared(sound) is not None
    assert compared(np.concatenate((np.zeros((40_000, channels)), sound))) is not None


def test_louder_than_full_scale() -> None:
    assert compared(levels(*[0] * 20) * 400, form="flt") is not None


@pytest.mark.parametrize("channels", [1, 2])
def test_wav_that_names_no_loudspeakers(tmp_path: Path, channels: int) -> None:
    """FFmpeg gives it a layout of its own kind: it is weighted as mono or stereo all the same."""
    sound = levels(*[-6, -30, -12] * 8, channels=channels)
    path = write_audio(tmp_path / "a.wav", sound)
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    form = FrameFormat(*FORMAT_OF(frames[0]))
    assert form.layout == f"{channels} channels"
    meter = loudness_meter(form)
    assert isinstance(meter, WeightedMeter)
    heard, lufs = measured(meter, iter(frames))
    passed, wanted = measured(FilterMeter(form), iter(frames))
    assert np.array_equal(heard, passed)
    assert lufs == wanted is not None


def test_the_weighting_is_that_of_its_recursion() -> None:
    """In blocks and in groups of blocks, at every rate that has them."""
    for rate in (8_000, 12_000, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000):
        sound = np.float32(levels(*[0, -30, -6, -50, -10] * 5, rate=rate, channels=2).T) + 0.01
        remembered = [np.zeros((2, 2)), np.zeros((2, 2))]  # of each filter, by channel
        squares = []
        for sample in sound.T.astype(np.float64):
            value = sample
            for (b0, b1, b2, a1, a2), state in zip(weighting(rate), remembered, strict=True):
                made = b0 * value + state[0]
                state[0] = b1 * value - a1 * made + state[1]
                state[1] = b2 * value - a2 * made
                value = made
            squares.append((value**2).sum())
        expected = np.reshape(squares, (25, -1)).sum(axis=1)
        filters = Weighting(rate, 2)
        seconds = np.split(sound, [rate, 2 * rate], axis=1)
        powers = [filters.powers(np.ascontiguousarray(each)) for each in seconds]
        assert np.concatenate(powers) == pytest.approx(
            expected, rel=3e-4
        )  # 0.001 dB, by the offset


def test_rates_whose_tenths_are_no_whole_blocks() -> None:
    assert block_length(44_100) == 49
    assert block_length(11_025) is None
    assert block_length(8_530) is None  # a tenth of a prime number of samples
    assert isinstance(loudness_meter(FrameFormat("fltp", "mono", 1, 8_530)), FilterMeter)


def test_other_layouts_and_rates_are_measured_by_ffmpeg() -> None:
    assert isinstance(loudness_meter(FrameFormat("fltp", "5.1", 6, 48_000)), FilterMeter)
    assert isinstance(loudness_meter(FrameFormat("fltp", "mono", 1, 11_025)), FilterMeter)
    assert isinstance(loudness_meter(FrameFormat("fltp", "mono", 1, 4_000)), FilterMeter)
    assert isinstance(loudness_meter(FrameFormat("fltp", "stereo", 2, 48_000)), WeightedMeter)
