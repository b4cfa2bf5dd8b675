"""Graphs that give the next word of many sentences at once, for a beam on a processor.

Beside `memory` and `decoder` they take one word a row, have an input and an output for each layer's
keys and values, so that nothing is cut apart and put together again in each step, and no mask among
words. All sentences about a sound ask it at once, so that none needs a copy of what it holds.
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
        graph.unheard("memory_values.0", axis=2, lengths="memory_lengths")
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
            graph.add(
                "Concat",
                graph.add("Gather", f"past_{kind}.{place}", "parents", to=f"{name}.old_{kind}"),
                added,
                to=f"present_{kind}.{place}",
                axis=2,
            )
            for kind, added in zip(("keys", "values"), new, strict=True)
        )
        across = graph.add("Transpose", keys, to=f"{name}.across", perm=[0, 1, 3, 2])
        scores = graph.add("MatMul", queries, across, to=f"{name}.scores")
        shares = graph.add("Softmax", scores, to=f"{name}.shares", axis=3)
        mixed = graph.add("MatMul", shares, values, to=f"{name}.mixed")
        return self._out(name, attention, mixed)

    def _in_sound(self, place: int, name: str, attention: Attention, x: str) -> str:
        """What the sound holds for each word."""
        graph = self.graph
        weight = attention.in_proj_weight.detach()[: self.dim] * self._scale
        bias = attention.in_proj_bias.detach()[: self.dim] * self._scale
        flat = self.graph.product(f"{name}.asks", x, weight, bias)
        heads = graph.whole(-1, self.head_dim)
        asked = graph.add("Reshape", flat, heads, to=f"{name}.by_head")
        queries = graph.add("Gather", asked, "asking", to=f"{name}.queries")
        scores = graph.add("MatMul", queries, f"memory_keys.{place}", to=f"{name}.scores")
        masked = graph.add("Add", scores, "unheard", to=f"{name}.masked")
        shares = graph.add("Softmax", masked, to=f"{name}.shares", axis=3)
        mixed = graph.add("MatMul", shares, f"memory_values.{place}", to=f"{name}.mixed")
        by_head = graph.add("Reshape", mixed, heads, to=f"{name}.mixed.by_head")
        return self._out(name, attention, graph.add("Gather", by_head, "asked", to=f"{name}.rows"))

    def _out(self, name: str, attention: Attention, mixed: str) -> str:
        """What comes of values mixed for each row, `(R, D)`."""
        flat = self.graph.add("Reshape", mixed, self.graph.whole(-1, self.dim), to=f"{name}.flat")
        out = attention.out_proj
        return self.graph.product(f"{name}.out", flat, out.weight, out.bias)

    @property
    def _scale(self) -> float:
        return 1 / math.sqrt(self.head_dim)


def writing_model(decoder: CaptionDecoder) -> onnx.ModelProto:
    """The ONNX model of one step of a beam over B sounds, in float32.

    Words `(R,)`, the rows `parents` `(R,)` of the step before that they go on from, for each layer
    `past_keys.i`, `past_values.i` `(Q, H, P, d)` of that step's rows and `memory_keys.i`
    `(B, H, d, T)`, `memory_values.i` `(B, H, T, d)` of the sounds with their `memory_lengths`
    `(B,)`, and for S places a sound and head which row of heads (row times H, plus head) is at
    each, `asking` `(B, H, S)`, and at which place of all of these each row's heads are, `asked`
    `(R, H)`, to the log-probabilities of the next word `(R, V)` in nats and caches grown by
    this word.
    """
    config = decoder.config
    graph = _Writing(decoder.eval()).build()
    head = [config.heads, config.dim // config.heads]
    inputs = [
        _described("tokens", ["rows"], TensorProto.INT64),
        _described("parents", ["rows"], TensorProto.INT64),
        _described("asking", ["sounds", config.heads, "places"], TensorProto.INT64),
        _described("asked", ["rows", config.heads], TensorProto.INT64),
        _described("memory_lengths", ["sounds"], TensorProto.INT64),
    ]
    outputs = [_described("log_probs", ["rows", config.vocabulary])]
    for place in range(config.layers):
        for kind in ("keys", "values"):
            inputs.append(_described(f"past_{kind}.{place}", ["before", head[0], "past", head[1]]))
            outputs.append(
                _described(f"present_{kind}.{place}", ["rows", head[0], "total", head[1]])
            )
        inputs += _memory(place, *head)
    return _model("writing", graph, inputs, outputs)


def writing_memory_model(decoder: CaptionDecoder) -> onnx.ModelProto:
    """The ONNX model of what `writing_model` asks of sounds, in float32.

    Frames `(B, T, D)` to `memory_keys.i` `(B, H, d, T)` and `memory_values.i` `(B, H, T, d)`.
    """
    config = decoder.eval().config
    head = [config.heads, config.dim // config.heads]
    graph, outputs = NodeGraph(), []
    shape = graph.whole(0, 0, *head)
    for place, layer in enumerate(decoder.blocks()):
        sound = layer.multihead_attn
        described = _memory(place, *head)
        for part, (output, axes) in enumerate(zip(described, _MEMORY_AXES, strict=True), start=1):
            rows = slice(part * config.dim, (part + 1) * config.dim)
            name = f"layer{place}.{part}"
            weight, bias = sound.in_proj_weight[rows], sound.in_proj_bias[rows]
            flat = graph.product(name, "frames", weight, bias)
            by_head = graph.add("Reshape", flat, shape, to=f"{name}.by_head")
            graph.add("Transpose", by_head, to=output.name, perm=axes)
        outputs += described
    inputs = [_described("frames", ["sounds", "frames", config.dim])]
    return _model("writing_memory", graph, inputs, outputs)


_MEMORY_AXES = ([0, 2, 3, 1], [0, 2, 1, 3])  # of keys and values (B, T, H, d)


def _memory(place: int, heads: int, head_dim: int) -> list[onnx.ValueInfoProto]:
    """Keys and values of the sounds, as a layer takes them."""
    return [
        _described(f"memory_keys.{place}", ["sounds", heads, head_dim, "frames"]),
        _described(f"memory_values.{place}", ["sounds", heads, "frames", head_dim]),
    ]


def _described(
    name: str, shape: list[str | int], kind: int = TensorProto.FLOAT
) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def _model(
    name: str,
    graph: NodeGraph,
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
) -> onnx.ModelProto:
    return helper.make_model(
        helper.make_graph(graph.nodes, name, inputs, outputs, list(graph.constants.values())),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
