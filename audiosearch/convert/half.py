"""A graph that computes in half precision, which graphics cards multiply several times faster.

Divided as mixed-precision training does it
(https://pytorch.org/docs/stable/amp.html#cuda-ops-that-can-autocast-to-float16).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from audiosearch._typing import Floats
from audiosearch.errors import AudiosearchError
from audiosearch.training.export.onnx_files import HALF_FROM, float_weights

PRODUCTS = frozenset({"MatMul", "Gemm", "Conv"})
# What stays in float16 where all that it computes with is: movers, and functions of one number.
FOLLOWERS = frozenset(
    {"Transpose", "Reshape", "Squeeze", "Unsqueeze", "Split", "Flatten", "Slice", "Concat"}
    | {"Relu", "Gelu", "Erf", "Mul", "Div"}
)
LOGARITHMS = frozenset({"Log", "LogSoftmax"})
GREATEST = float(np.finfo(np.float16).max)
HALF = "float16"


def half_precision(model: ModelProto, *, rounded: bool = False) -> ModelProto:
    """`model` with its products in float16, its inputs and outputs as they were.

    Products (linear layers, convolutions, attention) take and give float16, and what moves or bends
    single numbers between them stays in it. Float32 are sums of two computed things (so the stream
    that blocks add to), norms, softmax, means, the front-end, whose smallest powers float16 cannot
    hold, and the last product before a logarithm, which gives the words' log-probabilities.

    Args:
        model: a float32 graph of standard operators; weights may be stored as float16.
        rounded: for measuring on a CPU, where the runtime computes float16 in float32 and leaves
            out the rounding in between, unless something stands between two casts.

    Raises:
        AudiosearchError: there is nothing to put into half precision.
    """
    work = _Half(model, rounded=rounded)
    work.convert()
    if not work.n_products:
        raise AudiosearchError("the model has no product left that could be in half precision")
    result = work.finished()
    onnx.checker.check_model(result)
    return result


class _Half:
    """A graph on its way into half precision."""

    def __init__(self, model: ModelProto, *, rounded: bool) -> None:
        self._model = model
        self._rounded = rounded
        self._weights = float_weights(model)  # float constants, in float32
        self._nodes: list[NodeProto] = []
        self._half: dict[str, str] = {}  # what there is in float16, by its name in float32
        self._wide: set[str] = set()  # made in float16 and widened already
        self._made_half: set[str] = set()
        self._exact = _before_logarithms(model)
        self._floats = _floats(model, self._weights)
        self.n_products = 0

    def convert(self) -> None:
        """Walk the graph from its inputs on, in which order its nodes stand."""
        for node in self._model.graph.node:
            if node.output[0] in self._weights:  # a stored float16 that is widened, or a constant
                continue
            if self._in_half(node):
                self._add_half(node)
            else:
                for name in _reads(node):
                    self._widen(name)
                self._nodes.append(node)
        for item in self._model.graph.output:
            self._widen(item.name)

    def _in_half(self, node: NodeProto) -> bool:
        if node.output[0] in self._exact or node.output[0] not in self._floats:
            return False
        floats = [name for name in node.input if name in self._floats]
        fit = all(_fits(self._weights[name]) for name in floats if name in self._weights)
        computed = [name for name in floats if name not in self._weights]
        if node.op_type in PRODUCTS:
            self.n_products += fit
            return fit
        sum_with_constant = node.op_type == "Add" and len(computed) == 1
        follows = node.op_type in FOLLOWERS or sum_with_constant
        return follows and fit and bool(computed) and set(computed) <= self._made_half

    def _add_half(self, node: NodeProto) -> None:
        made = NodeProto()
        made.CopyFrom(node)
        del made.input[:], made.output[:]
        made.input.extend(
            self._narrow(name) if name in self._floats else name for name in node.input
        )
        for name in node.output:
            half = f"{name}.{HALF}"
            self._half[name] = half
            self._made_half.add(name)
            made.output.append(f"{half}.exact" if self._rounded else half)
        self._nodes.append(made)
        if self._rounded:
            for name in node.output:
                self._round(f"{name}.{HALF}")

    def _round(self, half: str) -> None:
        # Takes and gives float16 on every device, changes nothing, and is not left out.
        self._nodes.append(helper.make_node("Concat", [f"{half}.exact"], [half], axis=0))

    def _narrow(self, name: str) -> str:
        """The name of `name` in float16."""
        if name in self._half:
            return self._half[name]
        half = self._half[name] = f"{name}.{HALF}"
        if name not in self._weights:
            to = f"{half}.exact" if self._rounded else half
            self._nodes.append(helper.make_node("Cast", [name], [to], to=TensorProto.FLOAT16))
            if self._rounded:
                self._round(half)
        return half

    def _widen(self, name: str) -> None:
        """See that `name` is there in float32."""
        if name in self._made_half and name not in self._wide:
            self._wide.add(name)
            self._nodes.append(
                helper.make_node("Cast", [self._half[name]], [name], to=TensorProto.FLOAT)
            )

    def finished(self) -> ModelProto:
        """The graph, with the weights that it needs."""
        result = ModelProto()
        result.CopyFrom(self._model)
        graph = result.graph
        stored = {each.name: each for each in graph.initializer}
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        used = {name for node in self._nodes for name in _reads(node)}
        casts: list[NodeProto] = []
        for name, values in self._weights.items():
            half = f"{name}.{HALF}"
            with np.errstate(over="ignore"):
                narrow = values.astype(np.float16)
            widened = name in used and values.size >= HALF_FROM
            widened &= np.array_equal(narrow.astype(np.float32), values)
            if widened:
                casts.append(helper.make_node("Cast", [half], [name], to=TensorProto.FLOAT))
            elif name in used:
                graph.initializer.append(numpy_helper.from_array(values, name))
            if widened or half in used:
                graph.initializer.append(numpy_helper.from_array(narrow, half))
        graph.initializer.extend(
            each for name, each in stored.items() if name in used and name not in self._weights
        )
        graph.node.extend([*casts, *self._nodes])
        return result


def _floats(model: ModelProto, weights: Iterable[str]) -> set[str]:
    """Names of all that is in float32."""
    known = onnx.shape_inference.infer_shapes(model).graph
    described = (*known.input, *known.output, *known.value_info)
    return set(weights) | {
        each.name for each in described if each.type.tensor_type.elem_type == TensorProto.FLOAT
    }


def _before_logarithms(model: ModelProto) -> set[str]:
    """What leads to decibels, the first logarithm; to others, from the last product on."""
    made_by = {name: node for node in model.graph.node for name in node.output}
    exact: set[str] = set()
    logarithms = [node for node in model.graph.node if node.op_type in LOGARITHMS]
    for place, node in enumerate(logarithms):
        front_end = place == 0 and node.op_type == "Log"
        waiting = _reads(node)
        while waiting:
            name = waiting.pop()
            if name not in made_by or name in exact:
                continue
            exact.add(name)
            if front_end or made_by[name].op_type not in PRODUCTS:
                waiting.extend(_reads(made_by[name]))
    return exact


def _reads(node: NodeProto) -> list[str]:
    """What a node computes with: its inputs, and what the graphs within it (of an `If`) take."""
    inner = [item.g for item in node.attribute if item.type == onnx.AttributeProto.GRAPH]
    return [*node.input, *(name for graph in inner for each in graph.node for name in _reads(each))]


def _fits(values: Floats) -> bool:
    return bool(np.abs(values).max(initial=0.0) <= GREATEST)
