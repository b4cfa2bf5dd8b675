"""Graphs in half precision: what is changed, what never is, and what it costs."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

import onnxruntime  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from audiosearch.convert.half import half_precision  # noqa: E402
from audiosearch.convert.quantise import FP16, quantise_bundle  # noqa: E402
from audiosearch.errors import AudiosearchError  # noqa: E402
from audiosearch.model import onnx_check  # noqa: E402
from audiosearch.model.bundle import load_bundle  # noqa: E402
from audiosearch.model.decoder import Decoder  # noqa: E402
from audiosearch.model.encoder import Encoder  # noqa: E402

GRAPHS = ("encoder", "memory", "decoder")


@pytest.fixture(scope="module")
def sounds():
    rng = np.random.default_rng(0)
    times = np.arange(32_000) / 32_000
    tones = [np.sin(2 * np.pi * rng.uniform(100, 5000) * times) for _ in range(8)]
    loudness = np.logspace(-4, -0.5, 8)  # from hardly anything on: the front-end must hear it
    noise = rng.standard_normal((8, 32_000)) * 1e-4
    return [
        (level * tone + some).astype(np.float32)
        for level, tone, some in zip(loudness, tones, noise, strict=True)
    ]


@pytest.fixture(scope="module")
def halved(bundle, sounds, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models16")
    return quantise_bundle(bundle, name="small16", folder=folder, sounds=sounds, form=FP16)


def _model(bundle, graph):
    return onnx.load_from_string(bundle.graphs[graph].read())


def _types(model):
    known = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    described = (*known.input, *known.output, *known.value_info)
    types = {each.name: each.type.tensor_type.elem_type for each in described}
    return types | {each.name: each.data_type for each in known.initializer}


@pytest.mark.parametrize("graph", GRAPHS)
def test_inputs_and_outputs_are_as_before_and_products_in_half_precision(bundle, graph):
    before, after = _model(bundle, graph), half_precision(_model(bundle, graph))
    assert list(after.graph.input) == list(before.graph.input)
    assert list(after.graph.output) == list(before.graph.output)
    assert onnx_check.complaints(after.SerializeToString()) == []
    types = _types(after)
    products = [node for node in after.graph.node if node.op_type in ("MatMul", "Gemm", "Conv")]
    half = [node for node in products if types[node.output[0]] == TensorProto.FLOAT16]
    # In float32 stay the front-end and the product that gives words.
    before_decibels = 6  # cosines, sines and mel bands, for samples of either parity
    expected = {"encoder": before_decibels, "memory": 0, "decoder": 1}[graph]
    assert len(products) - len(half) == expected
    assert len(half) >= 2
    for node in after.graph.node:
        if node.op_type in ("Softmax", "LogSoftmax", "ReduceMean", "LayerNormalization", "Log"):
            assert types[node.output[0]] == TensorProto.FLOAT, node.op_type


def test_nothing_that_leads_to_decibels_is_in_half_precision(bundle):
    model = half_precision(_model(bundle, "encoder"))
    types = _types(model)
    made_by = {name: node for node in model.graph.node for name in node.output}
    waiting = [next(node for node in model.graph.node if node.op_type == "Log").output[0]]
    seen = set()
    while waiting:
        name = waiting.pop()
        assert types.get(name) != TensorProto.FLOAT16
        if name in made_by and name not in seen:
            seen.add(name)
            waiting += [given for given in made_by[name].input if given]
    assert "waveform" in {given for name in seen for given in made_by[name].input}


def test_what_is_heard_and_said_hardly_changes(bundle, halved, sounds):
    path, loss = halved
    made = load_bundle(path)
    assert loss.n_sounds == 4
    assert 0.999 < loss.least_cosine <= loss.mean_cosine < 1 - 1e-9  # rounding was measured
    assert loss.embedding_cosine > 0.999
    assert 0 < loss.cross_entropy < 0.01
    assert made.description.count("half precision") == 1
    assert made.fingerprint != bundle.fingerprint
    for one, other in zip(
        Encoder(bundle).encode_many(sounds), Encoder(made).encode_many(sounds), strict=True
    ):
        lengths = np.linalg.norm(one.frames, axis=1) * np.linalg.norm(other.frames, axis=1)
        assert (((one.frames * other.frames).sum(axis=1) + 1e-9) / (lengths + 1e-9) > 0.999).all()
    frames = np.abs(np.random.default_rng(1).normal(size=(6, bundle.frame_dim))).astype(np.float32)
    tokens = np.array([[bundle.start_token, 5, 6, 7]])
    exact, half = (
        decoder.log_probs(tokens, decoder.memory([frames]))
        for decoder in (Decoder(bundle), Decoder(made))
    )
    assert 0 < np.abs(exact - half).max() < 0.01


def test_the_written_graphs_are_not_those_for_measuring(halved):
    for graph in GRAPHS:
        made = _model(load_bundle(halved[0]), graph)
        assert not any(name.endswith(".exact") for node in made.graph.node for name in node.output)


def _linear(weight, *, kind="MatMul"):
    describe = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node(kind, ["x", "w"], ["y"])],
        "linear",
        [describe("x", TensorProto.FLOAT, ["n", len(weight)])],
        [describe("y", TensorProto.FLOAT, ["n", weight.shape[1]])],
        [numpy_helper.from_array(weight, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _run(model, x):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": x})[0]


def test_a_graph_for_measuring_rounds_what_goes_in_and_what_comes_out():
    rng = np.random.default_rng(0)
    weight, x = (rng.normal(size=(32, 32)).astype(np.float32) for _ in range(2))
    found = _run(half_precision(_linear(weight), rounded=True), x)
    inside = x.astype(np.float16).astype(np.float32) @ weight.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(found, found.astype(np.float16).astype(np.float32))
    np.testing.assert_allclose(found, inside, rtol=2**-10, atol=1e-6)
    beyond = _run(half_precision(_linear(weight), rounded=True), 1e5 * x)
    assert not np.isfinite(beyond).any()


def test_weights_beyond_half_precision_leave_their_product_as_it_is():
    weight = np.array([[1e6, 1.0]], np.float32)
    with pytest.raises(AudiosearchError, match="no product"):
        half_precision(_linear(weight))
    assert half_precision(_linear(weight / 100)) is not None


def test_what_cannot_be_done_is_refused(halved, sounds, tmp_path):
    with pytest.raises(AudiosearchError, match="no product"):
        quantise_bundle(
            load_bundle(halved[0]), name="twice", folder=tmp_path, sounds=sounds, form=FP16
        )
    assert list(tmp_path.iterdir()) == []


def test_a_graph_within_the_graph_reads_what_it_read(bundle):
    rng = np.random.default_rng(0)
    weight, x = (rng.normal(size=(8, 8)).astype(np.float32) for _ in range(2))
    model = _linear(weight)
    describe = helper.make_tensor_value_info
    branches = {
        f"{name}_branch": helper.make_graph(
            [helper.make_node(kind, ["y"], [f"{name}.z"])],
            name,
            [],
            [describe(f"{name}.z", TensorProto.FLOAT, None)],
        )
        for name, kind in (("then", "Neg"), ("else", "Abs"))
    }
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    model.graph.node.append(helper.make_node("If", ["yes"], ["z"], **branches))
    model.graph.output[0].name = "z"
    np.testing.assert_allclose(_run(half_precision(model), x), -(x @ weight), atol=0.02)
