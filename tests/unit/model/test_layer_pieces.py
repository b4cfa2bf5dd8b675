"""Wide layers in pieces: the same numbers for any number of rows, and nothing else touched."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from audiosearch._resources import bundled_models_path
from audiosearch.model.layer_pieces import layers_in_pieces
from audiosearch.model.onnx_check import NotOnnx
from tests.onnx_models import answers, operators, written

C = 12


def layer(
    *,
    width: int = 384,
    product: str = "Gemm",
    between: str = "Erf",
    flat: bool = True,
    seen: bool = False,
    moved: tuple[int, ...] = (384,),
    opset: int = 17,
    inside: bool = False,
) -> bytes:
    """A model of one layer with an activation of the kind of GELU, on (B, H, 12)."""
    dice = np.random.default_rng(0)

    def constant(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(dice.standard_normal(shape).astype(np.float32), name)

    half = helper.make_tensor("half", TensorProto.FLOAT, (), [0.5])
    nodes = [
        helper.make_node("Reshape", ["x", "rows" if flat else "same"], ["flat"]),
        helper.make_node("Constant", [], ["by"], value=half),
    ]
    if product == "Gemm":
        turned = helper.make_node("Gemm", ["flat", "w1", "b1"], ["h"], name="wide", transB=1)
        nodes.append(turned)
    else:
        nodes.append(helper.make_node("MatMul", ["flat", "w1"], ["h"], name="wide"))
    nodes += [
        helper.make_node("Div", ["h", "by"], ["d"]),
        helper.make_node(between, ["d"], ["e"]),
        helper.make_node("Add", ["moved", "e"], ["a"], name="more"),
        helper.make_node("Mul", ["h", "a"], ["g"]),
        helper.make_node("MatMul" if not flat else "Gemm", ["g", "w2"], ["y"], name="narrow"),
    ]
    if inside:  # a graph in a node reads what is between the products
        told = helper.make_tensor_value_info("told", TensorProto.FLOAT, ["n", width])
        branch = helper.make_graph([helper.make_node("Neg", ["h"], ["told"])], "b", [], [told])
        always = helper.make_tensor("always", TensorProto.BOOL, (), [True])
        nodes.append(helper.make_node("Constant", [], ["yes"], value=always))
        nodes.append(helper.make_node("If", ["yes"], ["z"], then_branch=branch, else_branch=branch))
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", C])]
    if seen:
        outputs.append(helper.make_tensor_value_info("e", TensorProto.FLOAT, ["n", width]))
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", "h", C])],
        outputs,
        [
            constant("w1", *((width, C) if product == "Gemm" else (C, width))),
            constant("b1", width),
            constant("w2", width, C),
            constant("moved", *moved),
            numpy_helper.from_array(np.array([-1, C]), "rows"),
            numpy_helper.from_array(np.array([0, 0, C]), "same"),
        ],
    )
    return written(graph, opset=opset)


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 64, 1001])
@pytest.mark.parametrize("product", ["Gemm", "MatMul"])
def test_numbers_are_those_of_the_whole(product: str, rows: int) -> None:
    content = layer(product=product)
    made = layers_in_pieces(content)
    onnx.checker.check_model(onnx.load_from_string(made))
    assert operators(made).count("Erf") == 8
    sound = np.random.default_rng(rows).standard_normal((2, rows, C)).astype(np.float32)
    [expected], [found] = answers(content, x=sound), answers(made, x=sound)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_wider_layers_have_fewer_pieces() -> None:
    made = layers_in_pieces(layer(width=768, moved=(1,)))
    assert operators(made).count("Erf") == 4


@pytest.mark.parametrize(
    "content",
    [
        layer(width=1536, moved=(1536,)),
        layer(between="Softmax"),
        layer(flat=False, product="MatMul"),
        layer(seen=True),
        layer(moved=(1, 384)),
        layer(opset=14),
        layer(inside=True),
    ],
    ids=[
        "too wide",
        "rows of other values",
        "not flat",
        "seen outside",
        "maybe of each row",
        "older operators",
        "seen inside",
    ],
)
def test_what_is_something_else_stays_as_it_is(content: bytes) -> None:
    assert layers_in_pieces(content) is content


def test_the_bundled_encoder_has_no_such_layer() -> None:
    content = (bundled_models_path() / "starter" / "encoder.onnx").read_bytes()
    assert layers_in_pieces(content) is content


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(NotOnnx):
        layers_in_pieces(b"")
