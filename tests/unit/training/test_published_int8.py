"""Graphs in 8 bits: what is changed, what is not, and that it is refused where it cannot be."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from audiosearch.convert.int8 import linear_layers, quantised, with_biases  # noqa: E402
from audiosearch.convert.quantise import calibration_sounds, quantise_bundle  # noqa: E402
from audiosearch.convert.ranges import Range  # noqa: E402
from audiosearch.errors import AudiosearchError, BundleError  # noqa: E402
from audiosearch.model import onnx_check  # noqa: E402
from audiosearch.model.bundle import load_bundle  # noqa: E402
from audiosearch.model.decoder import Decoder  # noqa: E402
from audiosearch.model.encoder import Encoder  # noqa: E402


@pytest.fixture(scope="module")
def sounds():
    rng = np.random.default_rng(0)
    times = np.arange(32_000) / 32_000
    made = []
    for _ in range(8):
        tone = np.sin(2 * np.pi * rng.uniform(100, 5000) * times) * rng.uniform(0.05, 0.4)
        made.append((tone + rng.uniform(0, 0.05) * rng.standard_normal(32_000)).astype(np.float32))
    return made


@pytest.fixture(scope="module")
def coarse(bundle, sounds, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models8")
    return quantise_bundle(bundle, name="small8", folder=folder, sounds=sounds)


def _encoder(bundle):
    return onnx.load_from_string(bundle.graphs["encoder"].read())


def test_the_two_layers_of_every_block_are_found_and_no_other(bundle):
    layers = linear_layers(_encoder(bundle))
    shapes = [layer.weight.shape for layer in layers]
    assert shapes == [(4, 16), (16, 4), (4, 16), (16, 4), (8, 32), (32, 8), (12, 48), (48, 12)]
    assert [layer.bias is not None for layer in layers] == 4 * [False, True]


def test_biases_that_are_part_of_matrices_are_taken_out_again(bundle, sounds):
    before = _encoder(bundle)
    after = with_biases(before)
    assert all(layer.bias is not None for layer in linear_layers(after))
    assert len(linear_layers(after)) == 8
    assert with_biases(after) == after
    onnxruntime = pytest.importorskip("onnxruntime")
    expected, found = (
        onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        ).run(["frames", "embedding"], {"waveform": sounds[0][None]})
        for model in (before, after)
    )
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(other, one, atol=2e-5 * np.abs(one).max())


def test_norms_without_a_bias_have_none_to_take_out(bundle):
    model = _encoder(bundle)
    for node in model.graph.node:
        if node.op_type == "LayerNormalization":
            del node.input[2]
    before, after = (
        [node.op_type for node in each.graph.node] for each in (model, with_biases(model))
    )
    for kind in ("LayerNormalization", "MatMul", "Gemm"):
        assert after.count(kind) == before.count(kind)


def test_only_those_layers_change_and_only_standard_operators_are_used(bundle, sounds):
    before = _encoder(bundle)
    after = quantised(before, [{"waveform": sound[None]} for sound in sounds])
    assert onnx_check.complaints(after.SerializeToString()) == []
    kinds = [node.op_type for node in after.graph.node]
    assert kinds.count("QuantizeLinear") == len(linear_layers(before)) == 8
    whole = [each for each in after.graph.initializer if each.name.endswith(".int8.weight")]
    assert len(whole) == 8
    assert all(each.data_type == onnx.TensorProto.INT8 for each in whole)
    assert linear_layers(after) == []
    assert [node.op_type for node in before.graph.node].count("Conv") == kinds.count("Conv")


def test_the_loss_is_small_and_told(bundle, coarse):
    path, loss = coarse
    made = load_bundle(path)
    assert (made.name, made.decoder, made.vocabulary) == (
        "small8",
        bundle.decoder,
        bundle.vocabulary,
    )
    assert made.fingerprint != bundle.fingerprint
    assert "8 bits" in made.description
    assert loss.n_sounds == 4
    assert 0.9 < loss.least_cosine <= loss.mean_cosine <= 1.0001
    assert loss.mean_cosine > 0.99
    assert 0 < loss.cross_entropy < 0.1


def test_the_decoder_is_in_8_bits_too_and_close_to_the_exact_one(bundle, coarse):
    made = load_bundle(coarse[0])
    layers = linear_layers(onnx.load_from_string(bundle.graphs["decoder"].read()))
    assert len(layers) == 2 * 6 + 1  # of each layer: words (one for all three), asking, two outs,
    # wide and narrow; and the classifier
    left = onnx.load_from_string(made.graphs["decoder"].read())
    assert linear_layers(left) == []
    assert onnx_check.complaints(made.graphs["decoder"].read()) == []
    assert made.graphs["memory"].sha256 == bundle.graphs["memory"].sha256  # stays in float32
    frames = np.abs(np.random.default_rng(1).normal(size=(6, bundle.frame_dim))).astype(np.float32)
    tokens = np.array([[bundle.start_token, 5, 6, 7]])
    exact, whole = (
        decoder.log_probs(tokens, decoder.memory([frames]))
        for decoder in (Decoder(bundle), Decoder(made))
    )
    assert 0 < np.abs(exact - whole).max() < 0.3


def test_what_is_written_is_joined_to_one_product_with_its_bias(coarse, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    made = load_bundle(coarse[0])
    for name, n_layers in (("encoder", 8), ("decoder", 13)):
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / f"{name}.onnx")
        options.log_severity_level = 4
        onnxruntime.InferenceSession(
            made.graphs[name].read(), sess_options=options, providers=["CPUExecutionProvider"]
        )
        nodes = onnx.load(tmp_path / f"{name}.onnx").graph.node
        joined = [node for node in nodes if node.op_type == "MatMulIntegerToFloat"]
        assert len(joined) == n_layers
        assert all(len(node.input) > 6 and node.input[6] for node in joined)  # the bias


def test_a_sound_gives_the_same_whatever_it_is_encoded_with(coarse, sounds):
    encoder = Encoder(load_bundle(coarse[0]))
    [alone] = encoder.encode(sounds[0][None])
    together = encoder.encode(np.stack([sounds[0], 4 * sounds[1], sounds[2]]))[0]
    np.testing.assert_allclose(alone.frames, together.frames, atol=1e-5)


def test_a_range_holds_zero_exactly():
    heard = Range(-0.17, 3.3)
    assert heard.least < (0 - heard.zero) * heard.scale < heard.least + heard.scale
    assert Range(0.0, 0.0).zero == 0


def test_what_cannot_be_done_is_refused_and_leaves_nothing(bundle, coarse, sounds, tmp_path):
    with pytest.raises(AudiosearchError, match="too few"):
        quantise_bundle(bundle, name="few", folder=tmp_path, sounds=sounds[:3])
    with pytest.raises(AudiosearchError, match="no linear layer"):
        quantise_bundle(load_bundle(coarse[0]), name="twice", folder=tmp_path, sounds=sounds)
    with pytest.raises(BundleError, match="is there already"):
        quantise_bundle(bundle, name="small8", folder=coarse[0].parent, sounds=sounds)
    with pytest.raises(AudiosearchError, match="there is nothing"):
        quantised(_encoder(bundle), [])
    assert list(tmp_path.iterdir()) == []
    manifest = json.loads((coarse[0] / "bundle.json").read_text("utf-8"))
    assert manifest["name"] == "small8"


def test_sounds_come_from_a_folder_or_are_made(bundle, sound_folder):
    (sound_folder / "broken.wav").write_bytes(b"no sound")
    given = calibration_sounds(bundle, folder=sound_folder)
    assert 3 <= len(given) <= 12
    made = calibration_sounds(bundle, folder=None)
    assert len(made) > len(given)
    longest = int(bundle.window_s * bundle.sample_rate)
    assert all(0 < len(sound) <= longest for sound in (*given, *made))
