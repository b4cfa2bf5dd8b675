"""Words parted as spaCy's English rules part them."""

from __future__ import annotations

import random
import re
import warnings
from functools import cache

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from audiosearch.model.english import exceptions, split_english
from audiosearch.model.text import normalise


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


@cache
def spacy_words(text: str) -> list[str]:
    """What spaCy itself makes of a text."""
    return [token.text for token in _tokenizer()(text) if not token.is_space]


@cache
def _tokenizer():  # type: ignore[no-untyped-def]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its dependencies, at import
        return pytest.importorskip("spacy").blank("en").tokenizer


class TestAgainstSpacy:
    """The rules themselves, where spaCy is installed."""

    def test_every_exception_that_normalised_text_can_hold(self) -> None:
        for text in _tokenizer().rules:
            clean = normalise(text)
            if clean and clean == text:
                assert split_english(text) == spacy_words(text), text

    def test_wild_chunks(self) -> None:
        rng = random.Random(0)
        pieces = [
            *("'", "'s", "'d", "''", "n't", "'ve", "nt", "ve", "'em", "em", "&", "%", "$", "€"),
            *("=", "<", ">", "<3", "=3", "—", "–", "«", "»", "♪", "°", "^", "|", "³", "£", "§"),
            *("5", "10", "12", "3", "km", "m", "t", "g", "pm", "am", "kmh", "oz", "in", "²"),
            *("a", "he", "they", "man", "dogs", "can", "not", "gonna", "do", "goin", "é", "naïve"),
            *("let", "who", "it", "well", "'cause", "o'clock", "y'", "all", "犬", "дом", "µm"),
        ]
        for _ in range(20_000):
            text = "".join(rng.choice(pieces) for _ in range(rng.randint(1, 5)))
            clean = normalise(text)
            if "'''" not in clean:  # of long runs spaCy makes now this, now that
                assert split_english(clean) == spacy_words(clean), clean

    @hypothesis_settings(max_examples=300)
    @given(text=st.text(alphabet=st.characters(max_codepoint=0x24F, exclude_categories=["Cc"])))
    def test_wild_text(self, text: str) -> None:
        clean = re.sub("''+", "'", normalise(text))
        assert split_english(clean) == spacy_words(clean)
