import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.store.names import name_words, words_of


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"Foley/DogBark03.wav", "Foley DogBark03 Dog Bark 03 wav"),
        (b"dog_bark-03.wav", "dog bark 03 wav"),
        (b"AMBWind_HTTPServer.flac", "AMBWind AMB Wind HTTPServer HTTP Server flac"),
        ("Çağrı/Zürich Glocke.ogg".encode(), "Çağrı Zürich Glocke ogg"),
        (b"bad\xffname.wav", "bad name wav"),
    ],
)
def test_names_are_split_into_words(path: bytes, expected: str) -> None:
    assert name_words(path) == expected


def test_composed_and_decomposed_names_have_the_same_words() -> None:
    """macOS hands out decomposed names, most others composed ones."""
    name = "Café_Öl.wav"
    composed, decomposed = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    assert composed != decomposed
    assert name_words(composed.encode()) == name_words(decomposed.encode()) == "Café Öl wav"
    assert words_of(composed) == words_of(decomposed)


@given(st.binary())
def test_any_bytes_give_plain_words(path: bytes) -> None:
    assert all(word.isalnum() for word in name_words(path).split(" ") if word)


@given(st.text())
def test_words_hold_no_punctuation(text: str) -> None:
    assert all(not set(word) & set(" \"'*()-:^{}_\0") for word in words_of(text))
