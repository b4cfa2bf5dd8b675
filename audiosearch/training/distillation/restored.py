"""A trained encoder back from the graph of a bundle, as a start for more training.

The exporter folds each batch norm into the convolution before it. Unfolded norms start as what
passes numbers on as they are, and are then measured: with the statistics of real sounds they do
the same in training as in use.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from audiosearch.errors import AudiosearchError
from audiosearch.training.networks.convnext import Block, ConvNext, ConvNextConfig

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


def encoder_of_bundle(bundle: Path, *, config: ConvNextConfig) -> dict[str, Tensor]:
    """The weights of a bundle's encoder under the names of `ConvNext`.

    Args:
        bundle: a folder with `encoder.onnx`, written by `export`.
        config: its sizes, with as many classes as there are tags.

    Raises:
        AudiosearchError: the graph is of another form.
    """
    try:
        model = onnx.load(bundle / "encoder.onnx")
    except (OSError, ValueError) as error:
        raise AudiosearchError(f"holds no encoder: {error}", path=bundle) from error
    stored = {
        weight.name.removesuffix(".half"): torch.from_numpy(
            numpy_helper.to_array(weight).astype(np.float32)
        )
        for weight in model.graph.initializer
    }
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
