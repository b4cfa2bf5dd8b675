"""Full text in PostgreSQL: the program's own words as `tsvector`, ranked as SQLite ranks them.

PostgreSQL's parsers take `dog_bark2.WAV` for a file's name and keep accents, so it never sees the
texts themselves; what positions and labels stand for is told in `postings`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

import numpy as np
from sqlalchemy import text

from audiosearch.store.direct import fetch
from audiosearch.store.full_text import (
    COLUMNS,
    MARK,
    STEMMER,
    FullText,
    Match,
    TextKind,
    TextSource,
)
from audiosearch.store.postgresql.postings import (
    GROUPS,
    MOST_COUNTED,
    Postings,
    QueryPhrase,
    WordQuery,
    balanced,
    bm25,
    lexeme_of,
    marks,
    read_postings,
)

_GROUP_OF: Final = {"name": 0, "folders": 0, "tags": 1, "text": 1, "metadata": 2, "notes": 2}
_MOST_OF_ALL: Final = 700_000  # bytes of all words of a text; PostgreSQL takes 1 MB
_WORD: Final = re.compile(r"[^ \n]+")
_PARTS: Final = (16, 64, 256)  # texts whose windows are read together; the first often suffice

_WINDOWS: Final = {
    TextSource.CAPTION: "SELECT window_id FROM window_caption AS said"
    ' JOIN "window" AS w ON w.id = said.window_id'
    " WHERE said.caption_id = t.id AND w.bundle_id = :bundle AND w.silent = 0 ORDER BY window_id",
    TextSource.STRETCH: "SELECT w.id AS window_id FROM caption_target AS g"
    ' JOIN "window" AS w ON w.recording_id = g.recording_id'
    " WHERE g.caption_id = t.id AND w.bundle_id = :bundle AND w.silent = 0"
    " AND w.start_s < g.end_s AND w.end_s > g.start_s ORDER BY g.id, w.id",
    TextSource.FILE: "SELECT w.id AS window_id FROM sound_file AS f"
    ' JOIN "window" AS w ON w.recording_id = f.recording_id'
    " WHERE f.id = t.id AND f.state IN ('indexed', 'pending') AND w.bundle_id = :bundle"
    " AND w.silent = 0 ORDER BY w.position",
}
_TEXTS: Final = {
    TextSource.CAPTION: 'SELECT said.caption_id, said.window_id FROM "window" AS w'
    " JOIN window_caption AS said ON said.window_id = w.id"
    " WHERE w.bundle_id = :bundle AND w.silent = 0 AND w.id = ANY(:ids) ORDER BY w.id",
    TextSource.FILE: 'SELECT f.id, w.id FROM "window" AS w'
    " JOIN sound_file AS f ON f.recording_id = w.recording_id"
    " WHERE w.bundle_id = :bundle AND f.state IN ('indexed', 'pending') AND w.silent = 0"
    " AND w.id = ANY(:ids) ORDER BY w.position",
}


def expression(match: Match, *, labels: str = "") -> str:
    """What is looked for as a `tsquery`, in the groups of columns with some labels."""
    query = WordQuery.of(match)
    found: list[str] = []
    for word, parts in query.words:
        alternatives = [word] + ([] if not parts else list(parts))
        if any(not each.stems for each in alternatives):  # no letter that full text keeps
            continue
        whole = _labelled(word, labels)
        if parts:
            found.append(f"({whole} | ({' & '.join(_labelled(part, labels) for part in parts)}))")
        else:
            found.append(whole)
    return balanced(list(dict.fromkeys(found)), " & " if query.every else " | ")


def in_names(match: Match) -> str:
    """The same, in the names and folders of files alone."""
    return expression(match, labels=GROUPS[0])


def _labelled(phrase: QueryPhrase, labels: str) -> str:
    marked = f":{labels}" if labels else ""
    return "(" + " & ".join(lexeme_of(stem) + marked for stem in phrase.stems) + ")"


def _vector(row: dict[str, Any], columns: Sequence[str]) -> tuple[str, int]:
    """The words of a text as PostgreSQL reads them, and how many there are."""
    words = {column: _WORD.findall(row[column]) for column in columns}
    kept = STEMMER.stems(word for found in words.values() for word in found)
    counts: Counter[tuple[str, int]] = Counter()
    for column, found in words.items():
        for word in found:
            for stem in kept[word]:
                counts[stem, _GROUP_OF[column]] += 1
    places: dict[str, list[str]] = {}
    for (stem, group), n in counts.items():
        position = 3 * min(n, MOST_COUNTED) + group
        places.setdefault(stem, []).append(f"{position}{GROUPS[group]}")
    parts, size = [], 0
    for stem, positions in places.items():
        lexeme = lexeme_of(stem)
        told = marks([counts[stem, group] for group in range(len(GROUPS))])
        size += len(lexeme.encode()) + 16
        if size > _MOST_OF_ALL:
            break
        parts.append(f"{lexeme}:{','.join(positions + told)}")
    return " ".join(parts), sum(counts.values())


class TsVectorText(FullText):
    """See `FullText`."""

    def add(self, kind: TextKind, rows: Sequence[dict[str, Any]]) -> None:
        """See `FullText`."""
        if not rows:
            return
        columns = COLUMNS[kind]
        made = [(row, *_vector(row, columns)) for row in rows]
        names = ", ".join(columns)
        self.session.connection().execute(
            text(
                f"INSERT INTO {kind} (id, {names}, n_words, words)"  # noqa: S608 - our own names
                f" VALUES (:id, {', '.join(f':{each}' for each in columns)}, :n_words,"
                " CAST(:words AS tsvector))"
            ),
            [{**row, "words": vector, "n_words": n} for row, vector, n in made],
        )
        self._forget()

    def remove(self, kind: TextKind, ids: Iterable[int]) -> None:
        """See `FullText`."""
        some = list(ids)
        if some:
            statement = text(f"DELETE FROM {kind} WHERE id = ANY(:ids)")  # noqa: S608
            self.session.connection().execute(statement, {"ids": some})
            self._forget()

    def empty(self) -> None:
        """See `FullText`."""
        for kind in TextKind:
            self.session.execute(text(f"DELETE FROM {kind}"))  # noqa: S608 - our own names
        self._forget()

    def merge(self, *, at_least: int = 0) -> None:
        """See `FullText`; the server merges its own index."""

    def ranked(
        self, kind: TextKind, match: Match, *, given: bool = False, first: int | None = None
    ) -> Iterator[tuple[int, float]]:
        """See `FullText`; all that match are read, as FTS5 does to rank them."""
        query = WordQuery.of(match)
        postings = self._postings(kind, query.stems)
        matches, scores = bm25(query, postings)
        if given:
            people = fetch(self.session, "SELECT DISTINCT caption_id FROM caption_target")
            matches &= np.isin(postings.ids, np.fromiter((row[0] for row in people), np.int64))
        ids, scores = postings.ids[matches], scores[matches]
        order = np.lexsort((ids, scores))
        return zip(ids[order].tolist(), scores[order].tolist(), strict=True)

    def _postings(self, kind: TextKind, stems: tuple[str, ...]) -> Postings:
        """Kept for the session, since one question asks several times; see `_forget`."""
        kept: dict[Any, Postings] = self.session.info.setdefault("audiosearch_postings", {})
        if (kind, stems) not in kept:
            kept[kind, stems] = read_postings(self.session, kind, stems)
        return kept[kind, stems]

    def _forget(self) -> None:
        self.session.info.pop("audiosearch_postings", None)

    def among(self, kind: TextKind, match: Match, ids: Sequence[int] | None) -> Iterator[int]:
        """See `FullText`."""
        some = "" if ids is None else " AND id = ANY(:ids)"
        rows = fetch(
            self.session,
            f"SELECT id FROM {kind} WHERE words @@ CAST(:query AS tsquery){some}",  # noqa: S608
            query=expression(match),
            **({} if ids is None else {"ids": list(ids)}),
        )
        yield from (row[0] for row in rows)

    def people_captions(self, match: Match) -> list[int]:
        """See `FullText`."""
        rows = fetch(
            self.session,
            "SELECT DISTINCT caption_id FROM caption_target WHERE caption_id IN"
            " (SELECT id FROM caption_text WHERE words @@ CAST(:query AS tsquery))"
            " ORDER BY caption_id",
            query=expression(match),
        )
        return [row[0] for row in rows]

    def windows_of(
        self,
        source: TextSource,
        texts: Iterator[tuple[int, float]],
        *,
        bundle_id: int,
        most: int | None,
    ) -> Iterator[tuple[list[int], float]]:
        """See `FullText`; many texts with one statement, since a server may be far away."""
        limit = "" if most is None else f" LIMIT {most}"
        statement = (
            "SELECT t.place, w.window_id FROM unnest(CAST(:ids AS bigint[]))"  # noqa: S608
            f" WITH ORDINALITY AS t (id, place), LATERAL ({_WINDOWS[source]}{limit}) AS w"
        )
        sizes = iter(_PARTS)
        while some := list(islice(texts, next(sizes, _PARTS[-1]))):
            found: dict[int, list[int]] = {}
            ids = [text_id for text_id, _ in some]
            for place, window_id in fetch(self.session, statement, ids=ids, bundle=bundle_id):
                found.setdefault(place, []).append(window_id)
            for place, (_, score) in enumerate(some, start=1):
                if place in found:
                    yield found[place], score

    def texts_of(
        self, source: TextSource, window_ids: Sequence[int], *, bundle_id: int
    ) -> list[tuple[int, int]]:
        """See `FullText`."""
        return [
            (row[0], row[1])
            for row in fetch(self.session, _TEXTS[source], ids=list(window_ids), bundle=bundle_id)
        ]

    def captions_said(self, window_ids: Sequence[int]) -> list[tuple[int, int]]:
        """See `FullText`."""
        rows = fetch(
            self.session,
            "SELECT caption_id, window_id FROM window_caption WHERE window_id = ANY(:ids)"
            " ORDER BY window_id, caption_id",
            ids=list(window_ids),
        )
        return [(row[0], row[1]) for row in rows]

    def marked(self, match: Match, *, file_id: int) -> tuple[str, ...] | None:
        """See `FullText`."""
        columns = ", ".join(COLUMNS[TextKind.FILE])
        rows = fetch(
            self.session,
            f"SELECT {columns} FROM file_text"  # noqa: S608 - our own names
            " WHERE id = :id AND words @@ CAST(:query AS tsquery)",
            id=file_id,
            query=expression(match),
        )
        if not rows:
            return None
        texts = [str(each) for each in rows[0]]
        kept = STEMMER.stems(word for each in texts for word in _WORD.findall(each))
        held = {stem for stems in kept.values() for stem in stems}
        wanted: set[str] = set()
        for word, parts in WordQuery.of(match).words:
            wanted |= set(word.stems)
            stems = {stem for part in parts for stem in part.stems}
            wanted |= stems if stems <= held else set()
        return tuple(
            _WORD.sub(lambda found: (MARK if wanted & set(kept[found[0]]) else "") + found[0], each)
            for each in texts
        )

    def n_texts(self, kind: TextKind) -> dict[str, int]:
        """See `FullText`."""
        rows = fetch(self.session, f"SELECT word, ndoc FROM ts_stat('SELECT words FROM {kind}')")  # noqa: S608
        return {row[0]: row[1] for row in rows}

    def spelled_out(self, kind: TextKind, stem: str) -> str | None:
        """See `FullText`."""
        match = Match(((stem, ()),))
        wanted = set(WordQuery.of(match).stems)
        rows = fetch(
            self.session,
            f"SELECT {', '.join(COLUMNS[kind])} FROM {kind}"  # noqa: S608 - our own names
            " WHERE words @@ CAST(:query AS tsquery) ORDER BY id LIMIT 1",
            query=expression(match),
        )
        words = [word for row in rows for each in row for word in _WORD.findall(str(each))]
        kept = STEMMER.stems(words)
        return next((word for word in words if wanted & set(kept[word])), None)
