"""A small sentence model learns from a large one what words mean."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from audiosearch.model.wordpiece import SPECIAL_PIECES, Pieces  # noqa: E402
from audiosearch.training.networks.meaning import SentenceConfig, SentenceTower  # noqa: E402
from audiosearch.training.recipes.sentences import DistilRecipe, SentenceTrainer, begin_with_words  # noqa: E402
from audiosearch.training.text.bridges import (  # noqa: E402
    BridgeRecipe,
    build_bridges,
    read_bridges,
    write_bridges,
)
from audiosearch.training.text.distil_texts import inflected, study_texts  # noqa: E402
from audiosearch.training.text.sentence_model import english_pieces, load_sentences, teach  # noqa: E402
from audiosearch.training.text.vocabulary import pad_rows  # noqa: E402

ANIMALS = ("dog", "canine", "hound", "puppy")
VEHICLES = ("car", "automobile", "truck", "van")
OTHERS = ("rain", "song", "bell", "the")
WORDS = (*ANIMALS, *VEHICLES, *OTHERS)
DIM = 16


def _word_vector(word):
    def noise(text):
        digest = hashlib.sha256(text.encode()).digest()
        return np.random.default_rng(list(digest)).standard_normal(DIM)

    for number, family in enumerate((ANIMALS, VEHICLES)):
        if word in family:
            return noise(f"family {number}") + 0.3 * noise(word)
    return noise(word)


def _teacher(texts):
    """Words of a family are alike; a text is the mean of its words."""
    vectors = np.array([np.mean([_word_vector(w) for w in text.split()], axis=0) for text in texts])
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _quiet(progress):
    del progress


@pytest.fixture(scope="module")
def sentences(tmp_path_factory):
    rng = np.random.default_rng(0)
    pairs = [" ".join(rng.choice(WORDS, size=2, replace=False)) for _ in range(300)]
    texts = list(dict.fromkeys((*WORDS, *pairs)))
    trainer = SentenceTrainer(
        texts,
        _teacher(texts),
        Pieces(SPECIAL_PIECES + WORDS),
        recipe=DistilRecipe(epochs=40, batch=32, dim=12, held_out=0.1),
        seed=1,
        folder=tmp_path_factory.mktemp("words"),
    )
    path = trainer.run(report=_quiet)
    return load_sentences(path)


def test_the_student_gives_the_vectors_of_the_teacher(sentences):
    texts = ["canine truck", "hound", "bell automobile"]
    found = sentences.embed(texts)
    assert (found * _teacher(texts)).sum(axis=1).min() > 0.9
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)


def test_the_student_has_the_weights_of_a_plain_loop(tmp_path):
    texts = [*WORDS, *(f"{one} {other}" for one in ANIMALS for other in VEHICLES)]
    vectors, pieces = _teacher(texts), Pieces(SPECIAL_PIECES + WORDS)
    recipe = DistilRecipe(epochs=3, batch=8, dim=6, held_out=0.1)
    path = SentenceTrainer(texts, vectors, pieces, recipe=recipe, seed=5, folder=tmp_path).run(
        report=_quiet
    )

    torch.manual_seed(5)
    rng = np.random.default_rng([5, 0xD15])
    learnt = np.flatnonzero(rng.random(len(texts)) >= recipe.held_out)
    tower = SentenceTower(SentenceConfig(pieces=len(pieces), sentence_dim=DIM, dim=recipe.dim))
    begin_with_words(tower, texts, vectors, pieces)
    optimiser = torch.optim.Adam(tower.parameters())
    steps = math.ceil(len(learnt) / recipe.batch)
    for step in range(recipe.epochs * steps):
        if step % steps == 0:
            batches = np.array_split(rng.permutation(learnt), steps)
        done = step / (recipe.epochs * steps)
        optimiser.param_groups[0]["lr"] = (
            recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
        )
        rows = batches[step % steps]
        tokens = pad_rows([pieces.encode(texts[row]) for row in rows])
        found = tower(torch.from_numpy(tokens))
        optimiser.zero_grad()
        (1 - (found * torch.from_numpy(vectors)[rows]).sum(dim=1)).mean().backward()
        optimiser.step()
    taught = load_sentences(path).tower.state_dict()
    for name, weight in tower.state_dict().items():
        assert torch.equal(weight, taught[name]), name


def test_bridges_lead_to_the_nearest_known_word_or_nowhere(sentences, tmp_path):
    known = ["<unk>", "the", "dog", "car", "rain"]
    phrases = ["the dog", "dog", "car", "rain"]
    found = build_bridges(sentences, known, phrases, recipe=BridgeRecipe(least=0.6))
    assert found["canine"] == found["hound"] == "dog"
    assert found["automobile"] == found["van"] == "car"
    assert not {"dog", "the", "rain"} & found.keys()
    assert "the" not in found.values()
    path = write_bridges(found, tmp_path / "bridges.json")
    assert read_bridges(path) == found
    assert read_bridges(tmp_path / "none.json") == {}


def test_the_teacher_is_not_asked_twice(tmp_path):
    asked = []

    def teacher(texts):
        asked.append(len(texts))
        return _teacher(texts)

    first = teach(WORDS, teacher, folder=tmp_path, report=_quiet)
    again = teach(WORDS, teacher, folder=tmp_path, report=_quiet)
    assert asked == [len(WORDS)]
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(first, _teacher(WORDS), atol=1e-3)


def test_pieces_are_english_and_hold_the_words_of_captions():
    teacher_words = ["[CLS]", "[unused1]", "dog", "##ing", "é", "7", "##7", "東", "1984", "'", "!"]
    pieces = english_pieces(teacher_words, ["dog", "yapping", "o'clock"]).pieces
    assert pieces == (*SPECIAL_PIECES, "dog", "##ing", "7", "##7", "'", "yapping")


def test_study_texts_are_seeded_and_hold_both_kinds_of_words():
    words = [f"word{letter}" for letter in "abcdefgh"]
    texts = study_texts(words, ["dog", "bell"], count=400, seed=3)
    assert texts == study_texts(words, ["dog", "bell"], count=400, seed=3)
    assert texts != study_texts(words, ["dog", "bell"], count=400, seed=4)
    assert any("dog" in text for text in texts)
    assert any("worda" in text for text in texts)


@pytest.mark.parametrize(
    ("word", "ending", "whole"),
    [
        ("bark", "ing", "barking"),
        ("hike", "ing", "hiking"),
        ("yap", "ing", "yapping"),
        ("rain", "ing", "raining"),
        ("brush", "s", "brushes"),
        ("dog", "s", "dogs"),
    ],
)
def test_endings_are_put_on_as_in_english(word, ending, whole):
    assert inflected(word, ending) == whole
