"""What a query's words are to a model that knows few of them."""

import pytest

from audiosearch.search.query import base_forms, respelled


@pytest.mark.parametrize(
    ("word", "base"),
    [
        *(("barks", "bark"), ("barking", "bark"), ("barked", "bark"), ("barker", "bark")),
        *(("running", "run"), ("closing", "close"), ("flies", "fly"), ("churches", "church")),
    ],
)
def test_forms_of_english_words_lead_to_their_base(word: str, base: str) -> None:
    assert base in base_forms(word)


def test_short_words_are_forms_of_nothing() -> None:
    assert base_forms("bus") == []
    assert base_forms("0031") == []


def test_words_are_respelled_where_they_stand_alone() -> None:
    assert respelled("The Trian, at night", {"trian": "train"}) == "The train, at night"
    assert respelled("trianlike", {"trian": "train"}) == "trianlike"
