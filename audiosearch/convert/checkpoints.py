"""Published checkpoints, and our own, read into our networks by the names of their parameters.

What weights cannot tell (the number of heads) is taken from the configuration, never guessed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from audiosearch.convert import vocabulary as published_words
from audiosearch.errors import BundleError
from audiosearch.model.beam import BeamOptions
from audiosearch.model.tokenizer import Vocabulary
from audiosearch.training.networks.convnext import TINY, ConvNext
from audiosearch.training.networks.decoder import DecoderConfig, DecoderNetwork
from audiosearch.training.networks.hub_folder import HUB_WEIGHTS, read_settings
from audiosearch.training.networks.weights import load_parameters, read_weights, tensors_of
from audiosearch.training.text.vocabulary import make_vocabulary

MAX_POSITIONS = 256  # of the 5000 that checkpoints list; captions have some twenty words

# Made from the configuration, never loaded.
_DERIVED = ("spectrogram_extractor.", "logmel_extractor.", "decoder.pos_encoding.")
_OTHER = ("forbid_rep_mask", "tokenizers.", "task_id_to_token_id")
_HUB_ENCODER, _HUB_DECODER = "preprocessor.encoder.", "model."
_SUFFIXES = (".safetensors", ".pth", ".ckpt", ".pt", ".bin")
_FOLDERS = (".", "checkpoints")


@dataclass(frozen=True)
class PublishedEncoder:
    """A ConvNeXt of Pellegrini et al. 2023 (https://arxiv.org/abs/2306.00830)."""

    network: ConvNext


@dataclass(frozen=True)
class PublishedDecoder:
    """A captioner of Labbé et al. 2023 (https://arxiv.org/abs/2308.15090) and what it knows."""

    network: DecoderNetwork
    vocabulary: Vocabulary
    default_task: str | None
    beam: BeamOptions


Part = PublishedEncoder | PublishedDecoder


def read_published(path: Path) -> list[Part]:
    """The networks in a file, or in a folder of them: an encoder, a decoder, or both.

    Raises:
        BundleError: there is none, a file cannot be read safely, or its parameters do not fit.
    """
    if not path.is_dir():
        return _read_file(path)
    for name in HUB_WEIGHTS:
        if (path / "config.json").is_file() and (path / name).is_file():
            return _read_file(path / name)
    found = [
        file
        for folder in _FOLDERS
        for file in sorted((path / folder).glob("*"))
        if file.suffix in _SUFFIXES and file.is_file()
    ]
    if not found:
        kinds = ", ".join(_SUFFIXES)
        raise BundleError(f"holds no file of weights ({kinds})", path=path)
    return [part for file in found for part in _read_file(file)]


def load_cnext_trans(path: Path) -> DecoderNetwork:
    """The network of a CNext-trans checkpoint (Lightning's layout).

    Raises:
        BundleError: the file cannot be read safely, or its parameters do not fit.
    """
    state, settings = _lightning_parts(read_weights(path), path=path)
    return _decoder_network(tensors_of(state), settings, path=path)


def load_convnext(path: Path) -> ConvNext:
    """The network of a ConvNeXt checkpoint: bare state or under "model".

    Raises:
        BundleError: the file cannot be read safely, or its parameters do not fit.
    """
    content = read_weights(path)
    return _encoder(tensors_of(content.get("model", content)), path=path).network


def _read_file(path: Path) -> list[Part]:
    content = read_weights(path)
    if any(name.startswith(_HUB_ENCODER) for name in content):
        return _hub(content, path=path)
    if "state_dict" in content:
        state, settings = _lightning_parts(content, path=path)
        tokenizer = published_words.lightning_tokenizer(state, path=path)
        return [_decoder(tensors_of(state), settings, tokenizer, path=path)]
    if "network" in content and "words" in content:
        return [_own_decoder(content, path=path)]
    inner = content.get("model", content)
    if isinstance(inner, dict) and "head_audioset.weight" in inner:
        return [_encoder(tensors_of(inner), path=path)]
    names = ", ".join(str(name) for name in list(content)[:4]) or "nothing"
    raise BundleError(f"holds no encoder and no captioner known here, but {names}", path=path)


def _hub(content: dict[str, Any], *, path: Path) -> list[Part]:
    """Encoder and decoder of a CoNeTTE hub folder, from its weights and its `config.json`."""
    config = read_settings(path.with_name("config.json"))
    tokenizer = published_words.hub_tokenizer(content, config, path=path)
    state = tensors_of(content, under=_HUB_DECODER)
    return [
        _encoder(tensors_of(content, under=_HUB_ENCODER), path=path),
        _decoder(state, config, tokenizer, path=path),
    ]


def _lightning_parts(
    checkpoint: dict[str, Any], *, path: Path
) -> tuple[dict[str, Any], dict[str, Any]]:
    """State and settings of a Lightning checkpoint."""
    state, settings = checkpoint.get("state_dict"), checkpoint.get("hyper_parameters")
    if not isinstance(state, dict) or not isinstance(settings, dict):
        missing = "hyper_parameters" if isinstance(state, dict) else "state_dict"
        raise BundleError(
            f"the checkpoint lacks {missing!r}; the number of heads stands nowhere else", path=path
        )
    return state, settings


def _own_decoder(checkpoint: dict[str, Any], *, path: Path) -> PublishedDecoder:
    """A decoder of our own training, its words parted at spaces."""
    try:
        given = json.loads(checkpoint["config"])
        config = DecoderConfig(**{item.name: given[item.name] for item in fields(DecoderConfig)})
        vocabulary = make_vocabulary(tuple(checkpoint["words"]))
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"is no decoder of our training: {error}", path=path) from error
    network = DecoderNetwork(config)
    _load(network, tensors_of(checkpoint["network"]), path)
    return PublishedDecoder(network.eval(), vocabulary, None, BeamOptions())


def _decoder(
    state: dict[str, Tensor],
    settings: dict[str, Any],
    tokenizer: published_words.PublishedTokenizer,
    *,
    path: Path,
) -> PublishedDecoder:
    network = _decoder_network(state, settings, path=path)
    words = published_words.vocabulary(
        tokenizer,
        size=network.config.vocabulary,
        tasks=tuple(settings.get("task_names") or ()),
        task_tokens=state.get("task_id_to_token_id"),
        forbidden=state.get("forbid_rep_mask"),
        path=path,
    )
    try:
        beam = BeamOptions(
            width=int(settings.get("beam_size", BeamOptions.width)),
            min_tokens=int(settings.get("min_pred_size", BeamOptions.min_tokens)),
            max_tokens=int(settings.get("max_pred_size", BeamOptions.max_tokens)),
        )
    except (TypeError, ValueError) as error:
        raise BundleError(f"its beam settings are unfit: {error}", path=path) from error
    return PublishedDecoder(network, words, next(iter(words.tasks), None), beam)


def _decoder_network(
    state: dict[str, Tensor], settings: dict[str, Any], *, path: Path
) -> DecoderNetwork:
    for name, known in (("acti_name", "gelu"), ("proj_name", "lin768")):
        if settings.get(name, known) != known:
            raise BundleError(f"{name} is {settings[name]!r}; known is {known!r}", path=path)
    try:
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
            max_positions=MAX_POSITIONS,
        )
        network = DecoderNetwork(config)
    except KeyError as error:
        raise BundleError(f"the checkpoint lacks {error}", path=path) from error
    except (TypeError, ValueError) as error:
        raise BundleError(f"its settings are unfit: {error}", path=path) from error
    _load(network, state, path)
    return network.eval()


def _encoder(state: dict[str, Tensor], *, path: Path) -> PublishedEncoder:
    state = {name.replace("scale_layer", "gamma"): value for name, value in state.items()}
    try:
        depths, dims = _encoder_sizes(state)
        config = replace(
            TINY, depths=depths, dims=dims, classes=state["head_audioset.bias"].shape[0]
        )
    except (KeyError, ValueError) as error:
        raise BundleError(f"no ConvNeXt encoder: {error}", path=path) from error
    network = ConvNext(config)
    _load(network, state, path)
    return PublishedEncoder(network.eval())


def _encoder_sizes(
    state: dict[str, Tensor],
) -> tuple[tuple[int, int, int, int], tuple[int, int, int, int]]:
    places = [name.split(".")[1:3] for name in state if name.startswith("stages.")]
    depths = [1 + max(int(block) for stage, block in places if int(stage) == s) for s in range(4)]
    dims = [state[f"stages.{stage}.0.gamma"].shape[0] for stage in range(4)]
    return (depths[0], depths[1], depths[2], depths[3]), (dims[0], dims[1], dims[2], dims[3])


def _load(network: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Load parameters that fit one to one, but for those that are made from the configuration."""
    kept = {name: value for name, value in state.items() if not name.startswith(_DERIVED + _OTHER)}
    load_parameters(network, kept, path)
