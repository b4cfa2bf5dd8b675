"""Layers that widen rows and narrow them again, some rows at a time, for the CPU.

Between its two products such a layer holds several times what it is given, which is written to
memory and read again; of some rows at a time it stays in the processor's caches. No row depends on
another one.
"""

from __future__ import annotations

from collections.abc import Sequence

from audiosearch.model.onnx_nodes import OnnxGraph, OnnxNode, made_integers, made_node

_PRODUCTS = ("MatMul", "Gemm")
_BETWEEN = ("Add", "Div", "Erf", "Mul")  # what activations are written as
# Wider ones have fewer rows, and gain nothing that could be measured.
_WIDEST, _PIECES_TIMES_WIDTH, _MOST_PIECES = 768, 3072, 8
_NAME = "audiosearch/pieces"
_OPSET = 15  # Shape of some axes; 13: Split by sizes that are computed


def layers_in_pieces(content: bytes) -> bytes:
    """An ONNX model with its wide layers in pieces; as it is where there are none.

    Raises:
        NotOnnx: it is no model.
    """
    graph = OnnxGraph(content)
    layers = [] if graph.opset < _OPSET else _layers(graph)
    if not layers or any(node.has_graphs for node in graph.nodes):
        return content
    within = {id(node) for layer in layers for node in layer}
    ends = {id(layer[-1]): layer for layer in layers}
    counts = {id(layer[0]): _pieces(layer[0], graph) for layer in layers}
    made: list[bytes] = []
    for node in graph.nodes:
        layer = ends.get(id(node))
        if layer is not None:
            made += _in_pieces(layer, counts[id(layer[0])])
        elif id(node) not in within:
            made.append(node.message)
    numbers = {each for count in counts.values() for each in (count, count - 1)}
    return graph.with_nodes(
        made, initializers=[made_integers(_number(each), [each]) for each in sorted(numbers)]
    )


def _layers(graph: OnnxGraph) -> list[list[OnnxNode]]:
    """Runs of nodes from a product that widens flat rows to the one that narrows them."""
    readers = graph.readers()
    flat = {
        node.outputs[0]
        for node in graph.nodes
        if node.op == "Reshape" and graph.shapes.get(node.inputs[1]) == (2,)
    }
    found: list[list[OnnxNode]] = []
    for place, node in enumerate(graph.nodes):
        if _is_product(node, graph) and node.inputs[0] in flat and _pieces(node, graph) > 1:
            layer = _layer(graph.nodes[place:], graph)
            inner = {id(each) for each in layer}
            names = {name for each in layer[:-1] for name in each.outputs}
            taken = all(id(each) in inner for name in names for each in readers.get(name, []))
            if layer and taken and graph.outputs.isdisjoint(names):
                found.append(layer)
    return found


def _layer(nodes: Sequence[OnnxNode], graph: OnnxGraph) -> list[OnnxNode]:
    """From the first of the nodes to the next product of what it gives; empty if it is no layer."""
    layer, made = [nodes[0]], {*nodes[0].outputs}
    for node in nodes[1:]:
        if made.isdisjoint(node.inputs):
            continue
        layer.append(node)
        if node.inputs[0] in made and _is_product(node, graph):
            return layer
        if node.op not in _BETWEEN or not all(
            name in made or _is_row(name, graph) for name in node.inputs
        ):
            return []
        made.update(node.outputs)
    return []


def _is_product(node: OnnxNode, graph: OnnxGraph) -> bool:
    """Whether it multiplies rows by a constant matrix, and adds a constant row at most."""
    if node.op not in _PRODUCTS or len(graph.shapes.get(node.inputs[1], ())) != 2:
        return False
    return not node.number("transA") and all(_is_row(name, graph) for name in node.inputs[2:])


def _is_row(name: str, graph: OnnxGraph) -> bool:
    """Whether it is a constant that is the same for all rows."""
    shape = graph.shapes.get(name)
    return shape is not None and len(shape) < 2


def _pieces(wide: OnnxNode, graph: OnnxGraph) -> int:
    """In how many pieces the layer of this first product runs."""
    width = graph.shapes[wide.inputs[1]][0 if wide.number("transB") else 1]
    return min(_MOST_PIECES, _PIECES_TIMES_WIDTH // width) if 0 < width <= _WIDEST else 1


def _in_pieces(layer: Sequence[OnnxNode], count: int) -> list[bytes]:
    given, result = layer[0].inputs[0], layer[-1].outputs[0]
    inner = [name for node in layer for name in node.outputs]

    def name(part: str) -> str:
        return f"{result}/{_NAME}/{part}"

    each, last = name("each"), name("last")
    pieces = [name(f"{piece}") for piece in range(count)]
    nodes = [
        made_node("Shape", [given], [name("rows")], start=0, end=1),
        made_node("Div", [name("rows"), _number(count)], [each]),
        made_node("Mul", [each, _number(count - 1)], [name("others")]),
        made_node("Sub", [name("rows"), name("others")], [last]),
        made_node("Concat", [each] * (count - 1) + [last], [name("sizes")], axis=0),
        made_node("Split", [given, name("sizes")], pieces, axis=0),
    ]
    for piece in pieces:
        names = {given: piece, **{made: f"{piece}/{made}" for made in inner}}
        nodes += [node.renamed(names) for node in layer]
    parts = [f"{piece}/{result}" for piece in pieces]
    return [*nodes, made_node("Concat", parts, [result], axis=0)]


def _number(value: int) -> str:
    """The initializer that holds a number."""
    return f"{_NAME}/{value}"
