"""The front-end as it is exported gives what the Fourier transform gives."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from audiosearch.training.export.lean_log_mel import LeanLogMel  # noqa: E402
from audiosearch.training.networks.cnn14 import CNN14_FRONTEND  # noqa: E402
from audiosearch.training.networks.frontend import (  # noqa: E402
    PAPER_FRONTEND,
    STARTER_FRONTEND,
    LogMel,
)

# A hop that leaves samples of one parity now here, now there; a window whose middle is odd; all
# frames averaged; HTK's bands.
ODD_HOP = replace(STARTER_FRONTEND, hop=161)
ODD_MIDDLE = replace(STARTER_FRONTEND, window=402)
WIDE = replace(STARTER_FRONTEND, n_fft=2048, window=512, hop=512, average=5, htk=True)
FORMS = (PAPER_FRONTEND, STARTER_FRONTEND, CNN14_FRONTEND, ODD_HOP, ODD_MIDDLE, WIDE)


@pytest.mark.parametrize("count", [7_360, 7_361, 32_000, 32_319, 32_320, 50_123])
@pytest.mark.parametrize("config", FORMS, ids=range(len(FORMS)))
def test_decibels_of_any_length_are_those_of_the_fourier_transform(config, count):
    noise = 0.1 * torch.randn(2, count, generator=torch.Generator().manual_seed(count))
    found = LeanLogMel(config)(noise)
    expected = LogMel(config)(noise)
    frames = (count // config.hop + 1) // config.average
    assert found.shape == expected.shape == (2, frames, config.mels)
    assert float((found - expected).abs().max()) < 5e-3


@pytest.mark.parametrize("config", FORMS, ids=range(len(FORMS)))
def test_a_click_is_heard_alike_wherever_it_lies(config):
    clicks = torch.zeros(40, 4_000)
    places = torch.arange(40) * 93 + 7  # of both parities, at edges and in middles of frames
    clicks[torch.arange(40), places] = 0.5
    found, expected = (10 ** (form(clicks) / 10) for form in (LeanLogMel(config), LogMel(config)))
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-3)


def test_silence_is_the_floor_and_a_tone_stands_in_its_band():
    log_mel = LeanLogMel(PAPER_FRONTEND)
    assert torch.equal(log_mel(torch.zeros(1, 9_600)), torch.full((1, 31, 224), -100.0))
    tone = 0.5 * torch.sin(2 * torch.pi * 1000 * torch.arange(32_000) / 32_000)[None]
    bands = log_mel(tone)[0, 10:-10].mean(dim=0)
    spectrum = LogMel(PAPER_FRONTEND)(tone)[0, 10:-10].mean(dim=0)
    assert int(bands.argmax()) == int(spectrum.argmax())
    assert bands.max() > bands.median() + 60


def test_a_window_without_a_middle_is_refused():
    with pytest.raises(ValueError, match="no middle"):
        LeanLogMel(replace(STARTER_FRONTEND, window=401))
