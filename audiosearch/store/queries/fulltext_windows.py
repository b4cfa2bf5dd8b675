"""Windows in the order of what full text finds of them: by caption, by a person's caption, by file.

By SQLite's own connection: hundreds of tiny statements cost less than one great join.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from sqlalchemy.orm import Session

from audiosearch._typing import Ids
from audiosearch.store.queries._bulk import chunks
from audiosearch.store.queries.scope import among

FEW: Final = 10_000  # windows that may answer; of so many the texts are looked up
_PART: Final = 256  # rows read at a time


@dataclass(frozen=True)
class _Source:
    """Statements for one kind of text."""

    texts: str  # (match) -> text id, score; best first
    windows: str  # (text id, bundle) -> window ids
    texts_of: str | None  # (bundle, window ids...) -> text id, window id; None: never asked


_SOURCES: Final = (
    _Source(
        texts="SELECT rowid, bm25(caption_text) AS score FROM caption_text"
        " WHERE caption_text MATCH ? ORDER BY score, rowid",
        # CROSS JOIN is SQLite's word for "in this order": the planner, which knows nothing of how
        # few rows there are, would walk all windows of the bundle.
        windows="SELECT said.window_id FROM window_caption AS said"
        " CROSS JOIN window AS w ON w.id = said.window_id"
        " WHERE said.caption_id = ? AND w.bundle_id = ? AND NOT w.silent ORDER BY said.rowid",
        texts_of="SELECT said.caption_id, said.window_id FROM window AS w"
        " CROSS JOIN window_caption AS said ON said.window_id = w.id"
        " WHERE w.bundle_id = ? AND NOT w.silent AND w.id IN ({}) ORDER BY said.rowid",
    ),
    # The same for captions that a person gave to a stretch of a recording.
    _Source(
        texts="SELECT rowid, bm25(caption_text) AS score FROM caption_text"
        " WHERE caption_text MATCH ?"
        " AND EXISTS (SELECT 1 FROM caption_target AS t WHERE t.caption_id = caption_text.rowid)"
        " ORDER BY score, rowid",
        windows="SELECT w.id FROM caption_target AS t"
        " CROSS JOIN window AS w ON w.recording_id = t.recording_id"
        " WHERE t.caption_id = ? AND w.bundle_id = ? AND NOT w.silent"
        " AND w.start_s < t.end_s AND w.end_s > t.start_s ORDER BY t.id, w.id",
        texts_of=None,  # people caption little
    ),
    # Weights of name, folders, tags, metadata, notes: free comments say least surely what is heard.
    _Source(
        texts="SELECT rowid, bm25(file_text, 1.0, 1.0, 1.0, 0.7, 0.7) AS score FROM file_text"
        " WHERE file_text MATCH ? ORDER BY score, rowid",
        windows="SELECT w.id FROM sound_file AS f"
        " CROSS JOIN window AS w ON w.recording_id = f.recording_id"
        " WHERE f.id = ? AND f.state IN ('indexed', 'pending') AND w.bundle_id = ?"
        " AND NOT w.silent ORDER BY w.position",
        texts_of="SELECT f.id, w.id FROM window AS w"
        " CROSS JOIN sound_file AS f ON f.recording_id = w.recording_id"
        " WHERE w.bundle_id = ? AND f.state IN ('indexed', 'pending') AND NOT w.silent"
        " AND w.id IN ({}) ORDER BY w.position",
    ),
)


def ranked_windows(
    session: Session, match: str, *, bundle_id: int, limit: int, allowed: Ids | None
) -> list[list[tuple[int, float]]]:
    """For each kind of text, the first `limit` windows with bm25, best (lowest) first.

    Texts are ranked first, since they are far fewer than windows; then their windows are read, no
    more of them than are wanted. Where few windows may answer, it is the other way round: their
    texts are looked up among those found. Equal ones come by the caption's or recording's id.

    Args:
        session: any session.
        match: an expression in FTS5's language.
        bundle_id: windows of this bundle only; silent ones are left out.
        limit: how many at most, of each kind.
        allowed: ids that filters let through, ascending, applied before the limit; None: all.
    """
    connection: Any = session.connection().connection.driver_connection
    found: list[list[tuple[int, float]]] = []
    for source in _SOURCES:
        texts = connection.execute(source.texts, (match,))
        if allowed is not None and len(allowed) <= FEW and source.texts_of is not None:
            found.append(_backwards(connection, source, dict(texts), allowed, bundle_id)[:limit])
        else:
            windows = _forwards(connection, source, texts, allowed, bundle_id)
            found.append(list(islice(_each_once(windows), limit)))
    return found


def _forwards(
    connection: sqlite3.Connection,
    source: _Source,
    texts: Iterator[tuple[int, float]],
    allowed: Ids | None,
    bundle_id: int,
) -> Iterator[tuple[int, float]]:
    """Texts in their order, the windows of each."""
    for text_id, score in texts:
        windows = connection.execute(source.windows, (text_id, bundle_id))
        while part := windows.fetchmany(_PART):
            ids = [window_id for (window_id,) in part]
            yield from ((each, score) for each in (ids if allowed is None else among(ids, allowed)))


def _backwards(
    connection: sqlite3.Connection,
    source: _Source,
    scores: dict[int, float],
    allowed: Ids,
    bundle_id: int,
) -> list[tuple[int, float]]:
    """The windows of `allowed` whose texts have a score, in the order of `_forwards`."""
    assert source.texts_of is not None
    found: list[tuple[float, int, int]] = []  # score, text, window: ids of windows grow with time
    for some in chunks(allowed.tolist()):
        statement = source.texts_of.format(",".join("?" * len(some)))
        rows = connection.execute(statement, (bundle_id, *some))
        found += [(scores[text], text, window) for text, window in rows if text in scores]
    found.sort()
    return list(_each_once((window, score) for score, _, window in found))


def _each_once(windows: Iterator[tuple[int, float]]) -> Iterator[tuple[int, float]]:
    seen: set[int] = set()
    for window_id, score in windows:
        if window_id not in seen:
            seen.add(window_id)
            yield window_id, score


def captions_said(session: Session, window_ids: Sequence[int]) -> list[tuple[int, int]]:
    """(caption, window) for all that is said of windows."""
    connection: Any = session.connection().connection.driver_connection
    found: list[tuple[int, int]] = []
    for some in chunks(window_ids):
        marks = ",".join("?" * len(some))
        statement = f"SELECT caption_id, window_id FROM window_caption WHERE window_id IN ({marks})"  # noqa: S608
        found += connection.execute(statement, some)
    return found
