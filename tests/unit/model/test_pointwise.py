"""Channel mixing as convolutions: the same numbers, and nothing touched that is something else."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from audiosearch._resources import bundled_models_path
from audiosearch.model.onnx_check import NotOnnx
from audiosearch.model.pointwise import pointwise_as_convolutions
from tests.onnx_models import answers, operators, written

C, WIDE = 6, 24


def block(
    *, activation: str = "Relu", back: tuple[int, ...] = (0, 3, 1, 2), seen: bool = False
) -> bytes:
    """A model of one such layer on (B, 6, H, W), its weights in half precision."""
    dice = np.random.default_rng(0)

    def constant(name: str, *shape: int, half: bool = False) -> onnx.TensorProto:
        values = dice.standard_normal(shape).astype(np.float16 if half else np.float32)
        return numpy_helper.from_array(values, name)

    nodes = [
        helper.make_node("Cast", ["w1.half"], ["w1"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["x"], ["last"], perm=[0, 2, 3, 1]),
        helper.make_node("MatMul", ["last", "w1"], ["m1"]),
        helper.make_node("Add", ["b1", "m1"], ["a1"]),
        helper.make_node(activation, ["a1"], ["r"]),
        helper.make_node("MatMul", ["r", "w2"], ["m2"]),
        helper.make_node("Add", ["m2", "b2"], ["a2"]),
        helper.make_node("Mul", ["gamma", "a2"], ["g"]),
        helper.make_node("Transpose", ["g"], ["back"], perm=list(back)),
        helper.make_node("Identity", ["back"], ["y"]),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", C, "h", "w"])]
    if seen:
        outputs.append(helper.make_tensor_value_info("r", TensorProto.FLOAT, ["b", "h", "w", WIDE]))
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", C, "h", "w"])],
        outputs,
        [
            constant("w1.half", C, WIDE, half=True),
            constant("b1", WIDE),
            constant("w2", WIDE, C),
            constant("b2", C),
            constant("gamma", C),
        ],
    )
    return written(graph)


def test_a_layer_gives_the_same_as_two_convolutions() -> None:
    content = block()
    made = pointwise_as_convolutions(content)
    onnx.checker.check_model(onnx.load_from_string(made))
    assert "MatMul" not in operators(made)
    assert operators(made).count("Conv") == 2
    sound = np.random.default_rng(1).standard_normal((2, C, 5, 7)).astype(np.float32)
    [expected], [found] = answers(content, x=sound), answers(made, x=sound)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "content",
    [block(activation="Sigmoid"), block(back=(0, 3, 2, 1)), block(seen=True)],
    ids=["other activation", "other order", "seen outside"],
)
def test_what_is_something_else_stays_as_it_is(content: bytes) -> None:
    assert pointwise_as_convolutions(content) is content


def test_the_bundled_encoder_says_the_same() -> None:
    content = (bundled_models_path() / "starter" / "encoder.onnx").read_bytes()
    made = pointwise_as_convolutions(content)
    assert operators(content).count("MatMul") - operators(made).count("MatMul") == 24
    sound = 0.1 * np.random.default_rng(2).standard_normal((1, 48_000)).astype(np.float32)
    names = [output.name for output in onnx.load_from_string(made).graph.output]
    expected, found = (answers(each, waveform=sound) for each in (content, made))
    for name, before, after in zip(names, expected, found, strict=True):
        assert np.abs(after - before).max() < 1e-5, name


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(NotOnnx):
        pointwise_as_convolutions(b"")
