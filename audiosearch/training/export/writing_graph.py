"""A graph that gives the next word of many sentences at once, for a beam on a processor.

Beside `decoder` it takes one word a row, has an input and an output for each layer's keys and
values, so that nothing is cut apart and put together again in each step, and no mask among words.
"""

from __future__ import annotations

import math

import numpy as np
import onnx
from onnx import TensorProto, helper

from audiosearch.training.export.decoder_graph import IR_VERSION, OPSET, NodeGraph
from audiosearch.training.networks.attention import Attention
from audiosearch.training.networks.decoder import CaptionDecoder, DecoderLayer


class _Writing:
    """One decoder on its way into a graph; words are `(R, D)`, one a row."""

    def __init__(self, decoder: CaptionDecoder) -> None:
        self.decoder = decoder
        self.graph = NodeGraph()
        config = decoder.config
        self.dim, self.heads = config.dim, config.heads
        self.head_dim = config.dim // config.heads

    def build(self) -> NodeGraph:
        """All nodes, from the last words to the probabilities of the next."""
        graph = self.graph
        x = self._words()
        for place, layer in enumerate(self.decoder.blocks()):
            x = self._layer(place, layer, x)
        classifier = self.decoder.classifier
        logits = self.graph.product("classifier", x, classifier.weight, classifier.bias)
        graph.add("LogSoftmax", logits, to="log_probs", axis=1)
        return graph

    def _words(self) -> str:
        """Embedded words with their position, and which frames may not be attended to."""
        graph = self.graph
        graph.unheard("memory_keys.0", axis=2, lengths="memory_lengths")
        table = graph.constant("embedding", self.decoder.emb_layer.weight)
        embedded = graph.add("Gather", table, "tokens", to="embedded")
        scale = graph.constant("embedding.scale", np.float32(math.sqrt(self.dim)))
        scaled = graph.add("Mul", embedded, scale, to="embedded.scaled")
        graph.add("Shape", "past_keys.0", to="before", start=2, end=3)
        positions = graph.constant("positions", self.decoder.positions)
        here = graph.add("Gather", positions, "before", to="positions.here")
        return graph.add("Add", scaled, here, to="x")

    def _layer(self, place: int, layer: DecoderLayer, x: str) -> str:
        graph, name = self.graph, f"layer{place}"
        heard = self._among_words(place, f"{name}.self", layer.self_attn, x)
        x = graph.normed(f"{name}.norm1", layer.norm1, x, heard)
        heard = self._in_sound(place, f"{name}.cross", layer.multihead_attn, x)
        x = graph.normed(f"{name}.norm2", layer.norm2, x, heard)
        first, second = layer.linear1, layer.linear2
        wide = self.graph.product(f"{name}.wide", x, first.weight, first.bias)
        wide = graph.add("Gelu", wide, to=f"{name}.gelu")
        narrow = self.graph.product(f"{name}.narrow", wide, second.weight, second.bias)
        return graph.normed(f"{name}.norm3", layer.norm3, x, narrow)

    def _among_words(self, place: int, name: str, attention: Attention, x: str) -> str:
        """What the words so far hold; grows their keys and values by this one's."""
        graph = self.graph
        weight = attention.in_proj_weight.detach().clone()
        bias = attention.in_proj_bias.detach().clone()
        weight[: self.dim] *= self._scale
        bias[: self.dim] *= self._scale
        three = self.graph.product(f"{name}.three", x, weight, bias)
        shape = graph.whole(-1, 3 * self.heads, 1, self.head_dim)
        by_head = graph.add("Reshape", three, shape, to=f"{name}.by_head")
        parts = [f"{name}.{part}" for part in ("queries", "new_keys", "new_values")]
        queries, *new = graph.split(by_head, names=parts, sizes=[self.heads] * 3, axis=1)
        keys, values = (
            graph.add("Concat", f"past_{kind}.{place}", added, to=f"present_{kind}.{place}", axis=2)
            for kind, added in zip(("keys", "values"), new, strict=True)
        )
        return self._mixed(name, attention, queries, keys, values, mask=None)

    def _in_sound(self, place: int, name: str, attention: Attention, x: str) -> str:
        """What the sound holds for each word."""
        graph = self.graph
        weight = attention.in_proj_weight.detach()[: self.dim] * self._scale
        bias = attention.in_proj_bias.detach()[: self.dim] * self._scale
        flat = self.graph.product(f"{name}.asks", x, weight, bias)
        shape = graph.whole(-1, self.heads, 1, self.head_dim)
        queries = graph.add("Reshape", flat, shape, to=f"{name}.queries")
        keys, values = f"memory_keys.{place}", f"memory_values.{place}"
        return self._mixed(name, attention, queries, keys, values, mask="unheard")

    def _mixed(
        self,
        name: str,
        attention: Attention,
        queries: str,
        keys: str,
        values: str,
        *,
        mask: str | None,
    ) -> str:
        """Values `(R, H, T, d)` mixed for each query `(R, H, 1, d)`, `(R, D)`."""
        graph = self.graph
        across = graph.add("Transpose", keys, to=f"{name}.across", perm=[0, 1, 3, 2])
        scores = graph.add("MatMul", queries, across, to=f"{name}.scores")
        if mask is not None:
            scores = graph.add("Add", scores, mask, to=f"{name}.masked")
        shares = graph.add("Softmax", scores, to=f"{name}.shares", axis=3)
        mixed = graph.add("MatMul", shares, values, to=f"{name}.mixed")
        flat = graph.add("Reshape", mixed, graph.whole(-1, self.dim), to=f"{name}.flat")
        out = attention.out_proj
        return self.graph.product(f"{name}.out", flat, out.weight, out.bias)

    @property
    def _scale(self) -> float:
        return 1 / math.sqrt(self.head_dim)


def writing_model(decoder: CaptionDecoder) -> onnx.ModelProto:
    """The ONNX model of one step of a beam, in float32.

    Words `(R,)`, for each layer `past_keys.i`, `past_values.i` `(R, H, P, d)` and `memory_keys.i`,
    `memory_values.i` `(R, H, T, d)`, and the frames' `memory_lengths` `(R,)` to the
    log-probabilities of the next word `(R, V)` in nats and caches grown by this word.
    """
    config = decoder.config
    graph = _Writing(decoder.eval()).build()
    floats, whole = TensorProto.FLOAT, TensorProto.INT64
    describe = helper.make_tensor_value_info
    inputs = [describe("tokens", whole, ["rows"]), describe("memory_lengths", whole, ["rows"])]
    outputs = [describe("log_probs", floats, ["rows", config.vocabulary])]
    for place in range(config.layers):
        for kind in ("keys", "values"):
            for name, length, into in (
                ("past", "past", inputs),
                ("memory", "frames", inputs),
                ("present", "total", outputs),
            ):
                shape: list[str | int | None] = [
                    "rows",
                    config.heads,
                    length,
                    config.dim // config.heads,
                ]
                into.append(describe(f"{name}_{kind}.{place}", floats, shape))
    return helper.make_model(
        helper.make_graph(graph.nodes, "writing", inputs, outputs, list(graph.constants.values())),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
