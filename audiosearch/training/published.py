"""Published checkpoints, read into our networks by the names of their parameters.

In: files of the authors' layouts. Out: networks in evaluation mode. Only plain containers and
tensors are unpickled; a file that needs anything else is refused. What the files' words are is
not read here.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audiosearch.errors import BundleError
from audiosearch.training.convnext import TINY, ConvNext
from audiosearch.training.decoder import DecoderConfig, DecoderNetwork

# Made from the configuration, never loaded.
_DERIVED = ("spectrogram_extractor.", "logmel_extractor.", "decoder.pos_encoding.")
_OTHER = ("forbid_rep_mask", "tokenizers.")


def load_cnext_trans(path: Path) -> DecoderNetwork:
    """The captioner of Labbé et al. 2023 (https://arxiv.org/abs/2308.15090) from a Lightning file.

    Raises:
        BundleError: The file cannot be read safely, or its parameters do not fit.
    """
    checkpoint = _read(path)
    try:
        state: dict[str, Tensor] = checkpoint["state_dict"]
        settings = checkpoint["hyper_parameters"]
        vocabulary, dim = state["decoder.emb_layer.weight"].shape
        config = DecoderConfig(
            vocabulary=vocabulary,
            feature_dim=state["projection.2.weight"].shape[1],
            dim=dim,
            # The weights are the same for any number of heads: only the settings tell it.
            heads=int(settings["nhead"]),
            layers=int(settings["num_decoder_layers"]),
            feedforward=int(settings["dim_feedforward"]),
            dropout=float(settings["decoder_dropout_p"]),
        )
    except KeyError as error:
        raise BundleError(f"the checkpoint lacks {error}", path=path) from error
    network = DecoderNetwork(config)
    _load(network, state, path)
    return network.eval()


def load_convnext(path: Path) -> ConvNext:
    """A ConvNeXt encoder (https://arxiv.org/abs/2306.00830): bare state or under "model".

    Raises:
        BundleError: The file cannot be read safely, or its parameters do not fit.
    """
    checkpoint = _read(path)
    inner = checkpoint.get("model", checkpoint)
    state = {
        name.replace("scale_layer", "gamma"): value
        for name, value in inner.items()
        if isinstance(value, Tensor)
    }
    try:
        depths, dims = _encoder_sizes(state)
        config = replace(
            TINY, depths=depths, dims=dims, classes=state["head_audioset.bias"].shape[0]
        )
    except (KeyError, ValueError) as error:
        raise BundleError(f"no ConvNeXt encoder: {error}", path=path) from error
    network = ConvNext(config)
    _load(network, state, path)
    return network.eval()


def _encoder_sizes(
    state: dict[str, Tensor],
) -> tuple[tuple[int, int, int, int], tuple[int, int, int, int]]:
    places = [name.split(".")[1:3] for name in state if name.startswith("stages.")]
    depths = [1 + max(int(block) for stage, block in places if int(stage) == s) for s in range(4)]
    dims = [state[f"stages.{stage}.0.gamma"].shape[0] for stage in range(4)]
    return (depths[0], depths[1], depths[2], depths[3]), (dims[0], dims[1], dims[2], dims[3])


def _read(path: Path) -> dict[str, Any]:
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise BundleError(f"cannot be read safely: {error}", path=path) from error
    if not isinstance(checkpoint, dict):
        raise BundleError("holds no dictionary of parameters", path=path)
    return checkpoint


def _load(network: torch.nn.Module, state: dict[str, Tensor], path: Path) -> None:
    kept = {name: value for name, value in state.items() if not name.startswith(_DERIVED + _OTHER)}
    try:
        network.load_state_dict(kept)
    except RuntimeError as error:
        raise BundleError(f"parameters do not fit: {error}", path=path) from error
