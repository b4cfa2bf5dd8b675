"""Graphs for processors: they give what the bundle's others do, in 8 bits nearly so."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from audiosearch.convert.processor import (  # noqa: E402
    PROCESSOR_GRAPHS,
    add_processor_graphs,
    trained_on,
)
from audiosearch.convert.quantise import quantise_bundle  # noqa: E402
from audiosearch.errors import BundleError  # noqa: E402
from audiosearch.model import onnx_check  # noqa: E402
from audiosearch.model.bundle import (  # noqa: E402
    APART,
    GRAPHS,
    SCORING,
    WRITING,
    WRITING_MEMORY,
    load_bundle,
)
from audiosearch.model.loaded import Model  # noqa: E402
from audiosearch.model.runtime.session import RuntimeOptions  # noqa: E402
from audiosearch.model.scoring_graph import HeardFrames  # noqa: E402
from audiosearch.model.writing_graph import WritingSteps  # noqa: E402
from audiosearch.training.export import toy  # noqa: E402
from audiosearch.training.export.bundle import file_entry  # noqa: E402
from audiosearch.training.export.restored import decoder_of_bundle  # noqa: E402
from audiosearch.training.export.scoring_graph import scoring_model  # noqa: E402
from audiosearch.training.export.writing_graph import writing_memory_model, writing_model  # noqa: E402

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
    """A bundle whose captioner's graphs are not rounded: they must give its very numbers."""

    def write(path):
        manifest = json.loads((path / "bundle.json").read_text("utf-8"))
        for name, made in {
            SCORING: scoring_model,
            WRITING: writing_model,
            WRITING_MEMORY: writing_memory_model,
        }.items():
            file = path / f"{name}.onnx"
            onnx.save(made(decoder_of_bundle(path).decoder), file)
            manifest[name] = {"file": file.name, **file_entry(file)}
        (path / "bundle.json").write_text(json.dumps(manifest), "utf-8")

    return _with_graph(plain, tmp_path_factory.mktemp("floats"), write)


@pytest.fixture(scope="module")
def in_bytes(plain, tmp_path_factory):
    return _with_graph(
        plain,
        tmp_path_factory.mktemp("bytes"),
        lambda path: add_processor_graphs(path, sounds=_sounds(8)),
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


def test_the_graphs_are_checked_and_count_for_what_is_heard(plain, in_bytes, tmp_path):
    before, after = load_bundle(plain), load_bundle(in_bytes)
    assert after.fingerprint != before.fingerprint  # heard by others on processors
    assert set(after.graphs) == {*before.graphs, *PROCESSOR_GRAPHS}
    for name in PROCESSOR_GRAPHS:
        assert onnx_check.complaints(after.graphs[name].read()) == []
        weights = onnx.load_from_string(after.graphs[name].read()).graph.initializer
        kinds = [each.data_type for each in weights if len(each.dims) == 2]
        assert onnx.TensorProto.INT8 in kinds
        broken = tmp_path / name
        shutil.copytree(in_bytes, broken)
        content = bytearray((broken / f"{name}.onnx").read_bytes())
        content[len(content) // 2] ^= 1
        (broken / f"{name}.onnx").write_bytes(content)
        with pytest.raises(BundleError, match="SHA-256"):
            load_bundle(broken)
        (broken / f"{name}.onnx").unlink()
        with pytest.raises(BundleError, match="missing"):
            load_bundle(broken)


def test_how_words_are_scored_and_written_is_no_part_of_what_is_heard(in_bytes, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(in_bytes, other)
    manifest = json.loads((other / "bundle.json").read_text("utf-8"))
    for name in APART:
        del manifest[name]
    (other / "bundle.json").write_text(json.dumps(manifest), "utf-8")
    assert load_bundle(other).fingerprint == load_bundle(in_bytes).fingerprint


def test_captions_are_those_of_the_decoder(in_floats):
    frames = _frames(Model.open(in_floats, options=CPU), lengths=(5, 1, 9, 3, 9, 2, 7))
    ours, theirs = (
        Model.open(in_floats, options=each).captioner.captions(frames) for each in (CPU, EXACT)
    )
    assert [each.text for each in ours] == [each.text for each in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert one.mean_log_prob == pytest.approx(other.mean_log_prob, abs=1e-5)
        assert one.cross_entropy == pytest.approx(other.cross_entropy, abs=1e-5)


def test_each_step_gives_the_decoders_numbers_as_rows_are_added_reordered_and_left(in_floats):
    decoders = [Model.open(in_floats, options=each).decoder for each in (CPU, EXACT)]
    frames = _frames(Model.open(in_floats, options=CPU), lengths=(5, 1, 9))
    ours, theirs = (each.writer(frames) for each in decoders)
    assert isinstance(ours, WritingSteps)
    assert not isinstance(theirs, WritingSteps)
    for tokens, parents in (
        ([1, 1, 1], [0, 1, 2]),
        ([4, 5, 6, 7, 8], [0, 0, 1, 2, 2]),
        ([9, 4, 5, 6, 7], [1, 0, 2, 4, 3]),
        ([5, 6], [2, 1]),
        ([7, 8], [0, 1]),
        ([9], [1]),
        ([4, 5], [0, 0]),
    ):
        given = np.array(tokens, np.int64), np.array(parents, np.int64)
        np.testing.assert_allclose(ours(*given), theirs(*given), atol=2e-5)


def test_captions_in_8_bits_do_not_depend_on_what_they_are_written_with(in_bytes):
    model = Model.open(in_bytes, options=CPU)
    assert model.decoder.writing is not None
    frames = _frames(model, lengths=(5, 1, 9, 3))
    together = model.captioner.captions(frames)
    for one, sound in zip(together, frames, strict=True):
        [alone] = model.captioner.captions([sound])
        assert alone.text == one.text
        assert alone.mean_log_prob == pytest.approx(one.mean_log_prob, abs=1e-5)


def test_what_is_heard_in_8_bits_is_close_and_exact_where_that_is_asked(plain, in_bytes):
    sounds = _sounds(6)
    before, quick, exact = (
        Model.open(path, options=options).encoder.encode_many(sounds)
        for path, options in ((plain, EXACT), (in_bytes, CPU), (in_bytes, EXACT))
    )
    for one, other, same in zip(before, quick, exact, strict=True):
        assert np.array_equal(one.frames, same.frames)
        assert not np.array_equal(one.frames, other.frames)
        assert one.embedding @ other.embedding > 0.98
    alone = [Model.open(in_bytes, options=CPU).encoder.encode_many([sound])[0] for sound in sounds]
    for one, other in zip(alone, quick, strict=True):
        np.testing.assert_allclose(one.frames, other.frames, atol=1e-5)


def test_a_bundle_made_in_8_bits_throughout_drops_the_graphs_beside_those(in_bytes, tmp_path):
    path, _ = quantise_bundle(
        load_bundle(in_bytes), name="small", folder=tmp_path, sounds=_sounds(8)
    )
    made = load_bundle(path)
    assert set(made.graphs) == set(GRAPHS)
    assert not (path / "writing.onnx").exists()


def test_recordings_that_were_held_out_are_not_listened_to(tmp_path):
    assert trained_on(tmp_path, tmp_path)(b"/any")
    (tmp_path / "clips.csv").write_text("path,split\na/b.wav,train\nc.wav,tuned\n", "utf-8")
    wanted = trained_on(tmp_path, tmp_path / "sounds")
    place = bytes(tmp_path / "sounds")
    assert wanted(place + b"/a/b.wav")
    assert not wanted(place + b"/c.wav")
    assert not wanted(place + b"/d.wav")


def test_only_what_scores_words_is_loaded_to_score_them(in_bytes):
    model = Model.open(in_bytes, options=CPU)
    model.scorer.cross_entropy([(4, 5)], model.scorer.listen(_frames(model)[:1]))
    assert model.decoder.device.name == "cpu"
    assert model.decoder._sessions == {}


def test_only_what_writes_captions_is_loaded_to_write_them(in_bytes):
    model = Model.open(in_bytes, options=CPU)
    model.captioner.captions(_frames(model)[:2])
    assert model.decoder.device.name == "cpu"
    assert model.decoder._sessions == {}


def test_graphs_that_are_not_asked_for_stay(in_bytes, tmp_path):
    path = tmp_path / "toy"
    shutil.copytree(in_bytes, path)
    add_processor_graphs(path, sounds=_sounds(3), wanted=(WRITING, WRITING_MEMORY))
    before, after = load_bundle(in_bytes), load_bundle(path)
    assert after.fingerprint == before.fingerprint
    changed = {
        name for name in after.graphs if after.graphs[name].sha256 != before.graphs[name].sha256
    }
    assert changed == {WRITING, WRITING_MEMORY}


def test_captioners_of_another_form_are_left_alone(tmp_path):
    path = toy.write_toy_bundle(tmp_path / "gru", gru=True)
    with pytest.raises(BundleError, match="GRU"):
        add_processor_graphs(path, sounds=_sounds(4))
    assert not (path / "scoring.onnx").exists()
