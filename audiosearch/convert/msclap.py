"""Microsoft's CLAP of 2023 (`CLAP_weights_2023.pth`) to networks and tokens.

The file holds both encoders; what reads its texts is a folder of GPT-2, of which no weights are
needed. Its tags are left out: the head is that of an older training.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audiosearch.convert.panns import has_filters
from audiosearch.convert.token_tables import read_token_table
from audiosearch.errors import BundleError
from audiosearch.model.byte_pairs import BytePairs
from audiosearch.training.export.encoder_bundle import EncoderNetworks
from audiosearch.training.export.lean_log_mel import LeanLogMel
from audiosearch.training.networks.frontend import LogMel
from audiosearch.training.networks.gpt2 import Gpt2Config
from audiosearch.training.networks.htsat import HtsatConfig
from audiosearch.training.networks.hub_folder import is_of_type, read_settings
from audiosearch.training.networks.msclap import (
    MSCLAP_FRONTEND,
    MsclapAudio,
    MsclapText,
)
from audiosearch.training.networks.weights import load_parameters, read_model_state

_HTSAT, _GPT2 = "audio_encoder.base.htsat.", "caption_encoder.base."
_AUDIO_PROJECTION, _TEXT_PROJECTION = "audio_encoder.projection.", "caption_encoder.projection."
_FILTERS = f"{_HTSAT}logmel_extractor.melW"
_PAD, _END = "!", "<|endoftext|>"
# Made from the configuration, of the tags, or of the training alone. Whole numbers are not in the
# published file at all, and its causal masks are not in files that current versions write.
_NOT_NEEDED = re.compile(
    r"logit_scale|.*\.(?:relative_position_index|attn_mask|num_batches_tracked)$"
    r"|.*\.htsat\.(?:spectrogram_extractor|logmel_extractor|tscam_conv|head)\."
    r"|.*\.h\.\d+\.attn\.(?:bias|masked_bias)$"
)
_RENAMED = (
    (re.compile(r"^encoder\.bn0\."), "encoder.batch_norm."),
    (re.compile(r"\.attn\.relative"), ".attention.relative"),
    (re.compile(r"(\.blocks\.\d+)\.norm1\."), r"\1.layernorm_before."),
    (re.compile(r"(\.blocks\.\d+)\.norm2\."), r"\1.layernorm_after."),
    (re.compile(r"\.attn\.proj\."), ".attention.out."),
    (re.compile(r"\.mlp\.(?:fc1|c_fc)\."), ".wide."),
    (re.compile(r"\.mlp\.(?:fc2|c_proj)\."), ".narrow."),
    (re.compile(r"^encoder\.wte\."), "encoder.word_embeddings."),
    (re.compile(r"^encoder\.wpe\."), "encoder.position_embeddings."),
    (re.compile(r"^encoder\.h\."), "encoder.layers."),
    (re.compile(r"^encoder\.ln_f\."), "encoder.norm."),
    (re.compile(r"\.ln_([12])\."), r".norm\1."),
    (re.compile(r"\.attn\.c_attn\."), ".qkv."),
    (re.compile(r"\.attn\.c_proj\."), ".out."),
)
# Linear layers of GPT-2 stand the other way round in its files.
_TURNED = re.compile(r"encoder\.layers\.\d+\.(?:qkv|out|wide|narrow)\.weight")
_PACKED = re.compile(r"\.attn\.qkv\.")


@dataclass(frozen=True)
class PublishedMsclap:
    """What the file and the folder hold, ready to be exported."""

    networks: EncoderNetworks
    pairs: BytePairs
    embedding_dim: int
    joint_dim: int


def is_gpt2(path: Path) -> bool:
    """Whether a path is a folder of a GPT-2, which reads texts for Microsoft's CLAP."""
    return is_of_type(path, "gpt2")


def holds_msclap(state: Mapping[str, Tensor]) -> bool:
    """Whether parameters have the names of those of 2023."""
    return f"{_HTSAT}bn0.weight" in state and f"{_GPT2}wte.weight" in state


def read_msclap(weights: Path, reader: Path) -> PublishedMsclap:
    """The model in a file of weights, whose texts are read as the GPT-2 in a folder reads them.

    Raises:
        BundleError: a file is missing, cannot be read safely, or is of another kind.
    """
    state = read_model_state(weights)
    if not holds_msclap(state):
        names = ", ".join(list(state)[:3]) or "nothing"
        raise BundleError(f"holds no CLAP of Microsoft (2023), but {names}", path=weights)
    settings = reader / "config.json"
    try:
        sound = _htsat(state)
        words = _gpt2(state, read_settings(settings), settings)
        joint_dim = len(state[f"{_AUDIO_PROJECTION}linear1.weight"])
        network = MsclapAudio(sound, joint_dim=joint_dim, log_mel=LogMel(MSCLAP_FRONTEND))
        text = MsclapText(words, joint_dim=joint_dim)
        known = has_filters(state[_FILTERS], MSCLAP_FRONTEND)
    except KeyError as error:
        raise BundleError(f"lacks {error}", path=weights) from error
    except (ValueError, TypeError, IndexError, ArithmeticError) as error:
        raise BundleError(f"its sizes are unfit: {error}", path=weights) from error
    if not known:
        raise BundleError("its mel filters are not the published ones", path=weights)
    counted = {"encoder.batch_norm.num_batches_tracked": torch.tensor(0)}
    load_parameters(network, counted | _parts(state, _HTSAT, _AUDIO_PROJECTION), weights)
    load_parameters(text, _parts(state, _GPT2, _TEXT_PROJECTION), weights)
    pairs = read_token_table(reader).byte_pairs(
        pad=_PAD, start=None, end=_END, longest=words.positions, tail=" ", apart=(_PAD, _END)
    )
    if pairs.pad != words.pad or len(pairs.tokens) != words.vocabulary:
        raise BundleError(f"does not list the {words.vocabulary} tokens of the model", path=reader)
    exported = copy.copy(network)  # the same parameters behind a front-end that exports
    exported._modules = {**network._modules, "log_mel": LeanLogMel(MSCLAP_FRONTEND)}
    return PublishedMsclap(
        networks=EncoderNetworks(exported.eval(), network.eval(), text.eval()),
        pairs=pairs,
        embedding_dim=sound.features,
        joint_dim=joint_dim,
    )


def _htsat(state: Mapping[str, Tensor]) -> HtsatConfig:
    """Sizes that tensors tell; the side of the picture is fixed in the authors' code."""
    stages = _count(state, rf"{re.escape(_HTSAT)}layers\.(\d+)\.")
    blocks = [f"{_HTSAT}layers.{stage}.blocks." for stage in range(stages)]
    tables = [state[f"{name}0.attn.relative_position_bias_table"] for name in blocks]
    dim, _, patch, _ = state[f"{_HTSAT}patch_embed.proj.weight"].shape
    config = HtsatConfig(
        mels=len(state[f"{_HTSAT}bn0.weight"]),
        window=(round(len(tables[0]) ** 0.5) + 1) // 2,
        patch=patch,
        dim=dim,
        depths=tuple(_count(state, rf"{re.escape(name)}(\d+)\.") for name in blocks),
        heads=tuple(table.shape[1] for table in tables),
        mlp_ratio=len(state[f"{blocks[0]}0.mlp.fc1.bias"]) / dim,
    )
    if config.mels != MSCLAP_FRONTEND.mels:
        raise ValueError(f"{config.mels} bands, {MSCLAP_FRONTEND.mels} are known")
    return config


def _gpt2(state: Mapping[str, Tensor], settings: Mapping[str, Any], path: Path) -> Gpt2Config:
    """Sizes that tensors tell; the number of heads stands in the settings alone.

    Raises:
        KeyError: a tensor is missing.
        ValueError: the sizes do not go together.
        BundleError: the settings are of another model.
    """
    if settings.get("activation_function", "gelu_new") != "gelu_new":
        raise BundleError(
            f"activation_function is {settings['activation_function']!r}; known is 'gelu_new'",
            path=path,
        )
    vocabulary, dim = state[f"{_GPT2}wte.weight"].shape
    told = settings.get("n_embd", Gpt2Config.dim)
    if told != dim:
        raise BundleError(f"n_embd is {told}, the weights have {dim}", path=path)
    return Gpt2Config(
        vocabulary=vocabulary,
        dim=dim,
        heads=int(settings.get("n_head", Gpt2Config.heads)),
        layers=_count(state, rf"{re.escape(_GPT2)}h\.(\d+)\."),
        feedforward=len(state[f"{_GPT2}h.0.mlp.c_fc.bias"]),
        positions=len(state[f"{_GPT2}wpe.weight"]),
        norm_eps=float(settings.get("layer_norm_epsilon", Gpt2Config.norm_eps)),
    )


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    """One more than the greatest number that a pattern finds in names."""
    found = [int(match[1]) for match in (re.match(pattern, name) for name in state) if match]
    return 1 + max(found, default=-1)


def _parts(state: Mapping[str, Tensor], encoder: str, projection: str) -> dict[str, Tensor]:
    """The state of an encoder with its projection, under our names."""
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        if _NOT_NEEDED.match(name) or not name.startswith((encoder, projection)):
            continue
        ours = name.replace(encoder, "encoder.").replace(projection, "projection.")
        if _PACKED.search(ours):
            for part, some in zip(("query", "key", "value"), value.chunk(3), strict=True):
                found[_PACKED.sub(f".attention.{part}.", ours)] = some
            continue
        for pattern, replacement in _RENAMED:
            ours = pattern.sub(replacement, ours)
        found[ours] = value.T.contiguous() if _TURNED.fullmatch(ours) else value
    return found
