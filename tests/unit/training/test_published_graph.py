"""The encoder as it is exported computes what the trained form does."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from audiosearch.errors import AudiosearchError  # noqa: E402
from audiosearch.training.export import published_graph  # noqa: E402
from audiosearch.training.export.lean_log_mel import LeanLogMel  # noqa: E402
from audiosearch.training.export.published_graph import (  # noqa: E402
    LeanConvNext,
    check_lean_form,
    inference_form,
)
from audiosearch.training.networks.convnext import ConvNext, starter_config  # noqa: E402
from audiosearch.training.networks.frontend import (  # noqa: E402
    PAPER_FRONTEND,
    STARTER_FRONTEND,
    decibels,
)
from tests.published_checkpoints import small_encoder  # noqa: E402


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


def test_norms_of_any_weights_are_folded_into_the_products_after_them():
    network = small_encoder()
    dice = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, values in network.named_parameters():
            if "stages" in name and name.endswith("norm.weight"):
                values.normal_(std=2.0, generator=dice)  # of both signs
                values[0] = 0.0
            elif "stages" in name and values.ndim == 1:
                values.normal_(generator=dice)
    sound = decibels(torch.rand(2, 130, 224, generator=dice) ** 4)
    with torch.no_grad():
        for ours, theirs in zip(LeanConvNext(network)(sound), network(sound), strict=True):
            largest = float(theirs.abs().max())
            torch.testing.assert_close(ours, theirs, atol=2e-5 * largest, rtol=0.0)


def test_other_encoders_stay_as_they_are():
    starter = ConvNext(starter_config(5))
    _, encoder = inference_form(STARTER_FRONTEND, starter)
    assert encoder is starter


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
