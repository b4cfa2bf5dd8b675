"""Full text over captions, file names, embedded metadata and tags, with SQLite's FTS5.

What goes in is kept up to date in the transaction that changes the rows it stands for. A query is
a person's words, never FTS5's own language: each word is quoted, any of them may match, bm25 ranks.
FTS5's statements are all here; another database would bring its own version of this file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from audiosearch.store.names import name_words, words_of
from audiosearch.store.queries.fulltext_windows import Ids, ranked_windows
from audiosearch.store.schema import (
    FileState,
    LibraryRoot,
    Recording,
    RecordingTag,
    SoundFile,
    Tag,
)

_MAX_WORDS = 64  # of a query; the rest of a pasted page is not looked at
_MAX_WORD_LENGTH = 64

# Words that nearly every caption has: matching them costs much and tells nothing.
_STOP_WORDS = frozenset(
    {
        *("a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "in", "into", "is"),
        *("it", "its", "of", "on", "or", "over", "that", "the", "then", "this", "to", "with"),
        *("while", "after", "before"),
    }
)


def match_expression(query: str) -> str | None:
    """A query in FTS5's language that means "any of these words", or None for no word at all."""
    words = list(dict.fromkeys(word.lower() for word in words_of(query[:10_000])))
    telling = [word for word in words if word not in _STOP_WORDS]
    chosen = [word[:_MAX_WORD_LENGTH] for word in telling or words][:_MAX_WORDS]
    return " OR ".join(f'"{word}"' for word in chosen) or None


def search_windows(
    session: Session,
    query: str,
    *,
    bundle_id: int,
    limit: int,
    allowed: Ids | None = None,
) -> list[tuple[int, float]]:
    """Windows whose caption, file name, metadata or tags have words of the query, best first.

    Args:
        session: any session.
        query: what a person typed; anything is safe.
        bundle_id: windows of this bundle only; silent ones are left out.
        limit: how many at most.
        allowed: ids that filters let through, ascending, applied before the limit; None: all.

    Returns:
        (window id, bm25) with lower values better, as SQLite has it; a window found by its caption
        and by its recording has the sum.
    """
    match = match_expression(query)
    if match is None or limit <= 0:
        return []
    scores: dict[int, float] = {}
    for windows in ranked_windows(
        session, match, bundle_id=bundle_id, limit=limit, allowed=allowed
    ):
        for window_id, score in windows:
            scores[window_id] = scores.get(window_id, 0.0) + score
    ranked = sorted(scores.items(), key=lambda item: (item[1], item[0]))
    return ranked[:limit]


def search_captions(session: Session, query: str) -> list[int]:
    """Ids of captions with any word of the query, best first."""
    match = match_expression(query)
    if match is None:
        return []
    rows = session.execute(
        text(
            "SELECT rowid FROM caption_text WHERE caption_text MATCH :match"
            " ORDER BY bm25(caption_text), rowid"
        ),
        {"match": match},
    )
    return [int(row[0]) for row in rows]


def given_captions(session: Session, words: Sequence[str]) -> list[tuple[int, str]]:
    """Captions (id, text) that people gave to stretches of recordings and that hold all `words`."""
    plain = [part for word in words for part in words_of(word)]
    if not plain:
        return []
    rows = session.execute(
        text(
            "SELECT c.id, c.text FROM caption_text AS t JOIN caption AS c ON c.id = t.rowid"
            " WHERE caption_text MATCH :match"
            " AND EXISTS (SELECT 1 FROM caption_target AS g WHERE g.caption_id = c.id)"
            " ORDER BY c.id"
        ),
        {"match": " AND ".join(f'"{word[:_MAX_WORD_LENGTH]}"' for word in plain)},
    )
    return [(int(row[0]), str(row[1])) for row in rows]


def add_captions(session: Session, ids: Mapping[str, int]) -> None:
    """Put new captions (text to id) into the full text."""
    if ids:
        session.connection().execute(
            text("INSERT INTO caption_text (rowid, text) VALUES (:id, :text)"),
            [{"id": caption_id, "text": words} for words, caption_id in ids.items()],
        )


def remove_captions(session: Session, caption_ids: Sequence[int]) -> None:
    """Take captions out of the full text."""
    if caption_ids:
        session.connection().execute(
            text("DELETE FROM caption_text WHERE rowid = :id"),
            [{"id": caption_id} for caption_id in caption_ids],
        )


def rebuild(session: Session) -> None:
    """Write the whole of it anew, whatever is in it."""
    for table in ("caption_text", "recording_text"):
        # First FTS5's own index, without which its rows may not even be deleted.
        session.execute(text(f"INSERT INTO {table} ({table}) VALUES ('rebuild')"))  # noqa: S608
        session.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - our own names
    session.execute(text("INSERT INTO caption_text (rowid, text) SELECT id, text FROM caption"))
    refresh_recordings(session, session.scalars(select(Recording.id)))


def refresh_recordings(session: Session, recording_ids: Iterable[int]) -> None:
    """Write what recordings are searched by anew: from their files' names, metadata and tags.

    Ids of recordings that are gone are taken out.
    """
    ids = sorted(set(recording_ids))
    for start in range(0, len(ids), 500):
        _refresh(session, ids[start : start + 500])


def _refresh(session: Session, ids: Sequence[int]) -> None:
    session.connection().execute(
        text("DELETE FROM recording_text WHERE rowid = :id"), [{"id": each} for each in ids]
    )
    names = _names(session, ids)
    tags = _tags(session, ids)
    metadata = {
        row.id: " ".join(json.loads(row.metadata_json).values())
        for row in session.execute(
            select(Recording.id, Recording.metadata_json).where(Recording.id.in_(ids))
        )
    }
    if metadata:
        session.connection().execute(
            text(
                "INSERT INTO recording_text (rowid, names, metadata, tags)"
                " VALUES (:id, :names, :metadata, :tags)"
            ),
            [
                {"id": each, "names": names.get(each, ""), "metadata": embedded}
                | {"tags": tags.get(each, "")}
                for each, embedded in metadata.items()
            ],
        )


def _names(session: Session, ids: Sequence[int]) -> dict[int, str]:
    """The words of all paths of recordings, the root folder's own name included."""
    rows = session.execute(
        select(SoundFile.recording_id, SoundFile.path, LibraryRoot.path.label("root"))
        .join(LibraryRoot, LibraryRoot.id == SoundFile.root_id)
        .where(SoundFile.recording_id.in_(ids), SoundFile.state != FileState.MISSING)
        .order_by(SoundFile.id)
    )
    found: dict[int, list[str]] = {}
    for row in rows:
        found.setdefault(row.recording_id, []).append(
            name_words(os.path.join(os.path.basename(row.root), row.path))  # noqa: PTH118, PTH119 - bytes
        )
    return {each: " ".join(parts) for each, parts in found.items()}


def _tags(session: Session, ids: Sequence[int]) -> dict[int, str]:
    rows = session.execute(
        select(RecordingTag.recording_id, Tag.name)
        .join(Tag, Tag.id == RecordingTag.tag_id)
        .where(RecordingTag.recording_id.in_(ids))
        .order_by(Tag.name)
    )
    found: dict[int, list[str]] = {}
    for row in rows:
        found.setdefault(row.recording_id, []).append(row.name)
    return {each: " ".join(parts) for each, parts in found.items()}
