"""The encoder as it is exported computes what the trained form does."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from audiosearch.errors import AudiosearchError  # noqa: E402
from audiosearch.training.export import published_graph  # noqa: E402
from audiosearch.training.export.published_graph import (  # noqa: E402
    LeanConvNext,
    LeanLogMel,
    check_lean_form,
    inference_form,
)
from audiosearch.training.networks.convnext import ConvNext, starter_config  # noqa: E402
from audiosearch.training.networks.frontend import (  # noqa: E402
    PAPER_FRONTEND,
    STARTER_FRONTEND,
    LogMel,
    decibels,
)
from tests.published_checkpoints import small_encoder  # noqa: E402


@pytest.mark.parametrize("count", [7_360, 7_361, 32_000, 32_319, 32_320, 50_123])
def test_decibels_of_any_length_are_those_of_the_fourier_transform(count):
    noise = 0.1 * torch.randn(2, count, generator=torch.Generator().manual_seed(count))
    found = LeanLogMel(PAPER_FRONTEND)(noise)
    expected = LogMel(PAPER_FRONTEND)(noise)
    assert found.shape == expected.shape == (2, count // 320 + 1, 224)
    assert float((found - expected).abs().max()) < 5e-3


def test_silence_is_the_floor_and_a_tone_stands_in_its_band():
    log_mel = LeanLogMel(PAPER_FRONTEND)
    assert torch.equal(log_mel(torch.zeros(1, 9_600)), torch.full((1, 31, 224), -100.0))
    tone = 0.5 * torch.sin(2 * torch.pi * 1000 * torch.arange(32_000) / 32_000)[None]
    bands = log_mel(tone)[0, 10:-10].mean(dim=0)
    spectrum = LogMel(PAPER_FRONTEND)(tone)[0, 10:-10].mean(dim=0)
    assert int(bands.argmax()) == int(spectrum.argmax())
    assert bands.max() > bands.median() + 60


def test_frames_embedding_and_logits_are_those_of_the_trained_form():
    network = small_encoder()
    with torch.no_grad():
        for block in network.modules():
            if hasattr(block, "gamma"):
                block.gamma.uniform_(0.2, 1.0)  # so that blocks count
    sound = decibels(torch.rand(2, 130, 224) ** 4)
    with torch.no_grad():
        for ours, theirs in zip(LeanConvNext(network)(sound), network(sound), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_other_encoders_and_front_ends_stay_as_they_are():
    starter = ConvNext(starter_config(5))
    log_mel, encoder = inference_form(STARTER_FRONTEND, starter)
    assert encoder is starter
    assert isinstance(log_mel, LogMel)


def test_a_form_that_gives_other_numbers_is_refused(monkeypatch, tmp_path):
    network = small_encoder()
    check_lean_form(PAPER_FRONTEND, network, path=tmp_path)
    other = replace(PAPER_FRONTEND, low_hz=200.0)
    monkeypatch.setattr(
        published_graph,
        "inference_form",
        lambda _, encoder: (LeanLogMel(other), LeanConvNext(encoder)),
    )
    with pytest.raises(AudiosearchError, match="rewritten for speed"):
        check_lean_form(PAPER_FRONTEND, network, path=tmp_path)
