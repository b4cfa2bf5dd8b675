"""What an ONNX file may not hold: other operators than the standard's, and data outside itself.

Reads protobuf's wire format, so that neither protobuf nor the onnx package is needed. Numbers are
those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator

STANDARD_DOMAINS = frozenset({"", "ai.onnx"})
_MAX_DEPTH = 16  # graphs inside graphs (If, Loop); real models stay below 5

# https://protobuf.dev/programming-guides/encoding/
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# ModelProto
_MODEL_IR_VERSION, _MODEL_GRAPH, _MODEL_OPSET, _MODEL_TRAINING, _MODEL_FUNCTIONS = 1, 7, 8, 20, 25
_OPSET_DOMAIN = 1
# GraphProto and FunctionProto
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE_INITIALIZER = 1, 5, 15
# NodeProto
_NODE_OP_TYPE, _NODE_ATTRIBUTE, _NODE_DOMAIN = 4, 5, 7
# AttributeProto: tensor, graph, sparse tensor, and the repeated forms of the three
_ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSE = (5, 10), (6, 11), (22, 23)
# SparseTensorProto: values and indices
_SPARSE_TENSORS = (1, 2)
# TensorProto
_TENSOR_NAME, _TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 8, 13, 14
_EXTERNAL = 1


class NotOnnx(ValueError):
    """The bytes are no ONNX model."""


def complaints(content: bytes) -> list[str]:
    """Why this model must not be loaded; empty if nothing speaks against it.

    The graph itself is not judged: the runtime refuses what does not fit together.

    Raises:
        NotOnnx: the content is no protobuf message, or holds no graph.
    """
    found: list[str] = []
    has_graph = False
    for number, value in fields_of(memoryview(content)):
        if number == _MODEL_GRAPH:
            has_graph = True
            found += _graph(_message(value), depth=0)
        elif number == _MODEL_OPSET:
            found += _opset(_message(value))
        elif number == _MODEL_FUNCTIONS:
            found.append("functions of its own")
        elif number == _MODEL_TRAINING:
            found.append("training information")
        elif number == _MODEL_IR_VERSION and not isinstance(value, int):
            raise NotOnnx("its version is no number")
    if not has_graph:
        raise NotOnnx("it holds no graph")
    return found


def _opset(message: memoryview) -> Iterator[str]:
    for number, value in fields_of(message):
        if number == _OPSET_DOMAIN:
            yield from _domain(_text(value), what="operators of")


def _domain(name: str, *, what: str) -> Iterator[str]:
    if name not in STANDARD_DOMAINS:
        yield f"{what} the domain {name!r}"


def _graph(message: memoryview, *, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        raise NotOnnx("its graphs are nested too deeply")
    for number, value in fields_of(message):
        if number == _GRAPH_NODE:
            yield from _node(_message(value), depth=depth)
        elif number == _GRAPH_INITIALIZER:
            yield from _tensor(_message(value))
        elif number == _GRAPH_SPARSE_INITIALIZER:
            yield from _sparse(_message(value))


def _node(message: memoryview, *, depth: int) -> Iterator[str]:
    for number, value in fields_of(message):
        if number == _NODE_DOMAIN:
            yield from _domain(_text(value), what="an operator of")
        elif number == _NODE_ATTRIBUTE:
            yield from _attribute(_message(value), depth=depth)


def _attribute(message: memoryview, *, depth: int) -> Iterator[str]:
    for number, value in fields_of(message):
        if number in _ATTRIBUTE_TENSORS:
            yield from _tensor(_message(value))
        elif number in _ATTRIBUTE_GRAPHS:
            yield from _graph(_message(value), depth=depth + 1)
        elif number in _ATTRIBUTE_SPARSE:
            yield from _sparse(_message(value))


def _sparse(message: memoryview) -> Iterator[str]:
    for number, value in fields_of(message):
        if number in _SPARSE_TENSORS:
            yield from _tensor(_message(value))


def _tensor(message: memoryview) -> Iterator[str]:
    name, outside = "", False
    for number, value in fields_of(message):
        if number == _TENSOR_NAME:
            name = _text(value)
        outside |= number == _TENSOR_EXTERNAL_DATA
        outside |= number == _TENSOR_DATA_LOCATION and value == _EXTERNAL
    if outside:
        yield f"data outside the file (tensor {name!r})"


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise NotOnnx("a number stands where a message should")
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_message(value)).decode("utf-8", "replace")


def fields_of(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a message: (number, value), a value being an integer or a slice."""
    place, end = 0, len(message)
    while place < end:
        key, place = _varint(message, place)
        number, wire_type = key >> 3, key & 7
        if wire_type == _VARINT:
            value, place = _varint(message, place)
            yield number, value
            continue
        if wire_type == _BYTES:
            length, place = _varint(message, place)
        elif wire_type in (_FIXED64, _FIXED32):
            length = 8 if wire_type == _FIXED64 else 4
        else:
            raise NotOnnx("it is no protobuf message")
        if number == 0 or place + length > end:
            raise NotOnnx("it is cut short or no protobuf message")
        yield number, message[place : place + length]
        place += length


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(message) and shift < 64:
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
    raise NotOnnx("it is cut short or no protobuf message")
