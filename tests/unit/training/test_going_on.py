"""What training goes on from: a bundle's decoder and words, and stretches with names."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from audiosearch.errors import AudiosearchError  # noqa: E402
from audiosearch.model.loaded import Model  # noqa: E402
from audiosearch.model.runtime.session import RuntimeOptions  # noqa: E402
from audiosearch.training.distillation.named import names_of_tag  # noqa: E402
from audiosearch.training.distillation.trainer import TEACHER_TAG  # noqa: E402
from audiosearch.training.export.restored import (  # noqa: E402
    decoder_of_bundle,
    read_words,
    sentences_of_bundle,
)
from audiosearch.training.networks.decoder import DecoderConfig, DecoderNetwork  # noqa: E402
from audiosearch.training.networks.meaning import SentenceConfig, SentenceTower  # noqa: E402
from audiosearch.training.recipes.decoder import take_over  # noqa: E402
from audiosearch.training.recipes.joint import (  # noqa: E402
    PERHAPS,
    SURELY,
    NamedStretches,
    NamePairs,
)
from audiosearch.training.text.captions import PHRASES, repeats_a_word  # noqa: E402
from audiosearch.training.text.sentence_model import SentenceEmbedder, english_pieces  # noqa: E402

STARTER = Path(__file__).parents[3] / "models" / "starter"


@pytest.fixture(scope="module")
def model():
    return Model.open(STARTER, options=RuntimeOptions())


def test_a_restored_decoder_says_what_the_bundle_says(model):
    decoder = decoder_of_bundle(STARTER)
    words = read_words(STARTER)
    tokens = torch.tensor([[1, *range(10, 16)], [1, *range(20, 26)]])
    frames = torch.randn(2, 9, decoder.config.dim, generator=torch.Generator().manual_seed(1))
    logits = decoder(frames, torch.tensor([9, 9]), tokens)
    ours = torch.log_softmax(logits, dim=2).detach().numpy()
    memory = model.decoder.memory(list(frames.numpy()))
    theirs = model.decoder.log_probs(tokens.numpy(), memory)
    assert len(words) == decoder.config.vocabulary
    assert np.abs(ours - theirs).max() < 1e-4


def test_restored_sentences_mean_what_they_meant(model):
    sentences = sentences_of_bundle(STARTER)
    texts = ["a dog barks", "dog barking", "the sea"]
    dog, barking, sea = sentences.embed(texts)
    assert dog @ barking > 0.7 > dog @ sea
    assert model.tower is not None
    same = model.tower.embed(texts)
    assert (
        np.corrcoef(
            (same @ same.T).ravel(), (sentences.embed(texts) @ sentences.embed(texts).T).ravel()
        )[0, 1]
        > 0.7
    )


@pytest.mark.parametrize("restore", [decoder_of_bundle, sentences_of_bundle, read_words])
def test_what_is_no_bundle_is_named(tmp_path, restore):
    with pytest.raises(AudiosearchError) as told:
        restore(tmp_path)
    assert str(tmp_path) in str(told.value)


def test_known_words_keep_their_weights_and_new_ones_their_own():
    small = DecoderConfig(vocabulary=4, feature_dim=6, dim=8, heads=2, layers=1, feedforward=8)
    torch.manual_seed(0)
    known = DecoderNetwork(small)
    network = DecoderNetwork(DecoderConfig(**{**small.__dict__, "vocabulary": 5}))
    before = network.decoder.emb_layer.weight[2].clone()
    take_over(network, ["<pad>", "dog", "new", "cat", "bell"], known, ["<pad>", "cat", "dog", "x"])
    own, other = network.decoder, known.decoder
    assert torch.equal(own.emb_layer.weight[1], other.emb_layer.weight[2])
    assert torch.equal(own.classifier.weight[3], other.classifier.weight[1])
    assert torch.equal(own.emb_layer.weight[2], before)
    assert torch.equal(own.layers[0].linear1.weight, other.layers[0].linear1.weight)


def test_every_tag_of_the_teacher_has_names():
    text = files("audiosearch.training.text").joinpath("audioset_names.txt").read_text("utf-8")
    classes = [line.partition(" = ")[0] for line in text.splitlines()]
    assert len(set(classes)) == len(classes) >= 520
    for name in classes:
        assert all(text and text == text.lower() for text in names_of_tag(TEACHER_TAG + name))


def test_our_tags_have_the_names_of_their_sound():
    assert "dog" in names_of_tag("dog")
    assert names_of_tag("nobody_phrased_this") == ("nobody phrased this",)


def test_pairs_are_of_stretches_that_hold_what_they_are_called():
    heard = np.zeros((40, 3), np.uint8)
    heard[:30, 0], heard[30:, 1], heard[5, 2] = SURELY, 255, PERHAPS
    pieces = english_pieces(["dog", "bell", "sea"], [])
    sentences = SentenceEmbedder(pieces, SentenceTower(SentenceConfig(len(pieces), dim=8)))
    names = (("dog",), ("bell", "bell bell"), ("sea",))
    stretches = NamedStretches(np.zeros((40, 6), np.float16), heard, names)
    pairs = NamePairs(stretches, sentences)
    rows, tags, meanings = pairs.draw(np.random.default_rng(0), 500)
    assert (heard[rows, tags] >= SURELY).all()
    assert set(tags) == {0, 1}  # nothing is surely called by the third
    assert np.bincount(tags)[1] > 125  # a quarter of the stretches, a third of the draws
    assert meanings.shape == (500, 384)
    same = pairs.both(np.array([5, 35]), np.array([2, 1])).numpy()
    assert same.tolist() == [[True, False], [False, True]]


def test_the_names_of_sounds_read_as_one_sound():
    for sound, phrases in PHRASES.items():
        assert phrases.names, sound
        assert not all(repeats_a_word(name) for name in phrases.names)
