"""Exported bundles compute what torch computes, or are not written."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from audiosearch.errors import AudiosearchError  # noqa: E402
from audiosearch.model.bundle import load_bundle  # noqa: E402
from audiosearch.model.calibration import ScoreCalibration  # noqa: E402
from audiosearch.model.tokenizer import SPECIAL_TOKENS  # noqa: E402
from audiosearch.training.export import bundle as export  # noqa: E402
from audiosearch.training.export import graphs, parity  # noqa: E402
from audiosearch.training.export.spec import round_to_half  # noqa: E402
from audiosearch.training.export.toy import TOY_WORDS, write_toy_bundle  # noqa: E402
from audiosearch.training.networks.tags import TagHead, TagHeadConfig  # noqa: E402
from tests.toy_bundles import TOY  # noqa: E402


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    # Writing includes the parity check of every graph.
    return write_toy_bundle(tmp_path_factory.mktemp("bundles") / "toy")


def test_a_toy_bundle_loads_and_says_what_it_is(toy):
    bundle = load_bundle(toy)
    assert bundle.name == "toy"
    assert bundle.vocabulary.words == SPECIAL_TOKENS + TOY_WORDS
    assert (bundle.sample_rate, bundle.window_s) == (16_000, 10.0)
    assert bundle.joint_dim == 8
    repeatable = {bundle.vocabulary.words[i] for i in bundle.vocabulary.repeatable}
    assert {"a", "the", "and"} <= repeatable
    assert "dog" not in repeatable


def test_the_same_seed_gives_the_same_numbers(toy, tmp_path):
    again = write_toy_bundle(tmp_path / "again")
    other = write_toy_bundle(tmp_path / "other", seed=1)
    assert load_bundle(again).fingerprint == load_bundle(toy).fingerprint
    assert load_bundle(other).fingerprint != load_bundle(toy).fingerprint


def test_another_score_leaves_all_that_is_hashed_as_it_is(tmp_path):
    path = tmp_path / "toy"
    shutil.copytree(TOY, path)
    score = ScoreCalibration(
        lift=0.5, joint=3.0, bias=-1.0, min_score=0.55, words_power=2.0, weak_score=0.1
    )
    export.rescore_bundle(path, score, version="7.8.9")
    before, after = load_bundle(TOY), load_bundle(path)
    assert after.score == score
    assert after.version == "7.8.9"
    assert after.fingerprint == before.fingerprint
    assert after.tags == before.tags


def test_without_a_joint_space_there_is_no_text_graph(tmp_path):
    path = write_toy_bundle(tmp_path / "plain", joint=False)
    bundle = load_bundle(path)
    assert bundle.joint_dim == 0
    assert not (path / "text.onnx").exists()
    names = [item.name for item in parity.open_session(path / "encoder.onnx").get_outputs()]
    assert names == ["frames", "embedding", "tags"]


def test_embeddings_are_unit_vectors_and_tags_probabilities(toy):
    session = parity.open_session(toy / "encoder.onnx")
    noise = np.random.default_rng(0).standard_normal((3, 40_000)).astype(np.float32) * 0.1
    frames, embedding, joint, tags = session.run(
        ["frames", "embedding", "joint", "tags"], {"waveform": noise}
    )
    assert frames.shape[::2] == (3, 12)
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(joint, axis=1), 1, atol=1e-5)
    assert ((tags > 0) & (tags < 1)).all()


def test_rows_of_a_batch_do_not_hear_each_other(toy):
    session = parity.open_session(toy / "encoder.onnx")
    noise = np.random.default_rng(1).standard_normal((2, 20_000)).astype(np.float32) * 0.1
    both = session.run(["frames"], {"waveform": noise})[0]
    alone = session.run(["frames"], {"waveform": noise[1:]})[0]
    np.testing.assert_allclose(both[1], alone[0], atol=1e-5)


def test_big_weights_are_stored_as_half_and_lose_nothing(tmp_path):
    torch.manual_seed(0)
    network = torch.nn.Linear(64, 64)
    round_to_half(network)
    form = graphs.GraphForm(inputs={"x": ("batch",)}, outputs={"y": ("batch",)})
    graphs.write_graph(network, [torch.randn(2, 64)], form=form, path=tmp_path / "linear.onnx")
    stored = onnx.load(tmp_path / "linear.onnx").graph.initializer
    kinds = {len(w.dims): w.data_type for w in stored}
    assert kinds == {2: onnx.TensorProto.FLOAT16, 1: onnx.TensorProto.FLOAT}
    x = torch.randn(5, 64)
    (found,) = parity.open_session(tmp_path / "linear.onnx").run(["y"], {"x": x.numpy()})
    np.testing.assert_allclose(found, network(x).detach(), atol=1e-5)


def test_weights_that_half_would_change_stay_whole(tmp_path):
    torch.manual_seed(0)
    network = torch.nn.Linear(64, 64, bias=False)
    form = graphs.GraphForm(inputs={"x": ("batch",)}, outputs={"y": ("batch",)})
    graphs.write_graph(network, [torch.randn(2, 64)], form=form, path=tmp_path / "linear.onnx")
    stored = onnx.load(tmp_path / "linear.onnx").graph.initializer
    assert [w.data_type for w in stored] == [onnx.TensorProto.FLOAT]


def test_the_faintest_tags_count_in_the_graph_as_in_torch(tmp_path):
    torch.manual_seed(0)
    head = TagHead(TagHeadConfig(tags=40, joint_dim=16, first_power=0.2)).eval()
    form = graphs.GraphForm(inputs={"logits": ("batch",)}, outputs={"joint": ("batch",)})
    graphs.write_graph(head, [torch.randn(2, 40)], form=form, path=tmp_path / "head.onnx")
    logits = torch.linspace(-30, -8, 120).reshape(3, 40)
    (found,) = parity.open_session(tmp_path / "head.onnx").run(
        ["joint"], {"logits": logits.numpy()}
    )
    np.testing.assert_allclose(found, head(logits).detach(), atol=1e-6)


def test_an_export_that_differs_from_torch_is_refused(tmp_path, monkeypatch):
    def spoil(network, *, folder):
        graphs_written(network, folder=folder)
        model = onnx.load(folder / "decoder.onnx")
        weight = next(w for w in model.graph.initializer if w.name.startswith("embedding"))
        values = onnx.numpy_helper.to_array(weight)
        weight.CopyFrom(onnx.numpy_helper.from_array(values * 1.5, weight.name))
        onnx.save(model, folder / "decoder.onnx")

    graphs_written = export.write_decoder_graphs
    monkeypatch.setattr(export, "write_decoder_graphs", spoil)
    with pytest.raises(AudiosearchError, match="log_probs"):
        write_toy_bundle(tmp_path / "bad")
    assert not (tmp_path / "bad").exists()
    assert not list(tmp_path.iterdir())


def test_an_older_bundle_is_replaced_and_its_card_stays(tmp_path):
    path = write_toy_bundle(tmp_path / "toy")
    (path / "README.md").write_text("card")
    before = json.loads((path / "bundle.json").read_text())["files"]
    write_toy_bundle(path, seed=2)
    after = json.loads((path / "bundle.json").read_text())["files"]
    assert (path / "README.md").read_text() == "card"
    assert "README.md" not in after
    assert before["encoder.onnx"]["sha256"] != after["encoder.onnx"]["sha256"]
    load_bundle(path)
