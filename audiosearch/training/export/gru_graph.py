"""The memory graph of a GRU captioner, written node by node, and its weights back from one.

All that is sequential happens here, once a sound. It takes the frames' lengths too, since a GRU
that runs backwards must begin where each sound ends.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx
import torch
from onnx import TensorProto, helper
from torch import Tensor

from audiosearch.training.export.decoder_graph import IR_VERSION, OPSET, NodeGraph
from audiosearch.training.networks.gru import GruCaptioner

_DIRECTIONS = ("", "_reverse")


def gru_memory_model(network: GruCaptioner) -> onnx.ModelProto:
    """Frames `(B, T, F)` and `frame_lengths` `(B,)` to keys and values `(B, L, H, T, d)`."""
    network.eval()
    config, graph = network.config, NodeGraph()
    half, heads = config.dim // 2, config.heads
    cast = helper.make_node("Cast", ["frame_lengths"], ["lengths"], to=TensorProto.INT32)
    graph.nodes.append(cast)
    x = graph.add("Transpose", "frames", to="frames.by_time", perm=[1, 0, 2])
    for layer in range(config.gru_layers):
        given = [
            graph.constant(f"gru{layer}.{name}", values)
            for name, values in _layer_weights(network, layer).items()
        ]
        to = f"gru{layer}.directions"
        graph.add(
            "GRU",
            *(x, *given, "lengths"),
            to=to,
            direction="bidirectional",
            hidden_size=half,
            linear_before_reset=1,  # as PyTorch's: the reset gate scales what the bias is part of
        )
        together = graph.add("Transpose", to, to=f"gru{layer}.beside", perm=[0, 2, 1, 3])
        x = graph.add("Reshape", together, graph.whole(0, 0, config.dim), to=f"gru{layer}")
    heard = graph.add("Transpose", x, to="heard", perm=[1, 0, 2])
    attentions = [layer.multihead_attn for layer in network.decoder.blocks()]
    weights = [attention.in_proj_weight[config.dim :] for attention in attentions]
    biases = [attention.in_proj_bias[config.dim :] for attention in attentions]
    product = graph.add(
        "MatMul", heard, graph.constant("memory.weight", torch.cat(weights).T), to="memory.product"
    )
    flat = graph.add("Add", product, graph.constant("memory.bias", torch.cat(biases)), to="memory")
    shape = graph.whole(0, 0, config.layers, 2 * heads, config.dim // heads)
    apart = graph.add("Reshape", flat, shape, to="memory.apart")
    by_head = graph.add("Transpose", apart, to="memory.by_head", perm=[0, 2, 3, 1, 4])
    graph.split(by_head, names=["memory_keys", "memory_values"], sizes=[heads, heads], axis=2)
    describe = helper.make_tensor_value_info
    memory: list[str | int | None] = ["batch", config.layers, heads, "frames", config.dim // heads]
    outputs = [describe(n, TensorProto.FLOAT, memory) for n in ("memory_keys", "memory_values")]
    return helper.make_model(
        helper.make_graph(
            graph.nodes,
            "memory",
            [
                describe("frames", TensorProto.FLOAT, ["batch", "frames", config.feature_dim]),
                describe("frame_lengths", TensorProto.INT64, ["batch"]),
            ],
            outputs,
            list(graph.constants.values()),
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )


def _layer_weights(network: GruCaptioner, layer: int) -> dict[str, Tensor]:
    """One layer's constants as ONNX has them: W, R `(2, 3 h, in)` and B `(2, 6 h)`."""
    named = dict(network.gru.named_parameters())

    def both(kind: str) -> list[Tensor]:
        return [
            _update_first(named[f"{kind}_l{layer}{direction}"].detach())
            for direction in _DIRECTIONS
        ]

    return {
        "W": torch.stack(both("weight_ih")),
        "R": torch.stack(both("weight_hh")),
        "B": torch.cat([torch.stack(both("bias_ih")), torch.stack(both("bias_hh"))], dim=1),
    }


def _update_first(gates: Tensor) -> Tensor:
    """PyTorch's order (reset, update, new) from or to ONNX's, whose update gate comes first."""
    one, other, new = gates.chunk(3)
    return torch.cat([other, one, new])


def count_gru_layers(stored: Mapping[str, Tensor]) -> int:
    """How many layers of GRU a memory graph with these weights has: none, if it is of no GRU."""
    count = 0
    while f"gru{count}.W" in stored:
        count += 1
    return count


def gru_parameters(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The GRU's parameters, by their names in `GruCaptioner`, from the weights of its graph."""
    found: dict[str, Tensor] = {}
    for layer in range(count_gru_layers(stored)):
        biases = stored[f"gru{layer}.B"].chunk(2, dim=1)
        kinds = {
            "weight_ih": stored[f"gru{layer}.W"],
            "weight_hh": stored[f"gru{layer}.R"],
            "bias_ih": biases[0],
            "bias_hh": biases[1],
        }
        for kind, both in kinds.items():
            for direction, gates in zip(_DIRECTIONS, both, strict=True):
                found[f"gru.{kind}_l{layer}{direction}"] = _update_first(gates)
    return found
