"""bm25 as FTS5 has it (https://sqlite.org/fts5.html), from what each word counts in each text.

FTS5 looks up each text's length at each question, two thirds of its `bm25`. Here they are read once
in a state of the library, and rows, which cost Python as much, come as one text.
"""

# ruff: noqa: S608 - statements are put together from constants of this package
from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from audiosearch._typing import Doubles, Ids
from audiosearch.store.full_text import COLUMNS, WEIGHTS, TextKind

INSTANCES: Final = {TextKind.CAPTION: "caption_instance", TextKind.FILE: "file_instance"}
Scores = tuple[Ids, Doubles]  # ids of texts (n,), ascending, and what a word counts in each (n,)

_K1, _B, _LEAST_IDF = 1.2, 0.75, 1e-6  # FTS5's; a word that most texts have counts next to nothing
_MOST_OF_WORD: Final = 250_000  # texts that a word is in: of a commoner one nothing is kept
_MOST_KEPT: Final = 1_000_000  # texts of all words: 16 MB
_WORD_SIZE: Final = 32  # texts that would take as much as a word without any
_ONE_BY_ONE: Final = 2  # a length costs as many when it is looked up by its text's id
_SPREAD: Final = 50  # times as many as there are texts may ids be: lengths stand in a list by id
_FEW: Final = 10_000  # texts, and as many are taken to be there
_TOTALS: Final = 1  # the row of FTS5's own table in which the numbers of all texts are


class Uncounted(Exception):
    """What the full text says does not fit together, or its ids lie far apart: FTS5 is to answer.

    Where it is damaged, FTS5 itself says so.
    """


class WordScores:
    """What words count in the texts of one kind, in one state of the library.

    Args:
        driver: SQLite's connection, in one transaction whenever it is asked.
        kind: which texts.
    """

    def __init__(self, driver: Any, kind: TextKind) -> None:
        self._driver, self._kind = driver, kind
        self._kept: dict[str, Scores] = {}
        self._n_kept = 0
        row = driver.execute(f"SELECT block FROM {kind}_data WHERE id = {_TOTALS}").fetchone()
        totals = numbers_of(row[0] if row else b"")[: 1 + len(COLUMNS[kind])].tolist()
        self._n_texts, self._n_words = totals[0] if totals else 0, sum(totals[1:])
        self._n_known = 0
        self._lengths = np.zeros(0, np.int32)  # by id; 0: nobody has looked

    def kept(self, term: str) -> Scores | None:
        """What is kept of a word; None: it was not asked for, or is too common."""
        return self._kept.get(term)

    def of(self, term: str) -> Scores:
        """What a word counts, as FTS5 keeps it: its stem, in normal form.

        Raises:
            Uncounted: FTS5 is to be asked.
        """
        found = self._kept.get(term)
        if found is None:
            found = self._counted(term)
            if len(found[0]) <= _MOST_OF_WORD:
                self._keep(term, found)
        return found

    def _keep(self, term: str, scores: Scores) -> None:
        """Keep it; words that were asked for first go where there is too much."""
        self._n_kept += _WORD_SIZE + len(scores[0])
        while self._n_kept > _MOST_KEPT and self._kept:
            self._n_kept -= _WORD_SIZE + len(self._kept.pop(next(iter(self._kept)))[0])
        self._kept[term] = scores

    def _counted(self, term: str) -> Scores:
        n_places, found = self._driver.execute(
            f"SELECT count(*), group_concat({_place(self._kind)}) FROM {INSTANCES[self._kind]}"
            " WHERE term = ?",
            (term,),
        ).fetchone()
        weights, places = sorted(set(WEIGHTS[self._kind])), _whole_numbers(found)
        # In a damaged one a column may be none of ours, which gives no number, and ids anything.
        if len(places) != n_places or (places < 0).any() or (np.diff(places) < 0).any():
            raise Uncounted
        texts, weight = np.divmod(places, len(weights))
        is_first = np.ones(len(texts), np.bool_)
        is_first[1:] = texts[1:] != texts[:-1]
        ids = texts[is_first]
        # One after the other, as FTS5 adds: sums of 0.7 depend on the order.
        often = np.bincount(np.cumsum(is_first) - 1, np.array(weights)[weight])
        lengths, n_others = self._lengths_of(ids), self._n_texts - len(ids)
        if n_others < 0 or self._n_words < lengths.sum() or not lengths.all():
            raise Uncounted
        idf = max(math.log((n_others + 0.5) / (len(ids) + 0.5)), 0.0) or _LEAST_IDF
        length = _B * lengths / (max(1, self._n_words) / max(1, self._n_texts))
        return ids, -(idf * ((often * (_K1 + 1.0)) / (often + _K1 * (1 - _B + length))))

    def _lengths_of(self, ids: Ids) -> NDArray[np.int32]:
        """How many words each text has."""
        if len(ids) and ids[-1] >= len(self._lengths):
            statement = f"SELECT max(id) FROM {self._kind}_docsize"
            last = self._driver.execute(statement).fetchone()[0] or 0
            if last < ids[-1] or last > _SPREAD * (self._n_texts + _FEW):
                raise Uncounted
            grown = np.zeros(last + 1, np.int32)
            grown[: len(self._lengths)] = self._lengths
            self._lengths = grown
        lengths = self._lengths[ids]
        unknown = ids[lengths == 0]
        if len(unknown):
            self._look_up(unknown)
            lengths = self._lengths[ids]
        return lengths

    def _look_up(self, ids: Ids) -> None:
        """Read lengths that are not known: these, or all where that takes no longer."""
        sizes, table = "group_concat(hex(size.sz), '')", f"{self._kind}_docsize AS size"
        if len(ids) * _ONE_BY_ONE > self._n_texts - self._n_known:
            (texts, found) = self._driver.execute(
                f"SELECT group_concat(size.id), {sizes} FROM {table}"
            ).fetchone()
            ids = _whole_numbers(texts)
        else:  # CROSS JOIN is SQLite's word for "in this order"
            (found,) = self._driver.execute(
                f"SELECT {sizes} FROM json_each(?) AS given CROSS JOIN {table}"
                " ON size.id = given.value",
                (f"[{','.join(map(str, ids.tolist()))}]",),
            ).fetchone()
        n_columns, of_columns = len(COLUMNS[self._kind]), numbers_of(bytes.fromhex(found or ""))
        if len(of_columns) != len(ids) * n_columns or (ids < 0).any():
            raise Uncounted
        self._lengths[ids] = of_columns.reshape(len(ids), n_columns).sum(axis=1)
        self._n_known = int(np.count_nonzero(self._lengths))


def _place(kind: TextKind) -> str:
    """In SQL, for an instance of a word, one number for its text and its column's weight."""
    weights = sorted(set(WEIGHTS[kind]))
    if len(weights) == 1:
        return "doc"
    cases = (
        f"WHEN '{column}' THEN {weights.index(weight)}"
        for column, weight in zip(COLUMNS[kind], WEIGHTS[kind], strict=True)
    )
    return f"doc * {len(weights)} + CASE col {' '.join(cases)} END"


def _whole_numbers(text: str | None) -> Ids:
    """The numbers that stand in a text with commas between them."""
    return np.fromstring(text or "", np.int64, sep=",")


def numbers_of(block: bytes) -> Ids:
    """The numbers of a row of SQLite's varints: seven bits a byte, the last one below 128.

    Of up to eight bytes: no text has more words than fit in them.
    https://sqlite.org/fileformat2.html#varint
    """
    found = np.frombuffer(block, np.uint8).astype(np.int64)
    is_last = found < 128
    if is_last.all() or not is_last.any():
        return found[is_last]
    ends = np.flatnonzero(is_last)
    number: Ids = np.cumsum(is_last) - is_last  # of which number each byte is part
    n_after = ends[number[: ends[-1] + 1]] - np.arange(ends[-1] + 1)
    parts = (found[: ends[-1] + 1] & 127) << (7 * n_after)
    starts = np.concatenate([[0], ends[:-1] + 1])
    return np.add.reduceat(parts, starts)


def added_up(words: Sequence[Scores], first: int | None) -> Iterator[tuple[int, float]]:
    """(id, score) of all texts that any word is in, best (lowest) first, equals by id.

    `first` is how many will likely be read; None: all.
    """
    n_places = 1 + max((int(ids[-1]) for ids, _ in words if len(ids)), default=-1)
    totals, is_found = np.zeros(n_places), np.zeros(n_places, np.bool_)
    for ids, scores in words:
        totals[ids] += scores  # an id stands in each of them once
        is_found[ids] = True
    found = np.flatnonzero(is_found)
    totals = totals[found]
    parts = [np.ones(len(found), np.bool_)]
    if first is not None and 0 < first < len(found):
        is_first = totals <= np.partition(totals, first - 1)[first - 1]
        parts = [is_first, ~is_first]
    for part in parts:
        ids, scores = found[part], totals[part]
        order = np.lexsort((ids, scores))
        yield from zip(ids[order].tolist(), scores[order].tolist(), strict=True)
