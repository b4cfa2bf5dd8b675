"""Normalisation and vocabulary."""

from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.model.tokenizer import Splitting, Vocabulary, normalise

WORDS = ("<pad>", "<bos>", "<eos>", "<unk>", "a", "dog", "barks", "man", "'s", "rain")


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary(words=WORDS, repeatable=frozenset({4}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A dog barks.", "a dog barks"),
        ("A man’s dog — barks; loudly!", "a man's dog — barks loudly"),
        ("  Rain-drops,\tfall (softly)\n", "rain drops fall softly"),
        ("rock&roll at 10pm", "rock & roll at 10pm"),
        ("wait… [beep] {x} *y* #1 a/b c+d e_f ~g", "wait beep x y 1 a b c d e f g"),
        ("<bos>a dog<eos><pad><unk>", "a dog"),
        ("“Hello” ‘world’", "hello 'world'"),
        ("CAFÉ ʘ \\ × `", "café"),
        ("", ""),
        ("...", ""),
    ],
)
def test_normalise(text: str, expected: str) -> None:
    assert normalise(text) == expected


@given(st.text())
def test_normalised_text_is_lower_case_words_and_single_spaces(text: str) -> None:
    result = normalise(text)
    assert result == result.strip()
    assert "  " not in result
    assert not set(result) & set(',.!?;:"“”’`(){}[]*×-#/+_~ʘ\\\n\t')
    assert all(word for word in result.split(" ")) or result == ""


def test_encode_maps_unknown_words_to_unk(vocabulary: Vocabulary) -> None:
    assert vocabulary.encode("A dog meows.") == (4, 5, 3)
    assert vocabulary.unknown_words("A cat meows at a cat") == ("cat", "meows", "at")
    assert vocabulary.unknown_words("a dog") == ()


def test_special_tokens_are_never_read_from_text() -> None:
    vocabulary = Vocabulary(words=(*WORDS, "<bos_clotho>"), tasks=MappingProxyType({"clotho": 10}))
    # Upper case escapes the deletion of special tokens, and lowers into one.
    assert vocabulary.encode("<PAD> dog") == (3, 5)
    assert 10 not in vocabulary.encode("<BOS_CLOTHO> <bos_clotho>")


def test_decode_drops_special_tokens_and_joins_punctuation(vocabulary: Vocabulary) -> None:
    assert vocabulary.decode([1, 4, 7, 8, 5, 6, 2, 0, 0]) == "a man's dog barks"


def test_words_survive_the_round_trip(vocabulary: Vocabulary) -> None:
    assert vocabulary.decode(vocabulary.encode("a dog barks")) == "a dog barks"


def test_repeatable_mask(vocabulary: Vocabulary) -> None:
    assert vocabulary.repeatable_mask.nonzero()[0].tolist() == [4]
    assert vocabulary.repeatable_mask.shape == (len(WORDS),)


@pytest.mark.parametrize(
    "change",
    [
        {"words": (*WORDS, "dog")},
        {"eos": 1},
        {"unk": 99},
        {"repeatable": frozenset({10})},
        {"tasks": {"clotho": -1}},
    ],
)
def test_an_inconsistent_vocabulary_is_refused(change: dict[str, object]) -> None:
    arguments: dict[str, object] = {"words": WORDS} | change
    with pytest.raises(ValueError):
        Vocabulary(**arguments)  # type: ignore[arg-type]


def test_published_vocabularies_part_words_further() -> None:
    english = Vocabulary(words=WORDS, splitting=Splitting.ENGLISH)
    assert english.encode("A man's dog barks") == (4, 7, 8, 5, 6)
    assert english.unknown_words("the man's cat") == ("the", "cat")
    assert english.decode(english.encode("a man's dog")) == "a man's dog"
    assert Vocabulary(words=WORDS).encode("A man's dog") == (4, 3, 5)
