"""Published encoders as bundles against numbers of the authors' own code.

Set AUDIOSEARCH_PARITY to a folder that `python -m benchmarks.published_reference` has written into.
Everything is as a user has it: `models import`, ONNX Runtime, our own reading of tokens.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from audiosearch.convert.importer import import_published
from audiosearch.model.bundle import load_bundle
from audiosearch.model.byte_pairs import BytePairs
from audiosearch.model.loaded import Model
from audiosearch.model.runtime.session import RuntimeOptions

FOLDER = os.environ.get("AUDIOSEARCH_PARITY")
PUBLISHED = Path(FOLDER or "") / "published"
CLAPS = sorted(path.name for path in PUBLISHED.glob("clap_*")) if FOLDER else []
pytestmark = pytest.mark.skipif(
    not (FOLDER and PUBLISHED.is_dir()),
    reason="AUDIOSEARCH_PARITY does not name a folder of published_reference",
)

CLOSE = 1e-4
SOUNDS = ("whole", "short", "tiny")


def opened(source: Path, folder: Path, *more: Path) -> Model:
    path = import_published([source, *more], name=source.stem.split("=")[0], folder=folder)
    return Model(load_bundle(path), options=RuntimeOptions(device="cpu"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture(scope="module", params=CLAPS)
def clap(request, folder):
    model = opened(PUBLISHED / request.param, folder)
    return model, np.load(PUBLISHED / request.param / "reference.npz"), request.param


def hears_as_published(model, expected, name):
    worst = 0.0
    for sound in SOUNDS:
        [heard] = model.encoder.encode_many([expected[f"sound.{sound}"]])
        pooled = expected[f"pooled.{sound}"]
        pooled = pooled / np.linalg.norm(pooled)
        for ours, theirs in ((heard.embedding, pooled), (heard.joint, expected[f"joint.{sound}"])):
            np.testing.assert_allclose(ours, theirs, atol=CLOSE)
            worst = max(worst, float(np.abs(ours - theirs).max()))
    print(f"\n{name}: sounds differ by {worst:.1e} at most")


def reads_as_published(model, expected, name):
    texts = json.loads((PUBLISHED / name / "texts.json").read_text())
    pairs = model.bundle.pieces
    assert isinstance(pairs, BytePairs)
    for place, text in enumerate(texts):
        assert list(pairs.encode(text)) == expected[f"ids.{place}"].tolist()
    found = model.tower.embed(texts)
    theirs = np.stack([expected[f"text.{place}"] for place in range(len(texts))])
    np.testing.assert_allclose(found, theirs, atol=CLOSE)
    print(f"\n{name}: texts differ by {float(np.abs(found - theirs).max()):.1e} at most")


def test_clap_hears_what_the_authors_code_hears(clap):
    hears_as_published(*clap)


def test_clap_reads_what_the_authors_code_reads(clap):
    reads_as_published(*clap)


@pytest.fixture(scope="module")
def msclap(folder):
    source = PUBLISHED / "msclap"
    if not source.is_dir():
        pytest.skip("published_reference has not written it")
    model = opened(source / "CLAP_weights_2023.pth", folder, source / "gpt2")
    return model, np.load(source / "reference.npz"), "msclap"


def test_microsofts_clap_hears_what_the_authors_code_hears(msclap):
    hears_as_published(*msclap)


def test_microsofts_clap_reads_what_the_authors_code_reads(msclap):
    """Exclamation marks, the end token and texts of more than 77 tokens among it."""
    reads_as_published(*msclap)


def test_bert_reads_what_transformers_reads():
    """In torch: it is exported within the joint space that it is trained in."""
    import torch  # noqa: PLC0415

    from audiosearch.training.pairs.start import read_bert  # noqa: PLC0415

    source = PUBLISHED / "bert"
    if not source.is_dir():
        pytest.skip("published_reference has not written it")
    network, pieces = read_bert(source)
    network.eval()
    expected = np.load(source / "reference.npz")
    listed = (source / "vocab.txt").read_text().splitlines()
    ours = {piece: place for place, piece in enumerate(pieces.pieces)}
    worst = 0.0
    for place, text in enumerate(json.loads((source / "texts.json").read_text())):
        theirs = [listed[each] for each in expected[f"ids.{place}"]]
        if text.isascii():
            # Marks between words are left out here, as in everything that is read.
            words = [piece for piece in theirs[1:-1] if piece not in ",;!."]
            assert [pieces.pieces[each] for each in pieces.encode(text)] == words, text
        tokens = torch.tensor([[ours[each] for each in theirs[1:-1]]])
        padded = torch.nn.functional.pad(tokens, (0, 3))
        for row in (tokens, padded):
            with torch.no_grad():
                found = network(row)[0].numpy()
            np.testing.assert_allclose(found, expected[f"text.{place}"], atol=CLOSE)
            worst = max(worst, float(np.abs(found - expected[f"text.{place}"]).max()))
    print(f"\nbert: texts differ by {worst:.1e} at most")


def test_cnn14_hears_what_the_authors_code_hears(folder):
    model = opened(PUBLISHED / "cnn14" / "Cnn14_mAP=0.431.pth", folder)
    expected = np.load(PUBLISHED / "cnn14" / "reference.npz")
    worst = 0.0
    for sound in SOUNDS:
        [heard] = model.encoder.encode_many([expected[f"sound.{sound}"]])
        embedding = expected[f"embedding.{sound}"]
        embedding = embedding / np.linalg.norm(embedding)
        np.testing.assert_allclose(heard.embedding, embedding, atol=CLOSE)
        np.testing.assert_allclose(heard.tags, expected[f"tags.{sound}"], atol=CLOSE)
        worst = max(worst, float(np.abs(heard.tags - expected[f"tags.{sound}"]).max()))
    print(f"\ncnn14: tags differ by {worst:.1e} at most")


FORMS = {
    "folder": (["folder"], "conette"),
    "folder_safetensors": (["folder_safetensors"], "conette"),
    "tokenizer_in_config": (["tokenizer_in_config"], "conette"),
    "old_form": (["old_form"], "conette"),
    "lightning": (["lightning/convnext.pth", "lightning/conette.ckpt"], "conette"),
    "baseline": (["baseline/convnext.safetensors", "baseline/cnext_trans.ckpt"], "baseline"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_conette_gives_the_losses_of_the_authors_code(form, folder):
    source = PUBLISHED / "conette"
    if not source.is_dir():
        pytest.skip("published_reference has not written it")
    names, network = FORMS[form]
    path = import_published([source / each for each in names], name=form, folder=folder)
    model = Model(load_bundle(path), options=RuntimeOptions(device="cpu"))
    expected = np.load(source / "reference.npz")
    captions = json.loads((source / "captions.json").read_text())
    ids = [model.scorer.encode(caption) for caption in captions]
    assert [*ids[0], 2] == expected[f"ids.{network}"].tolist()[1:]
    heard = model.encoder.encode_many([expected[f"sound.{place}"] for place in range(2)])
    for place, each in enumerate(heard):
        np.testing.assert_allclose(each.tags, expected[f"tags.{place}"], atol=CLOSE)
    memory = model.decoder.memory([each.frames for each in heard])
    losses = np.asarray(model.scorer.cross_entropies(ids, memory)).T
    np.testing.assert_allclose(losses, expected[f"losses.{network}"], atol=CLOSE)
    worst = float(np.abs(losses - expected[f"losses.{network}"]).max())
    print(f"\nconette, {form}: losses differ by {worst:.1e} at most")
