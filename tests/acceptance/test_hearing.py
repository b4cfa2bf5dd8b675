"""The bundled model hears in the generated sounds what is in them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance import truths
from tests.acceptance.ears import BUNDLED, Ears, listening

SINGLE = sorted(truths.QUERIES)


@pytest.fixture(scope="session")
def ears(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ears]:
    """The bundled model's."""
    with listening(BUNDLED, tmp_path_factory.mktemp("acceptance")) as ears:
        yield ears


def test_order_is_heard(ears: Ears):
    truths.order_is_heard(ears)


@pytest.mark.parametrize("sound", SINGLE)
def test_words_lead_to_the_sound(ears: Ears, sound: str):
    truths.words_lead_to_the_sound(ears, sound)


@pytest.mark.parametrize("sound", sorted(truths.FOREIGN_QUERIES))
def test_other_languages_lead_to_the_sound(ears: Ears, sound: str):
    truths.other_languages_lead_to_the_sound(ears, sound)


@pytest.mark.parametrize("sound", SINGLE)
def test_words_lead_to_nothing_else(ears: Ears, sound: str):
    truths.words_lead_to_nothing_else(ears, sound)


def test_what_is_not_there_is_not_found(ears: Ears):
    truths.what_is_not_there_is_not_found(ears)


@pytest.mark.parametrize("sound", SINGLE)
def test_the_first_label_is_right(ears: Ears, sound: str):
    truths.the_first_label_is_right(ears, sound)


@pytest.mark.parametrize("sound", sorted(truths.CAPTION_WORDS))
def test_the_caption_names_it(ears: Ears, sound: str):
    truths.the_caption_names_it(ears, sound)


@pytest.mark.parametrize("sound", [*SINGLE, "scene-1", "scene-2", "scene-3"])
def test_a_clip_finds_itself(ears: Ears, sound: str):
    truths.a_clip_finds_itself(ears, sound)


@pytest.mark.parametrize("sound", SINGLE)
def test_a_changed_copy_finds_the_original(ears: Ears, sound: str):
    truths.a_changed_copy_finds_the_original(ears, sound)


def test_silence_says_nothing(ears: Ears):
    truths.silence_says_nothing(ears)
