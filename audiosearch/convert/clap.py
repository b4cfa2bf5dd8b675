"""A folder of LAION's CLAP, as transformers saves a `ClapModel`, to networks and tokens.

Known are the models without and with feature fusion. Windows are never longer than what the model
takes in at once, so that of the fusion nothing is needed but its front-end.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from audiosearch.convert.token_tables import read_token_table
from audiosearch.errors import BundleError
from audiosearch.model.byte_pairs import BytePairs
from audiosearch.training.export.encoder_bundle import EncoderNetworks
from audiosearch.training.export.lean_log_mel import LeanLogMel
from audiosearch.training.networks.clap import ClapAudio, ClapText
from audiosearch.training.networks.frontend import FrontendConfig, LogMel
from audiosearch.training.networks.htsat import HtsatConfig
from audiosearch.training.networks.hub_folder import hub_weights, is_of_type, read_settings
from audiosearch.training.networks.roberta import RobertaConfig
from audiosearch.training.networks.weights import load_parameters, read_weights, tensors_of

PREPROCESSOR = "preprocessor_config.json"
_AUDIO, _TEXT = "audio_model.audio_encoder.", "text_model."
# Made from the configuration, of the training alone, or of sounds longer than a window.
_NOT_NEEDED = re.compile(
    r"logit_scale|.*\.(?:position_ids|token_type_ids|relative_position_index)$"
    r"|.*\.patch_embed\.(?:fusion_model|mel_conv2d)\."
)
_RENAMED = (
    (re.compile(r"\.attention\.self\."), ".attention."),
    (re.compile(r"\.attention\.output\.dense\."), ".attention.out."),
    (re.compile(r"\.attention\.output\.LayerNorm\."), ".norm1."),
    (re.compile(r"\.intermediate\.dense\."), ".wide."),
    (re.compile(r"\.output\.dense\."), ".narrow."),
    (re.compile(r"\.output\.LayerNorm\."), ".norm2."),
    (re.compile(r"^text_model\.embeddings\.LayerNorm\."), "text_model.norm."),
    (re.compile(r"^text_model\.embeddings\."), "text_model."),
    (re.compile(r"^text_model\.encoder\.layer\.(\d+)\.attention\."), r"text_model.layers.\1."),
    (re.compile(r"^text_model\.encoder\.layer\."), "text_model.layers."),
    (re.compile(r"^text_model\.pooler\.dense\."), "text_model.pooler."),
)


@dataclass(frozen=True)
class PublishedClap:
    """What a folder holds, ready to be exported."""

    networks: EncoderNetworks
    pairs: BytePairs
    sample_rate: int
    samples: int
    """Of a window."""
    embedding_dim: int
    joint_dim: int
    licence: str | None


def is_clap(path: Path) -> bool:
    """Whether a path is a folder of a `ClapModel`."""
    return is_of_type(path, "clap")


def read_clap(folder: Path) -> PublishedClap:
    """The model in a folder.

    Raises:
        BundleError: a file is missing, cannot be read safely, or is of another kind.
    """
    config = read_settings(folder / "config.json")
    audio, text = (_table(config, key, folder) for key in ("audio_config", "text_config"))
    frontend, samples = _frontend(read_settings(folder / PREPROCESSOR), folder / PREPROCESSOR)
    joint_dim = int(config.get("projection_dim", 512))
    for table, key, known in (
        (audio, "hidden_act", "gelu"),
        (text, "hidden_act", "gelu"),
        (audio, "projection_hidden_act", "relu"),
        (text, "projection_hidden_act", "relu"),
        (audio, "fusion_type", None),
        (audio, "qkv_bias", True),
    ):
        if table.get(key, known) != known:
            raise BundleError(f"{key} is {table[key]!r}; known is {known!r}", path=folder)
    try:
        sound, reader = _htsat(audio), _roberta(text)
        network = ClapAudio(sound, joint_dim=joint_dim, samples=samples, log_mel=LogMel(frontend))
        words = ClapText(reader, joint_dim=joint_dim)
    except (ValueError, TypeError) as error:
        raise BundleError(f"its sizes are unfit: {error}", path=folder / "config.json") from error
    if frontend.mels != sound.mels:
        raise BundleError(
            f"gives {frontend.mels} bands, the encoder takes {sound.mels}",
            path=folder / PREPROCESSOR,
        )
    if samples // frontend.hop + 1 > sound.frames:
        raise BundleError(
            f"windows of {samples} samples do not fit into {sound.frames} frames",
            path=folder / PREPROCESSOR,
        )
    weights = hub_weights(folder)
    state = _renamed(tensors_of(read_weights(weights)))
    load_parameters(network, _parts(state, _AUDIO, "audio_projection."), weights)
    load_parameters(words, _parts(state, _TEXT, "text_projection."), weights)
    exported = copy.copy(network)  # the same parameters behind a front-end that exports
    exported._modules = {**network._modules, "log_mel": LeanLogMel(frontend)}
    return PublishedClap(
        networks=EncoderNetworks(exported.eval(), network.eval(), words.eval()),
        pairs=read_token_table(folder).byte_pairs(
            pad=reader.pad, start="<s>", end="</s>", longest=reader.longest
        ),
        sample_rate=frontend.sample_rate,
        samples=samples,
        embedding_dim=sound.features,
        joint_dim=joint_dim,
        licence=_licence(folder),
    )


def _table(config: Mapping[str, Any], key: str, folder: Path) -> dict[str, Any]:
    table = config.get(key) or {}  # transformers writes only what differs from its defaults
    if not isinstance(table, dict):
        raise BundleError(f"{key} must be an object", path=folder / "config.json")
    return table


def _frontend(settings: Mapping[str, Any], path: Path) -> tuple[FrontendConfig, int]:
    """The front-end, and how many samples a window has."""
    if settings.get("padding", "repeatpad") != "repeatpad":
        raise BundleError(f"padding is {settings['padding']!r}; known is 'repeatpad'", path=path)
    truncation = settings.get("truncation", "fusion")
    if truncation not in ("fusion", "rand_trunc"):
        raise BundleError(f"truncation {truncation!r} is not known", path=path)
    if settings.get("top_db") is not None:
        raise BundleError("a limit in decibels (top_db) is not known", path=path)
    try:
        rate, size = int(settings["sampling_rate"]), int(settings["fft_window_size"])
        longest = settings.get("max_length_s", settings.get("chunk_length_s", 10))
        frontend = FrontendConfig(
            sample_rate=rate,
            n_fft=size,
            window=size,
            hop=int(settings["hop_length"]),
            mels=int(settings["feature_size"]),
            low_hz=float(settings["frequency_min"]),
            high_hz=float(settings["frequency_max"]),
            # As the authors have it: filters of librosa where long sounds are cut, of torchaudio
            # where they are fused.
            htk=truncation == "fusion",
        )
        return frontend, round(float(longest) * rate)
    except KeyError as error:
        raise BundleError(f"lacks {error}", path=path) from error
    except (TypeError, ValueError) as error:
        raise BundleError(f"its settings are unfit: {error}", path=path) from error


def _htsat(audio: Mapping[str, Any]) -> HtsatConfig:
    default = HtsatConfig()
    patch = int(audio.get("patch_size", default.patch))
    stride = audio.get("patch_stride", (patch, patch))
    if stride not in (patch, [patch, patch], (patch, patch)):
        raise ValueError("patches that overlap are not known")
    return HtsatConfig(
        mels=int(audio.get("num_mel_bins", default.mels)),
        spec_size=int(audio.get("spec_size", default.spec_size)),
        window=int(audio.get("window_size", default.window)),
        patch=patch,
        dim=int(audio.get("patch_embeds_hidden_size", default.dim)),
        depths=tuple(int(each) for each in audio.get("depths", default.depths)),
        heads=tuple(int(each) for each in audio.get("num_attention_heads", default.heads)),
        mlp_ratio=float(audio.get("mlp_ratio", default.mlp_ratio)),
        norm_eps=float(audio.get("layer_norm_eps", default.norm_eps)),
    )


def _roberta(text: Mapping[str, Any]) -> RobertaConfig:
    default = RobertaConfig()
    return RobertaConfig(
        vocabulary=int(text.get("vocab_size", default.vocabulary)),
        dim=int(text.get("hidden_size", default.dim)),
        heads=int(text.get("num_attention_heads", default.heads)),
        layers=int(text.get("num_hidden_layers", default.layers)),
        feedforward=int(text.get("intermediate_size", default.feedforward)),
        positions=int(text.get("max_position_embeddings", default.positions)),
        pad=int(text.get("pad_token_id", default.pad)),
        types=int(text.get("type_vocab_size", default.types)),
        norm_eps=float(text.get("layer_norm_eps", default.norm_eps)),
    )


def _renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The parameters that are needed, under our names."""
    found = {}
    for name, value in state.items():
        if _NOT_NEEDED.match(name):
            continue
        ours = name
        for pattern, replacement in _RENAMED:
            ours = pattern.sub(replacement, ours)
        found[ours] = value
    return found


def _parts(state: Mapping[str, Tensor], encoder: str, projection: str) -> dict[str, Tensor]:
    """The state of an encoder with its projection."""
    return {
        prefix + name.removeprefix(under): value
        for under, prefix in ((encoder, "encoder."), (projection, "projection."))
        for name, value in state.items()
        if name.startswith(under)
    }


def _licence(folder: Path) -> str | None:
    """The licence that the model's card names at its head; None where there is no such line."""
    try:
        card = (folder / "README.md").read_text("utf-8", "replace")
    except OSError:
        return None
    head = re.match(r"---\n(.*?)\n---", card, re.DOTALL)
    named = head and re.search(r"^licen[sc]e:\s*(\S+)", head[1], re.MULTILINE)
    return named[1] if named else None
