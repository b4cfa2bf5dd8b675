"""The numbers in FTS5's own tables, and scores that are added up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.store.fts5_scores import Uncounted, WordScores, added_up, numbers_of
from audiosearch.store.full_text import TextKind


def varint(number: int) -> bytes:
    """As https://sqlite.org/fileformat2.html#varint has it, of up to eight bytes."""
    found = bytearray([number & 127])
    while number := number >> 7:
        found.insert(0, 128 | number & 127)
    return bytes(found)


@given(st.lists(st.integers(0, 2**56 - 1) | st.integers(0, 300)))
def test_numbers_are_read_as_sqlite_writes_them(numbers: list[int]) -> None:
    assert numbers_of(b"".join(map(varint, numbers))).tolist() == numbers


def test_a_number_without_its_last_byte_is_left_out() -> None:
    assert numbers_of(b"\x05\x81").tolist() == [5]
    assert numbers_of(b"\x81").tolist() == []


@given(
    st.lists(st.dictionaries(st.integers(1, 40), st.sampled_from([-0.5, -1.0, -2.0])), max_size=4),
    st.none() | st.integers(0, 50),
)
def test_scores_of_words_are_added_up_in_order(
    words: list[dict[int, float]], first: int | None
) -> None:
    scores = [
        (np.array(sorted(word), np.int64), np.array([word[each] for each in sorted(word)], float))
        for word in words
    ]
    totals: dict[int, float] = {}
    for word in words:
        for each, score in word.items():
            totals[each] = totals.get(each, 0.0) + score
    assert list(added_up(scores, first)) == sorted(totals.items(), key=lambda x: (x[1], x[0]))


class Damaged:
    """A connection to a library whose full text says what cannot be."""

    def __init__(self, places: tuple[int, str]) -> None:
        self._places = places

    def execute(self, statement: str, *_: object) -> Damaged:
        self._is_of_places = "_instance" in statement
        return self

    def fetchone(self) -> tuple[object, ...]:
        return self._places if self._is_of_places else (bytes([9] * 6),)


@pytest.mark.parametrize(
    "places", [(3, "2,5"), (2, "5,2"), (1, "-4")], ids=["no column of ours", "no order", "no id"]
)
def test_places_that_cannot_be_are_left_to_fts5(places: tuple[int, str]) -> None:
    with pytest.raises(Uncounted):
        WordScores(Damaged(places), TextKind.FILE).of("dog")
