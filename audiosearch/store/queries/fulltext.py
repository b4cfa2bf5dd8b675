"""Full text over captions, file names, embedded metadata and tags.

It is kept up to date in the transaction that changes the rows it stands for.
"""

# ruff: noqa: S608 - statements are put together from constants of this package, and ids
from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from audiosearch._typing import Ids
from audiosearch.store.dialects import full_text
from audiosearch.store.direct import fetch, in_list
from audiosearch.store.full_text import Match, TextKind
from audiosearch.store.names import TypedWord, indexed_words, path_words, typed_words, words_of
from audiosearch.store.queries._bulk import chunks
from audiosearch.store.queries.fulltext_windows import ranked_windows

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

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
        (caption_id, text)
        for some in chunks(full_text(session).people_captions(match))
        for caption_id, text in fetch(
            session, f"SELECT id, text FROM caption WHERE id IN ({in_list(some)}) ORDER BY id"
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
    for some in chunks([each for (each,) in fetch(session, "SELECT id FROM caption")]):
        rows = fetch(session, f"SELECT text, id FROM caption WHERE id IN ({in_list(some)})")
        add_captions(session, dict(rows))
    refresh_files(session, [each for (each,) in fetch(session, "SELECT id FROM sound_file")])
    full_text(session).merge()


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
    rows = fetch(
        session,
        "SELECT f.id, f.path, f.metadata_json, root.path FROM sound_file AS f"
        " JOIN library_root AS root ON root.id = f.root_id"
        f" WHERE f.id IN ({in_list(ids)}) AND f.state <> 'missing'",
    )
    new = [
        {
            "id": file_id,
            "name": path_words(os.path.basename(path)),  # noqa: PTH119 - bytes
            "folders": path_words(_folders(root, path)),
            "tags": tags.get(file_id, ""),
            "metadata": "\n".join(indexed_words(value) for _, value in values(metadata_json)),
            "notes": notes.get(file_id, ""),
        }
        for file_id, path, metadata_json, root in rows
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
    rows = fetch(
        session,
        "SELECT own.file_id AS file_id, tag.name AS name FROM file_tag AS own"
        f" JOIN tag ON tag.id = own.tag_id WHERE own.file_id IN ({in_list(ids)})"
        " UNION SELECT f.id, tag.name FROM sound_file AS f"
        " JOIN recording_tag AS given ON given.recording_id = f.recording_id"
        f" JOIN tag ON tag.id = given.tag_id WHERE f.id IN ({in_list(ids)}) ORDER BY name",
    )
    found: dict[int, list[str]] = {}
    for file_id, name in rows:
        found.setdefault(file_id, []).append(indexed_words(name))
    return {each: "\n".join(names) for each, names in found.items()}


def _notes(session: Session, ids: Sequence[int]) -> dict[int, str]:
    """By file, the notes that people wrote of its recording."""
    rows = fetch(
        session,
        "SELECT f.id, said.note FROM sound_file AS f"
        " JOIN recording AS r ON r.id = f.recording_id"
        " JOIN annotated_sound AS sound ON sound.audio_hash = r.audio_hash"
        " JOIN annotation AS said ON said.sound_id = sound.id"
        f" WHERE f.id IN ({in_list(ids)}) AND said.note IS NOT NULL"
        " ORDER BY said.start_s, said.end_s",
    )
    found: dict[int, list[str]] = {}
    for file_id, note in rows:
        found.setdefault(file_id, []).append(indexed_words(str(note)))
    return {each: "\n".join(notes) for each, notes in found.items()}
