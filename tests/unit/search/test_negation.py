"""What a query excludes is taken out of it, and nothing else ever is."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.search.negation import NegatedQuery, split_negation


@pytest.mark.parametrize(
    ("text", "wanted", "excluded"),
    [
        ("rain -thunder", "rain", ["thunder"]),
        ("rain \u2212thunder", "rain", ["thunder"]),
        ("rain \u2013thunder", "rain", ["thunder"]),
        ("rain w/o thunder", "rain", ["thunder"]),
        ('rain -"heavy thunder" birds', "rain birds", ["heavy thunder"]),
        ("dog -cat -bird", "dog", ["cat", "bird"]),
        ("COVID-19 -cough", "COVID-19", ["cough"]),
        ("rain without thunder", "rain", ["thunder"]),
        ("Rain WITHOUT thunder.", "Rain", ["thunder."]),
        ("rain without any thunder", "rain", ["thunder"]),
        ("rain but no thunder", "rain", ["thunder"]),
        ("rain and no thunder", "rain", ["thunder"]),
        ("rain, no thunder", "rain", ["thunder"]),
        ("rain with no thunder or wind", "rain", ["thunder", "wind"]),
        ("rain without thunder and no wind", "rain", ["thunder", "wind"]),
        ("wind but not rain and not thunder", "wind", ["rain", "thunder"]),
        ("rain without thunder but with birds", "rain with birds", ["thunder"]),
        ("birds without a dog barking, in the forest", "birds in the forest", ["a dog barking"]),
        ("a car without an engine while birds sing", "a car while birds sing", ["an engine"]),
        ('rain without "thunder and lightning"', "rain", ["thunder and lightning"]),
        ("everything except speech", "", ["speech"]),
        ("anything but rain", "", ["rain"]),
        ("any sound but music", "", ["music"]),
        ("all but rain", "", ["rain"]),
        ("sounds other than music", "", ["music"]),
        ("no music", "", ["music"]),
        ("not a dog", "", ["a dog"]),
        ("-music", "", ["music"]),
        ("anything without music", "", ["music"]),
    ],
)
def test_what_is_excluded(text: str, wanted: str, excluded: list[str]) -> None:
    assert split_negation(text) == NegatedQuery(wanted, tuple(excluded))


@pytest.mark.parametrize(
    "text",
    [
        *("a t-shirt rustles", "no-break space", "a hit-and-run", "-", "rain - thunder", "--"),
        *("6\u20138 kHz", "a \u2013 b"),
        *("-20 dB noise", "mid-90s pop", "a man says no", "no one speaks", "no longer raining"),
        *('"no music"', '"rain without thunder"', "\u201cno music\u201d", "rain without"),
        *("nothing but rain", "a dog barks but a cat does not", "rain without the"),
        *("rain and thunder", "without"),
        *("a note", "notice", "butter", "exception", "a knot", "", " ", "a piano, no"),
    ],
)  # fmt: skip
def test_what_only_looks_like_it(text: str) -> None:
    assert split_negation(text) == NegatedQuery(text, ())


WORDS = st.sampled_from(
    ["rain", "a", "dog", "barks", "t-shirt", "no-break", "and", "then", "in", "the", "été", "雨"]
)


@given(st.lists(WORDS, max_size=8))
def test_without_a_marker_nothing_changes(words: list[str]) -> None:
    text = " ".join(words)
    assert split_negation(text) == NegatedQuery(text, ())


@given(st.lists(WORDS, min_size=1, max_size=4), st.sampled_from(["thunder", "a crow", "t-shirts"]))
def test_what_stands_behind_without_is_excluded_and_the_rest_kept(
    words: list[str], other: str
) -> None:
    text = " ".join(words)
    found = split_negation(f"{text} without {other}")
    assert found.excluded == (other,)
    while words and words[-1] == "and":
        words.pop()
    assert found.wanted in (" ".join(words), "")
    assert found.wanted or set(words) <= {"a", "the", "and"}


@given(st.text(alphabet=st.characters(exclude_characters='"'), max_size=30))
def test_what_stands_in_quotes_is_never_read(inside: str) -> None:
    text = f'rain "{inside}"'
    assert split_negation(text) == NegatedQuery(text, ())


@given(st.text(max_size=60))
def test_any_text_has_an_answer(text: str) -> None:
    found = split_negation(text)
    assert found.excluded or found.wanted == text
    assert all(any(letter.isalnum() for letter in each) for each in found.excluded)


@given(
    st.lists(st.sampled_from(["no", "but", "without", "rain", ",", "-x1", '"', "and"]), max_size=9)
)
def test_a_heap_of_markers_has_an_answer(words: list[str]) -> None:
    found = split_negation(" ".join(words))
    assert all(any(letter.isalnum() for letter in each) for each in found.excluded)


def test_a_million_words_are_read_at_once() -> None:
    started = time.monotonic()
    split_negation("anything but no " * 100_000)
    split_negation("rain without " * 100_000)
    assert time.monotonic() - started < 5
