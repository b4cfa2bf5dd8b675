"""Reading text as byte pairs: the runs, the joins, what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.model.bundle import load_bundle
from audiosearch.model.byte_pairs import LETTERS, BytePairs, _runs
from tests.toy_bundles import JOINT


@pytest.fixture(scope="module")
def pairs() -> BytePairs:
    found = load_bundle(JOINT).pieces
    assert isinstance(found, BytePairs)
    return found


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("a dog barks", ["a", " dog", " barks"]),
        ("it's the men's, isn't it", ["it", "'s", " the", " men", "'s", ",", " isn", "'t", " it"]),
        ("  two  spaces ", [" ", " two", " ", " spaces", " "]),
        ("at 12½ o'clock!?", ["at", " 12½", " o", "'", "clock", "!?"]),
        ("line\n\nbreak\t x", ["line", "\n", "\n", "break", "\t", " x"]),
        ("d\u01b0\u1ee3c_\u4e2d \U0001f3b5", ["d\u01b0\u1ee3c", "_", "\u4e2d", " \U0001f3b5"]),
        ("", []),
    ],
)
def test_text_is_parted_as_gpt2_parts_it(text, runs):
    """The expected runs are those of its published pattern."""
    assert list(_runs(text)) == runs


@given(st.text(max_size=40))
def test_any_text_is_read_and_can_be_written_again(text):
    pairs = load_bundle(JOINT).pieces
    assert isinstance(pairs, BytePairs)
    assert "".join(_runs(text)) == text
    ids = replace(pairs, longest=1000).encode(text)
    assert (ids[0], ids[-1]) == (0, 2)
    bytes_of = {letter: byte for byte, letter in LETTERS.items()}
    letters = "".join(pairs.tokens[each] for each in ids[1:-1])
    written = bytes(bytes_of[letter] for letter in letters)
    assert written == text.encode("utf-8", "replace")


def test_pairs_are_joined_in_the_order_of_the_list():
    letters = tuple(LETTERS.values())
    tokens = ("<s>", "<pad>", "</s>", *letters, "bc", "ab", "abc")
    made = BytePairs(
        tokens=tokens, merges=(("b", "c"), ("a", "b")), pad=1, start=None, end=2, longest=9
    )
    assert [tokens[each] for each in made.encode("abcab")] == ["a", "bc", "ab", "</s>"]
    assert made.says_something(made.encode("a"))
    assert not made.says_something(made.encode(""))


@given(st.text(alphabet="a! <>/sdog\u00e9", max_size=30))
def test_what_stands_apart_is_cut_out_of_any_text(text):
    """Each "!" and "</s>" is a token of its own; what lies between is read as by itself."""
    pairs = load_bundle(JOINT).pieces
    assert isinstance(pairs, BytePairs)
    cut = replace(pairs, longest=1000, tail=" ", apart=("!", "</s>"))
    ids = cut.encode(text)
    assert (ids[0], ids[-1]) == (pairs.start, pairs.end)
    plain = replace(pairs, longest=1000)
    expected: list[int] = []
    for place, marked in enumerate((text + " ").split("!")):
        expected += [pairs.tokens.index("!")] if place else []
        for number, piece in enumerate(marked.split("</s>")):
            expected += [pairs.end] if number else []
            expected += plain.encode(piece)[1:-1]
    assert list(ids[1:-1]) == expected
    assert cut.says_something(ids) == bool(text)


def test_long_texts_are_cut_and_still_end(pairs):
    ids = replace(pairs, longest=5).encode("a dog barks and a bird sings")
    assert len(ids) == 5
    assert ids[-1] == pairs.end


def test_words_that_are_one_token_are_known(pairs):
    assert pairs.holds("dog")
    assert not pairs.holds("cat")
    assert {"dog", "rings"} <= set(pairs.whole_words)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokens": ("a", "a")}, "must be ids"),
        ({"pad": 10**6}, "must be ids"),
        ({"merges": (("x", "yz"),)}, "no token"),
        ({"longest": 2}, "room"),
    ],
)
def test_tokens_that_do_not_fit_together_are_refused(pairs, change, message):
    with pytest.raises(ValueError, match=message):
        replace(pairs, **change)


def test_every_byte_must_have_a_token(pairs):
    with pytest.raises(ValueError, match="bytes have no token"):
        replace(pairs, tokens=(*pairs.tokens[:5], *pairs.tokens[7:]), merges=())
