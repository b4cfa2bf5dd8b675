"""An encoder graph with its linear layers in 8 bits, which many CPUs multiply several times faster.

In: an encoder's ONNX graph and some sounds. Out: the same graph, in which each linear layer between
the decibels and the mean over frequency multiplies whole numbers: weights to 8 bits a column, its
input to 8 bits by the least and greatest value that the sounds gave. The front-end, convolutions,
norms, sums and what follows the mean stay in float32. Ranges are fixed, not taken from the batch at
hand, so that a sound gives the same numbers whatever it is encoded with.

Only operators of the ONNX standard are written; the runtime joins them with the product
(https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html). What is lost is
measured by `published_quantise`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from audiosearch.errors import AudiosearchError

Floats = npt.NDArray[np.float32]
LINEAR = ("MatMul", "Gemm")


@dataclass(frozen=True)
class Layer:
    """A linear layer: `output` = `given` times `weight` (in, out), plus `bias` (out,) if any."""

    place: int
    given: str
    weight: Floats
    bias: Floats | None
    output: str


@dataclass(frozen=True)
class Range:
    """Least and greatest value of a layer's input; zero lies within."""

    least: float
    greatest: float

    @property
    def scale(self) -> float:
        """One step of 8 bits."""
        return max(self.greatest - self.least, 1e-12) / 255

    @property
    def zero(self) -> int:
        """The step that stands for zero."""
        return round(-self.least / self.scale)


def quantised(model: ModelProto, sounds: Iterable[Floats]) -> ModelProto:
    """The encoder `model` with 8-bit linear layers, their ranges taken from `sounds` (n,).

    Raises:
        AudiosearchError: there is no linear layer to quantise, or no sound.
    """
    layers = linear_layers(model)
    if not layers:
        raise AudiosearchError("the encoder has no linear layer that could be quantised")
    ranges = _observe(model, layers, sounds)
    result = ModelProto()
    result.CopyFrom(model)
    by_place = {layer.place: layer for layer in layers}
    nodes: list[NodeProto] = []
    for place, node in enumerate(model.graph.node):
        layer = by_place.get(place)
        if layer is None:
            nodes.append(node)
        else:
            nodes += _in_8_bits(layer, ranges[layer.given], result)
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    _drop_unused(result)
    onnx.checker.check_model(result)
    return result


def linear_layers(model: ModelProto) -> list[Layer]:
    """The linear layers between the last logarithm and the first mean after it."""
    nodes = list(model.graph.node)
    weights = _constants(model)
    before = max((i for i, node in enumerate(nodes) if node.op_type == "Log"), default=-1)
    means = (i for i, node in enumerate(nodes) if node.op_type == "ReduceMean" and i > before)
    after = next(means, len(nodes))
    layers = []
    for place in range(before + 1, after):
        node = nodes[place]
        if node.op_type not in LINEAR or node.input[0] in weights:
            continue
        weight = weights.get(node.input[1])
        if weight is None or weight.ndim != 2:
            continue
        if node.op_type == "Gemm":
            given = {item.name: helper.get_attribute_value(item) for item in node.attribute}
            if (
                given.get("transA", 0)
                or given.get("alpha", 1.0) != 1
                or given.get("beta", 1.0) != 1
            ):
                continue
            weight = weight.T if given.get("transB", 0) else weight
        bias = None
        if len(node.input) > 2 and node.input[2]:
            bias = weights.get(node.input[2])
            if bias is None or bias.shape != weight.shape[1:]:
                continue
        layers.append(Layer(place, node.input[0], weight, bias, node.output[0]))
    return layers


def _constants(model: ModelProto) -> dict[str, Floats]:
    """Float weights by name, also those that are stored as float16 or under another name."""
    stored = {each.name: each for each in model.graph.initializer}
    found = {
        name: numpy_helper.to_array(each)
        for name, each in stored.items()
        if each.data_type == TensorProto.FLOAT
    }
    for node in model.graph.node:
        if node.op_type == "Cast" and node.input[0] in stored:
            half = numpy_helper.to_array(stored[node.input[0]])
            found[node.output[0]] = half.astype(np.float32)
        elif node.op_type == "Identity" and node.input[0] in found:  # equal weights, stored once
            found[node.output[0]] = found[node.input[0]]
    return found


def _observe(model: ModelProto, layers: list[Layer], sounds: Iterable[Floats]) -> dict[str, Range]:
    """The range of each layer's input over `sounds`."""
    watched = ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    names = sorted({layer.given for layer in layers})
    watched.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        watched.SerializeToString(), sess_options=options, providers=["CPUExecutionProvider"]
    )
    least, greatest = np.zeros(len(names)), np.zeros(len(names))
    count = 0
    for sound in sounds:
        values = session.run(names, {"waveform": sound[None]})
        least = np.minimum(least, [value.min() for value in values])
        greatest = np.maximum(greatest, [value.max() for value in values])
        count += 1
    if count == 0:
        raise AudiosearchError("there is no sound to take the ranges of the encoder from")
    return {
        name: Range(float(low), float(high))
        for name, low, high in zip(names, least, greatest, strict=True)
    }


def _in_8_bits(layer: Layer, heard: Range, model: ModelProto) -> list[NodeProto]:
    """The nodes that stand for a layer; its weights are added to `model`."""
    steps = np.maximum(np.abs(layer.weight).max(axis=0), 1e-12) / 127  # one a column
    whole = np.clip(np.round(layer.weight / steps), -127, 127).astype(np.int8)
    name = f"{layer.output}.int8"
    for suffix, values in (
        ("scale", np.array(heard.scale, np.float32)),
        ("zero", np.array(heard.zero, np.uint8)),
        ("weight", whole),
        ("weight_scale", steps.astype(np.float32)),
        ("weight_zero", np.zeros(whole.shape[1], np.int8)),
    ):
        model.graph.initializer.append(numpy_helper.from_array(values, f"{name}.{suffix}"))
    scale, zero = f"{name}.scale", f"{name}.zero"
    weight = [f"{name}.{suffix}" for suffix in ("weight", "weight_scale", "weight_zero")]
    product = layer.output if layer.bias is None else f"{name}.product"
    nodes = [
        helper.make_node("QuantizeLinear", [layer.given, scale, zero], [f"{name}.steps"]),
        helper.make_node("DequantizeLinear", [f"{name}.steps", scale, zero], [f"{name}.given"]),
        helper.make_node("DequantizeLinear", weight, [f"{name}.columns"], axis=1),
        helper.make_node("MatMul", [f"{name}.given", f"{name}.columns"], [product]),
    ]
    if layer.bias is not None:
        # As (1, 1, N): a bias of one axis would make the runtime join product and sum to a Gemm
        # first, which it then computes in float32.
        bias = numpy_helper.from_array(layer.bias.reshape(1, 1, -1), f"{name}.bias")
        model.graph.initializer.append(bias)
        nodes.append(helper.make_node("Add", [product, bias.name], [layer.output]))
    return nodes


def _drop_unused(model: ModelProto) -> None:
    """Leave out casts and weights that nothing reads any more."""
    used = {name for node in model.graph.node for name in node.input}
    used |= {each.name for each in model.graph.output}
    kept = [node for node in model.graph.node if node.op_type != "Cast" or node.output[0] in used]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    used = {name for node in kept for name in node.input}
    weights = [each for each in model.graph.initializer if each.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(weights)
