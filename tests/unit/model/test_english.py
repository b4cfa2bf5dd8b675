"""Words parted as spaCy's English rules part them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.model.english import exceptions, split_english
from audiosearch.model.tokenizer import normalise
from tests.record_english import FILE


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A man's dog", "a man 's dog"),
        ("someone doesn't answer", "someone does n't answer"),
        ("they cannot hear", "they can not hear"),
        ("at 10pm", "at 10 pm"),
        ("13pm is no time", "13pm is no time"),
        ("it's gonna rain", "it 's gon na rain"),
        ("the dogs' bowls", "the dogs ' bowls"),
        ("its engine hums well", "its engine hums well"),
        ("he'll've said 'hello'", "he 'll 've said ' hello '"),
        ("rock'n'roll at six o'clock", "rock'n'roll at six o'clock"),
        ("5km away, 20% louder", "5 km away 20 % louder"),
        ("one—two", "one — two"),
        ("a dog & a cat", "a dog & a cat"),
        ("two feet, 6'2''", "two feet 6'2 ''"),
        ("♪la la♪", "♪ la la ♪"),
        ("", ""),
    ],
)
def test_words_are_parted(text: str, words: str) -> None:
    assert split_english(normalise(text)) == words.split()


@given(st.text())
def test_no_character_is_lost(text: str) -> None:
    clean = normalise(text)
    assert "".join(split_english(clean)) == clean.replace(" ", "")


def test_an_exception_is_made_of_its_words() -> None:
    assert all("".join(words) == text for text, words in exceptions().items())
    assert exceptions()["can't've"] == ("ca", "n't", "'ve")


def test_words_are_those_that_spacy_wrote_down() -> None:
    """See `tests.record_english`, which also compares far more where spaCy is installed."""
    recorded = json.loads(FILE.read_text("utf-8"))
    assert len(recorded) > 2_500
    wrong = [text for text, words in recorded.items() if split_english(text) != words.split()]
    assert wrong == []


def test_each_exception_that_spacy_knows_was_written_down() -> None:
    recorded = json.loads(FILE.read_text("utf-8"))
    ours = {text: " ".join(words) for text, words in exceptions().items() if "‘" not in text}
    assert ours.items() <= recorded.items()  # ‘ cannot be in normalised text
