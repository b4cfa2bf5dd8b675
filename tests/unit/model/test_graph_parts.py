"""An encoder cut in two says what it says as a whole."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from audiosearch._typing import Floats
from audiosearch.model.graph_parts import CUT, Half, cut_graph
from audiosearch.model.onnx_check import NotOnnx


def encoder(*, leak: bool = False) -> bytes:
    """Every four samples give a frame of three numbers; a window says their mean, and each doubled.

    With `leak`, an output looks at the waveform past the frames.
    """
    weight = np.arange(12, dtype=np.float32).reshape(3, 1, 4)
    nodes = [
        helper.make_node("Unsqueeze", ["waveform", "one"], ["wide"]),
        helper.make_node("Conv", ["wide", "weight"], ["heard"], strides=[4]),
        helper.make_node("Relu", ["heard"], ["inner"]),
        helper.make_node("ReduceMean", ["inner"], ["embedding"], axes=[2], keepdims=0),
        helper.make_node("Transpose", ["inner"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("Add", ["turned", "turned"], ["frames"]),
        helper.make_node("ReduceMax", ["waveform" if leak else "inner"], ["loud"], keepdims=1),
    ]
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["b", "n"])],
        [
            helper.make_tensor_value_info("frames", TensorProto.FLOAT, ["b", "t", 3]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["b", 3]),
            helper.make_tensor_value_info("loud", TensorProto.FLOAT, [1, 1] if leak else [1, 1, 1]),
        ],
        [
            helper.make_tensor("weight", TensorProto.FLOAT, weight.shape, weight.ravel()),
            helper.make_tensor("one", TensorProto.INT64, [1], [1]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


def ran(content: bytes, names: list[str], feed: dict[str, Floats]) -> list[Floats]:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    found: list[Floats] = session.run(names, feed)
    return found


def test_both_parts_together_are_the_whole():
    content = encoder()
    sound = np.random.default_rng(0).standard_normal((2, 40)).astype(np.float32)
    names = ["frames", "embedding", "loud"]
    [shared] = ran(cut_graph(content, Half.SOUND), [CUT], {"waveform": sound})
    assert shared.shape == (2, 3, 10)
    parts = ran(cut_graph(content, Half.WINDOW), names, {CUT: shared})
    for one, other in zip(ran(content, names, {"waveform": sound}), parts, strict=True):
        np.testing.assert_array_equal(one, other)
    window = ran(content, names, {"waveform": sound[:, 8:28]})
    for one, other in zip(
        window, ran(cut_graph(content, Half.WINDOW), names, {CUT: shared[:, :, 2:7]}), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_each_part_holds_only_what_it_needs():
    content = encoder()
    sound, window = (onnx.load_from_string(cut_graph(content, half)) for half in Half)
    onnx.checker.check_model(sound)
    onnx.checker.check_model(window)
    assert {each.name for each in sound.graph.initializer} == {"weight", "one"}
    assert not window.graph.initializer
    assert [each.op_type for each in sound.graph.node] == ["Unsqueeze", "Conv", "Relu"]


@pytest.mark.parametrize(
    "content",
    [encoder(leak=True), b"", b"\xff" * 40, encoder()[:200]],
    ids=["past the frames", "nothing", "noise", "cut short"],
)
def test_what_cannot_be_cut_is_refused(content: bytes):
    with pytest.raises(NotOnnx):
        cut_graph(content, Half.SOUND)
