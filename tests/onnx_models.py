"""ONNX models of a few nodes, as bytes: made and run by tests of what rewrites graphs."""

from __future__ import annotations

from typing import Any

import onnx
import onnxruntime
from onnx import helper

from audiosearch._typing import Floats


def written(graph: onnx.GraphProto, *, opset: int = 17) -> bytes:
    """The model of a graph."""
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    content: bytes = model.SerializeToString()
    return content


def answers(content: bytes, **given: Floats) -> list[Any]:
    """All outputs of a model for these inputs."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    found: list[Any] = session.run(None, given)
    return found


def operators(content: bytes) -> list[str]:
    """The kinds of a model's nodes, in their order."""
    return [node.op_type for node in onnx.load_from_string(content).graph.node]
