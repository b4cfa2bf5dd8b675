"""Words that the teacher hardly knows mean what a dictionary says."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from audiosearch.training.text.definitions import DefinitionRecipe, define

BIRD, CHESS, RAIN, HORN = np.eye(4, dtype=np.float32)
TOLD = {
    "rook": ("rook: a piece of chess", "rook: a bird"),
    "klaxon": ("klaxon: a horn",),
    "castle": ("castle: a piece of chess",),
    "rain": ("rain: water",),
}
MEANT = {"rook": CHESS, "a rook": CHESS, "klaxon": RAIN, "rain": RAIN, "rain klaxon": RAIN}
RECIPE = DefinitionRecipe(weight=2.0, sharpness=20.0, own_pieces=2, letters=range(4, 7))


class _Dictionary:
    def explain(self, word):
        return TOLD.get(word, ())


def _teacher(texts):
    by_end = {"bird": BIRD, "chess": CHESS, "horn": HORN, "water": RAIN}
    return np.stack([by_end[text.split()[-1]] for text in texts])


@pytest.fixture
def definitions():
    return define(
        ["rook", "klaxon", "castle", "rain", "unheard"],
        _Dictionary(),
        _teacher,
        sounds=np.stack([BIRD, RAIN, HORN]),
        known={"rain"},
        recipe=RECIPE,
    )


def test_of_the_senses_the_one_that_is_like_a_sound_counts(definitions):
    np.testing.assert_allclose(definitions.vectors["rook"], BIRD, atol=1e-6)
    np.testing.assert_allclose(definitions.vectors["castle"], CHESS)


def test_known_words_and_words_without_a_definition_are_left_out(definitions):
    assert definitions.vectors.keys() == {"rook", "klaxon", "castle"}


def test_a_text_moves_to_the_definitions_of_its_words(definitions):
    texts = list(MEANT)
    before = np.stack([MEANT[text] for text in texts])
    found = dict(zip(texts, definitions.explained(texts, before), strict=True))
    np.testing.assert_allclose(found["klaxon"], (RAIN + 2 * HORN) / np.sqrt(5), rtol=1e-6)
    np.testing.assert_allclose(found["a rook"], found["rook"])  # "a" is no content
    np.testing.assert_allclose(found["rain klaxon"], (RAIN + HORN) / np.sqrt(2), rtol=1e-6)
    np.testing.assert_allclose(found["rain"], RAIN)
    np.testing.assert_allclose(before[texts.index("klaxon")], RAIN)  # what came in stays


def test_words_that_sound_get_pieces_of_their_own(definitions):
    assert definitions.sounding(["castle", "klaxon", "rook", "unheard"]) == ["klaxon", "rook"]
    assert definitions.sounding(["castle", "klaxon"]) == ["klaxon", "castle"]


def test_nothing_to_explain_changes_nothing():
    nothing = define(
        ["unheard"], _Dictionary(), _teacher, sounds=BIRD[None], known=set(), recipe=RECIPE
    )
    np.testing.assert_array_equal(nothing.explained(["unheard"], RAIN[None]), RAIN[None])
