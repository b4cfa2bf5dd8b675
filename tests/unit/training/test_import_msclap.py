"""Microsoft's CLAP becomes a bundle that computes what its networks do; other files are refused."""

from __future__ import annotations

import json
import pickle
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from audiosearch.convert import importer  # noqa: E402
from audiosearch.convert.importer import import_published  # noqa: E402
from audiosearch.errors import BundleError  # noqa: E402
from audiosearch.model.bundle import load_bundle  # noqa: E402
from audiosearch.model.byte_pairs import BytePairs  # noqa: E402
from audiosearch.model.loaded import Model  # noqa: E402
from audiosearch.model.runtime.session import RuntimeOptions  # noqa: E402
from audiosearch.training.networks import weights  # noqa: E402
from audiosearch.training.networks.msclap import MSCLAP_SAMPLES  # noqa: E402
from tests.published_joint import (  # noqa: E402
    JOINT_DIM,
    small_msclap,
    write_cnn14,
    write_msclap,
)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_msclap(tmp_path_factory.mktemp("msclap"), seed=3)


@pytest.fixture(scope="module")
def model(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    path = import_published(source, name="msclap", folder=folder, licence="ms-pl")
    return Model(load_bundle(path), options=RuntimeOptions(device="cpu"))


def test_it_says_what_it_is(model):
    bundle = model.bundle
    assert (bundle.sample_rate, bundle.window_s, bundle.max_samples) == (44_100, 7.0, 308_700)
    assert (bundle.joint_dim, bundle.embedding_dim, bundle.decoder) == (JOINT_DIM, 16, None)
    assert (bundle.licence, bundle.tags) == ("ms-pl", ())
    assert isinstance(bundle.pieces, BytePairs)
    assert (bundle.pieces.pad, bundle.pieces.start, bundle.pieces.tail) == (0, None, " ")


def test_the_order_of_the_paths_does_not_matter(source, model, tmp_path):
    other = import_published(source[::-1], name="msclap", folder=tmp_path, licence="ms-pl")
    assert load_bundle(other).fingerprint == model.bundle.fingerprint


@pytest.mark.parametrize("count", [MSCLAP_SAMPLES, 130_000, 2_000, 1])
def test_short_sounds_are_repeated_to_the_end_of_the_window(model, count):
    sound = np.random.default_rng(count).normal(0, 0.1, count).astype(np.float32)
    filled = np.resize(sound, MSCLAP_SAMPLES)
    network, _ = small_msclap(seed=3)
    with torch.no_grad():
        embedding, joint = network(torch.from_numpy(filled)[None])
    [heard] = model.encoder.encode_many([sound])
    np.testing.assert_allclose(heard.joint, joint[0], atol=1e-4)
    np.testing.assert_allclose(heard.embedding, embedding[0], atol=1e-4)


def test_texts_are_read_as_the_authors_read_them(model):
    """The end stands apart from the last word, and "!" is cut out and counts as padding."""
    pairs, (_, network) = model.bundle.pieces, small_msclap(seed=3)
    names = [pairs.tokens[each] for each in pairs.encode("dog barks! !a")]
    assert names == [*"dog", "Ġbarks", "!", "Ġ", "!", "a", "Ġ", "<|endoftext|>"]
    assert not pairs.says_something(pairs.encode(""))
    assert pairs.says_something(pairs.encode("!"))
    texts = ["a dog barks", "rain falls! and then a bell rings", "a <|endoftext|> b"]
    found = model.tower.embed(texts)
    for row, ids in zip(found, map(pairs.encode, texts), strict=True):
        with torch.no_grad():
            state = network.encoder(torch.tensor([ids]))
            np.testing.assert_allclose(row, network.projection(state)[0], atol=1e-4)
    [alone] = model.tower.embed(texts[1:2])
    np.testing.assert_allclose(alone, found[1], atol=1e-5)


def test_exclamation_marks_move_the_place_that_is_read(source):
    _, text = small_msclap(seed=3)
    end = text.encoder.config.vocabulary - 1
    with torch.no_grad():
        marked = text.encoder(torch.tensor([[5, 0, 6, end]]))
        upto = text.encoder(torch.tensor([[5, 0, 6]]))
        last = text.encoder.norm(_states(text.encoder, [5, 0, 6]))[-1]
    torch.testing.assert_close(marked[0], last)
    assert not torch.allclose(upto[0], last)


def _states(encoder, ids):
    """What the layers make of each token, seen by no later one."""
    x = (
        encoder.word_embeddings(torch.tensor([ids]))
        + encoder.position_embeddings.weight[: len(ids)]
    )
    hidden = torch.full((len(ids), len(ids)), -1e9).triu(1)
    for layer in encoder.layers:
        x = layer(x, hidden)
    return x[0]


def test_given_alone_it_says_what_is_missing(source, tmp_path):
    with pytest.raises(BundleError, match="GPT-2's tokens") as refused:
        import_published(source[:1], name="alone", folder=tmp_path)
    assert "models pull msclap" in refused.value.remedy
    assert not (tmp_path / "alone").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_head": 3}, "do not part into"),
        ({"n_head": 0}, "do not part into"),
        ({"n_head": "many"}, "unfit"),
        ({"n_embd": 32}, "n_embd is 32"),
        ({"activation_function": "relu"}, "activation_function"),
    ],
)
def test_settings_that_are_not_known_are_refused(tmp_path, settings, message):
    source = write_msclap(tmp_path / "source", **settings)
    with pytest.raises(BundleError, match=message):
        import_published(source, name="other", folder=tmp_path)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("audio_encoder.base.htsat.logmel_extractor.melW", lambda x: 2 * x, "mel filters"),
        ("audio_encoder.base.htsat.logmel_extractor.melW", None, "lacks"),
        ("audio_encoder.base.htsat.layers.1.blocks.0.mlp.fc1.bias", None, "do not fit"),
        ("audio_encoder.base.htsat.bn0.weight", lambda x: x[:32], "32 bands"),
        ("caption_encoder.base.h.1.attn.c_attn.weight", lambda x: x[:, :9], "do not fit"),
        ("caption_encoder.base.wte.weight", lambda x: x[:99], "does not list the 99 tokens"),
        ("audio_encoder.base.htsat.patch_embed.proj.weight", lambda x: x[0], "sizes are unfit"),
        (
            "audio_encoder.base.htsat.layers.0.blocks.0.attn.relative_position_bias_table",
            lambda x: x[:0],
            "sizes are unfit",
        ),
        ("caption_encoder.base.wte.weight", None, "holds no CLAP of Microsoft"),
    ],
)
def test_other_weights_are_refused(tmp_path, name, change, message):
    path, reader = write_msclap(tmp_path / "source")
    content = torch.load(path, weights_only=True)
    value = content["model"].pop(name)
    if change is not None:
        content["model"][name] = change(value)
    torch.save(content, path)
    with pytest.raises(BundleError, match=message):
        import_published([path, reader], name="other", folder=tmp_path)


def test_nothing_in_a_file_is_run(source, tmp_path, capsys):
    class Runs:
        def __reduce__(self):
            return print, ("this must not run",)

    path = tmp_path / "CLAP_weights_2023.pth"
    torch.save({"model": {}, "more": Runs()}, path, pickle_module=pickle)
    with pytest.raises(BundleError, match=r"refused: it wants .*print"):
        import_published([path, source[1]], name="bad", folder=tmp_path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("file", ["vocab.json", "merges.txt"])
def test_a_reader_that_lacks_a_file_is_refused(source, tmp_path, file):
    reader = shutil.copytree(source[1], tmp_path / "gpt2")
    (reader / file).unlink()
    with pytest.raises(BundleError, match=file):
        import_published([source[0], reader], name="other", folder=tmp_path)


def test_a_file_of_weights_is_read_once(source, tmp_path, monkeypatch):
    read = []
    whole = weights.read_weights
    monkeypatch.setattr(weights, "read_weights", lambda path: read.append(path) or whole(path))
    cnn14 = write_cnn14(tmp_path / "Cnn14_mAP=0.431.pth")
    import_published([cnn14], name="cnn14", folder=tmp_path)
    import_published(source, name="msclap", folder=tmp_path)
    assert read == [cnn14, source[0]]
    assert importer.read_model_state is weights.read_model_state


def test_older_bundles_of_byte_pairs_have_no_tail(model, tmp_path):
    bundle = shutil.copytree(model.bundle.path, tmp_path / "older")
    manifest = json.loads((bundle / "bundle.json").read_text())
    assert manifest["text_tokenizer"]["apart"] == ["!", "<|endoftext|>"]
    del manifest["text_tokenizer"]["tail"], manifest["text_tokenizer"]["apart"]
    (bundle / "bundle.json").write_text(json.dumps(manifest))
    pairs = load_bundle(bundle).pieces
    assert (pairs.tail, pairs.apart) == ("", ())
    for wrong in ({"tail": 3}, {"apart": ["no token"]}, {"apart": [""]}, {"apart": "!"}):
        changed = manifest | {"text_tokenizer": manifest["text_tokenizer"] | wrong}
        (bundle / "bundle.json").write_text(json.dumps(changed))
        with pytest.raises(BundleError):
            load_bundle(bundle)
