"""The walk over ONNX files, against files made by the onnx package."""

import contextlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from audiosearch.model.onnx_check import NotOnnx, complaints


def weight(name: str = "w") -> TensorProto:
    return numpy_helper.from_array(np.ones((2, 2), np.float32), name)


def external(tensor: TensorProto) -> TensorProto:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    return tensor


def graph(*nodes: onnx.NodeProto, weights: list[TensorProto] | None = None) -> onnx.GraphProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", 2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", 2])
    return helper.make_graph(list(nodes), "g", [x], [y], initializer=weights or [weight()])


def model(
    *nodes: onnx.NodeProto,
    weights: list[TensorProto] | None = None,
    opsets: tuple[tuple[str, int], ...] = (("", 18),),
    functions: tuple[onnx.FunctionProto, ...] = (),
) -> bytes:
    made = helper.make_model(
        graph(*(nodes or (MATMUL,)), weights=weights),
        opset_imports=[helper.make_opsetid(*opset) for opset in opsets],
        functions=list(functions),
    )
    return bytes(made.SerializeToString())


MATMUL = helper.make_node("MatMul", ["x", "w"], ["y"])


def nested(inner: onnx.NodeProto, weights: list[TensorProto] | None = None) -> onnx.NodeProto:
    branch = helper.make_graph(
        [inner], "branch", [], [helper.make_tensor_value_info("y", 1, None)], weights or []
    )
    return helper.make_node("If", ["c"], ["y"], then_branch=branch)


def test_a_plain_model_passes() -> None:
    constant = helper.make_node("Constant", [], ["c"], value=weight("k"))
    opsets = (("", 18), ("ai.onnx", 18))
    assert complaints(model(MATMUL, constant, nested(MATMUL), opsets=opsets)) == []


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (model(opsets=(("", 18), ("evil.ops", 1))), "evil.ops"),
        (model(opsets=(("", 18), ("com.microsoft", 1))), "com.microsoft"),
        (model(helper.make_node("Run", ["x"], ["y"], domain="evil.ops")), "evil.ops"),
        (model(nested(helper.make_node("Run", ["x"], ["y"], domain="evil.ops"))), "evil.ops"),
        (model(weights=[weight("a"), external(weight("w"))]), "outside the file"),
        (model(helper.make_node("Constant", [], ["y"], value=external(weight()))), "outside"),
        (model(nested(MATMUL, weights=[external(weight())])), "outside the file"),
        (
            model(
                functions=(
                    helper.make_function("", "F", ["a"], ["b"], [], [helper.make_opsetid("", 18)]),
                )
            ),
            "functions",
        ),
    ],
)
def test_what_reaches_outside_is_named(content: bytes, word: str) -> None:
    assert any(word in complaint for complaint in complaints(content))


def test_a_sparse_weight_outside_is_named() -> None:
    made = onnx.load_from_string(model())
    sparse = made.graph.sparse_initializer.add()
    sparse.values.CopyFrom(external(weight("s")))
    assert complaints(made.SerializeToString()) == ["data outside the file (tensor 's')"]


def test_onnx_saved_with_external_data_is_refused(tmp_path: Path) -> None:
    made = onnx.load_from_string(model())
    file = tmp_path / "m.onnx"
    onnx.save_model(
        made, str(file), save_as_external_data=True, location="m.data", size_threshold=0
    )
    assert complaints(file.read_bytes()) == ["data outside the file (tensor 'w')"]


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80\x04K\x01.", b"PK\x03\x04", b"{}", b"\x08\x08", b"\x3a\x05ab", b"\xff" * 40],
)
def test_what_is_no_model_is_refused(content: bytes) -> None:
    with pytest.raises(NotOnnx):
        complaints(content)


def test_graphs_nested_without_end_are_refused() -> None:
    node = MATMUL
    for _ in range(24):
        node = nested(node)
    with pytest.raises(NotOnnx, match="nested"):
        complaints(model(node))


@given(st.binary(max_size=200))
def test_any_bytes_give_an_answer(content: bytes) -> None:
    with contextlib.suppress(NotOnnx):
        assert isinstance(complaints(content), list)


@given(st.data())
def test_a_damaged_model_gives_an_answer(data: st.DataObject) -> None:
    content = bytearray(model(nested(MATMUL)))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(NotOnnx):
        assert isinstance(
            complaints(bytes(content[: data.draw(st.integers(0, len(content)))])), list
        )
