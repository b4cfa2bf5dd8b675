"""The text tower with the toy bundle."""

from pathlib import Path

import numpy as np
import pytest

from audiosearch.errors import FeatureUnavailable
from audiosearch.model.bundle import Bundle, load_bundle
from audiosearch.model.text_encoder import TextTower

TEXTS = ["a dog barks", "rain", "a man speaks and then a bell rings", "the wind blows", "dog"]


def test_unit_vectors_that_do_not_depend_on_batch_mates(bundle: Bundle) -> None:
    tower = TextTower(bundle)
    vectors = tower.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), bundle.joint_dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    for text, vector in zip(TEXTS, vectors, strict=True):
        np.testing.assert_allclose(tower.embed([text])[0], vector, atol=1e-5)


def test_unknown_words_are_all_one(bundle: Bundle) -> None:
    tower = TextTower(bundle)
    purple, green, unknown, empty = tower.embed(["a purple dog", "a green dog", "purple", ""])
    np.testing.assert_allclose(purple, green, atol=1e-6)
    assert not unknown.any()
    assert not empty.any()


def test_no_texts_and_endless_texts(bundle: Bundle) -> None:
    tower = TextTower(bundle)
    assert tower.embed([]).shape == (0, bundle.joint_dim)
    assert np.isfinite(tower.embed(["dog bell " * 5000])).all()


def test_a_bundle_without_joint_space_has_none(plain_bundle: Path) -> None:
    bundle = load_bundle(plain_bundle)
    with pytest.raises(FeatureUnavailable, match="shared"):
        TextTower(bundle)


@pytest.fixture(scope="module")
def meaning(meaning_bundle: Path) -> Bundle:
    return load_bundle(meaning_bundle)


def test_a_tower_of_pieces_tells_words_apart_that_the_decoder_never_learned(
    meaning: Bundle,
) -> None:
    tower = TextTower(meaning)
    purple, green, parted, empty = tower.embed(["a purple dog", "a green dog", "zyx", "~"])
    assert not np.allclose(purple, green, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(parted), 1.0, atol=1e-5)
    assert not empty.any()
    assert tower.knows("purple")
    assert not tower.knows("zyx")


def test_bridges_lead_to_words_of_the_decoder(meaning: Bundle) -> None:
    vocabulary = meaning.vocabulary
    assert vocabulary.encode("a canine barks") == vocabulary.encode("a dog barks")
    assert vocabulary.unknown_words("a purple canine") == ("purple",)
    assert vocabulary.bridged_words("a canine, a dog, an automobile") == {
        "canine": "dog",
        "automobile": "car",
    }
