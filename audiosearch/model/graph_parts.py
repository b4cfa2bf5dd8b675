"""An encoder's graph cut in two where all that it says passes through one array: frames.

What is before it knows no ends of windows but those of the sound it is given; what is after it
pools, and tells places in a window apart. Works on protobuf's wire format, as `onnx_check` does.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum

from audiosearch.errors import BundleError
from audiosearch.model.bundle_files import BundleFile
from audiosearch.model.manifest import REMEDY
from audiosearch.model.onnx_check import NotOnnx, fields_of
from audiosearch.model.onnx_nodes import OnnxNode, read_node
from audiosearch.model.onnx_wire import name_of, wire_field

# ModelProto.graph; GraphProto.node, initializer, input, output, value_info
_GRAPH, _NODE, _INITIALIZER, _INPUT, _OUTPUT, _VALUE_INFO = 7, 1, 5, 11, 12, 13
# TensorProto.name
_TENSOR_NAME = 8
_FLOAT = 1  # TensorProto.DataType


class Half(Enum):
    """A part of an encoder."""

    SOUND = "sound"  # waveform to the array that all passes through
    WINDOW = "window"  # this array, a window of it, to all outputs


CUT = "shared_frames"  # what the array is called in both parts


@dataclass(frozen=True, kw_only=True)
class GraphHalf(BundleFile):
    """A part of a bundle's encoder; `size` is that of the whole."""

    half: Half

    def read(self) -> bytes:
        """The part, of a file that is checked as ever.

        Raises:
            BundleError: the file cannot be read, is not what the manifest lists, or cannot be cut.
        """
        content = super().read()
        try:
            return cut_graph(content, self.half)
        except NotOnnx as error:
            reason = f"cannot be cut where frames are shared: {error}"
            raise BundleError(reason, path=self.path, remedy=REMEDY) from error


def cut_graph(content: bytes, half: Half) -> bytes:
    """One half of an encoder's ONNX model.

    Raises:
        NotOnnx: it is no model, holds graphs inside its nodes, or has no such array.
    """
    model = list(fields_of(memoryview(content)))
    graph = next((bytes(v) for n, v in model if n == _GRAPH and not isinstance(v, int)), None)
    if graph is None:
        raise NotOnnx("it holds no graph")
    parts = list(fields_of(memoryview(graph)))
    nodes = [_node(value) for number, value in parts if number == _NODE]
    initializers = {name_of(v, _TENSOR_NAME): v for n, v in parts if n == _INITIALIZER}
    inputs = [name_of(v, 1) for n, v in parts if n == _INPUT]
    outputs = [name_of(v, 1) for n, v in parts if n == _OUTPUT]
    inputs = [name for name in inputs if name not in initializers]
    cut = _find_cut(nodes, inputs, outputs)
    if half is Half.SOUND:
        kept, given, wanted = _needed(nodes, [cut], stop=""), inputs, [CUT]
    else:
        kept, given, wanted = _needed(nodes, outputs, stop=cut), [CUT], outputs
    made = [wire_field(_NODE, node.renamed({cut: CUT})) for node in kept]
    used = {name for node in kept for name in node.inputs}
    for number, value in parts:
        if number == _INITIALIZER:
            stays = name_of(value, _TENSOR_NAME) in used
        elif number in (_INPUT, _OUTPUT):
            stays = name_of(value, 1) in (given if number == _INPUT else wanted)
        else:
            stays = number not in (_NODE, _VALUE_INFO)
        if stays:
            made.append(wire_field(number, value))
    made.append(wire_field(_OUTPUT if half is Half.SOUND else _INPUT, _array_of_three(CUT)))
    whole = b"".join(made)
    return b"".join(wire_field(n, whole if n == _GRAPH else v) for n, v in model)


def _find_cut(nodes: Sequence[OnnxNode], inputs: Sequence[str], outputs: Collection[str]) -> str:
    """The last array without which no output can be computed."""
    for node in reversed(nodes):
        for name in node.outputs:
            if name not in outputs and _cuts(name, nodes, inputs, outputs):
                return name
    raise NotOnnx("no array in it that all outputs are made of")


def _cuts(
    name: str, nodes: Sequence[OnnxNode], inputs: Sequence[str], outputs: Collection[str]
) -> bool:
    reached = set(inputs)
    for node in nodes:  # nodes stand in the order of their running
        if reached.intersection(node.inputs):
            reached.update(each for each in node.outputs if each != name)
    return reached.isdisjoint(outputs)


def _needed(nodes: Sequence[OnnxNode], wanted: Sequence[str], *, stop: str) -> list[OnnxNode]:
    """The nodes that `wanted` are computed by, `stop` being given; in their order."""
    missing = set(wanted)
    kept: list[OnnxNode] = []
    for node in reversed(nodes):
        if missing.intersection(node.outputs) and stop not in node.outputs:
            kept.append(node)
            missing.update(node.inputs)
    return kept[::-1]


def _node(value: int | memoryview) -> OnnxNode:
    node = read_node(value)
    if node.has_graphs:
        raise NotOnnx("graphs inside its nodes")
    return node


def _array_of_three(name: str) -> bytes:
    """A `ValueInfoProto`: float32 with three axes of any length."""
    axes = b"".join(wire_field(1, wire_field(2, f"{name}_{axis}".encode())) for axis in range(3))
    tensor = wire_field(1, _FLOAT) + wire_field(2, axes)
    return wire_field(1, name.encode()) + wire_field(2, wire_field(1, tensor))
