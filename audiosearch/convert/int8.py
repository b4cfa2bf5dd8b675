"""A graph with its linear layers in 8 bits, which many CPUs multiply several times faster.

Ranges are fixed, not taken from the batch at hand, so that a sound gives the same numbers whatever
it is run with; and on whatever processor (`safe_steps`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from audiosearch._typing import AnyArray, Floats, Int8s
from audiosearch.convert.ranges import Feed, Range, fitted_ranges
from audiosearch.convert.rewriting import Rewriting
from audiosearch.errors import AudiosearchError
from audiosearch.training.export.onnx_files import float_weights

LINEAR = ("MatMul", "Gemm")
UNIT = "int8.one"
LAST, FIRST = (0, 2, 3, 1), (0, 3, 1, 2)  # axes of (B, C, H, W) with channels last, and back
MOST_OF_A_CONVOLUTION = 2**17  # weights; greater ones are multiplied faster as matrices
MOST = 128  # of two neighbours of one sign: 255 * 128 < 2 ** 15
_SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)  # of the full range for the greatest weight of a column


@dataclass(frozen=True)
class Layer:
    """A linear layer: `output` is the input times `weight` (in, out), plus `bias` (out,) if any."""

    place: int
    input_name: str
    weight: Floats
    bias: Floats | None
    output: str


@dataclass(frozen=True)
class _Chain:
    """A layer, its bias (out,) and its ReLU: what is at `within` is computed with the layer."""

    layer: Layer
    bias: Floats
    output: str
    within: tuple[int, int]


def quantised(model: ModelProto, examples: Iterable[Feed]) -> ModelProto:
    """`model` with 8-bit linear layers, their ranges taken from `examples`.

    Weights have 8 bits a column, inputs 8 bits by the range that leaves the examples the least
    error (`ranges`). All else stays in float32; of an encoder that is the front-end, convolutions,
    norms, sums, and what follows the mean over frequency.

    Raises:
        AudiosearchError: there is no linear layer to quantise, or no example.
    """
    model = with_biases(model)
    layers = linear_layers(model)
    if not layers:
        raise AudiosearchError("the model has no linear layer that could be quantised")
    readers = {
        each.input_name: [one.weight for one in layers if one.input_name == each.input_name]
        for each in layers
    }
    ranges = fitted_ranges(model, readers, examples)
    chains = {chain.layer.place: chain for chain in _chains(model, layers)}
    within = {place for chain in chains.values() for place in chain.within}
    result = ModelProto()
    result.CopyFrom(model)
    by_place = {layer.place: layer for layer in layers}
    nodes = _unfolded_one(result)
    stepped: set[str] = set()  # inputs that are in 8 bits already
    for place, node in enumerate(model.graph.node):
        layer = by_place.get(place)
        if layer is None:
            if place not in within:
                nodes.append(node)
            continue
        if layer.input_name not in stepped:
            nodes.append(_steps(layer.input_name, ranges[layer.input_name], result))
            stepped.add(layer.input_name)
        if place in chains:
            chain = chains[place]
            nodes += _as_convolution(chain, ranges, result)
            stepped.add(chain.output)
        else:
            nodes += _in_8_bits(layer, result)
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    _drop_unused(result)
    onnx.checker.check_model(result)
    return result


def linear_layers(model: ModelProto) -> list[Layer]:
    """The linear layers; of an encoder, those between its decibels and its mean over frequency."""
    nodes = list(model.graph.node)
    weights = float_weights(model)
    before = next((i for i, node in enumerate(nodes) if node.op_type == "Log"), -1)
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


def with_biases(model: ModelProto) -> ModelProto:
    """`model` with the biases that `published_graph.LeanBlock` made part of matrices taken out.

    With fewer bits a bias costs nothing and is exact; as part of a matrix it is rounded with that.
    """
    graph = Rewriting(model)
    for norm in graph.of_kind("LayerNormalization"):
        flat = graph.only_reader(norm.output[0], "Reshape")
        product = None if flat is None else graph.only_reader(flat.output[0], "MatMul")
        given = None if product is None else graph.weighted(product)
        of_norm = [graph.weights.get(name) for name in norm.input[1:]]
        if flat is None or product is None or given is None or len(of_norm) != 2:
            continue
        scale, raised = of_norm
        if scale is None or raised is None or scale.ndim != 1 or given[1].ndim != 2:
            continue
        if np.ptp(scale) or np.ptp(raised) or not raised[0]:
            continue
        if graph.constant_size(flat.input[1]) != 2:  # a Gemm takes rows alone
            continue
        name, matrix = product.output[0], given[1].astype(np.float64)
        constants = {
            "zero": np.zeros_like(raised),
            # A normed row sums to zero, so that one row less in all rows changes no product.
            "weight": (matrix - matrix.mean(axis=0)).astype(np.float32),
            "bias": (matrix.sum(axis=0) * raised[0]).astype(np.float32),
        }
        zero, weight, bias = (
            graph.constant(f"{name}.{part}", values) for part, values in constants.items()
        )
        norm.input[2] = zero
        graph.put(product, helper.make_node("Gemm", [given[0], weight, bias], [name]))
    return graph.finished()


def _chains(model: ModelProto, layers: Sequence[Layer]) -> Iterator[_Chain]:
    """Layers of maps with channels last whose activation nothing but another layer reads."""
    nodes = list(model.graph.node)
    weights = float_weights(model)
    given = {layer.input_name for layer in layers}
    readers: dict[str, list[int]] = {each.name: [-1] for each in model.graph.output}
    for place, node in enumerate(nodes):
        for name in node.input:
            readers.setdefault(name, []).append(place)
    turned = {
        node.output[0]
        for node in nodes
        if node.op_type == "Transpose" and list(node.attribute[0].ints) == list(LAST)
    }
    by_place = {layer.place for layer in layers}

    def only(name: str, kind: str) -> int | None:
        found = readers.get(name, [])
        return found[0] if len(found) == 1 and nodes[found[0]].op_type == kind else None

    for layer in layers:
        if layer.input_name not in turned or layer.weight.size > MOST_OF_A_CONVOLUTION:
            continue
        added = only(layer.output, "Add")
        active = None if added is None else only(nodes[added].output[0], "Relu")
        if added is None or active is None:
            continue
        output = nodes[active].output[0]
        biases = [weights[name] for name in nodes[added].input if name in weights]
        if output in given and by_place.issuperset(readers[output]) and len(biases) == 1:
            yield _Chain(layer, biases[0], output, (added, active))


def _as_convolution(
    chain: _Chain, ranges: Mapping[str, Range], model: ModelProto
) -> list[NodeProto]:
    """The nodes that stand for a layer and its activation, from bytes to bytes.

    ONNX Runtime computes it with channels last, and leaves out the transposes.
    """
    layer = chain.layer
    whole, steps = safe_steps(layer.weight)
    given, name = f"{layer.input_name}.int8", f"{chain.output}.int8"
    step = np.float32(ranges[layer.input_name].scale) * steps
    heard = ranges[chain.output]
    for part, values in {
        "weight": whole.T[:, :, None, None],
        "weight_scale": steps,
        "weight_zero": np.zeros(whole.shape[1], np.int8),
        "bias": np.round(chain.bias / step).astype(np.int32),
        "scale": np.array(heard.scale, np.float32),
        "zero": np.array(heard.zero, np.uint8),
    }.items():
        model.graph.initializer.append(
            numpy_helper.from_array(np.ascontiguousarray(values), f"{name}.{part}")
        )
    inputs = [f"{name}.first", f"{given}.scale", f"{given}.zero"]
    inputs += [f"{name}.{part}" for part in ("weight", "weight_scale", "weight_zero")]
    inputs += [f"{name}.{part}" for part in ("scale", "zero", "bias")]
    return [
        helper.make_node("Transpose", [given], [f"{name}.first"], perm=FIRST),
        helper.make_node("QLinearConv", inputs, [f"{name}.active"], kernel_shape=[1, 1]),
        helper.make_node("Transpose", [f"{name}.active"], [name], perm=LAST),
    ]


def _unfolded_one(model: ModelProto) -> list[NodeProto]:
    """Nodes that give 1.0 in a way that the runtime does not fold to a constant.

    The runtime joins a layer to one product with its scales and bias only where the scale of the
    input is no constant, since it folds constants first
    (https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html).
    """
    given = model.graph.input[0].name
    nothing = numpy_helper.from_array(np.zeros(1, np.int64), f"{UNIT}.nothing")
    model.graph.initializer.append(nothing)
    return [
        helper.make_node("Shape", [given], [f"{UNIT}.rows"], end=1),
        helper.make_node("Greater", [f"{UNIT}.rows", nothing.name], [f"{UNIT}.true"]),
        helper.make_node("Cast", [f"{UNIT}.true"], [UNIT], to=TensorProto.FLOAT),
    ]


def _steps(given: str, heard: Range, model: ModelProto) -> NodeProto:
    """The node that turns an input into whole steps; its range is added to `model`."""
    name = f"{given}.int8"
    for part, value in (
        ("scale", np.array(heard.scale, np.float32)),
        ("zero", np.array(heard.zero, np.uint8)),
    ):
        model.graph.initializer.append(numpy_helper.from_array(value, f"{name}.{part}"))
    return helper.make_node("QuantizeLinear", [given, f"{name}.scale", f"{name}.zero"], [name])


def _in_8_bits(layer: Layer, model: ModelProto) -> list[NodeProto]:
    """The nodes that stand for a layer; its weights are added to `model`."""
    whole, steps = safe_steps(layer.weight)
    given, name = f"{layer.input_name}.int8", f"{layer.output}.int8"
    constants: dict[str, AnyArray] = {
        "weight": whole,
        "weight_scale": steps,
        "weight_zero": np.zeros(whole.shape[1], np.int8),
    }
    if layer.bias is not None:
        constants["bias"] = layer.bias
    for part, values in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(values, f"{name}.{part}"))

    def node(kind: str, given: list[str], output: str, **settings: Any) -> NodeProto:
        return helper.make_node(kind, given, [output], **settings)

    weight = f"{name}.weight"
    product = layer.output if layer.bias is None else f"{name}.product"
    nodes = [
        node("MatMulInteger", [given, weight, f"{given}.zero", f"{weight}_zero"], f"{name}.whole"),
        node("Cast", [f"{name}.whole"], f"{name}.sum", to=TensorProto.FLOAT),
        node("Mul", [UNIT, f"{given}.scale"], f"{name}.step"),
        node("Mul", [f"{name}.step", f"{weight}_scale"], f"{name}.steps"),
        node("Mul", [f"{name}.sum", f"{name}.steps"], product),
    ]
    if layer.bias is not None:
        nodes.append(node("Add", [product, f"{name}.bias"], layer.output))
    return nodes


def safe_steps(weight: Floats) -> tuple[Int8s, Floats]:
    """A weight (in, out) in whole steps, and the size of a step for each column (out,).

    x86 without VNNI multiplies bytes by `vpmaddubsw`, which adds two neighbouring products in 16
    bits and cuts what does not fit: weights of full range would be wrong there and right elsewhere.
    Rows 2i and 2i + 1 meet in one 16-bit sum. Where both have one sign, their steps add up to at
    most 128: the greater gives way. Each column has the step that leaves it the least error.
    """
    greatest = np.maximum(np.abs(weight).max(axis=0), 1e-12)
    best = np.zeros(weight.shape, np.int8)
    sizes = np.zeros(weight.shape[1], np.float32)
    least = np.full(weight.shape[1], np.inf)
    for share in _SHARES:
        size = (greatest / (127 * share)).astype(np.float32)
        whole = _within(np.clip(np.round(weight / size), -127, 127).astype(np.int32))
        error = np.square(whole * size - weight).sum(axis=0)
        better = error < least
        best[:, better], sizes[better], least[better] = (
            whole[:, better],
            size[better],
            error[better],
        )
    return best, sizes


def _within(whole: NDArray[np.int32]) -> Int8s:
    """Steps (in, out) of which no two neighbours of one sign add up to more than `MOST`."""
    kept = whole.copy()
    one, other = kept[0 : len(kept) // 2 * 2 : 2], kept[1::2]  # an odd row has no neighbour
    alike = np.sign(one) == np.sign(other)
    beyond = np.where(alike, np.maximum(np.abs(one + other) - MOST, 0), 0)
    # At most 126 are beyond, so half of it leaves both on their side of zero.
    less = beyond // 2
    sign = np.sign(one)
    one -= sign * less
    other -= sign * (beyond - less)
    return kept.astype(np.int8)


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
