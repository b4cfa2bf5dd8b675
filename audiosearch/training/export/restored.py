"""Trained networks back from the graphs of a bundle, as a start for more training.

The exporter folds each batch norm into the convolution before it. Unfolded norms start as what
passes numbers on as they are, and are then measured on real sounds.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from audiosearch.errors import AudiosearchError
from audiosearch.model.wordpiece import Pieces
from audiosearch.training.export.gru_graph import count_gru_layers, gru_parameters
from audiosearch.training.networks.convnext import Block, ConvNext, ConvNextConfig
from audiosearch.training.networks.decoder import CaptionerNetwork, DecoderConfig
from audiosearch.training.networks.gru import GruConfig, captioner_for
from audiosearch.training.networks.meaning import SentenceConfig, SentenceTower
from audiosearch.training.text.sentence_model import SentenceEmbedder

_PREFIX = "encoder."


def read_tags(bundle: Path) -> tuple[str, ...]:
    """The names of a bundle's tags, in the order of its encoder's head.

    Raises:
        AudiosearchError: there is no such list.
    """
    try:
        return tuple(json.loads((bundle / "tags.json").read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise AudiosearchError(f"holds no tags: {error}", path=bundle) from error


def read_words(bundle: Path) -> tuple[str, ...]:
    """The words of a bundle's decoder, in the order of its embedding.

    Raises:
        AudiosearchError: there is no such list.
    """
    path = bundle / "vocabulary.json"
    try:
        return tuple(json.loads(path.read_text(encoding="utf-8"))["words"])
    except (OSError, ValueError, KeyError) as error:
        raise AudiosearchError(f"holds no words: {error}", path=path) from error


def encoder_of_bundle(bundle: Path, *, config: ConvNextConfig) -> dict[str, Tensor]:
    """The weights of a bundle's encoder under the names of `ConvNext`.

    Args:
        bundle: a folder with `encoder.onnx`, written by `export`.
        config: its sizes, with as many classes as there are tags.

    Raises:
        AudiosearchError: the graph is of another form.
    """
    stored = _weights(bundle / "encoder.onnx")
    network = ConvNext(config)
    state = network.state_dict()
    found = {
        name.removeprefix(_PREFIX): value
        for name, value in stored.items()
        if name.startswith(_PREFIX) and name.removeprefix(_PREFIX) in state
    }
    folded = [value for name, value in stored.items() if name.startswith("onnx::Conv")]
    products = [value for name, value in stored.items() if name.startswith("onnx::MatMul")]
    try:
        for convolution, norm in _folded_pairs(network):
            weight, bias = folded.pop(0), folded.pop(0)
            found |= {f"{convolution}.weight": weight, f"{convolution}.bias": bias}
            found |= _passing(norm, bias.numel(), state)
        for linear in _block_linears(network):
            found[f"{linear}.weight"] = products.pop(0).T.contiguous()
        for name, value in state.items():
            if name.endswith("num_batches_tracked"):
                found[name] = value
        network.load_state_dict(found)
    except (IndexError, RuntimeError) as error:
        raise AudiosearchError(f"is no encoder of this form: {error}", path=bundle) from error
    return dict(network.state_dict())


def decoder_of_bundle(bundle: Path) -> CaptionerNetwork:
    """A bundle's captioner, as `export` has written it.

    That is its decoder with either its projection and frame positions, or its GRU.

    Raises:
        AudiosearchError: the graphs are of another form.
    """
    encoder, memory, words = (
        _weights(bundle / f"{name}.onnx") for name in ("encoder", "memory", "decoder")
    )
    try:
        manifest = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))["decoder"]
        sizes = DecoderConfig(
            vocabulary=words["embedding"].shape[0],
            dim=manifest["dim"],
            heads=manifest["heads"],
            layers=manifest["layers"],
            feedforward=words["layer0.wide.weight"].shape[1],
            max_positions=manifest["max_positions"],
        )
        found = {
            "decoder.emb_layer.weight": words["embedding"],
            "decoder.classifier.weight": words["classifier.weight"].T,
            "decoder.classifier.bias": words["classifier.bias"],
        }
        if gru_layers := count_gru_layers(memory):
            features = memory["gru0.W"].shape[2]
            each = asdict(replace(sizes, feature_dim=features)) | {"gru_layers": gru_layers}
            config: DecoderConfig = GruConfig(**each)
            found |= gru_parameters(memory)
            keys = list(memory["memory.weight"].chunk(config.layers, dim=1))
            biases = list(memory["memory.bias"].chunk(config.layers))
        else:
            placed = encoder["decoder.frame_positions"]
            projections = [name for name in encoder if name.startswith("onnx::MatMul")]
            # The last product but one is the projection; the last reads tags of parts.
            projection = encoder[projections[-2]]
            config = replace(
                sizes, feature_dim=projection.shape[0], frame_positions=placed.shape[0]
            )
            found |= {
                "frame_positions": placed,
                "projection.2.weight": projection.T,
                "projection.2.bias": encoder["decoder.projection.2.bias"],
            }
            keys = [value for name, value in memory.items() if name.startswith("onnx::MatMul")]
            biases = [value for name, value in memory.items() if name.startswith("onnx::Add")]
        for place in range(config.layers):
            found |= _decoder_layer(words, place, keys.pop(0), biases.pop(0))
        network = captioner_for(config)
        network.load_state_dict(found)
    except (KeyError, IndexError, OSError, ValueError, RuntimeError) as error:
        raise AudiosearchError(f"holds no decoder of this form: {error}", path=bundle) from error
    return network.eval()


def _decoder_layer(
    words: dict[str, Tensor], place: int, keys: Tensor, biases: Tensor
) -> dict[str, Tensor]:
    """One layer: what the graph of words holds, and the memory's keys and values."""
    own, to = f"layer{place}", f"decoder.layers.{place}"
    names = {
        "self.out": "self_attn.out_proj",
        "cross.out": "multihead_attn.out_proj",
        "wide": "linear1",
        "narrow": "linear2",
    }
    found = {
        f"{to}.self_attn.in_proj_weight": words[f"{own}.three.weight"].T,
        f"{to}.self_attn.in_proj_bias": words[f"{own}.three.bias"],
        f"{to}.multihead_attn.in_proj_weight": torch.cat([words[f"{own}.asks.weight"].T, keys.T]),
        f"{to}.multihead_attn.in_proj_bias": torch.cat([words[f"{own}.asks.bias"], biases]),
    }
    for name, module in names.items():
        found[f"{to}.{module}.weight"] = words[f"{own}.{name}.weight"].T
        found[f"{to}.{module}.bias"] = words[f"{own}.{name}.bias"]
    for norm in ("norm1", "norm2", "norm3"):
        for part in ("weight", "bias"):
            found[f"{to}.{norm}.{part}"] = words[f"{own}.{norm}.{part}"]
    return {name: value.contiguous() for name, value in found.items()}


def sentences_of_bundle(bundle: Path) -> SentenceEmbedder:
    """A bundle's sentence model, whose piece vectors are as coarse as they were shipped.

    Raises:
        AudiosearchError: the graph is of another form.
    """
    path = bundle / "text.onnx"
    stored = _weights(path)
    try:
        pieces = Pieces(tuple(json.loads((bundle / "pieces.json").read_text("utf-8"))["pieces"]))
        codes, scales = _piece_vectors(onnx.load(path))
        vectors = codes.float() * scales.unsqueeze(1)
        found = {
            name.removeprefix("sentence."): value
            for name, value in stored.items()
            if name.startswith("sentence.")
        }
        tower = SentenceTower(
            SentenceConfig(
                pieces=vectors.shape[0],
                sentence_dim=found["linear.weight"].shape[0],
                dim=vectors.shape[1],
                hidden=found["inner.weight"].shape[0],
            )
        )
        tower.load_state_dict(found | {"embedding.vectors.weight": vectors})
    except (KeyError, OSError, ValueError, RuntimeError) as error:
        raise AudiosearchError(f"holds no text side of this form: {error}", path=path) from error
    return SentenceEmbedder(pieces, tower.eval())


def _piece_vectors(model: onnx.ModelProto) -> tuple[Tensor, Tensor]:
    """Bytes `(pieces, dim)` and scales `(pieces,)`, constants of the graph.

    Raises:
        ValueError: there are none.
    """
    constants = {
        node.output[0]: torch.from_numpy(numpy_helper.to_array(node.attribute[0].t).copy())
        for node in model.graph.node
        if node.op_type == "Constant" and node.attribute[0].HasField("t")
    }
    constants |= {
        weight.name: torch.from_numpy(numpy_helper.to_array(weight).copy())
        for weight in model.graph.initializer
    }
    for codes in constants.values():
        if codes.dtype is torch.int8 and codes.ndim == 2:
            for scales in constants.values():
                if scales.shape == codes.shape[:1] and scales.is_floating_point():
                    return codes, scales.float()
    raise ValueError("no piece vectors")


def _weights(path: Path) -> dict[str, Tensor]:
    """All stored weights of a graph in float32, in their order.

    Raises:
        AudiosearchError: there is no such graph.
    """
    try:
        model = onnx.load(path)
    except (OSError, ValueError) as error:
        raise AudiosearchError(f"cannot be read: {error}", path=path) from error
    return {
        weight.name.removesuffix(".half"): torch.from_numpy(
            numpy_helper.to_array(weight).astype(np.float32)
        )
        for weight in model.graph.initializer
    }


def _folded_pairs(network: ConvNext) -> Iterable[tuple[str, str]]:
    """Names of each convolution and the batch norm after it, in the order they are run."""
    for place, (downsample, stage) in enumerate(
        zip(network.downsample_layers, network.stages, strict=True)
    ):
        layers = list(downsample.named_children())
        for (name, layer), (after, norm) in itertools.pairwise(layers):
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                yield f"downsample_layers.{place}.{name}", f"downsample_layers.{place}.{after}"
        for name, _ in stage.named_children():
            yield f"stages.{place}.{name}.dwconv", f"stages.{place}.{name}.norm"


def _block_linears(network: ConvNext) -> Iterable[str]:
    for name, module in network.named_modules():
        if isinstance(module, Block):
            yield f"{name}.pwconv1"
            yield f"{name}.pwconv2"


def _passing(norm: str, width: int, state: dict[str, Tensor]) -> dict[str, Tensor]:
    eps = nn.BatchNorm2d(1).eps
    return {
        f"{norm}.weight": torch.full((width,), (1 + eps) ** 0.5),
        f"{norm}.bias": torch.zeros(width),
        f"{norm}.running_mean": torch.zeros(width),
        f"{norm}.running_var": torch.ones(width),
        f"{norm}.num_batches_tracked": state[f"{norm}.num_batches_tracked"],
    }


@torch.no_grad()
def measure_norms(network: ConvNext, batches: Iterable[Tensor]) -> None:
    """Give every batch norm the statistics of these decibels, and leave what it computes alone.

    Args:
        network: gets new running statistics, and weights and biases that undo the change.
        batches: `(B, F, mels)` decibels of ordinary sounds.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    sums = {norm: torch.zeros(3, norm.num_features, dtype=torch.float64) for norm in norms}

    def count(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        values = inputs[0].double()
        sums[norm][0] += values.numel() / norm.num_features
        sums[norm][1] += values.sum(dim=(0, 2, 3))
        sums[norm][2] += values.square().sum(dim=(0, 2, 3))

    hooks = [norm.register_forward_pre_hook(count) for norm in norms]
    network.eval()
    for batch in batches:
        network(batch)
    for hook in hooks:
        hook.remove()
    for norm in norms:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        mean = sums[norm][1] / sums[norm][0]
        spread = (sums[norm][2] / sums[norm][0] - mean.square()).clamp(min=1e-8)
        before = (norm.running_var.double() + norm.eps).sqrt()
        slope = norm.weight.double() / before
        offset = norm.bias.double() - slope * norm.running_mean.double()
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(spread)
        norm.weight.copy_(slope * (spread + norm.eps).sqrt())
        norm.bias.copy_(offset + slope * mean)
