"""Words scored by the graph that takes frames: as the decoder does, in 8 bits nearly so."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from audiosearch.convert.scoring import add_scoring  # noqa: E402
from audiosearch.errors import BundleError  # noqa: E402
from audiosearch.model import onnx_check  # noqa: E402
from audiosearch.model.bundle import SCORING, load_bundle  # noqa: E402
from audiosearch.model.loaded import Model  # noqa: E402
from audiosearch.model.runtime.session import RuntimeOptions  # noqa: E402
from audiosearch.model.scoring_graph import HeardFrames  # noqa: E402
from audiosearch.training.export import toy  # noqa: E402
from audiosearch.training.export.bundle import file_entry  # noqa: E402
from audiosearch.training.export.restored import decoder_of_bundle  # noqa: E402
from audiosearch.training.export.scoring_graph import scoring_model  # noqa: E402

CPU = RuntimeOptions(device="cpu", threads=2)
EXACT = RuntimeOptions(device="cpu", exact=True)
TEXTS = ("a dog barks", "rain falls", "", "a man speaks then a dog barks", "bell", "dog dog dog")


def _sounds(count):
    rng = np.random.default_rng(3)
    times = np.arange(32_000) / 32_000
    tones = [np.sin(2 * np.pi * rng.uniform(100, 5000) * times) for _ in range(count)]
    return [(rng.uniform(0.05, 0.4) * tone).astype(np.float32) for tone in tones]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A toy whose layers differ; those of others begin as copies of one."""

    def varied(made, **settings):
        networks = made(**settings)
        with torch.no_grad():
            for values in networks.decoder.parameters():
                values.add_(0.05 * torch.randn_like(values))
        return networks

    with pytest.MonkeyPatch.context() as patch:
        made = toy.toy_networks
        patch.setattr(toy, "toy_networks", lambda **settings: varied(made, **settings))
        return toy.write_toy_bundle(tmp_path_factory.mktemp("plain") / "toy")


def _with_graph(plain, folder, write):
    path = folder / "toy"
    shutil.copytree(plain, path)
    write(path)
    return path


@pytest.fixture(scope="module")
def in_floats(plain, tmp_path_factory):
    """A bundle whose scoring graph is not rounded: it must give the decoder's very numbers."""

    def write(path):
        onnx.save(scoring_model(decoder_of_bundle(path).decoder), path / "scoring.onnx")
        manifest = json.loads((path / "bundle.json").read_text("utf-8"))
        manifest[SCORING] = {"file": "scoring.onnx", **file_entry(path / "scoring.onnx")}
        (path / "bundle.json").write_text(json.dumps(manifest), "utf-8")

    return _with_graph(plain, tmp_path_factory.mktemp("floats"), write)


@pytest.fixture(scope="module")
def in_bytes(plain, tmp_path_factory):
    return _with_graph(
        plain, tmp_path_factory.mktemp("bytes"), lambda path: add_scoring(path, sounds=_sounds(8))
    )


def _frames(model, lengths=(5, 1, 9, 3)):
    rng = np.random.default_rng(1)
    return [rng.normal(size=(n, model.bundle.frame_dim)).astype(np.float32) for n in lengths]


@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_it_gives_the_numbers_of_the_decoder(in_floats, kind):
    quick, exact = (Model.open(in_floats, options=each) for each in (CPU, EXACT))
    frames = [each.astype(kind) for each in _frames(quick)]
    tokens = [quick.scorer.encode(text) for text in TEXTS]
    heard = quick.scorer.listen(frames)
    assert isinstance(heard, HeardFrames)
    expected = exact.scorer.listen(frames)
    assert not isinstance(expected, HeardFrames)
    np.testing.assert_allclose(
        quick.scorer.cross_entropies(tokens, heard),
        exact.scorer.cross_entropies(tokens, expected),
        atol=2e-5,
    )
    np.testing.assert_allclose(
        quick.scorer.without_sound(tokens), exact.scorer.without_sound(tokens), atol=2e-5
    )
    # One caption for all sounds, all captions for one sound, and any pairs.
    for captions, sounds in (
        ([tokens[3]] * 4, [0, 1, 2, 3]),
        (tokens, [2] * 6),
        (tokens, [3, 0, 0, 1, 2, 3]),
    ):
        found = quick.scorer.word_log_probs(captions, heard, sounds=sounds)
        wanted = exact.scorer.word_log_probs(captions, expected, sounds=sounds)
        for ours, theirs in zip(found, wanted, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_in_8_bits_it_is_close_and_the_same_whatever_it_is_run_with(in_bytes):
    quick, exact = (Model.open(in_bytes, options=each) for each in (CPU, EXACT))
    frames = [each.frames for each in quick.encoder.encode_many(_sounds(6))]
    tokens = [quick.scorer.encode(text) for text in TEXTS]
    heard = quick.scorer.listen(frames)
    found = quick.scorer.cross_entropies(tokens, heard)
    wanted = exact.scorer.cross_entropies(tokens, exact.scorer.listen(frames))
    assert 0 < np.abs(found - wanted).max() < 0.15
    for row, ids in enumerate(tokens):
        for column in range(len(frames)):
            alone = quick.scorer.cross_entropy([ids], quick.scorer.listen([frames[column]]))
            assert alone[0] == pytest.approx(found[row, column], abs=1e-5)


def test_the_graph_takes_no_part_in_what_was_heard_and_is_checked_all_the_same(
    plain, in_bytes, tmp_path
):
    before, after = load_bundle(plain), load_bundle(in_bytes)
    assert after.fingerprint == before.fingerprint
    assert set(after.graphs) == {*before.graphs, SCORING}
    assert onnx_check.complaints(after.graphs[SCORING].read()) == []
    weights = onnx.load_from_string(after.graphs[SCORING].read()).graph.initializer
    assert sum(each.data_type == onnx.TensorProto.INT8 for each in weights if each.dims) > 13
    broken = tmp_path / "broken"
    shutil.copytree(in_bytes, broken)
    content = bytearray((broken / "scoring.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (broken / "scoring.onnx").write_bytes(content)
    with pytest.raises(BundleError, match="SHA-256"):
        load_bundle(broken)
    (broken / "scoring.onnx").unlink()
    with pytest.raises(BundleError, match="missing"):
        load_bundle(broken)


def test_captions_are_written_as_before(plain, in_bytes):
    frames = _frames(Model.open(plain, options=CPU))
    ours, theirs = (
        Model.open(each, options=CPU).captioner.captions(frames) for each in (in_bytes, plain)
    )
    assert ours == theirs


def test_only_what_scores_words_is_loaded_to_score_them(in_bytes):
    model = Model.open(in_bytes, options=CPU)
    model.scorer.cross_entropy([(4, 5)], model.scorer.listen(_frames(model)[:1]))
    assert model.decoder.device.name == "cpu"
    assert model.decoder._sessions == {}


def test_captioners_of_another_form_are_left_alone(tmp_path):
    path = toy.write_toy_bundle(tmp_path / "gru", gru=True)
    with pytest.raises(BundleError, match="GRU"):
        add_scoring(path, sounds=_sounds(4))
    assert not (path / "scoring.onnx").exists()
