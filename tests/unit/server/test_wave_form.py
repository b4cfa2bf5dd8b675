"""Decoded sound as a WAV file: a real one, whose bytes are known wherever one begins."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from audiosearch.server.media.wave_form import HEADER_BYTES, WaveForm


@pytest.mark.parametrize(
    ("bit_depth", "bits", "subtype"),
    [
        (8, 16, "PCM_16"),
        (16, 16, "PCM_16"),
        (20, 24, "PCM_24"),
        (24, 24, "PCM_24"),
        (32, 32, "FLOAT"),
        (None, 32, "FLOAT"),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_nothing_is_lost(bit_depth: int | None, bits: int, subtype: str, channels: int) -> None:
    full = 2.0 ** (min(bit_depth or 24, 24) - 1)
    whole = np.random.default_rng(0).integers(-full, full, (100, channels))
    samples = (whole / full).astype(np.float32)
    form = WaveForm.holding(bit_depth, sample_rate=48_000, channels=channels, n_samples=100)
    content = form.header() + form.encode(samples)
    assert (form.bits, len(content)) == (bits, form.n_bytes)
    with soundfile.SoundFile(io.BytesIO(content)) as file:
        assert (file.subtype, file.samplerate, file.frames) == (subtype, 48_000, 100)
        assert np.array_equal(file.read(dtype="float32", always_2d=True), samples)


def test_beyond_full_scale_it_is_clipped() -> None:
    form = WaveForm.holding(16, sample_rate=8000, channels=1, n_samples=2)
    assert form.encode(np.array([[-3.0], [3.0]], np.float32)) == b"\x00\x80\xff\x7f"


def test_bytes_and_samples() -> None:
    form = WaveForm.holding(24, sample_rate=8000, channels=2, n_samples=10)
    assert form.sample_at(0) == (0, -HEADER_BYTES)
    assert form.sample_at(HEADER_BYTES) == (0, 0)
    assert form.sample_at(HEADER_BYTES + 13) == (2, 1)


def test_lengths_that_no_header_holds() -> None:
    for n_samples in (None, 1 << 40):
        form = WaveForm.holding(16, sample_rate=8000, channels=1, n_samples=n_samples)
        header = form.header()
        assert len(header) == HEADER_BYTES
        assert header[40:44] == b"\xff\xff\xff\xff"
