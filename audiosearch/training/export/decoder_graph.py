"""The decoder as an ONNX graph, written out node by node: two thirds of the nodes of a traced one.

A step of the beam multiplies so few rows that starting a node costs as much as its arithmetic. So
queries, keys and values come from one product, biases are part of products, words stay flat
`(B * S, D)` between attentions, and masks are cut out of constants.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from audiosearch.training.networks.attention import HIDDEN, Attention
from audiosearch.training.networks.decoder import CaptionDecoder, DecoderLayer

OPSET = 20  # the first with Gelu
IR_VERSION = 9


class NodeGraph:
    """Nodes and constants in the making."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, values: Tensor | npt.ArrayLike) -> str:
        """Write down a constant, once a name; gives the name."""
        if name not in self.constants:
            array = values.detach().numpy() if isinstance(values, Tensor) else np.asarray(values)
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def add(self, kind: str, *given: str, to: str, **settings: Any) -> str:
        """Add a node with one output; gives the output's name."""
        self.nodes.append(helper.make_node(kind, list(given), [to], **settings))
        return to

    def split(self, given: str, *, names: list[str], sizes: list[int], axis: int) -> list[str]:
        """Cut a tensor into parts of these sizes."""
        lengths = self.constant(f"sizes.{'.'.join(map(str, sizes))}", np.array(sizes, np.int64))
        self.nodes.append(helper.make_node("Split", [given, lengths], names, axis=axis))
        return names

    def normed(self, name: str, norm: nn.LayerNorm, x: str, more: str) -> str:
        """The norm of a sum."""
        total = self.add("Add", x, more, to=f"{name}.sum")
        weight = self.constant(f"{name}.weight", norm.weight)
        bias = self.constant(f"{name}.bias", norm.bias)
        return self.add(
            "LayerNormalization", total, weight, bias, to=name, axis=-1, epsilon=norm.eps
        )

    def unheard(self, given: str, *, axis: int, lengths: str) -> str:
        """A mask `(B, 1, 1, T)` of what lies beyond `lengths` (B,) on an axis of length T."""
        heard = self.add("Shape", given, to="heard", start=axis, end=axis + 1)
        zero, one = self.constant("zero", np.int64(0)), self.constant("one", np.int64(1))
        end = self.add("Squeeze", heard, to="heard.number")
        places = self.add("Range", zero, end, one, to="heard.places")
        each = self.add("Unsqueeze", lengths, self.whole(1, 2, 3), to="lengths.each")
        beyond = self.add("GreaterOrEqual", places, each, to="beyond")
        hidden = self.constant("hidden", np.float32(HIDDEN))
        nothing = self.constant("nothing", np.float32(0))
        return self.add("Where", beyond, hidden, nothing, to="unheard")

    def product(self, name: str, x: str, weight: Tensor, bias: Tensor) -> str:
        """Rows `(..., in)` times a weight `(out, in)`, plus a bias, as two nodes."""
        columns = self.constant(f"{name}.weight", weight.detach().T)
        product = self.add("MatMul", x, columns, to=f"{name}.product")
        return self.add("Add", product, self.constant(f"{name}.bias", bias), to=name)

    def whole(self, *values: int) -> str:
        """A constant list of whole numbers."""
        return self.constant(f"whole.{'.'.join(map(str, values))}", np.array(values, np.int64))


class _Decoder:
    """One decoder on its way into a graph."""

    def __init__(self, decoder: CaptionDecoder) -> None:
        self.decoder = decoder
        self.graph = NodeGraph()
        config = decoder.config
        self.dim, self.heads, self.layers = config.dim, config.heads, config.layers
        self.head_dim = config.dim // config.heads

    def build(self) -> NodeGraph:
        """All nodes, from tokens to log-probabilities."""
        graph = self.graph
        x = self._words()
        self._masks()
        held: dict[str, list[str]] = {}
        for name in ("past_keys", "past_values", "memory_keys", "memory_values"):
            parts = [f"{name}.{layer}" for layer in range(self.layers)]
            split = graph.split(
                name, names=[f"{part}.one" for part in parts], sizes=[1] * self.layers, axis=1
            )
            held[name] = [
                graph.add("Squeeze", part, graph.whole(1), to=to)
                for part, to in zip(split, parts, strict=True)
            ]
        for place, layer in enumerate(self.decoder.blocks()):
            past = held["past_keys"][place], held["past_values"][place]
            memory = held["memory_keys"][place], held["memory_values"][place]
            x = self._layer(f"layer{place}", layer, x, past=past, memory=memory)
        for kind in ("keys", "values"):
            grown = [
                graph.add(
                    "Unsqueeze", f"layer{at}.{kind}", graph.whole(1), to=f"layer{at}.{kind}.one"
                )
                for at in range(self.layers)
            ]
            graph.add("Concat", *grown, to=f"present_{kind}", axis=1)
        logits = self._linear("classifier", x, self.decoder.classifier)
        rows = graph.add("LogSoftmax", logits, to="log_probs.flat", axis=1)
        self._shape("as_words", self.decoder.classifier.out_features)
        graph.add("Reshape", rows, "as_words", to="log_probs")
        return graph

    def _shape(self, name: str, *sizes: int) -> str:
        """The shape `(B, S, *sizes)`."""
        return self.graph.add("Concat", "batch_words", self.graph.whole(*sizes), to=name, axis=0)

    def _words(self) -> str:
        """Embedded words with their positions, `(B * S, D)`."""
        graph = self.graph
        graph.add("Shape", "tokens", to="batch_words")
        graph.add("Shape", "tokens", to="words", start=1, end=2)
        graph.add("Shape", "past_keys", to="before", start=3, end=4)
        graph.add("Add", "before", "words", to="total")
        self._shape("as_three", 3 * self.heads, self.head_dim)
        self._shape("as_heads", self.heads, self.head_dim)
        table = graph.constant("embedding", self.decoder.emb_layer.weight)
        embedded = graph.add("Gather", table, "tokens", to="embedded")
        scale = graph.constant("embedding.scale", np.float32(math.sqrt(self.dim)))
        scaled = graph.add("Mul", embedded, scale, to="embedded.scaled")
        places = graph.constant("positions", self.decoder.positions)
        here = graph.add("Slice", places, "before", "total", graph.whole(0), to="positions.here")
        placed = graph.add("Add", scaled, here, to="embedded.placed")
        return graph.add("Reshape", placed, graph.whole(-1, self.dim), to="x")

    def _masks(self) -> None:
        """`causal` (S, P + S): a word sees itself and those before; `unheard` (B, 1, 1, T)."""
        graph = self.graph
        count = self.decoder.config.max_positions
        triangle = np.triu(np.full((count, count), HIDDEN, np.float32), 1)
        table = graph.constant("triangle", triangle)
        rows = graph.add("Slice", table, "before", "total", graph.whole(0), to="triangle.rows")
        graph.add("Slice", rows, graph.whole(0), "total", graph.whole(1), to="causal")
        graph.add("Shape", "memory_keys", to="frames", start=3, end=4)
        zero, one = graph.constant("zero", np.int64(0)), graph.constant("one", np.int64(1))
        end = graph.add("Squeeze", "frames", to="frames.number")
        places = graph.add("Range", zero, end, one, to="frames.places")
        axes = graph.whole(1, 2, 3)
        lengths = graph.add("Unsqueeze", "memory_lengths", axes, to="lengths.each")
        beyond = graph.add("GreaterOrEqual", places, lengths, to="beyond")
        hidden = graph.constant("hidden", np.float32(HIDDEN))
        nothing = graph.constant("nothing", np.float32(0))
        graph.add("Where", beyond, hidden, nothing, to="unheard")

    def _layer(
        self,
        name: str,
        layer: DecoderLayer,
        x: str,
        *,
        past: tuple[str, str],
        memory: tuple[str, str],
    ) -> str:
        """One layer `(B * S, D)`; its grown keys and values are `{name}.keys` and `.values`."""
        graph = self.graph
        words = layer.self_attn
        flat = self._product(f"{name}.three", x, words.in_proj_weight, words.in_proj_bias)
        by_head = self._by_head(flat, shape="as_three")
        parts = [f"{name}.{part}" for part in ("queries", "new_keys", "new_values")]
        queries, *new = graph.split(by_head, names=parts, sizes=[self.heads] * 3, axis=1)
        keys, values = (
            graph.add("Concat", old, added, to=f"{name}.{kind}", axis=2)
            for kind, old, added in zip(("keys", "values"), past, new, strict=True)
        )
        heard = self._attend(f"{name}.self", words, queries, keys, values, mask="causal")
        x = self.graph.normed(f"{name}.norm1", layer.norm1, x, heard)
        sound = layer.multihead_attn
        flat = self._product(
            f"{name}.asks", x, sound.in_proj_weight[: self.dim], sound.in_proj_bias[: self.dim]
        )
        queries = self._by_head(flat, shape="as_heads")
        heard = self._attend(f"{name}.cross", sound, queries, *memory, mask="unheard")
        x = self.graph.normed(f"{name}.norm2", layer.norm2, x, heard)
        wide = graph.add("Gelu", self._linear(f"{name}.wide", x, layer.linear1), to=f"{name}.gelu")
        narrow = self._linear(f"{name}.narrow", wide, layer.linear2)
        return self.graph.normed(f"{name}.norm3", layer.norm3, x, narrow)

    def _by_head(self, flat: str, *, shape: str) -> str:
        """`(B * S, H * d)` to `(B, H, S, d)`."""
        apart = self.graph.add("Reshape", flat, shape, to=f"{flat}.apart")
        return self.graph.add("Transpose", apart, to=f"{flat}.by_head", perm=[0, 2, 1, 3])

    def _attend(
        self, name: str, attention: Attention, queries: str, keys: str, values: str, *, mask: str
    ) -> str:
        """Mix values `(B, H, T, d)` for each query into `(B * S, D)`."""
        graph = self.graph
        scale = graph.constant("queries.scale", np.float32(1 / math.sqrt(self.head_dim)))
        asked = graph.add("Mul", queries, scale, to=f"{name}.asked")
        across = graph.add("Transpose", keys, to=f"{name}.across", perm=[0, 1, 3, 2])
        scores = graph.add("MatMul", asked, across, to=f"{name}.scores")
        masked = graph.add("Add", scores, mask, to=f"{name}.masked")
        weights = graph.add("Softmax", masked, to=f"{name}.weights", axis=3)
        mixed = graph.add("MatMul", weights, values, to=f"{name}.mixed")
        together = graph.add("Transpose", mixed, to=f"{name}.together", perm=[0, 2, 1, 3])
        flat = graph.add("Reshape", together, graph.whole(-1, self.dim), to=f"{name}.flat")
        return self._linear(f"{name}.out", flat, attention.out_proj)

    def _linear(self, name: str, x: str, linear: nn.Linear) -> str:
        return self._product(name, x, linear.weight, linear.bias)

    def _product(self, name: str, x: str, weight: Tensor, bias: Tensor) -> str:
        """Rows `(N, in)` times a weight `(out, in)`, plus a bias."""
        graph = self.graph
        columns = graph.constant(f"{name}.weight", weight.detach().T)
        added = graph.constant(f"{name}.bias", bias)
        return graph.add("Gemm", x, columns, added, to=name)


def decoder_model(decoder: CaptionDecoder) -> onnx.ModelProto:
    """The ONNX model of a decoder, for both forcing and stepping.

    Tokens `(B, S)`, caches `(B, L, H, P, d)`, memory `(B, L, H, T, d)` and its lengths `(B,)` to
    log-probabilities `(B, S, V)` in nats and caches grown by S words.
    """
    graph = _Decoder(decoder.eval()).build()
    config = decoder.config
    floats, whole = TensorProto.FLOAT, TensorProto.INT64

    def caches(length: str) -> list[str | int | None]:
        return ["batch", config.layers, config.heads, length, config.dim // config.heads]

    past, memory, total = caches("past"), caches("frames"), caches("total")
    describe = helper.make_tensor_value_info
    inputs = [
        describe("tokens", whole, ["batch", "words"]),
        describe("past_keys", floats, past),
        describe("past_values", floats, past),
        describe("memory_keys", floats, memory),
        describe("memory_values", floats, memory),
        describe("memory_lengths", whole, ["batch"]),
    ]
    outputs = [
        describe("log_probs", floats, ["batch", "words", config.vocabulary]),
        describe("present_keys", floats, total),
        describe("present_values", floats, total),
    ]
    return helper.make_model(
        helper.make_graph(
            graph.nodes,
            "decoder",
            inputs,
            outputs,
            list(graph.constants.values()),
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
