"""The picture of a sound: a sine lies at its height, and silence is black."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest

from audiosearch.audio.spectrogram import SpectrogramMeter, png, row_frequencies

RATE = 32_000


def picture(
    samples: np.ndarray, *, width: int = 40, height: int = 96, pieces: int = 1
) -> np.ndarray:
    meter = SpectrogramMeter(len(samples), width=width, height=height, sample_rate=RATE)
    for piece in np.array_split(samples.astype(np.float32), pieces):
        meter.feed(piece)
    return meter.result()


def sine(hertz: float, *, seconds: float = 1.0, amplitude: float = 1.0) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)


@pytest.mark.parametrize("hertz", [200, 1000, 5000, 14_000])
def test_a_sine_lies_at_its_height(hertz: float) -> None:
    grey = picture(sine(hertz))
    rows = row_frequencies(96, RATE)
    assert rows[0] > rows[-1]
    for column in (5, 20, 35):
        loudest = int(grey[:, column].argmax())
        nearest = int(np.abs(rows - hertz).argmin())
        assert abs(loudest - nearest) <= 1
        assert grey[loudest, column] >= 250  # full scale is all but white


def test_levels_are_absolute() -> None:
    loud, soft = picture(sine(1000)), picture(sine(1000, amplitude=0.01))
    assert int(loud.max()) - int(soft.max()) == pytest.approx(0.4 * 255, abs=2)  # 40 of 100 dB
    assert picture(np.zeros(RATE)).max() == 0


def test_a_click_lies_where_it_is() -> None:
    samples = np.zeros(RATE)
    samples[RATE // 4] = 1.0
    columns = picture(samples, width=100).max(axis=0)
    assert abs(int(columns.argmax()) - 25) <= 1
    assert columns[60:].max() == 0


def test_however_it_comes_it_is_the_same() -> None:
    rng = np.random.default_rng(3)
    samples = rng.normal(0, 0.1, 3 * RATE + 17)
    whole = picture(samples)
    for pieces in (2, 7, 1000):
        np.testing.assert_allclose(
            picture(samples, pieces=pieces).astype(int), whole.astype(int), atol=1
        )


@pytest.mark.parametrize(("n_samples", "width", "height"), [(1, 1, 1), (1, 400, 7), (5000, 3, 512)])
def test_odd_sizes(n_samples: int, width: int, height: int) -> None:
    grey = picture(np.full(n_samples, 0.5), width=width, height=height)
    assert (grey.shape, grey.dtype) == ((height, width), np.uint8)


def test_of_a_long_sound_every_column_is_looked_at() -> None:
    meter = SpectrogramMeter(600 * RATE, width=50, height=32, sample_rate=RATE)
    second = sine(2000).astype(np.float32)
    for _ in range(600):
        meter.feed(second)
    assert meter.result().max(axis=0).min() >= 250


def test_what_nobody_looks_at_may_be_skipped() -> None:
    rng = np.random.default_rng(4)
    pieces = [rng.normal(0, 0.1, RATE // 4).astype(np.float32) for _ in range(4 * 120)]
    all_of_it, some = (
        SpectrogramMeter(120 * RATE, width=7, height=40, sample_rate=RATE) for _ in range(2)
    )
    skipped = 0
    for piece in pieces:
        all_of_it.feed(piece)
        if some.wants(len(piece)):
            some.feed(piece)
        else:
            some.skip(len(piece))
            skipped += 1
    assert skipped > len(pieces) // 2
    assert np.array_equal(some.result(), all_of_it.result())


def test_what_never_comes_is_black() -> None:
    meter = SpectrogramMeter(2 * RATE, width=40, height=32, sample_rate=RATE)
    meter.feed(sine(2000).astype(np.float32))
    columns = meter.result().max(axis=0)
    assert columns[:19].min() > 200
    assert columns[22:].max() == 0


@pytest.mark.parametrize("sizes", [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_nothing_has_no_picture(sizes: tuple[int, int, int]) -> None:
    n_samples, width, height = sizes
    with pytest.raises(ValueError, match="picture"):
        SpectrogramMeter(n_samples, width=width, height=height, sample_rate=RATE)


def test_png() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (13, 37), np.uint8)
    content = png(grey)
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    with av.open(io.BytesIO(content)) as container:
        (frame,) = container.decode(video=0)
    assert np.array_equal(frame.to_ndarray(format="gray"), grey)
