"""Checkpoints in the authors' layouts, made here, load by name."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from audiosearch.convert.checkpoints import load_cnext_trans, load_convnext  # noqa: E402
from audiosearch.errors import BundleError  # noqa: E402
from audiosearch.training.networks.convnext import TINY, ConvNext  # noqa: E402
from audiosearch.training.networks.decoder import DecoderConfig, DecoderNetwork  # noqa: E402

SMALL = DecoderConfig(vocabulary=20, feature_dim=12, dim=16, heads=4, layers=2, feedforward=24)


def _lightning(network, **settings):
    state = network.state_dict() | {
        "decoder.pos_encoding.pos_embedding": torch.zeros(50, 1, 16),
        "forbid_rep_mask": torch.zeros(20, dtype=torch.bool),
    }
    defaults = {
        "nhead": 4,
        "num_decoder_layers": 2,
        "dim_feedforward": 24,
        "decoder_dropout_p": 0.2,
    }
    return {"state_dict": state, "hyper_parameters": defaults | settings}


def test_a_captioner_loads_and_gives_the_same_logits(tmp_path):
    torch.manual_seed(0)
    network = DecoderNetwork(SMALL).eval()
    torch.save(_lightning(network), tmp_path / "best.ckpt")
    loaded = load_cnext_trans(tmp_path / "best.ckpt")
    frames, lengths, tokens = torch.randn(1, 5, 16), torch.tensor([5]), torch.tensor([[1, 4, 7]])
    with torch.no_grad():
        assert torch.equal(network(frames, lengths, tokens), loaded(frames, lengths, tokens))


def test_the_number_of_heads_comes_from_the_settings(tmp_path):
    torch.manual_seed(0)
    torch.save(_lightning(DecoderNetwork(SMALL), nhead=8), tmp_path / "best.ckpt")
    assert load_cnext_trans(tmp_path / "best.ckpt").config.heads == 8


def test_parameters_that_do_not_fit_are_refused(tmp_path):
    torch.save(_lightning(DecoderNetwork(SMALL), num_decoder_layers=3), tmp_path / "best.ckpt")
    with pytest.raises(BundleError, match="do not fit"):
        load_cnext_trans(tmp_path / "best.ckpt")
    torch.save({"state_dict": {}}, tmp_path / "empty.ckpt")
    with pytest.raises(BundleError, match="lacks"):
        load_cnext_trans(tmp_path / "empty.ckpt")


@pytest.mark.parametrize("gamma", ["gamma", "scale_layer"])
@pytest.mark.parametrize("under_model", [False, True])
def test_an_encoder_loads_from_either_layout(tmp_path, gamma, under_model):
    torch.manual_seed(0)
    network = ConvNext(replace(TINY, depths=(1, 2, 1, 1), dims=(4, 4, 8, 8), classes=6)).eval()
    state = {name.replace("gamma", gamma): value for name, value in network.state_dict().items()}
    state["logmel_extractor.melW"] = torch.zeros(513, 224)
    torch.save({"model": state, "iteration": 7} if under_model else state, tmp_path / "e.pth")
    loaded = load_convnext(tmp_path / "e.pth")
    assert loaded.config.depths == (1, 2, 1, 1)
    decibels = torch.randn(1, 120, 224)
    with torch.no_grad():
        assert torch.equal(network(decibels).logits, loaded(decibels).logits)


class Danger:
    """Something that a checkpoint must not hold."""


def test_a_file_that_holds_objects_is_refused(tmp_path):
    torch.save({"state_dict": Danger()}, tmp_path / "bad.ckpt")
    with pytest.raises(BundleError, match="Danger"):
        load_cnext_trans(tmp_path / "bad.ckpt")
