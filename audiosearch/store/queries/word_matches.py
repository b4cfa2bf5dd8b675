"""Which files hold which words of a query, and in which of their texts.

In go words and files, out come the places of the words that match. Reads the full text, in FTS5's
language; the caller owns the transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from audiosearch.store.names import TypedWord
from audiosearch.store.queries._bulk import chunks
from audiosearch.store.queries.fulltext import match_word, values
from audiosearch.store.schema import SoundFile

_FEW: Final = 2000  # files; of so many each is looked up, of more all that match are listed
_MARK: Final = "\x02"  # stands before a match; no text holds it
_COLUMNS: Final = ("name", "folder", "tag", "metadata", "note")  # of the full text, in its order
_FIRST: Final = ("name", "title", "tag", "folder", "note")


@dataclass(frozen=True)
class GivenStretch:
    """A stretch of a recording that a person gave a caption to."""

    recording_id: int
    start_s: float
    end_s: float


def words_in_files(
    session: Session, words: Sequence[TypedWord], file_ids: Sequence[int]
) -> dict[int, frozenset[int]]:
    """By file, the places (in `words`) of the words that its texts hold; only files with any."""
    wanted = set(file_ids)
    found: dict[int, set[int]] = {}
    for place, word in enumerate(words):
        for file_id in _files_with(session, match_word(word), file_ids):
            if file_id in wanted:
                found.setdefault(file_id, set()).add(place)
    return {file_id: frozenset(places) for file_id, places in found.items()}


def _files_with(session: Session, match: str, file_ids: Sequence[int]) -> Iterator[int]:
    connection: Any = session.connection().connection.driver_connection
    query = "SELECT rowid FROM file_text WHERE file_text MATCH ?"
    if len(file_ids) > _FEW:
        yield from (row[0] for row in connection.execute(query, (match,)))
        return
    for some in chunks(file_ids):
        marks = ",".join("?" * len(some))
        rows = connection.execute(f"{query} AND rowid IN ({marks})", (match, *some))
        yield from (row[0] for row in rows)


def stands_somewhere(session: Session, word: TypedWord) -> bool:
    """Whether any file's texts, or a caption that a person gave, hold a word."""
    connection: Any = session.connection().connection.driver_connection
    match = match_word(word)
    in_files = "SELECT 1 FROM file_text WHERE file_text MATCH ? LIMIT 1"
    return (
        connection.execute(in_files, (match,)).fetchone() is not None
        or next(_given(session, match), None) is not None
    )


def words_in_given_captions(
    session: Session, words: Sequence[TypedWord]
) -> list[tuple[int, GivenStretch]]:
    """(place of a word, stretch) wherever a person's caption of a stretch holds a word."""
    return [
        (place, stretch)
        for place, word in enumerate(words)
        for stretch in _given(session, match_word(word))
    ]


def _given(session: Session, match: str) -> Iterator[GivenStretch]:
    connection: Any = session.connection().connection.driver_connection
    rows = connection.execute(
        "SELECT t.recording_id, t.start_s, t.end_s FROM caption_target AS t"
        " WHERE t.caption_id IN (SELECT rowid FROM caption_text WHERE caption_text MATCH ?)",
        (match,),
    )
    return (GivenStretch(*row) for row in rows)


def given_caption(
    session: Session, words: Sequence[TypedWord], stretch: GivenStretch
) -> tuple[str, tuple[str, ...]] | None:
    """The caption that a person gave to a part of `stretch` and that holds most words, with these.

    As it was typed, where that is known.
    """
    connection: Any = session.connection().connection.driver_connection
    found: dict[str, list[str]] = {}
    for word in words:
        rows = connection.execute(
            "SELECT coalesce(t.said, c.text) FROM caption_target AS t"
            " JOIN caption AS c ON c.id = t.caption_id"
            " WHERE t.recording_id = ? AND t.start_s < ? AND t.end_s > ?"
            " AND c.id IN (SELECT rowid FROM caption_text WHERE caption_text MATCH ?)"
            " ORDER BY t.id",
            (stretch.recording_id, stretch.end_s, stretch.start_s, match_word(word)),
        )
        for (said,) in rows:
            found.setdefault(said, []).append(word.shown)
    best = max(found, key=lambda said: len(found[said]), default=None)
    return None if best is None else (best, tuple(found[best]))


def matched_fields(
    session: Session, words: Sequence[TypedWord], *, file_id: int
) -> dict[str, tuple[str, ...]]:
    """The texts of a file that hold words, with these as they were typed.

    Texts are `name`, `title`, `tag`, `folder`, `note`, then the other fields of its metadata.
    """
    connection: Any = session.connection().connection.driver_connection
    marked = ", ".join(f"highlight(file_text, {column}, ?1, '')" for column in range(len(_COLUMNS)))
    found: dict[str, dict[str, None]] = {}
    for word in words:
        row = connection.execute(
            f"SELECT {marked} FROM file_text WHERE file_text MATCH ?2 AND rowid = ?3",  # noqa: S608
            (_MARK, match_word(word), file_id),
        ).fetchone()
        if row is None:
            continue
        texts = dict(zip(_COLUMNS, row, strict=True))
        fields = [field for field in _COLUMNS if field != "metadata" and _MARK in texts[field]]
        if _MARK in texts["metadata"]:
            fields += _marked_fields(session, file_id, texts["metadata"])
        for field in fields:
            found.setdefault(field, {})[word.shown] = None
    shown = sorted(found, key=lambda field: _FIRST.index(field) if field in _FIRST else len(_FIRST))
    return {field: tuple(found[field]) for field in shown}


def _marked_fields(session: Session, file_id: int, marked: str) -> list[str]:
    """The fields of a file's metadata whose lines in the full text have a mark."""
    wanted = select(SoundFile.metadata_json).where(SoundFile.id == file_id)
    fields = [field for field, _ in values(session.scalars(wanted).one())]
    lines = marked.split("\n")
    return [field for field, line in zip(fields, lines, strict=True) if _MARK in line]


def library_words(session: Session) -> dict[str, int]:
    """The stems of all words in files' texts, each with the number of files that hold it."""
    connection: Any = session.connection().connection.driver_connection
    return dict(connection.execute("SELECT term, doc FROM file_word"))


def caption_words(session: Session) -> dict[str, int]:
    """The stems of all words in captions, each with the number of captions that hold it."""
    connection: Any = session.connection().connection.driver_connection
    return dict(connection.execute("SELECT term, doc FROM caption_word"))


def stems(session: Session, words: Sequence[str]) -> dict[str, str]:
    """What full text keeps of words in normal form: what is left without an English ending."""
    made_by = session.scalar(text("SELECT sql FROM sqlite_master WHERE name = 'caption_text'"))
    with closing(sqlite3.connect(":memory:")) as memory:
        memory.execute(str(made_by))
        memory.execute("CREATE VIRTUAL TABLE term USING fts5vocab(caption_text, instance)")
        memory.executemany("INSERT INTO caption_text (rowid, text) VALUES (?, ?)", enumerate(words))
        found = {
            words[row]: str(stem) for row, stem in memory.execute("SELECT doc, term FROM term")
        }
    return {word: found.get(word, word) for word in words}


def spelled_out(session: Session, stem: str) -> str:
    """A word with this stem as some file's texts or a caption have it."""
    connection: Any = session.connection().connection.driver_connection
    for table, n_columns in (("file_text", len(_COLUMNS)), ("caption_text", 1)):
        marked = ", ".join(f"highlight({table}, {column}, ?1, ?1)" for column in range(n_columns))
        row = connection.execute(
            f"SELECT {marked} FROM {table} WHERE {table} MATCH ?2 LIMIT 1",  # noqa: S608
            (_MARK, f'"{stem}"'),
        ).fetchone()
        # Between the first two marks; the stem of a stem may be another one, which no text holds.
        for each in row or ():
            if _MARK in each:
                return str(each).split(_MARK)[1]
    return stem
