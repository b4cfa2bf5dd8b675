"""Layers of a convolutional encoder that mix channels, written as convolutions for the CPU.

Exporters write them channels-last: transposed, two products with biases and a scale, transposed
back. As convolutions of one place they stay in the runtime's blocked layout, and biases, the
rectifier and the residual sum join them. Works on protobuf's wire format, as `graph_parts` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audiosearch.model.onnx_check import NotOnnx, fields_of
from audiosearch.model.onnx_wire import message_of, name_of, text_of, wire_field

# ModelProto.graph; GraphProto.node, initializer, output
_GRAPH, _NODE, _INITIALIZER, _OUTPUT = 7, 1, 5, 12
# NodeProto.input, output, op_type, attribute
_NODE_INPUT, _NODE_OUTPUT, _NODE_OP, _NODE_ATTRIBUTE = 1, 2, 4, 5
# AttributeProto.name, ints, type, and the type of several integers
_ATTRIBUTE_NAME, _ATTRIBUTE_INTS, _ATTRIBUTE_TYPE, _INTS = 1, 8, 20, 7
# TensorProto.dims, data_type, name, raw_data, and the type of 64-bit integers
_DIMS, _DATA_TYPE, _TENSOR_NAME, _RAW_DATA, _INT64 = 1, 2, 8, 9, 7
_CHAIN = ("Transpose", "MatMul", "Add", "Relu", "MatMul", "Add", "Mul", "Transpose")
_LAST, _FIRST = (0, 2, 3, 1), (0, 3, 1, 2)  # channels to the last axis, and back
_PLACE = "pointwise_place"  # the initializer that makes kernels of one place of matrices


@dataclass(frozen=True)
class _OnnxNode:
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    perm: tuple[int, ...]  # of a Transpose
    message: bytes


def pointwise_as_convolutions(content: bytes) -> bytes:
    """An ONNX model with its channel mixing as convolutions; as it is where there is none.

    What it gives differs in the order of additions alone.

    Raises:
        NotOnnx: it is no model.
    """
    model = list(fields_of(memoryview(content)))
    graph = next((v for n, v in model if n == _GRAPH and not isinstance(v, int)), None)
    if graph is None:
        raise NotOnnx("it holds no graph")
    parts = list(fields_of(graph))
    nodes = [_read_node(value) for number, value in parts if number == _NODE]
    chains = _chains(nodes, _axes(nodes, parts), {name_of(v, 1) for n, v in parts if n == _OUTPUT})
    if not chains:
        return content
    gone = {id(node) for chain in chains for node in chain}
    ends = {id(chain[-1]): chain for chain in chains}
    made: list[bytes] = []
    for node in nodes:
        if id(node) in ends:
            made += _convolutions(ends[id(node)])
        elif id(node) not in gone:
            made.append(node.message)
    kept = [wire_field(n, v) for n, v in parts if n != _NODE]
    kept += [wire_field(_NODE, message) for message in made]
    kept.append(wire_field(_INITIALIZER, _shape_of_one_place()))
    whole = b"".join(kept)
    return b"".join(wire_field(n, whole if n == _GRAPH else v) for n, v in model)


def _axes(
    nodes: Sequence[_OnnxNode], parts: Sequence[tuple[int, int | memoryview]]
) -> dict[str, int]:
    """How many axes each constant has, also those that are only widened."""
    found: dict[str, int] = {}
    for number, value in parts:
        if number == _INITIALIZER:
            fields = list(fields_of(message_of(value)))
            if all(isinstance(v, int) for n, v in fields if n == _DIMS):
                found[name_of(value, _TENSOR_NAME)] = sum(n == _DIMS for n, _ in fields)
    for node in nodes:
        if node.op == "Cast" and node.inputs[0] in found:
            found[node.outputs[0]] = found[node.inputs[0]]
    return found


def _chains(
    nodes: Sequence[_OnnxNode], axes: Mapping[str, int], outputs: set[str]
) -> list[list[_OnnxNode]]:
    """Runs of nodes that are such a layer, and give nothing to anybody else on their way."""
    takers: dict[str, list[_OnnxNode]] = {}
    for node in nodes:
        for name in node.inputs:
            takers.setdefault(name, []).append(node)
    found: list[list[_OnnxNode]] = []
    for start in nodes:
        if start.op != "Transpose" or start.perm != _LAST:
            continue
        chain = [start]
        for op in _CHAIN[1:]:
            result = chain[-1].outputs[0]
            after = takers.get(result, [])
            if len(after) != 1 or after[0].op != op or result in outputs:
                break
            if op in ("MatMul", "Add", "Mul") and _constant(after[0], result, axes) is None:
                break
            chain.append(after[0])
        if len(chain) == len(_CHAIN) and chain[-1].perm == _FIRST:
            found.append(chain)
    return found


def _constant(node: _OnnxNode, given: str, axes: Mapping[str, int]) -> str | None:
    """The constant of a product, a sum or a scale: a matrix on the right, or a row."""
    if len(node.inputs) != 2 or node.inputs.count(given) != 1:
        return None
    at = node.inputs.index(given)
    name = node.inputs[1 - at]
    wanted = 2 if node.op == "MatMul" else 1
    if axes.get(name) != wanted or (node.op == "MatMul" and at != 0):
        return None
    return name


def _convolutions(chain: Sequence[_OnnxNode]) -> list[bytes]:
    first, wide, wide_bias, rectifier, narrow, narrow_bias, scale, last = chain
    given, result = first.inputs[0], last.outputs[0]

    def other(node: _OnnxNode, before: _OnnxNode) -> str:
        return next(name for name in node.inputs if name != before.outputs[0])

    def made(name: str) -> str:
        return f"{result}/pointwise/{name}"

    gamma = other(scale, narrow_bias)
    return [
        *_kernel(wide.inputs[1], made("wide")),
        _node("Conv", [given, made("wide"), other(wide_bias, wide)], wide_bias.outputs[0]),
        rectifier.message,
        _node("Mul", [narrow.inputs[1], gamma], made("scaled")),
        _node("Mul", [other(narrow_bias, narrow), gamma], made("bias")),
        *_kernel(made("scaled"), made("narrow")),
        _node("Conv", [rectifier.outputs[0], made("narrow"), made("bias")], result),
    ]


def _kernel(matrix: str, name: str) -> list[bytes]:
    """(inputs, outputs) as a kernel (outputs, inputs, 1, 1); the runtime does it on loading."""
    turned = f"{name}/turned"
    return [
        _node("Transpose", [matrix], turned, perm=(1, 0)),
        _node("Reshape", [turned, _PLACE], name),
    ]


def _node(op: str, inputs: Sequence[str], output: str, *, perm: Sequence[int] = ()) -> bytes:
    made = [wire_field(_NODE_INPUT, name.encode()) for name in inputs]
    made += [wire_field(_NODE_OUTPUT, output.encode()), wire_field(_NODE_OP, op.encode())]
    if perm:
        attribute = wire_field(_ATTRIBUTE_NAME, b"perm")
        attribute += b"".join(wire_field(_ATTRIBUTE_INTS, axis) for axis in perm)
        attribute += wire_field(_ATTRIBUTE_TYPE, _INTS)
        made.append(wire_field(_NODE_ATTRIBUTE, attribute))
    return b"".join(made)


def _shape_of_one_place() -> bytes:
    """For Reshape: both axes as they are (0), and two of length 1."""
    values = b"".join(number.to_bytes(8, "little") for number in (0, 0, 1, 1))
    made = wire_field(_DIMS, 4) + wire_field(_DATA_TYPE, _INT64)
    return made + wire_field(_TENSOR_NAME, _PLACE.encode()) + wire_field(_RAW_DATA, values)


def _read_node(value: int | memoryview) -> _OnnxNode:
    message = message_of(value)
    inputs: list[str] = []
    outputs: list[str] = []
    op, perm = "", tuple[int, ...]()
    for number, content in fields_of(message):
        if number == _NODE_INPUT:
            inputs.append(text_of(content))
        elif number == _NODE_OUTPUT:
            outputs.append(text_of(content))
        elif number == _NODE_OP:
            op = text_of(content)
        elif number == _NODE_ATTRIBUTE and name_of(content, _ATTRIBUTE_NAME) == "perm":
            fields = fields_of(message_of(content))
            perm = tuple(v for n, v in fields if n == _ATTRIBUTE_INTS and isinstance(v, int))
    return _OnnxNode(op, tuple(inputs), tuple(outputs), perm, bytes(message))
