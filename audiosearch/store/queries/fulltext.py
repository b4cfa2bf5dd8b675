"""Full text over captions, file names, embedded metadata and tags.

It is kept up to date in the transaction that changes the rows it stands for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from audiosearch._typing import Ids
from audiosearch.store.dialects import full_text
from audiosearch.store.full_text import Match, TextKind
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


def match_words(words: Sequence[TypedWord], *, every: bool = False) -> Match | None:
    """What holds any of some words, or `every` one; None for no word."""
    if not words:
        return None
    return Match(
        tuple((word.text, () if word.parts == (word.text,) else word.parts) for word in words),
        every,
    )


def match_word(word: TypedWord) -> Match:
    """What holds a word as it was typed, or all that it consists of."""
    match = match_words([word])
    assert match is not None
    return match


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
    return [each for each, _ in full_text(session).ranked(TextKind.CAPTION, match)]


def given_captions(session: Session, words: Sequence[str]) -> list[tuple[int, str]]:
    """Captions (id, text) that people gave to stretches of recordings and that hold all `words`."""
    plain = [part for word in words for part in words_of(word)]
    if not plain:
        return []
    match = Match(tuple((word, ()) for word in plain))
    return [
        (row.id, row.text)
        for some in chunks(full_text(session).people_captions(match))
        for row in session.execute(
            select(Caption.id, Caption.text).where(Caption.id.in_(some)).order_by(Caption.id)
        )
    ]


def add_captions(session: Session, ids: Mapping[str, int]) -> None:
    """Put new captions (text to id) into the full text."""
    rows = [{"id": each, "text": indexed_words(caption)} for caption, each in ids.items()]
    full_text(session).add(TextKind.CAPTION, rows)


def remove_captions(session: Session, caption_ids: Sequence[int]) -> None:
    """Take captions out of the full text."""
    full_text(session).remove(TextKind.CAPTION, caption_ids)


def rebuild(session: Session) -> None:
    """Write the whole of it anew, whatever is in it."""
    full_text(session).empty()
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
    full_text(session).remove(TextKind.FILE, file_ids)


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
    full_text(session).add(TextKind.FILE, new)


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
