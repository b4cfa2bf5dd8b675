"""Full text over captions, file names, embedded metadata and tags, with SQLite's FTS5.

It is kept up to date in the transaction that changes the rows it stands for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from audiosearch._typing import Ids
from audiosearch.store.names import TypedWord, indexed_words, path_words, typed_words, words_of
from audiosearch.store.queries._bulk import chunks
from audiosearch.store.queries.fulltext_windows import ranked_windows
from audiosearch.store.schema import (
    AnnotatedSound,
    Annotation,
    Caption,
    FileState,
    FileTag,
    LibraryRoot,
    Recording,
    RecordingTag,
    SoundFile,
    Tag,
)

_MAX_WORDS = 64  # of a query; the rest of a pasted page is not looked at
_MAX_WORD_LENGTH = 255  # letters; no file's name holds a longer one

# Words that nearly every caption has: matching them costs much and tells nothing.
STOP_WORDS = frozenset(
    {
        *("a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "in", "into", "is"),
        *("it", "its", "of", "on", "or", "over", "that", "the", "then", "this", "to", "with"),
        *("while", "after", "before"),
    }
)


def telling_words(query: str) -> list[TypedWord]:
    """The words of a query that tell something, each once; all of them where none does."""
    words = {word.text: word for word in typed_words(query[:10_000])}
    telling = [word for text, word in words.items() if text not in STOP_WORDS]
    return (telling or list(words.values()))[:_MAX_WORDS]


def match_word(word: TypedWord) -> str:
    """A word in FTS5's language: as it was typed, or all that it consists of."""
    whole = _quoted(word.text)
    if word.parts == (word.text,):
        return whole
    return f"({whole} OR ({' AND '.join(map(_quoted, word.parts))}))"


def _quoted(word: str) -> str:
    return f'"{word[:_MAX_WORD_LENGTH]}"'


def match_words(words: Sequence[TypedWord], *, every: bool = False) -> str | None:
    """Words in FTS5's language: any of them, or `every` one; None for no word.

    A query is a person's words, never FTS5's own language: each word is quoted.
    """
    return (" AND " if every else " OR ").join(map(match_word, words)) or None


def search_windows(
    session: Session,
    words: Sequence[TypedWord],
    *,
    bundle_id: int,
    limit: int,
    allowed: Ids | None = None,
    every: bool = False,
) -> list[tuple[int, float]]:
    """Windows whose caption, file name, metadata or tags have some of `words`, best first.

    Args:
        session: any session.
        words: see `telling_words`.
        bundle_id: windows of this bundle only; silent ones are left out.
        limit: how many at most.
        allowed: ids that filters let through, ascending, applied before the limit; None: all.
        every: only where one text holds all of them.

    Returns:
        (window id, bm25) with lower values better, as SQLite has it; a window found by its caption
        and by its file has the sum.
    """
    match = match_words(words, every=every)
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
    match = match_words(telling_words(query))
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
            [{"id": each, "text": indexed_words(caption)} for caption, each in ids.items()],
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
    for table in ("caption_text", "file_text"):
        # First FTS5's own index, without which its rows may not even be deleted.
        session.execute(text(f"INSERT INTO {table} ({table}) VALUES ('rebuild')"))  # noqa: S608
        session.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - our own names
    for some in chunks(session.scalars(select(Caption.id)).all()):
        rows = session.execute(select(Caption.text, Caption.id).where(Caption.id.in_(some)))
        add_captions(session, {row.text: row.id for row in rows})
    refresh_files(session, session.scalars(select(SoundFile.id)))


def refresh_files(session: Session, file_ids: Iterable[int]) -> None:
    """Write what files are searched by anew: their names, metadata, tags, and notes of their sound.

    Files that are missing or forgotten are taken out.
    """
    for some in chunks(sorted(set(file_ids))):
        _refresh(session, some)


def remove_files(session: Session, file_ids: Iterable[int]) -> None:
    """Take files out of the full text."""
    rows = [{"id": each} for each in file_ids]
    if rows:
        session.connection().execute(text("DELETE FROM file_text WHERE rowid = :id"), rows)


def _refresh(session: Session, ids: Sequence[int]) -> None:
    remove_files(session, ids)
    tags, notes = _tags(session, ids), _notes(session, ids)
    rows = session.execute(
        select(
            SoundFile.id, SoundFile.path, SoundFile.metadata_json, LibraryRoot.path.label("root")
        )
        .join(LibraryRoot, LibraryRoot.id == SoundFile.root_id)
        .where(SoundFile.id.in_(ids), SoundFile.state != FileState.MISSING)
    )
    new = [
        {
            "id": row.id,
            "name": path_words(os.path.basename(row.path)),  # noqa: PTH119 - bytes
            "folders": path_words(_folders(row.root, row.path)),
            "tags": tags.get(row.id, ""),
            "metadata": "\n".join(indexed_words(value) for _, value in values(row.metadata_json)),
            "notes": notes.get(row.id, ""),
        }
        for row in rows
    ]
    if new:
        session.connection().execute(
            text(
                "INSERT INTO file_text (rowid, name, folders, tags, metadata, notes)"
                " VALUES (:id, :name, :folders, :tags, :metadata, :notes)"
            ),
            new,
        )


def _folders(root: bytes, path: bytes) -> bytes:
    """The folders that a file lies in, from the root's own name on."""
    return os.path.join(os.path.basename(root), os.path.dirname(path))  # noqa: PTH118, PTH119, PTH120


def values(metadata_json: str) -> list[tuple[str, str]]:
    """(field, value) of stored metadata, in the order in which the full text has them as lines."""
    metadata: dict[str, list[str]] = json.loads(metadata_json)
    return [(field, value) for field, found in sorted(metadata.items()) for value in found]


def _tags(session: Session, ids: Sequence[int]) -> dict[int, str]:
    """By file, the tags of its metadata and those that people set on its recording."""
    own = select(FileTag.file_id, Tag.name).join(Tag, Tag.id == FileTag.tag_id)
    given = (
        select(SoundFile.id, Tag.name)
        .join(RecordingTag, RecordingTag.recording_id == SoundFile.recording_id)
        .join(Tag, Tag.id == RecordingTag.tag_id)
    )
    wanted = own.where(FileTag.file_id.in_(ids)).union(given.where(SoundFile.id.in_(ids)))
    found: dict[int, list[str]] = {}
    for file_id, name in session.execute(wanted.order_by(wanted.selected_columns[1])):
        found.setdefault(file_id, []).append(indexed_words(name))
    return {each: "\n".join(names) for each, names in found.items()}


def _notes(session: Session, ids: Sequence[int]) -> dict[int, str]:
    """By file, the notes that people wrote of its recording."""
    wanted = (
        select(SoundFile.id, Annotation.note)
        .join(Recording, Recording.id == SoundFile.recording_id)
        .join(AnnotatedSound, AnnotatedSound.audio_hash == Recording.audio_hash)
        .join(Annotation, Annotation.sound_id == AnnotatedSound.id)
        .where(SoundFile.id.in_(ids), Annotation.note.is_not(None))
        .order_by(Annotation.start_s, Annotation.end_s)
    )
    found: dict[int, list[str]] = {}
    for file_id, note in session.execute(wanted):
        found.setdefault(file_id, []).append(indexed_words(str(note)))
    return {each: "\n".join(notes) for each, notes in found.items()}
