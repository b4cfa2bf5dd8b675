"""Captions altered in time: worked examples, a plain second implementation, and laws."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.evaluation.temporal import Perturbation, perturb

WORDS = {
    "BAT": ["before", "after"],
    "seq": ["followed by", "and then", "then", "before", "after"],
    "sup": ["as", "while"],
}


@pytest.mark.parametrize(
    ("caption", "test", "word", "altered"),
    [
        (
            "A dog barks before rain.",
            Perturbation.REPLACE_BAT,
            "before",
            ("a dog barks after rain",),
        ),
        (
            "A bell, and then a car",
            Perturbation.REPLACE_SEQ2SUP,
            "and then",
            ("a bell as a car", "a bell while a car"),
        ),
        (
            "wind blows while a man speaks",
            Perturbation.REPLACE_SUP2SEQ,
            "while",
            (
                "wind blows followed by a man speaks",
                "wind blows and then a man speaks",
                "wind blows then a man speaks",
                "wind blows before a man speaks",
                "wind blows after a man speaks",
            ),
        ),
        ("a bell after a car", Perturbation.INVERT_BAT, "after", ("a car after a bell",)),
        ("x and then y", Perturbation.INVERT_SEQ, "and then", ("y and then x",)),
        (
            "x followed by y then z",
            Perturbation.INVERT_SEQ,
            "followed by",
            ("y then z followed by x",),
        ),
        ("x as y", Perturbation.INVERT_SUP, "as", ("y as x",)),
        ("x before y after z", Perturbation.REPLACE_BAT, "before", ("x after y after z",)),
    ],
)
def test_worked_examples(caption: str, test: Perturbation, word: str, altered: tuple[str, ...]):
    found = perturb(caption, test)
    assert found is not None
    assert (found.word, found.altered) == (word, altered)


@pytest.mark.parametrize(
    ("caption", "test"),
    [
        ("a dog barks", Perturbation.REPLACE_BAT),
        ("the afternoon wind", Perturbation.REPLACE_BAT),  # whole words
        ("after a bell, a car", Perturbation.INVERT_BAT),  # nothing before the connective
        ("a bell rings before", Perturbation.INVERT_BAT),
        ("rain then rain", Perturbation.INVERT_SEQ),  # turned round it is the same
        ("a before a before a", Perturbation.INVERT_BAT),
        ("followed closely by a car", Perturbation.INVERT_SEQ),
    ],
)
def test_captions_that_do_not_count(caption: str, test: Perturbation):
    assert perturb(caption, test) is None


@pytest.mark.parametrize(
    ("caption", "start"),
    [
        ("rain as well as wind", None),
        ("birds such as crows sing", None),
        ("a noise as if tearing paper", None),
        ("a bang as loud as thunder", None),
        ("rain as well as wind as a car passes", "a car passes as rain"),
    ],
)
def test_idioms_count_unless_told_otherwise(caption: str, start: str | None):
    assert perturb(caption, Perturbation.INVERT_SUP) is not None
    found = perturb(caption, Perturbation.INVERT_SUP, skip_idioms=True)
    assert (found is None) == (start is None)
    if found is not None and start is not None:
        assert found.altered[0].startswith(start)


def plain(caption: str, test: Perturbation) -> tuple[str, list[str]] | None:
    """The same by regular expressions: alternatives longest first, one substitution."""
    kind, _, name = test.partition(" ")
    look = {"BAT": "BAT", "seq": "seq", "sup": "sup", "seq2sup": "seq", "sup2seq": "sup"}[name]
    into = {"BAT": "BAT", "seq2sup": "sup", "sup2seq": "seq"}.get(name)
    pattern = r"\b(" + "|".join(sorted(WORDS[look], key=len, reverse=True)) + r")\b"
    match = re.search(pattern, caption)
    if match is None:
        return None
    left, word, right = caption[: match.start()], match[1], caption[match.end() :]
    if kind == "replace":
        assert into is not None
        return word, [f"{left}{w}{right}" for w in WORDS[into] if w != word]
    left, right = left.strip(), right.strip()
    turned = f"{right} {word} {left}"
    return None if not left or not right or turned == caption else (word, [turned])


sentences = st.lists(
    st.sampled_from(
        ["a", "dog", "rain", "before", "after", "as", "while", "then", "and", "followed", "by"]
    ),
    min_size=1,
    max_size=9,
).map(" ".join)


@given(sentences, st.sampled_from(list(Perturbation)))
def test_equals_the_plain_implementation(caption: str, test: Perturbation):
    found, expected = perturb(caption, test), plain(caption, test)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert (found.word, list(found.altered)) == expected
        assert caption not in found.altered
