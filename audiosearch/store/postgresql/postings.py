"""How often which texts have some words, as `tsvector` tells it, and their bm25.

A word's positions stand for how often it is in which columns: three times the count, and the group
of columns. Reading them takes ten times as long as asking whether a word has a label. So one that
is there more than once has a label more; how far two such lie apart tells how often it is there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sqlalchemy.orm import Session

from audiosearch._typing import Doubles, Ids
from audiosearch.store.direct import fetch
from audiosearch.store.full_text import MOST_LETTERS, STEMMER, Match, TextKind

GROUPS: Final = "ABD"  # labels of names and folders; of tags, and captions; of free comments
_WEIGHTS: Final = (1.0, 1.0, 0.7)  # of a group, as in `full_text.WEIGHTS`
_MARKED: Final = 16_370  # the first position that marks; PostgreSQL's last one is 16,383
MOST_COUNTED: Final = _MARKED // 3 - 1  # of one word in one group
_SEVERAL: Final = "C"  # the label of a word that is there more than once
_TOLD: Final = (2, 3, 4)  # times, not in comments: told by how far two marks lie apart
_MOST_ASKED: Final = 8  # stems; of more, positions are read at once
_MOST_BYTES: Final = 2_000  # of one word; PostgreSQL takes 2,046
_SIDE_BY_SIDE: Final = 64  # parts of a query that are put in one row
_K1, _B = 1.2, 0.75  # of bm25, as in FTS5


@dataclass(frozen=True)
class QueryPhrase:
    """A word of a query or a part of one: the stems that a text must hold, mostly one."""

    stems: tuple[str, ...]


@dataclass(frozen=True)
class WordQuery:
    """A `Match` as stems: for each word itself, and what it consists of."""

    words: tuple[tuple[QueryPhrase, tuple[QueryPhrase, ...]], ...]
    every: bool

    @classmethod
    def of(cls, match: Match) -> WordQuery:
        """What a match looks for."""
        cut = [
            (word[:MOST_LETTERS], tuple(part[:MOST_LETTERS] for part in parts))
            for word, parts in match.words
        ]
        kept = STEMMER.stems(each for word, parts in cut for each in (word, *parts))
        return cls(
            tuple(
                (QueryPhrase(kept[word]), tuple(QueryPhrase(kept[part]) for part in parts))
                for word, parts in cut
            ),
            match.every,
        )

    @property
    def stems(self) -> tuple[str, ...]:
        """All stems that it names, each once, in order."""
        found = {
            stem for word, parts in self.words for phrase in (word, *parts) for stem in phrase.stems
        }
        return tuple(sorted(found))


def balanced(parts: Sequence[str], operator: str) -> str:
    """Parts of a query put together; in halves, since PostgreSQL reads them by recursion."""
    if len(parts) <= _SIDE_BY_SIDE:
        return operator.join(parts)
    middle = len(parts) // 2
    halves = (balanced(half, operator) for half in (parts[:middle], parts[middle:]))
    return operator.join(f"({half})" for half in halves)


def lexeme_of(stem: str) -> str:
    """A stem as PostgreSQL reads it in a `tsvector` or a `tsquery`."""
    cut = stem.encode()[:_MOST_BYTES].decode("utf-8", "ignore")
    return "'" + cut.replace("\\", "\\\\").replace("'", "''") + "'"


def marks(counts: Sequence[int]) -> list[str]:
    """What tells of a word that is not there just once; by groups, how often it is."""
    n = sum(counts)
    if n == 1:
        return []
    told = [n] if n in _TOLD and counts[-1] == 0 else []
    return [f"{_MARKED + each}{_SEVERAL}" for each in (0, *told)]


@dataclass(frozen=True)
class Postings:
    """Where some stems are.

    Attributes:
        ids: (n,) of texts that hold any, ascending.
        lengths: (n,) words of each.
        weights: by stem, how often each text has it, weighted: (n,).
        n_texts: how many texts there are in all.
        n_words: how many words they have.
    """

    ids: Ids
    lengths: Doubles
    weights: dict[str, Doubles]
    n_texts: int
    n_words: int


@dataclass(frozen=True)
class _PartOfPostings:
    """Some texts of `Postings`, in any order."""

    ids: Ids
    lengths: Doubles
    weights: dict[str, Doubles]


def read_postings(session: Session, kind: TextKind, stems: tuple[str, ...]) -> Postings:
    """Where some stems are, of all texts of a kind."""
    query = balanced([lexeme_of(stem) for stem in stems], " | ")
    some: list[_PartOfPostings] = []
    unread: list[int] | None = None
    if 0 < len(stems) <= _MOST_ASKED:
        some, unread = _asked(session, kind, stems, query)
    if unread is None or unread:
        some.append(_read(session, kind, stems, query, unread))
    ids = np.concatenate([each.ids for each in some] or [np.zeros(0, np.int64)])
    order = np.argsort(ids)
    [(n_texts, n_words)] = fetch(
        session,
        f"SELECT count(*), coalesce(sum(n_words), 0) FROM {kind}",  # noqa: S608 - our own names
    )
    joined = {
        stem: np.concatenate([each.weights[stem] for each in some] or [np.zeros(0)])[order]
        for stem in stems
    }
    lengths = np.concatenate([each.lengths for each in some] or [np.zeros(0)])[order]
    return Postings(ids[order], lengths, joined, int(n_texts), int(n_words))


def _asked(
    session: Session, kind: TextKind, stems: tuple[str, ...], query: str
) -> tuple[list[_PartOfPostings], list[int]]:
    """Texts by what their labels tell, alike ones together; and those that have to be read."""
    asked: dict[str, str] = {}
    cases = []
    for place, stem in enumerate(stems):
        lexeme = lexeme_of(stem)
        several = f"{lexeme}:{_SEVERAL}"
        asked |= {
            f"once{place}": f"{lexeme}:{GROUPS[:-1]}",
            f"comment{place}": f"{lexeme}:{GROUPS[-1]}",
            f"several{place}": several,
        }
        asked |= {f"told{place}_{n}": f"{several} <{n}> {several}" for n in _TOLD}
        told = " ".join(f"WHEN words @@ told{place}_{n} THEN {n}" for n in _TOLD)
        cases.append(
            f"CASE WHEN words @@ several{place} THEN CASE {told} ELSE -1 END"
            f" WHEN words @@ once{place} THEN 1"
            f" WHEN words @@ comment{place} THEN {_WEIGHTS[-1]} ELSE 0 END"
        )
    names = ", ".join(f"CAST(:{name} AS tsquery) AS {name}" for name in asked)
    groups = ", ".join(str(n + 1) for n in range(len(cases) + 1))
    rows = fetch(
        session,
        f"WITH asked AS MATERIALIZED (SELECT {names})"  # noqa: S608 - our own names
        f" SELECT n_words, {', '.join(cases)}, array_agg(id) FROM {kind}, asked"
        f" WHERE words @@ CAST(:query AS tsquery) GROUP BY {groups}",
        query=query,
        **asked,
    )
    some: list[_PartOfPostings] = []
    unread: list[int] = []
    for n_words, *weights, ids in rows:
        if -1 in weights:
            unread += ids
            continue
        n = len(ids)
        some.append(
            _PartOfPostings(
                np.array(ids, np.int64),
                np.full(n, float(n_words)),
                {s: np.full(n, float(w)) for s, w in zip(stems, weights, strict=True)},
            )
        )
    return some, unread


def _read(
    session: Session, kind: TextKind, stems: tuple[str, ...], query: str, only: list[int] | None
) -> _PartOfPostings:
    """Texts by the positions of their words; all that match, or some of them."""
    within = "" if only is None else " AND t.id = ANY(:ids)"
    rows = fetch(
        session,
        f"SELECT t.id, t.n_words, u.lexeme, u.positions FROM {kind} AS t"  # noqa: S608
        " CROSS JOIN LATERAL unnest(t.words) AS u"
        f" WHERE t.words @@ CAST(:query AS tsquery) AND u.lexeme = ANY(:stems){within}",
        query=query,
        stems=list(stems),
        **({} if only is None else {"ids": only}),
    )
    ids = np.unique(np.array([row[0] for row in rows], np.int64))
    lengths = np.zeros(len(ids))
    weights = {stem: np.zeros(len(ids)) for stem in stems}
    places = np.searchsorted(ids, [row[0] for row in rows])
    for place, (_, n, lexeme, positions) in zip(places.tolist(), rows, strict=True):
        lengths[place] = n
        weights[lexeme][place] = _weight(tuple(positions))
    return _PartOfPostings(ids, lengths, weights)


def _weight(positions: tuple[int, ...]) -> float:
    """How often a text has a word, weighted, added up in the order of its columns as FTS5 does."""
    total = 0.0
    counted = [position for position in positions if position < _MARKED]
    for group, count in sorted((position % 3, position // 3) for position in counted):
        if _WEIGHTS[group] == 1.0:
            total += count
        else:
            for _ in range(count):
                total += _WEIGHTS[group]
    return total


def bm25(
    query: WordQuery, postings: Postings
) -> tuple[np.ndarray[Any, np.dtype[np.bool_]], Doubles]:
    """Which texts match, and their scores, operation by operation as FTS5 computes them."""
    n = len(postings.ids)
    total = np.zeros(n)
    matches = np.full(n, query.every)
    average = postings.n_words / postings.n_texts if postings.n_texts else 1.0
    norm = _K1 * (1 - _B + _B * postings.lengths / average)
    nothing = np.zeros(n)

    def occurrences(phrase: QueryPhrase) -> Doubles:
        found = [postings.weights[stem] for stem in phrase.stems]
        return np.minimum.reduce(found) if found else nothing

    for word, parts in query.words:
        whole = occurrences(word)
        split = [occurrences(part) for part in parts]
        all_parts = np.logical_and.reduce([each > 0 for each in split]) if split else nothing > 0
        holds = (whole > 0) | all_parts
        matches = (matches & holds) if query.every else (matches | holds)
        for each, counted in [(whole, whole), *((part, part * all_parts) for part in split)]:
            n_hits = int(np.count_nonzero(each))
            idf = math.log((postings.n_texts - n_hits + 0.5) / (n_hits + 0.5))
            idf = 1e-6 if idf <= 0 else idf
            total += idf * (counted * (_K1 + 1.0) / (counted + norm))
    return matches, -1.0 * total
