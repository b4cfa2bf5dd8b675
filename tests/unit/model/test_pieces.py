"""Words parted into known pieces."""

import pytest

from audiosearch.model.wordpiece import SPECIAL_PIECES, UNK, Pieces

LIST = (*SPECIAL_PIECES, "dog", "bark", "##ing", "##s", "ca", "##fe", "don", "'", "t", "##t", "7")


@pytest.fixture(scope="module")
def pieces() -> Pieces:
    return Pieces(LIST)


def _texts(pieces: Pieces, text: str) -> list[str]:
    return [pieces.pieces[i] for i in pieces.encode(text)]


def test_words_are_whole_or_parted_from_the_start_into_the_longest_pieces(pieces: Pieces) -> None:
    assert _texts(pieces, "Dogs BARKING!") == ["dog", "##s", "bark", "##ing"]
    assert pieces.holds("dog")
    assert not pieces.holds("dogs")


def test_accents_case_and_punctuation_do_not_count(pieces: Pieces) -> None:
    assert pieces.encode("Café, dog") == pieces.encode("cafe dog")
    assert _texts(pieces, "don\u2019t 7") == ["don", "'", "t", "7"]


def test_what_cannot_be_parted_is_unknown_as_a_whole(pieces: Pieces) -> None:
    assert pieces.encode("dogzilla") == (UNK,)
    assert pieces.encode("s" * 1000) == (UNK,)
    assert pieces.encode("... !") == ()
    assert pieces.encode("[PAD] [UNK]") == (UNK, UNK)  # as words they mean nothing


def test_lists_without_special_pieces_or_with_doubles_are_refused() -> None:
    with pytest.raises(ValueError, match="first"):
        Pieces(("dog", "cat"))
    with pytest.raises(ValueError, match="twice"):
        Pieces((*SPECIAL_PIECES, "dog", "dog"))
