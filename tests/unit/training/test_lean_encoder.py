"""The encoder in fewer operations: it hears what it did, and other forms stay as they are."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from audiosearch.convert.int8 import quantised  # noqa: E402
from audiosearch.convert.lean_encoder import lean_encoder  # noqa: E402
from audiosearch.model import onnx_check  # noqa: E402
from audiosearch.model.bundle import load_bundle  # noqa: E402
from audiosearch.model.runtime.session import onnx_runtime  # noqa: E402
from audiosearch.training.export import toy  # noqa: E402


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A toy's encoder whose norms and scales are not all alike."""

    def varied(made, **settings):
        networks = made(**settings)
        for module in networks.encoder.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.add_(torch.randn_like(module.running_mean))
                module.running_var.mul_(0.5 + torch.rand_like(module.running_var))
        with torch.no_grad():
            for values in networks.encoder.parameters():
                if values.ndim == 1:
                    values.add_(0.2 * torch.randn_like(values))
        return networks

    with pytest.MonkeyPatch.context() as patch:
        made = toy.toy_networks
        patch.setattr(toy, "toy_networks", lambda **settings: varied(made, **settings))
        path = toy.write_toy_bundle(tmp_path_factory.mktemp("varied") / "toy")
    return onnx.load_from_string(load_bundle(path).graphs["encoder"].read())


def _heard(model, waveform):
    session = onnx_runtime().InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, {"waveform": waveform}), strict=True))


def _kinds(model):
    return [node.op_type for node in model.graph.node]


# Of an odd and an even number of rows at each halving, one sound and several.
@pytest.mark.parametrize(("sounds", "count"), [(1, 16_000), (3, 33_333), (2, 52_160), (2, 71_999)])
def test_it_gives_the_same_numbers_but_for_rounding(encoder, sounds, count):
    noise = np.random.default_rng(count).normal(size=(sounds, count)) * 0.1
    waveform = noise.astype(np.float32)
    expected, found = (_heard(model, waveform) for model in (encoder, lean_encoder(encoder)))
    assert expected.keys() == found.keys() >= {"frames", "embedding", "tags", "joint"}
    for name, values in expected.items():
        assert values.shape == found[name].shape
        np.testing.assert_allclose(
            found[name], values, atol=1e-5 * np.abs(values).max(), err_msg=name
        )


def test_norms_scales_and_all_but_few_convolutions_are_gone(encoder):
    before, after = _kinds(encoder), _kinds(lean_encoder(encoder))
    assert before.count("BatchNormalization") == 4
    assert "BatchNormalization" not in after
    assert "Expand" not in after
    # The two of the stem and one in each block; those that halve a map are products.
    assert (before.count("Conv"), after.count("Conv")) == (9, 6)
    # Two in each of the four blocks, three halvings, the projection and the tags.
    assert after.count("MatMul") - 6 == 2 * 4 + 3 + 1 + 1  # six make decibels
    assert before.count("Gemm") - after.count("Gemm") == 2  # those of the whole's tags


def test_what_is_of_another_form_stays_as_it_is(encoder):
    again = lean_encoder(lean_encoder(encoder))
    assert _kinds(again) == _kinds(lean_encoder(encoder))


def test_in_8_bits_a_layer_and_its_activation_are_one_standard_operator(encoder):
    rng = np.random.default_rng(0)
    sounds = (0.1 * rng.normal(size=(4, 1, 32_000))).astype(np.float32)
    lean = lean_encoder(encoder)
    model = quantised(lean, [{"waveform": sound} for sound in sounds])
    assert onnx_check.complaints(model.SerializeToString()) == []
    kinds = _kinds(model)
    assert kinds.count("QLinearConv") == 4  # the first layer of each block
    assert kinds.count("MatMulInteger") == 4 + 3  # the second, and the halvings
    assert kinds.count("QuantizeLinear") == 4 + 3
    expected, found = (_heard(each, sounds[0]) for each in (lean, model))
    one, other = (each["embedding"].ravel() for each in (expected, found))
    assert float(one @ other) > 0.99
    alone, beside = (_heard(model, each) for each in (sounds[1], sounds[:, 0]))
    np.testing.assert_array_equal(alone["frames"][0], beside["frames"][1])
