"""Layers of a convolutional encoder that mix channels, written as convolutions for the CPU.

Exporters write them channels-last: transposed, two products with biases and a scale, transposed
back. As convolutions of one place they stay in the runtime's blocked layout, and biases, the
rectifier and the residual sum join them.
"""

from __future__ import annotations

from collections.abc import Sequence

from audiosearch.model.onnx_nodes import OnnxGraph, OnnxNode, made_integers, made_node

_CHAIN = ("Transpose", "MatMul", "Add", "Relu", "MatMul", "Add", "Mul", "Transpose")
_LAST, _FIRST = (0, 2, 3, 1), (0, 3, 1, 2)  # channels to the last axis, and back
_PLACE = "pointwise_place"  # the initializer that makes kernels of one place of matrices
_ONE_PLACE = (0, 0, 1, 1)  # for Reshape: both axes as they are, and two of length 1


def pointwise_as_convolutions(content: bytes) -> bytes:
    """An ONNX model with its channel mixing as convolutions; as it is where there is none.

    What it gives differs in the order of additions alone.

    Raises:
        NotOnnx: it is no model.
    """
    graph = OnnxGraph(content)
    chains = _chains(graph)
    if not chains or any(node.has_graphs for node in graph.nodes):
        return content
    gone = {id(node) for chain in chains for node in chain}
    ends = {id(chain[-1]): chain for chain in chains}
    made: list[bytes] = []
    for node in graph.nodes:
        if id(node) in ends:
            made += _convolutions(ends[id(node)])
        elif id(node) not in gone:
            made.append(node.message)
    return graph.with_nodes(made, initializers=[made_integers(_PLACE, _ONE_PLACE)])


def _chains(graph: OnnxGraph) -> list[list[OnnxNode]]:
    """Runs of nodes that are such a layer, and give nothing to anybody else on their way."""
    readers = graph.readers()
    found: list[list[OnnxNode]] = []
    for start in graph.nodes:
        if start.op != "Transpose" or start.numbers("perm") != _LAST:
            continue
        chain = [start]
        for op in _CHAIN[1:]:
            result = chain[-1].outputs[0]
            after = readers.get(result, [])
            if len(after) != 1 or after[0].op != op or result in graph.outputs:
                break
            if op in ("MatMul", "Add", "Mul") and _constant(after[0], result, graph) is None:
                break
            chain.append(after[0])
        if len(chain) == len(_CHAIN) and chain[-1].numbers("perm") == _FIRST:
            found.append(chain)
    return found


def _constant(node: OnnxNode, given: str, graph: OnnxGraph) -> str | None:
    """The constant of a product, a sum or a scale: a matrix on the right, or a row."""
    if len(node.inputs) != 2 or node.inputs.count(given) != 1:
        return None
    at = node.inputs.index(given)
    name = node.inputs[1 - at]
    wanted = 2 if node.op == "MatMul" else 1
    if len(graph.shapes.get(name, ())) != wanted or (node.op == "MatMul" and at != 0):
        return None
    return name


def _convolutions(chain: Sequence[OnnxNode]) -> list[bytes]:
    first, wide, wide_bias, rectifier, narrow, narrow_bias, scale, last = chain
    given, result = first.inputs[0], last.outputs[0]

    def other(node: OnnxNode, before: OnnxNode) -> str:
        return next(name for name in node.inputs if name != before.outputs[0])

    def made(name: str) -> str:
        return f"{result}/pointwise/{name}"

    gamma = other(scale, narrow_bias)
    return [
        *_kernel(wide.inputs[1], made("wide")),
        made_node("Conv", [given, made("wide"), other(wide_bias, wide)], wide_bias.outputs),
        rectifier.message,
        made_node("Mul", [narrow.inputs[1], gamma], [made("scaled")]),
        made_node("Mul", [other(narrow_bias, narrow), gamma], [made("bias")]),
        *_kernel(made("scaled"), made("narrow")),
        made_node("Conv", [rectifier.outputs[0], made("narrow"), made("bias")], [result]),
    ]


def _kernel(matrix: str, name: str) -> list[bytes]:
    """(inputs, outputs) as a kernel (outputs, inputs, 1, 1); the runtime does it on loading."""
    turned = f"{name}/turned"
    return [
        made_node("Transpose", [matrix], [turned], perm=(1, 0)),
        made_node("Reshape", [turned, _PLACE], [name]),
    ]
