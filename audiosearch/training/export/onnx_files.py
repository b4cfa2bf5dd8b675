"""Weights in ONNX files: big matrices are stored as float16 and widened by a Cast when loaded.

No torch here: what computes with finished graphs (`convert.quantise`) must run without it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from audiosearch._typing import Floats

HALF_FROM = 1024  # smaller tensors are not worth a conversion


def save_graph(model: onnx.ModelProto, *, path: Path) -> None:
    """Check a model and write it to a file, matrices as float16 where that loses nothing."""
    _store_as_half(model)
    del model.graph.value_info[:]
    _strip_names(model)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _store_as_half(model: onnx.ModelProto) -> None:
    """Store big float32 weights as float16 and a Cast, where every value survives that."""
    casts = []
    for weight in model.graph.initializer:
        if weight.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(weight)
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if values.size < HALF_FROM or not np.array_equal(half.astype(np.float32), values):
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _strip_names(model: onnx.ModelProto) -> None:
    """Drop what only tells where in our source a node came from."""
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]


def float_weights(model: ModelProto) -> dict[str, Floats]:
    """Float weights by name, also what a node holds, widens from float16 or renames."""
    stored = {each.name: each for each in model.graph.initializer}
    found = {
        name: numpy_helper.to_array(each)
        for name, each in stored.items()
        if each.data_type == TensorProto.FLOAT
    }
    for node in model.graph.node:
        if node.op_type == "Cast" and node.input[0] in stored:
            to = {item.name: helper.get_attribute_value(item) for item in node.attribute}["to"]
            if to == TensorProto.FLOAT:
                values = numpy_helper.to_array(stored[node.input[0]])
                found[node.output[0]] = values.astype(np.float32)
        elif node.op_type == "Identity" and node.input[0] in found:  # equal weights, stored once
            found[node.output[0]] = found[node.input[0]]
        elif node.op_type == "Constant" and node.attribute[0].name == "value":
            value = node.attribute[0].t
            if value.data_type == TensorProto.FLOAT:
                found[node.output[0]] = numpy_helper.to_array(value)
    return found
