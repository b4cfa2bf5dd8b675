"""A graph that hears captions in frames, from these to the words' log-probabilities, in one go.

Beside `memory` and `decoder` it keeps nothing for a next word: no caches are copied, what the words
alone say is computed once where all sounds are asked about the same caption, and no more comes out
than the probability of each word.
"""

from __future__ import annotations

import math

import numpy as np
import onnx
from onnx import TensorProto, helper

from audiosearch.training.export.decoder_graph import IR_VERSION, OPSET, NodeGraph
from audiosearch.training.networks.attention import HIDDEN, Attention
from audiosearch.training.networks.decoder import CaptionDecoder, DecoderLayer


class _Scoring:
    """One decoder on its way into a graph; words are `(C, S, D)`, C being 1 or B."""

    def __init__(self, decoder: CaptionDecoder) -> None:
        self.decoder = decoder
        self.graph = NodeGraph()
        config = decoder.config
        self.dim, self.heads = config.dim, config.heads
        self.head_dim = config.dim // config.heads

    def build(self) -> NodeGraph:
        """All nodes, from tokens and frames to the words' log-probabilities."""
        graph = self.graph
        x = self._words()
        for place, layer in enumerate(self.decoder.blocks()):
            x = self._layer(f"layer{place}", layer, x)
        classifier = self.decoder.classifier
        logits = self.graph.product("classifier", x, classifier.weight, classifier.bias)
        rows = graph.add("LogSoftmax", logits, to="log_probs", axis=2)
        each = graph.add("Unsqueeze", "targets", graph.whole(2), to="targets.each")
        graph.add("Shape", x, to="sounds", end=1)
        shape = graph.add("Concat", "sounds", graph.whole(1, 1), to="sounds.each", axis=0)
        wanted = graph.add("Expand", each, shape, to="targets.all")
        chosen = graph.add("GatherElements", rows, wanted, to="chosen", axis=2)
        graph.add("Squeeze", chosen, graph.whole(2), to="word_log_probs")
        return graph

    def _words(self) -> str:
        """Embedded words with their positions, and what they may not attend to."""
        graph = self.graph
        graph.add("Shape", "tokens", to="words", start=1, end=2)
        graph.unheard("frames", axis=1, lengths="frame_lengths")
        count = self.decoder.config.max_positions
        triangle = graph.constant(
            "triangle", np.triu(np.full((count, count), HIDDEN, np.float32), 1)
        )
        rows = graph.add(
            "Slice", triangle, graph.whole(0), "words", graph.whole(0), to="triangle.rows"
        )
        graph.add("Slice", rows, graph.whole(0), "words", graph.whole(1), to="causal")
        # As the other graph does: embedded, scaled, placed.
        table = graph.constant("embedding", self.decoder.emb_layer.weight)
        embedded = graph.add("Gather", table, "tokens", to="embedded")
        scale = graph.constant("embedding.scale", np.float32(math.sqrt(self.dim)))
        scaled = graph.add("Mul", embedded, scale, to="embedded.scaled")
        positions = graph.constant("positions", self.decoder.positions)
        here = graph.add(
            "Slice", positions, graph.whole(0), "words", graph.whole(0), to="positions.here"
        )
        return graph.add("Add", scaled, here, to="x")

    def _layer(self, name: str, layer: DecoderLayer, x: str) -> str:
        graph = self.graph
        heard = self._attend(f"{name}.self", layer.self_attn, x, x, mask="causal")
        x = graph.normed(f"{name}.norm1", layer.norm1, x, heard)
        heard = self._attend(f"{name}.cross", layer.multihead_attn, x, "frames", mask="unheard")
        x = graph.normed(f"{name}.norm2", layer.norm2, x, heard)
        first, second = layer.linear1, layer.linear2
        wide = self.graph.product(f"{name}.wide", x, first.weight, first.bias)
        wide = graph.add("Gelu", wide, to=f"{name}.gelu")
        narrow = self.graph.product(f"{name}.narrow", wide, second.weight, second.bias)
        return graph.normed(f"{name}.norm3", layer.norm3, x, narrow)

    def _attend(self, name: str, attention: Attention, x: str, to: str, *, mask: str) -> str:
        """Mix what `to` (B, T, D) holds for each word of `x`, into (B, S, D)."""
        graph = self.graph
        scale = 1 / math.sqrt(self.head_dim)
        weights = attention.in_proj_weight.detach().chunk(3)
        biases = attention.in_proj_bias.detach().chunk(3)
        queries = self.graph.product(f"{name}.queries", x, weights[0] * scale, biases[0] * scale)
        keys = self.graph.product(f"{name}.keys", to, weights[1], biases[1])
        values = self.graph.product(f"{name}.values", to, weights[2], biases[2])
        asked = self._by_head(queries, [0, 2, 1, 3])
        across = self._by_head(keys, [0, 2, 3, 1])
        held = self._by_head(values, [0, 2, 1, 3])
        scores = graph.add("MatMul", asked, across, to=f"{name}.scores")
        masked = graph.add("Add", scores, mask, to=f"{name}.masked")
        shares = graph.add("Softmax", masked, to=f"{name}.shares", axis=3)
        mixed = graph.add("MatMul", shares, held, to=f"{name}.mixed")
        together = graph.add("Transpose", mixed, to=f"{name}.together", perm=[0, 2, 1, 3])
        flat = graph.add("Reshape", together, graph.whole(0, 0, self.dim), to=f"{name}.flat")
        out = attention.out_proj
        return self.graph.product(f"{name}.out", flat, out.weight, out.bias)

    def _by_head(self, flat: str, perm: list[int]) -> str:
        """`(B, S, H * d)` to `(B, S, H, d)`, its axes then in another order."""
        shape = self.graph.whole(0, 0, self.heads, self.head_dim)
        apart = self.graph.add("Reshape", flat, shape, to=f"{flat}.apart")
        return self.graph.add("Transpose", apart, to=f"{flat}.by_head", perm=perm)


def scoring_model(decoder: CaptionDecoder) -> onnx.ModelProto:
    """The ONNX model that scores captions in sounds, in float32.

    Tokens and targets `(C, S)`, where C is 1 (one caption for all sounds) or B, frames `(B, T, D)`
    and their lengths `(B,)` to the log-probability of each target, `(B, S)` in nats.
    """
    graph = _Scoring(decoder.eval()).build()
    describe = helper.make_tensor_value_info
    inputs = [
        describe("tokens", TensorProto.INT64, ["captions", "words"]),
        describe("targets", TensorProto.INT64, ["captions", "words"]),
        describe("frames", TensorProto.FLOAT, ["batch", "frames", decoder.config.dim]),
        describe("frame_lengths", TensorProto.INT64, ["batch"]),
    ]
    outputs = [describe("word_log_probs", TensorProto.FLOAT, ["batch", "words"])]
    return helper.make_model(
        helper.make_graph(graph.nodes, "scoring", inputs, outputs, list(graph.constants.values())),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
