"""Full text by SQLite's FTS5.

By SQLite's own connection: hundreds of tiny statements cost less than one great join.
"""

# ruff: noqa: S608 - statements are put together from constants of this package
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from audiosearch.store import sqlite
from audiosearch.store.direct import DirectSession
from audiosearch.store.fts5_scores import Scores, Uncounted, WordScores, added_up
from audiosearch.store.full_text import (
    COLUMNS,
    MARK,
    MOST_LETTERS,
    STEMMER,
    WEIGHTS,
    FullText,
    Match,
    TextKind,
    TextSource,
)
from audiosearch.store.queries._bulk import chunks

_PART: Final = 256  # rows read at a time
_FEW: Final = 8  # texts that are looked up one by one among those that match

# (text id, bundle) -> window ids. CROSS JOIN is SQLite's word for "in this order": the planner,
# which knows nothing of how few rows there are, would walk all windows of the bundle.
_WINDOWS: Final = {
    TextSource.CAPTION: "SELECT said.window_id FROM window_caption AS said"
    " CROSS JOIN window_draw AS heard ON heard.window_id = said.window_id"
    " WHERE said.caption_id = ? AND heard.bundle_id = ? ORDER BY said.rowid",
    TextSource.STRETCH: "SELECT w.id FROM caption_target AS t"
    " CROSS JOIN window AS w ON w.recording_id = t.recording_id"
    " WHERE t.caption_id = ? AND w.bundle_id = ? AND NOT w.silent"
    " AND w.start_s < t.end_s AND w.end_s > t.start_s ORDER BY t.id, w.id",
    TextSource.FILE: "SELECT w.id FROM sound_file AS f"
    " CROSS JOIN window AS w ON w.recording_id = f.recording_id"
    " WHERE f.id = ? AND f.state IN ('indexed', 'pending') AND w.bundle_id = ?"
    " AND NOT w.silent ORDER BY w.position",
}
# (bundle, window ids...) -> text id, window id
_TEXTS: Final = {
    TextSource.CAPTION: "SELECT said.caption_id, said.window_id FROM window AS w"
    " CROSS JOIN window_caption AS said ON said.window_id = w.id"
    " WHERE w.bundle_id = ? AND NOT w.silent AND w.id IN ({}) ORDER BY said.rowid",
    TextSource.FILE: "SELECT f.id, w.id FROM window AS w"
    " CROSS JOIN sound_file AS f ON f.recording_id = w.recording_id"
    " WHERE w.bundle_id = ? AND f.state IN ('indexed', 'pending') AND NOT w.silent"
    " AND w.id IN ({}) ORDER BY w.position",
}


def expression(match: Match) -> str:
    """What is looked for in FTS5's language.

    A query is a person's words, never FTS5's own language: each word is quoted.
    """
    return (" AND " if match.every else " OR ").join(
        f"({_quoted(word)} OR ({' AND '.join(map(_quoted, parts))}))" if parts else _quoted(word)
        for word, parts in match.words
    )


def in_names(match: Match) -> str:
    """The same, in the names and folders of files alone."""
    return f"{{name folders}} : ({expression(match)})"


def _quoted(word: str) -> str:
    return f'"{word[:MOST_LETTERS]}"'


def _term(word: str) -> str | None:
    """What FTS5 keeps of a word in normal form; None where that is several words, or nothing."""
    terms = STEMMER.stems([word[:MOST_LETTERS]])[word[:MOST_LETTERS]]
    return terms[0] if len(terms) == 1 else None


def _score(kind: TextKind) -> str:
    return f"bm25({kind}{''.join(f', {each}' for each in WEIGHTS[kind])})"


class Fts5(FullText):
    """See `FullText`."""

    @property
    def _driver(self) -> Any:
        if isinstance(self.session, DirectSession):
            return self.session.driver
        return self.session.connection().connection.driver_connection

    def add(self, kind: TextKind, rows: Sequence[dict[str, Any]]) -> None:
        """See `FullText`."""
        from sqlalchemy import text  # noqa: PLC0415 - questions do without

        if rows:
            columns = COLUMNS[kind]
            self.session.connection().execute(
                text(
                    f"INSERT INTO {kind} (rowid, {', '.join(columns)})"
                    f" VALUES (:id, {', '.join(f':{each}' for each in columns)})"
                ),
                rows,
            )

    def remove(self, kind: TextKind, ids: Iterable[int]) -> None:
        """See `FullText`."""
        from sqlalchemy import text  # noqa: PLC0415

        rows = [{"id": each} for each in ids]
        if rows:
            self.session.connection().execute(text(f"DELETE FROM {kind} WHERE rowid = :id"), rows)

    def empty(self) -> None:
        """See `FullText`."""
        from sqlalchemy import text  # noqa: PLC0415

        for table in TextKind:
            # First FTS5's own index, without which its rows may not even be deleted.
            self.session.execute(text(f"INSERT INTO {table} ({table}) VALUES ('rebuild')"))
            self.session.execute(text(f"DELETE FROM {table}"))

    def merge(self, *, at_least: int = 0) -> None:
        """See `FullText`; 0.3 s for 250,000 files."""
        from sqlalchemy import text  # noqa: PLC0415

        for table in TextKind:
            pieces = f"SELECT count(DISTINCT segid) FROM {table}_idx"
            if self.session.scalar(text(pieces)) >= at_least:
                self.session.execute(text(f"INSERT INTO {table} ({table}) VALUES ('optimize')"))

    def ranked(
        self, kind: TextKind, match: Match, *, given: bool = False, first: int | None = None
    ) -> Iterator[tuple[int, float]]:
        """See `FullText`."""
        if given and not self._has_given:
            return
        if not given and not match.every:
            known = self._word_scores(kind, match)
            if known is not None:
                yield from added_up(known, first)
                return
        is_given = " AND EXISTS (SELECT 1 FROM caption_target AS t WHERE t.caption_id = {}.rowid)"
        statement = (
            f"SELECT rowid, {_score(kind)} AS score FROM {kind} WHERE {kind} MATCH ?"
            f"{is_given.format(kind) if given else ''} ORDER BY score, rowid LIMIT ? OFFSET ?"
        )
        n_read = 0
        if first is not None:  # the others are not put in order, a quarter of the time
            found = self._driver.execute(statement, (expression(match), first, 0)).fetchall()
            yield from found
            n_read = len(found)
        if n_read == (first or 0):
            yield from self._driver.execute(statement, (expression(match), -1, n_read))

    def _word_scores(self, kind: TextKind, match: Match) -> list[Scores] | None:
        """What each word counts in which texts; None where FTS5 itself is to say.

        Its bm25 is a sum over words, in their order. What consists of parts is no sum: FTS5 counts
        a part that stands in a text without the others at times.
        """
        counted = self._counted(kind)
        if counted is None or any(parts for _, parts in match.words):
            return None
        terms = [_term(word) for word, _ in match.words]
        try:
            return None if None in terms else [counted.of(term) for term in terms if term]
        except Uncounted:
            return None

    def _counted(self, kind: TextKind) -> WordScores | None:
        """What is kept of the state that this session sees; None where nothing can be."""
        if not isinstance(self.session, DirectSession):
            return None
        kept, token = self.session.driver.derived, sqlite.commit_token(self.session)
        if kept.get("word_scores", (None,))[0] != token:
            kept["word_scores"] = token, {}
        by_kind: dict[TextKind, WordScores] = kept["word_scores"][1]
        if kind not in by_kind:
            by_kind[kind] = WordScores(self._driver, kind)
        return by_kind[kind]

    @property
    def _has_given(self) -> bool:
        """Whether people gave captions: where none did, all that match need not be walked."""
        found = self._driver.execute("SELECT 1 FROM caption_target LIMIT 1").fetchone()
        return found is not None

    def among(self, kind: TextKind, match: Match, ids: Sequence[int] | None) -> Iterator[int]:
        """See `FullText`."""
        query = f"SELECT rowid FROM {kind} WHERE {kind} MATCH ?"
        if ids is not None and len(match.words) == 1 and not match.words[0][1]:
            counted, term = self._counted(kind), _term(match.words[0][0])
            known = None if counted is None or term is None else counted.kept(term)
            if known is not None:
                wanted = np.array(sorted(ids), np.int64)
                places = np.searchsorted(known[0], wanted)
                is_there = places < len(known[0])
                is_there[is_there] = known[0][places[is_there]] == wanted[is_there]
                yield from wanted[is_there].tolist()
                return
        if ids is None:
            rows = self._driver.execute(query, (expression(match),))
        else:
            # To look one row up takes as long as to walk over a thousand that match.
            key = "rowid" if len(ids) <= _FEW else "+rowid"
            marks = ",".join("?" * len(ids))
            rows = self._driver.execute(
                f"{query} AND {key} IN ({marks})", (expression(match), *ids)
            )
        yield from (row[0] for row in rows)

    def people_captions(self, match: Match) -> list[int]:
        """See `FullText`."""
        if not self._has_given:
            return []
        rows = self._driver.execute(
            "SELECT DISTINCT caption_id FROM caption_target WHERE caption_id IN"
            " (SELECT rowid FROM caption_text WHERE caption_text MATCH ?)",
            (expression(match),),
        )
        return sorted(row[0] for row in rows)

    def windows_of(
        self,
        source: TextSource,
        texts: Iterator[tuple[int, float]],
        *,
        bundle_id: int,
        most: int | None,
    ) -> Iterator[tuple[list[int], float]]:
        """See `FullText`; read as far as it is asked for."""
        for text_id, score in texts:
            windows = self._driver.execute(_WINDOWS[source], (text_id, bundle_id))
            while part := windows.fetchmany(_PART):
                yield [window_id for (window_id,) in part], score

    def texts_of(
        self, source: TextSource, window_ids: Sequence[int], *, bundle_id: int
    ) -> list[tuple[int, int]]:
        """See `FullText`."""
        statement = _TEXTS[source].format(",".join("?" * len(window_ids)))
        found: list[tuple[int, int]] = self._driver.execute(
            statement, (bundle_id, *window_ids)
        ).fetchall()
        return found

    def captions_said(self, window_ids: Sequence[int]) -> list[tuple[int, int]]:
        """See `FullText`."""
        found: list[tuple[int, int]] = []
        for some in chunks(window_ids):
            marks = ",".join("?" * len(some))
            found += self._driver.execute(
                f"SELECT caption_id, window_id FROM window_caption WHERE window_id IN ({marks})",
                some,
            )
        return found

    def marked(self, match: Match, *, file_id: int) -> tuple[str, ...] | None:
        """See `FullText`."""
        marks = (f"highlight(file_text, {n}, ?1, '')" for n in range(len(COLUMNS[TextKind.FILE])))
        row: tuple[str, ...] | None = self._driver.execute(
            f"SELECT {', '.join(marks)} FROM file_text WHERE file_text MATCH ?2 AND rowid = ?3",
            (MARK, expression(match), file_id),
        ).fetchone()
        return row

    def n_texts(self, kind: TextKind) -> dict[str, int]:
        """See `FullText`."""
        table = {TextKind.FILE: "file_word", TextKind.CAPTION: "caption_word"}[kind]
        return dict(self._driver.execute(f"SELECT term, doc FROM {table}"))

    def spelled_out(self, kind: TextKind, stem: str) -> str | None:
        """See `FullText`."""
        marks = (f"highlight({kind}, {n}, ?1, ?1)" for n in range(len(COLUMNS[kind])))
        row = self._driver.execute(
            f"SELECT {', '.join(marks)} FROM {kind} WHERE {kind} MATCH ?2 LIMIT 1",
            (MARK, expression(Match(((stem, ()),)))),
        ).fetchone()
        # Between the first two marks; the stem of a stem may be another one, which no text holds.
        return next((str(each).split(MARK)[1] for each in row or () if MARK in each), None)
