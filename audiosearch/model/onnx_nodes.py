"""The nodes of an ONNX model, to be looked through and replaced; on protobuf's wire format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from audiosearch.model.onnx_check import NotOnnx, fields_of
from audiosearch.model.onnx_wire import (
    field_head,
    field_parts,
    message_of,
    name_of,
    text_of,
    wire_field,
)

# ModelProto.graph; GraphProto.node, initializer, output
_GRAPH, _NODE, _INITIALIZER, _OUTPUT = 7, 1, 5, 12
# ModelProto.opset_import; OperatorSetIdProto.domain, version; AttributeProto.g, graphs
_OPSET, _DOMAIN, _VERSION, _ATTRIBUTE_GRAPHS = 8, 1, 2, (6, 11)
# NodeProto.input, output, name, op_type, attribute
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_OP, _NODE_ATTRIBUTE = 1, 2, 3, 4, 5
# AttributeProto.name, i, t, ints, type, and the types of one integer and of several
_NAME, _INT, _TENSOR, _INTS, _TYPE, _ONE_INT, _MANY_INTS = 1, 3, 5, 8, 20, 2, 7
# TensorProto.dims, data_type, name, raw_data, and the type of 64-bit integers
_DIMS, _DATA_TYPE, _TENSOR_NAME, _RAW_DATA, _INT64 = 1, 2, 8, 9, 7
_SAME_SHAPE = ("Cast", "Identity")  # of a constant, a constant


@dataclass(frozen=True)
class OnnxNode:
    """An operator with the names of what it is given and what it gives."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    message: bytes

    def number(self, name: str) -> int:
        """The attribute of that name, an integer; 0 without it."""
        return next((v for n, v in self._attribute(name) if n == _INT and isinstance(v, int)), 0)

    def numbers(self, name: str) -> tuple[int, ...]:
        """The attribute of that name, several integers; none without it."""
        found = (v for n, v in self._attribute(name) if n == _INTS)
        return tuple(value for value in found if isinstance(value, int))

    def renamed(self, names: Mapping[str, str]) -> bytes:
        """Its message with other names for some of what it is given or gives, and none itself."""
        if names.keys().isdisjoint((*self.inputs, *self.outputs)):
            return self.message
        return b"".join(
            wire_field(n, names.get(text_of(v), text_of(v)).encode())
            if n in (_NODE_INPUT, _NODE_OUTPUT)
            else wire_field(n, v)
            for n, v in fields_of(memoryview(self.message))
            if n != _NODE_NAME
        )

    @property
    def has_graphs(self) -> bool:
        """Whether it has graphs of its own, which may read any array."""
        return any(
            number in _ATTRIBUTE_GRAPHS
            for kind, value in fields_of(memoryview(self.message))
            if kind == _NODE_ATTRIBUTE
            for number, _ in fields_of(message_of(value))
        )

    def constant_shape(self) -> tuple[int, ...] | None:
        """The shape of what a Constant holds; None of anything else."""
        if self.op != "Constant":
            return None
        tensor = next((v for n, v in self._attribute("value") if n == _TENSOR), None)
        return None if tensor is None else _shape(tensor)

    def _attribute(self, name: str) -> list[tuple[int, int | memoryview]]:
        for number, value in fields_of(memoryview(self.message)):
            if number == _NODE_ATTRIBUTE and name_of(value, _NAME) == name:
                return list(fields_of(message_of(value)))
        return []


class OnnxGraph:
    """A model's nodes, in the order of their running.

    Attributes:
        opset: the version of the standard operators.
        nodes: all of them.
        outputs: the names of what the graph gives.
        shapes: of each constant by its name, also of those that are only converted.

    Raises:
        NotOnnx: it is no model.
    """

    def __init__(self, content: bytes) -> None:
        self._model = list(fields_of(memoryview(content)))
        graph = next((v for n, v in self._model if n == _GRAPH and not isinstance(v, int)), None)
        if graph is None:
            raise NotOnnx("it holds no graph")
        self.opset = max((_version(v) for n, v in self._model if n == _OPSET), default=0)
        self._parts = list(fields_of(graph))
        self.nodes = [read_node(value) for number, value in self._parts if number == _NODE]
        self.outputs = {name_of(v, 1) for n, v in self._parts if n == _OUTPUT}
        self.shapes: dict[str, tuple[int, ...]] = {}
        for number, value in self._parts:
            shape = _shape(value) if number == _INITIALIZER else None
            if shape is not None:
                self.shapes[name_of(value, _TENSOR_NAME)] = shape
        for node in self.nodes:
            shape = node.constant_shape()
            if node.op in _SAME_SHAPE:
                shape = self.shapes.get(node.inputs[0])
            if shape is not None:
                self.shapes[node.outputs[0]] = shape

    def readers(self) -> dict[str, list[OnnxNode]]:
        """Who reads each array."""
        found: dict[str, list[OnnxNode]] = {}
        for node in self.nodes:
            for name in node.inputs:
                found.setdefault(name, []).append(node)
        return found

    def with_nodes(self, nodes: Iterable[bytes], *, initializers: Iterable[bytes] = ()) -> bytes:
        """The model with other nodes, and more initializers."""
        fields: list[tuple[int, int | bytes | memoryview]]
        fields = [(number, value) for number, value in self._parts if number != _NODE]
        fields += [(_NODE, message) for message in nodes]
        fields += [(_INITIALIZER, message) for message in initializers]
        graph = [part for field in fields for part in field_parts(*field)]
        parts: list[bytes | memoryview] = []
        for number, value in self._model:
            if number == _GRAPH:
                parts += [field_head(_GRAPH, sum(map(len, graph))), *graph]
            else:
                parts += field_parts(number, value)
        return b"".join(parts)


def read_node(value: int | memoryview) -> OnnxNode:
    """A node of a graph.

    Raises:
        NotOnnx: it is none.
    """
    message = message_of(value)
    inputs: list[str] = []
    outputs: list[str] = []
    op = ""
    for number, content in fields_of(message):
        if number == _NODE_INPUT:
            inputs.append(text_of(content))
        elif number == _NODE_OUTPUT:
            outputs.append(text_of(content))
        elif number == _NODE_OP:
            op = text_of(content)
    return OnnxNode(op, tuple(inputs), tuple(outputs), bytes(message))


def made_node(
    op: str, inputs: Sequence[str], outputs: Sequence[str], **settings: int | Sequence[int]
) -> bytes:
    """The message of a node with such attributes."""
    made = [wire_field(_NODE_INPUT, name.encode()) for name in inputs]
    made += [wire_field(_NODE_OUTPUT, name.encode()) for name in outputs]
    made.append(wire_field(_NODE_OP, op.encode()))
    for name, value in settings.items():
        attribute = wire_field(_NAME, name.encode())
        if isinstance(value, int):
            attribute += wire_field(_INT, value) + wire_field(_TYPE, _ONE_INT)
        else:
            attribute += b"".join(wire_field(_INTS, each) for each in value)
            attribute += wire_field(_TYPE, _MANY_INTS)
        made.append(wire_field(_NODE_ATTRIBUTE, attribute))
    return b"".join(made)


def made_integers(name: str, values: Sequence[int]) -> bytes:
    """The message of an initializer: 64-bit integers in a row."""
    content = b"".join(value.to_bytes(8, "little", signed=True) for value in values)
    made = wire_field(_DIMS, len(values)) + wire_field(_DATA_TYPE, _INT64)
    return made + wire_field(_TENSOR_NAME, name.encode()) + wire_field(_RAW_DATA, content)


def _version(opset: int | memoryview) -> int:
    """The version of an OperatorSetIdProto; 0 of operators that are not ONNX's own."""
    if name_of(opset, _DOMAIN) not in ("", "ai.onnx"):
        return 0
    fields = fields_of(message_of(opset))
    return next((v for n, v in fields if n == _VERSION and isinstance(v, int)), 0)


def _shape(tensor: int | memoryview) -> tuple[int, ...] | None:
    """The shape of a TensorProto; None where its lengths are packed, which nobody writes."""
    found = [v for n, v in fields_of(message_of(tensor)) if n == _DIMS]
    lengths = tuple(v for v in found if isinstance(v, int))
    return lengths if len(lengths) == len(found) else None
