"""Small checkpoints in the authors' layouts, with random weights, written by our own code."""

from __future__ import annotations

import json
import pickle
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audiosearch.model.tokenizer import SPECIAL_TOKENS
from audiosearch.training.networks.convnext import TINY, ConvNext
from audiosearch.training.networks.decoder import DecoderConfig, DecoderNetwork

TASKS = ("clotho", "audiocaps")
WORDS = (
    *SPECIAL_TOKENS,
    *("a", "the", "man", "'s", "dog", "does", "n't", "bark", "barks", "rain", "falls", "bell"),
    *("rings", "and", "then", "hiss", "tone", "high", "low"),
)
SETTINGS: dict[str, Any] = {
    "nhead": 2,
    "d_model": 16,
    "num_decoder_layers": 2,
    "dim_feedforward": 24,
    "decoder_dropout_p": 0.2,
    "acti_name": "gelu",
    "proj_name": "lin768",
    "beam_size": 2,
    "min_pred_size": 2,
    "max_pred_size": 8,
}


def tokenizer_state(words: tuple[str, ...], *, tasks: tuple[str, ...] = ()) -> dict[str, Any]:
    """The state of a word tokenizer, plain data only."""
    return {
        "_target_": "conette.tokenization.aac_tokenizer.AACTokenizer",
        "_version_": "2.2.0",
        "_type_": "txt",
        "tokenizer": {
            "hparams": {
                "level": "word",
                "lowercase": True,
                "punctuation_mode": "remove",
                "normalize": True,
            },
            "normalize": True,
            "added_special_tokens": [f"<bos_{task}>" for task in tasks],
            "itos": dict(enumerate(words)),
            "stoi": {word: i for i, word in enumerate(words)},
        },
    }


def small_encoder(*, seed: int = 0) -> ConvNext:
    """A ConvNeXt of the published form, a few thousand parameters large."""
    torch.manual_seed(seed)
    network = ConvNext(replace(TINY, depths=(1, 1, 1, 1), dims=(4, 4, 8, 12)))
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim >= 2:
                parameter.mul_(10.0)  # starting weights are too small to tell sounds apart
    # Statistics of ordinary sound, or the network would saturate on decibels.
    network.bn0.running_mean.fill_(-40.0)  # type: ignore[union-attr]
    network.bn0.running_var.fill_(400.0)  # type: ignore[union-attr]
    return network.eval()


def small_decoder(words: tuple[str, ...], *, seed: int = 0) -> DecoderNetwork:
    """A captioner of these words that listens to `small_encoder`."""
    torch.manual_seed(seed)
    return DecoderNetwork(
        DecoderConfig(
            vocabulary=len(words), feature_dim=12, dim=16, heads=2, layers=2, feedforward=24
        )
    ).eval()


def decoder_state(network: DecoderNetwork) -> dict[str, Any]:
    """Its parameters with what published checkpoints hold beside them."""
    size, dim = network.config.vocabulary, network.config.dim
    mask = torch.ones(size, dtype=torch.bool)
    mask[4:6] = False
    return {
        **network.state_dict(),
        "decoder.pos_encoding.pos_embedding": torch.zeros(5000, 1, dim),
        "forbid_rep_mask": mask,
    }


def write_encoder(path: Path, *, seed: int = 0, under_model: bool = True) -> Path:
    """A `.pth` of an encoder, as on Zenodo."""
    state = small_encoder(seed=seed).state_dict()
    torch.save({"model": state, "iteration": 7} if under_model else state, path)
    return path


def write_captioner(path: Path, *, seed: int = 0, **settings: object) -> Path:
    """A `.ckpt` of a captioner, as Lightning writes it."""
    state = decoder_state(small_decoder(WORDS, seed=seed))
    state["tokenizers.0._extra_state"] = tokenizer_state(WORDS)
    torch.save({"state_dict": state, "hyper_parameters": SETTINGS | settings}, path)
    return path


def hub_words(size: int) -> tuple[str, ...]:
    """So many words, special ones and task tokens among them."""
    tasks = tuple(f"<bos_{task}>" for task in TASKS)
    others = size - len(SPECIAL_TOKENS) - len(tasks)
    return (*SPECIAL_TOKENS, *(f"word{i}" for i in range(others)), *tasks)


def write_hub_folder(
    folder: Path,
    *,
    seed: int = 0,
    safetensors: bool = False,
    encoder: ConvNext | None = None,
    decoder: DecoderNetwork | None = None,
    words: tuple[str, ...] = (*WORDS, *(f"<bos_{task}>" for task in TASKS)),
    **settings: object,
) -> Path:
    """A CoNeTTE folder: weights of encoder and captioner in one file, and `config.json`.

    The task tokens are the last of `words`; small networks of `seed` where none are given.
    """
    folder.mkdir(parents=True, exist_ok=True)
    encoder = encoder or small_encoder(seed=seed)
    decoder = decoder or small_decoder(words, seed=seed)
    state: dict[str, Tensor] = {}
    for name, value in encoder.state_dict().items():
        state[f"preprocessor.encoder.{name.replace('gamma', 'scale_layer')}"] = value
    for name, value in decoder_state(decoder).items():
        state[f"model.{name}"] = value
    state["model.task_id_to_token_id"] = torch.arange(len(words) - len(TASKS), len(words))
    packed = pickle.dumps({"model.tokenizers.0._extra_state": tokenizer_state(words, tasks=TASKS)})
    state["_extra_state_"] = torch.frombuffer(bytearray(packed), dtype=torch.uint8)
    config = SETTINGS | {"task_names": list(TASKS), "tokenizer_state": None} | settings
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    if safetensors:
        write_safetensors(state, folder / "model.safetensors")
    else:
        torch.save(state, folder / "pytorch_model.bin")
    return folder


def write_safetensors(state: dict[str, Tensor], path: Path) -> Path:
    """Tensors in the form of https://github.com/huggingface/safetensors#format."""
    kinds = {
        torch.float32: "F32",
        torch.int64: "I64",
        torch.bool: "BOOL",
        torch.uint8: "U8",
    }
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    content = b""
    for name, value in state.items():
        data = value.contiguous().numpy().tobytes()
        offsets = [len(content), len(content) + len(data)]
        header[name] = {
            "dtype": kinds[value.dtype],
            "shape": list(value.shape),
            "data_offsets": offsets,
        }
        content += data
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content)
    return path
