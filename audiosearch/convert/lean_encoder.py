"""An encoder's graph in fewer and cheaper operations, for processors.

The same numbers but for rounding. Looked for is what our own encoders are exported as: batch norms,
blocks between transposes, and a head that reads tags of the whole and of parts. What is of another
form stays as it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, helper

from audiosearch._typing import AnyArray, Doubles
from audiosearch.convert.int8 import FIRST, LAST
from audiosearch.convert.rewriting import Rewriting, order, settings

_AFTER = ("MatMul", "Add", "Relu", "MatMul", "Add", "Mul", "Transpose", "Add")  # in a block


def lean_encoder(model: ModelProto) -> ModelProto:
    """An encoder with norms folded into their neighbours, and channels last from block to block."""
    graph = Rewriting(model)
    for node in graph.of_kind("BatchNormalization"):
        _fold_norm_of_bands(graph, node)
        _fold_norm_of_channels(graph, node)
    for node in graph.of_kind("Conv"):
        _turn_block(graph, node)
        _turn_convolution(graph, node)
    for node in graph.of_kind("ReduceMean"):
        _turn_mean(graph, node)
    graph.drop_double_transposes()
    for node in graph.of_kind("Div"):
        _drop_expansion(graph, node)
    graph.drop_copies()
    for node in graph.of_kind("Gemm"):
        _join_head(graph, node)
    return graph.finished()


def _slope_and_offset(graph: Rewriting, norm: NodeProto) -> tuple[Doubles, Doubles]:
    """Of each channel, what a batch norm comes to."""
    weight, bias, mean, variance = (
        graph.weights[name].astype(np.float64) for name in norm.input[1:]
    )
    slope = weight / np.sqrt(variance + settings(norm)["epsilon"])
    return slope, bias - slope * mean


def _fold_norm_of_bands(graph: Rewriting, norm: NodeProto) -> None:
    """A norm of bands that are turned to channels and back: a slope and an offset of each."""
    wide = graph.maker(norm.input[0], "Unsqueeze")
    turned = None if wide is None else graph.maker(wide.input[0], "Transpose")
    back = graph.only_reader(norm.output[0], "Transpose")
    if turned is None or back is None:
        return
    if (list(order(turned)), list(order(back))) != ([0, 2, 1], [0, 3, 2, 1]):
        return
    slope, offset = _slope_and_offset(graph, norm)
    given, name = turned.input[0], norm.output[0]
    for kind in ("Mul", "Div"):  # decibels are made of logarithms
        scaled = graph.maker(given, kind)
        factor = None if scaled is None else graph.weighted(scaled)
        if factor is not None and factor[1].size == 1:
            given, by = factor[0], float(factor[1].item())
            slope = slope * by if kind == "Mul" else slope / by
    weights = (
        graph.constant(f"{name}.slope", slope.astype(np.float32)),
        graph.constant(f"{name}.offset", offset.astype(np.float32)),
        graph.constant(f"{name}.axis", np.array([1], np.int64)),
    )
    graph.put(
        back,
        helper.make_node("Mul", [given, weights[0]], [f"{name}.scaled"]),
        helper.make_node("Add", [f"{name}.scaled", weights[1]], [f"{name}.moved"]),
        helper.make_node("Unsqueeze", [f"{name}.moved", weights[2]], [back.output[0]]),
    )
    graph.drop_unread()


def _fold_norm_of_channels(graph: Rewriting, norm: NodeProto) -> None:
    """A norm before a convolution that reads nothing beyond the edges."""
    layer = graph.only_reader(norm.output[0], "Conv")
    if layer is None or not _plain(layer):
        return
    slope, offset = _slope_and_offset(graph, norm)
    weight = graph.weights[layer.input[1]].astype(np.float64)
    bias = graph.weights[layer.input[2]] + np.einsum("oihw,i->o", weight, offset)
    weight *= slope[:, None, None]
    name = norm.output[0]
    layer.input[0] = norm.input[0]
    layer.input[1] = graph.constant(f"{name}.weight", weight.astype(np.float32))
    layer.input[2] = graph.constant(f"{name}.bias", bias.astype(np.float32))
    graph.drop_unread()


def _plain(layer: NodeProto) -> bool:
    """Whether a convolution has a bias, one group and no edges."""
    given = settings(layer)
    return len(layer.input) == 3 and given["group"] == 1 and not any(given["pads"])


def _turn_block(graph: Rewriting, convolution: NodeProto) -> None:
    """A block is added up with channels last, its scale multiplied into the second product."""
    turned = graph.only_reader(convolution.output[0], "Transpose")
    if turned is None or list(order(turned)) != list(LAST):
        return
    chain = [turned]
    for kind in _AFTER:
        following = graph.only_reader(chain[-1].output[0], kind)
        if following is None:
            return
        chain.append(following)
    product, biased, scaled, back, total = chain[4:]
    given = convolution.input[0]
    weight, bias, scale = (graph.weighted(each) for each in (product, biased, scaled))
    if weight is None or bias is None or scale is None:
        return
    if list(order(back)) != list(FIRST) or given not in total.input:
        return
    name = scaled.output[0]
    product.input[1] = graph.constant(f"{name}.weight", weight[1] * scale[1])
    added = graph.constant(f"{name}.bias", bias[1] * scale[1])
    graph.put(biased, helper.make_node("Add", [product.output[0], added], [f"{name}.biased"]))
    graph.put(
        total,
        helper.make_node("Transpose", [given], [f"{name}.given"], perm=LAST),
        helper.make_node("Add", [f"{name}.given", f"{name}.biased"], [f"{name}.sum"]),
        helper.make_node("Transpose", [f"{name}.sum"], [total.output[0]], perm=FIRST),
    )
    graph.drop_unread()


def _turn_convolution(graph: Rewriting, layer: NodeProto) -> None:
    """A convolution of neighbours that do not overlap is a product, with channels last."""
    given = settings(layer)
    height, width = given["kernel_shape"]
    columns = graph.length(layer.output[0], 3)
    if given["strides"] != [height, width] or not _plain(layer) or not columns:
        return
    weight = graph.weights[layer.input[1]]
    many, channels = weight.shape[:2]
    name, nodes = layer.output[0], list[NodeProto]()

    def node(kind: str, inputs: list[str], part: str, **more: Any) -> str:
        made = f"{name}.{part}"
        nodes.append(helper.make_node(kind, inputs, [made], **more))
        return made

    def constant(part: str, values: list[int]) -> str:
        return graph.constant(f"{name}.{part}", np.array(values, np.int64))

    last = node("Transpose", [layer.input[0]], "last", perm=LAST)
    if graph.length(layer.input[0], 3) != columns * width:
        ends = constant("columns", [columns * width])
        last = node("Slice", [last, constant("left", [0]), ends, constant("third", [2])], "narrow")
    if height > 1:  # rows in pairs; an odd last one is left out, as it is by the convolution
        pair = constant("pair", [height])
        fewer = node("Div", [node("Shape", [last], "rows", start=1, end=2), pair], "fewer")
        ends = node("Mul", [fewer, pair], "even")
        last = node("Slice", [last, constant("top", [0]), ends, constant("second", [1])], "whole")
        split = constant("split", [0, -1, height, columns, width * channels])
        last = node("Reshape", [last, split], "apart")
        last = node("Transpose", [last], "squares", perm=(0, 1, 3, 2, 4))
        size = constant("size", [0, -1, columns, height * width * channels])
    else:
        size = constant("size", [0, 0, columns, width * channels])
    flat: AnyArray = weight.transpose(2, 3, 1, 0).reshape(-1, many)
    rows = node("Reshape", [last, size], "neighbours")
    product = node("MatMul", [rows, graph.constant(f"{name}.weight", flat)], "product")
    biased = node("Add", [product, layer.input[2]], "biased")
    nodes.append(helper.make_node("Transpose", [biased], [name], perm=FIRST))
    graph.put(layer, *nodes)


def _turn_mean(graph: Rewriting, mean: NodeProto) -> None:
    """A mean over the last axis of a map, whose channels come last before it."""
    turned = graph.maker(mean.input[0], "Transpose")
    given = settings(mean)
    if turned is None or list(order(turned)) != list(FIRST):
        return
    if given.get("axes") != [3] or given.get("keepdims", 1):
        return
    name = mean.output[0]
    graph.put(
        mean,
        helper.make_node("ReduceMean", [turned.input[0]], [f"{name}.last"], axes=[2], keepdims=0),
        helper.make_node("Transpose", [f"{name}.last"], [name], perm=(0, 2, 1)),
    )


def _drop_expansion(graph: Rewriting, quotient: NodeProto) -> None:
    """A divisor that is brought to the shape of what it divides, which a division does itself."""
    divided, divisor = quotient.input
    wide = graph.maker(divisor, "Expand")
    shape = None if wide is None else graph.maker(wide.input[1], "Shape")
    if wide is not None and shape is not None and shape.input[0] == divided:
        quotient.input[1] = wide.input[0]


def _join_head(graph: Rewriting, whole: NodeProto) -> None:
    """A layer that reads the whole, and again all parts: at once, as its weights take the time."""
    weight, bias = (graph.weights.get(name) for name in whole.input[1:3])
    if weight is None or bias is None or not settings(whole).get("transB", 0):
        return
    for parts in graph.of_kind("MatMul"):
        given = graph.weighted(parts)
        biased = graph.only_reader(parts.output[0], "Add")
        added = None if biased is None else graph.weighted(biased)
        if given is None or biased is None or added is None:
            continue
        if not (np.array_equal(given[1], weight.T) and np.array_equal(added[1], bias)):
            continue
        name = biased.output[0]
        axis = graph.constant(f"{name}.axis", np.array([1], np.int64))
        end = graph.constant(f"{name}.end", np.array([np.iinfo(np.int64).max], np.int64))
        first = graph.constant(f"{name}.first", np.array(0, np.int64))
        nodes = (
            helper.make_node("Unsqueeze", [whole.input[0], axis], [f"{name}.row"]),
            helper.make_node("Concat", [f"{name}.row", given[0]], [f"{name}.rows"], axis=1),
            helper.make_node("MatMul", [f"{name}.rows", parts.input[1]], [f"{name}.product"]),
            helper.make_node("Add", [f"{name}.product", whole.input[2]], [f"{name}.logits"]),
            helper.make_node("Gather", [f"{name}.logits", first], [whole.output[0]], axis=1),
            helper.make_node("Slice", [f"{name}.logits", axis, end, axis], [name]),
        )
        graph.put(biased, *nodes)
        for each in (whole, parts):
            graph.put(each)
        graph.put_in_order()
        return
