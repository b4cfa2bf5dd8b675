"""Small CLAPs and CNN14s in their authors' layouts, with random weights."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from audiosearch.model.byte_pairs import LETTERS, SPACE
from audiosearch.training.networks.clap import ClapAudio, ClapText
from audiosearch.training.networks.cnn14 import Cnn14, Cnn14Config
from audiosearch.training.networks.frontend import FrontendConfig, LogMel, mel_filterbank
from audiosearch.training.networks.gpt2 import Gpt2Config
from audiosearch.training.networks.htsat import HtsatConfig
from audiosearch.training.networks.msclap import MSCLAP_FRONTEND, MsclapAudio, MsclapText
from audiosearch.training.networks.roberta import RobertaConfig

SAMPLES, JOINT_DIM = 480_000, 8
CLAP_FRONTEND = FrontendConfig(
    sample_rate=48_000, n_fft=1024, window=1024, hop=480, mels=16, low_hz=50.0, high_hz=14_000.0
)
HTSAT = HtsatConfig(
    mels=16, spec_size=128, window=4, patch=8, dim=8, depths=(1, 2, 1), heads=(1, 2, 2)
)
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
WORDS = ("a", "dog", "barks", "bird", "sings", "rain", "falls", "bell", "rings", "and", "then")
_AUDIO = (
    (r"\.attention\.(query|key|value|relative)", r".attention.self.\1"),
    (r"\.attention\.out\.", ".attention.output.dense."),
    (r"\.wide\.", ".intermediate.dense."),
    (r"\.narrow\.", ".output.dense."),
    (r"^encoder\.", "audio_model.audio_encoder."),
    (r"^projection\.", "audio_projection."),
)
_TEXT = (
    (r"^encoder\.norm\.", "text_model.embeddings.LayerNorm."),
    (r"^encoder\.pooler\.", "text_model.pooler.dense."),
    (r"^encoder\.(\w+_embeddings)", r"text_model.embeddings.\1"),
    (
        r"^encoder\.layers\.(\d+)\.(query|key|value)",
        r"text_model.encoder.layer.\1.attention.self.\2",
    ),
    (r"^encoder\.layers\.(\d+)\.out\.", r"text_model.encoder.layer.\1.attention.output.dense."),
    (r"^encoder\.layers\.(\d+)\.norm1", r"text_model.encoder.layer.\1.attention.output.LayerNorm"),
    (r"^encoder\.layers\.(\d+)\.norm2", r"text_model.encoder.layer.\1.output.LayerNorm"),
    (r"^encoder\.layers\.(\d+)\.wide", r"text_model.encoder.layer.\1.intermediate.dense"),
    (r"^encoder\.layers\.(\d+)\.narrow", r"text_model.encoder.layer.\1.output.dense"),
    (r"^projection\.", "text_projection."),
)


def byte_tokens() -> tuple[list[str], list[tuple[str, str]]]:
    """Tokens and pairs in which each of `WORDS` is one token after a space."""
    tokens = [*SPECIAL, *sorted(LETTERS.values())]
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        grown = SPACE
        for letter in word:
            if (grown, letter) not in merges:
                merges.append((grown, letter))
                tokens.append(grown + letter)
            grown += letter
    return tokens, merges


def small_clap(*, seed: int = 0, fused: bool = False) -> tuple[ClapAudio, ClapText]:
    """Both sides, tens of thousands of parameters large."""
    torch.manual_seed(seed)
    frontend = replace(CLAP_FRONTEND, htk=fused)
    sound = ClapAudio(HTSAT, joint_dim=JOINT_DIM, samples=SAMPLES, log_mel=LogMel(frontend))
    tokens, _ = byte_tokens()
    config = RobertaConfig(
        vocabulary=len(tokens), dim=16, heads=2, layers=2, feedforward=24, positions=40
    )
    text = ClapText(config, joint_dim=JOINT_DIM)
    return _lively(sound), _lively(text)  # type: ignore[return-value]


def _lively(network: nn.Module) -> nn.Module:
    """Statistics of ordinary sound, and weights that tell inputs apart."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                module.weight.mul_(3.0)
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.fill_(-40.0)  # type: ignore[union-attr]
                module.running_var.fill_(400.0)  # type: ignore[union-attr]
    return network.eval()


def _published(network: nn.Module, names: tuple[tuple[str, str], ...]) -> dict[str, Tensor]:
    found = {}
    for ours, value in network.state_dict().items():
        theirs = ours
        for pattern, replacement in names:
            theirs = re.sub(pattern, replacement, theirs)
        found[theirs] = value.contiguous()
    return found


def write_clap_folder(
    folder: Path,
    *,
    seed: int = 0,
    fused: bool = False,
    one_file: bool = False,
    networks: tuple[ClapAudio, ClapText] | None = None,
    **settings: Any,
) -> Path:
    """A folder as transformers saves a `ClapModel`; `settings` change its `audio_config`.

    With `one_file` the tokens stand in `tokenizer.json`, as newer versions write them. Small
    networks of `seed` where none are given.
    """
    sound, text = networks or small_clap(seed=seed, fused=fused)
    htsat, joint_dim = sound.encoder.config, text.projection.linear2.out_features
    folder.mkdir(parents=True, exist_ok=True)
    state = _published(sound, _AUDIO) | _published(text, _TEXT)
    state["logit_scale_a"] = state["logit_scale_t"] = torch.tensor(2.66)
    state["text_model.embeddings.position_ids"] = torch.arange(text.encoder.config.positions)[None]
    save_file({name: value.clone() for name, value in state.items()}, folder / "model.safetensors")
    config = text.encoder.config
    (folder / "config.json").write_text(
        json.dumps(
            {
                "model_type": "clap",
                "projection_dim": joint_dim,
                "audio_config": {
                    "num_mel_bins": htsat.mels,
                    "spec_size": htsat.spec_size,
                    "window_size": htsat.window,
                    "patch_size": htsat.patch,
                    "patch_stride": [htsat.patch, htsat.patch],
                    "patch_embeds_hidden_size": htsat.dim,
                    "depths": list(htsat.depths),
                    "num_attention_heads": list(htsat.heads),
                    "enable_fusion": fused,
                }
                | settings,
                "text_config": {
                    "vocab_size": config.vocabulary,
                    "hidden_size": config.dim,
                    "num_attention_heads": config.heads,
                    "num_hidden_layers": config.layers,
                    "intermediate_size": config.feedforward,
                    "max_position_embeddings": config.positions,
                },
            }
        )
    )
    (folder / "preprocessor_config.json").write_text(
        json.dumps(
            {
                "sampling_rate": 48_000,
                "fft_window_size": 1024,
                "hop_length": 480,
                "feature_size": htsat.mels,
                "frequency_min": 50,
                "frequency_max": 14_000,
                "max_length_s": 10,
                "truncation": "fusion" if fused else "rand_trunc",
                "padding": "repeatpad",
            }
        )
    )
    tokens, merges = byte_tokens()
    ids = {token: place for place, token in enumerate(tokens)}
    if one_file:
        model = {"type": "BPE", "vocab": ids, "merges": [list(pair) for pair in merges]}
        (folder / "tokenizer.json").write_text(json.dumps({"model": model}))
    else:
        (folder / "vocab.json").write_text(json.dumps(ids))
        lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
        (folder / "merges.txt").write_text("\n".join(lines) + "\n")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\ntags:\n- audio\n---\n# CLAP\n")
    return folder


# Narrow, but with the picture of the published size: it is fixed in the authors' code.
MSCLAP_HTSAT = HtsatConfig(dim=4, depths=(1, 2, 1), heads=(1, 2, 2), mlp_ratio=2.0)
_MSCLAP_AUDIO = (
    (r"^encoder\.batch_norm", "encoder.bn0"),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.attention\.out\.", ".attn.proj."),
    (r"\.attention\.relative", ".attn.relative"),
    (r"\.wide\.", ".mlp.fc1."),
    (r"\.narrow\.", ".mlp.fc2."),
    (r"^encoder\.", "audio_encoder.base.htsat."),
    (r"^projection\.", "audio_encoder.projection."),
)
_MSCLAP_TEXT = (
    (r"word_embeddings", "wte"),
    (r"position_embeddings", "wpe"),
    (r"\.norm([12])\.", r".ln_\1."),
    (r"\.qkv\.", ".attn.c_attn."),
    (r"\.out\.", ".attn.c_proj."),
    (r"\.wide\.", ".mlp.c_fc."),
    (r"\.narrow\.", ".mlp.c_proj."),
    (r"^encoder\.norm\.", "encoder.ln_f."),
    (r"^encoder\.layers\.", "encoder.h."),
    (r"^encoder\.", "caption_encoder.base."),
    (r"^projection\.", "caption_encoder.projection."),
)


def gpt2_tokens() -> tuple[list[str], list[tuple[str, str]]]:
    """As `byte_tokens`, "!" first and the end last."""
    tokens, merges = byte_tokens()
    others = [token for token in tokens if token not in (*SPECIAL, "!")]
    return ["!", *others, "<|endoftext|>"], merges


def small_msclap(*, seed: int = 0) -> tuple[MsclapAudio, MsclapText]:
    """Both sides of Microsoft's CLAP, a few thousand parameters large."""
    torch.manual_seed(seed)
    sound = MsclapAudio(MSCLAP_HTSAT, joint_dim=JOINT_DIM, log_mel=LogMel(MSCLAP_FRONTEND))
    config = Gpt2Config(
        vocabulary=len(gpt2_tokens()[0]), dim=16, heads=2, layers=2, feedforward=24, positions=40
    )
    text = MsclapText(config, joint_dim=JOINT_DIM)
    return _lively(sound), _lively(text)  # type: ignore[return-value]


def write_msclap(folder: Path, *, seed: int = 0, **settings: Any) -> tuple[Path, Path]:
    """`CLAP_weights_2023.pth` as published, and a folder `gpt2`; `settings` change its config."""
    sound, text = small_msclap(seed=seed)
    state = _published(sound, _MSCLAP_AUDIO)
    htsat = "audio_encoder.base.htsat."
    for name in [name for name in state if ".attention.query." in name]:
        parts = [name.replace("query", part) for part in ("query", "key", "value")]
        packed = torch.cat([state.pop(part) for part in parts])
        state[name.replace("attention.query", "attn.qkv")] = packed
    turned = re.compile(r".*\.h\.\d+\.(?:attn|mlp)\.c_\w+\.weight")
    for name, value in _published(text, _MSCLAP_TEXT).items():
        state[name] = value.T.contiguous() if turned.fullmatch(name) else value
    state = {name: value for name, value in state.items() if value.is_floating_point()}
    state[f"{htsat}logmel_extractor.melW"] = mel_filterbank(MSCLAP_FRONTEND)
    state[f"{htsat}layers.1.blocks.1.attn_mask"] = torch.zeros(16, 64, 64)
    state[f"{htsat}tscam_conv.weight"] = torch.zeros(527, 16, 2, 3)
    state["caption_encoder.base.h.0.attn.bias"] = torch.ones(40, 40).tril()[None, None]
    state["logit_scale"] = torch.tensor(2.66)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"model": state}, folder / "CLAP_weights_2023.pth")
    gpt2 = folder / "gpt2"
    gpt2.mkdir(exist_ok=True)
    config = {"model_type": "gpt2", "n_embd": 16, "n_head": 2, "activation_function": "gelu_new"}
    (gpt2 / "config.json").write_text(json.dumps(config | settings))
    tokens, merges = gpt2_tokens()
    ids = {token: place for place, token in enumerate(tokens)}
    (gpt2 / "vocab.json").write_text(json.dumps(ids))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (gpt2 / "merges.txt").write_text("\n".join(lines) + "\n")
    return folder / "CLAP_weights_2023.pth", gpt2


def small_cnn14(*, seed: int = 0) -> Cnn14:
    """A CNN14 of the published form with few channels."""
    torch.manual_seed(seed)
    network = Cnn14(Cnn14Config(dims=(4, 4, 6, 6, 8, 12), embedding=16))
    network.bn0.running_mean.fill_(-40.0)  # type: ignore[union-attr]
    network.bn0.running_var.fill_(400.0)  # type: ignore[union-attr]
    return network.eval()


def write_cnn14(path: Path, *, seed: int = 0, sample_rate: int = 32_000, old: bool = True) -> Path:
    """A `.pth` as on Zenodo, in the form that PyTorch had then unless `old` is False."""
    from audiosearch.convert.panns import FRONTENDS  # noqa: PLC0415

    [frontend] = [each for each in FRONTENDS if each.sample_rate == sample_rate]
    state = dict(small_cnn14(seed=seed).state_dict())
    state["logmel_extractor.melW"] = mel_filterbank(frontend)
    state["spectrogram_extractor.stft.conv_real.weight"] = torch.zeros(3, 1, 4)
    content = {"iteration": 7, "model": state}
    torch.save(content, path, _use_new_zipfile_serialization=not old)
    return path
