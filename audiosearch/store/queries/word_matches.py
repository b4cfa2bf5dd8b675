"""Which files hold which words of a query, and in which of their texts.

In go words and files, out come the places of the words that match. The caller owns the transaction.
"""

# ruff: noqa: S608 - statements are put together from constants of this package, and ids
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from audiosearch.store.dialects import full_text, is_sqlite
from audiosearch.store.direct import fetch, fetch_value, in_list
from audiosearch.store.fts5 import expression
from audiosearch.store.full_text import MARK, Match, TextKind
from audiosearch.store.names import TypedWord
from audiosearch.store.queries._bulk import chunks
from audiosearch.store.queries.fulltext import match_word, match_words, values
from audiosearch.store.queries.places import join
from audiosearch.store.queries.scope import Scope

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_FEW: Final = 2000  # files; of so many each is looked up, of more all that match are listed
_COLUMNS: Final = ("name", "folder", "tag", "metadata", "note")  # of the full text, in its order
_MOST_UNHEARD: Final = 3  # are told
_UNHEARD: Final = """
    SELECT root.path, f.path FROM sound_file AS f JOIN library_root AS root ON root.id = f.root_id
    WHERE f.id IN (SELECT rowid FROM file_text WHERE file_text MATCH :match)
    AND NOT EXISTS (
        SELECT 1 FROM "window" AS w
        WHERE w.recording_id = f.recording_id AND w.bundle_id = :bundle AND w.silent = 0
    )
    ORDER BY root.path, f.path LIMIT :most
"""
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


def _files_with(session: Session, match: Match, file_ids: Sequence[int]) -> Iterator[int]:
    texts = full_text(session)
    if len(file_ids) > _FEW:
        yield from texts.among(TextKind.FILE, match, None)
        return
    for some in chunks(file_ids):
        yield from texts.among(TextKind.FILE, match, some)


def unheard_files(
    session: Session, words: Sequence[TypedWord], scope: Scope, *, bundle_id: int
) -> tuple[bytes, ...]:
    """The absolute paths of the first few files within `scope` whose texts hold all `words`.

    Of those that the bundle has heard nothing of, silence aside. Files that are missing are none.
    """
    match = match_words(words, every=True)
    if match is None:
        return ()
    if scope == Scope() and is_sqlite(session):
        rows = fetch(
            session, _UNHEARD, match=expression(match), bundle=bundle_id, most=_MOST_UNHEARD
        )
    else:
        from audiosearch.store.queries.file_list import filtered_unheard  # noqa: PLC0415 - heavy

        rows = filtered_unheard(session, match, scope, bundle_id=bundle_id, most=_MOST_UNHEARD)
    return tuple(join(root, path) for root, path in rows)


def stands_somewhere(session: Session, word: TypedWord) -> bool:
    """Whether any file's texts, or a caption that a person gave, hold a word."""
    match = match_word(word)
    return (
        next(full_text(session).among(TextKind.FILE, match, None), None) is not None
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


def _given(session: Session, match: Match) -> Iterator[GivenStretch]:
    for some in chunks(full_text(session).people_captions(match)):
        rows = fetch(
            session,
            "SELECT recording_id, start_s, end_s FROM caption_target"
            f" WHERE caption_id IN ({in_list(some)})",
        )
        yield from (GivenStretch(*row) for row in rows)


def given_caption(
    session: Session, words: Sequence[TypedWord], stretch: GivenStretch
) -> tuple[str, tuple[str, ...]] | None:
    """The caption that a person gave to a part of `stretch` and that holds most words, with these.

    As it was typed, where that is known.
    """
    given = fetch(
        session,
        "SELECT coalesce(t.said, c.text), c.id FROM caption_target AS t"
        " JOIN caption AS c ON c.id = t.caption_id WHERE t.recording_id = :recording"
        " AND t.start_s < :end_s AND t.end_s > :start_s ORDER BY t.id",
        recording=stretch.recording_id,
        start_s=stretch.start_s,
        end_s=stretch.end_s,
    )
    found: dict[str, list[str]] = {}
    texts = full_text(session)
    for word in words:
        holding = {
            caption_id
            for some in chunks(sorted({row[1] for row in given}))
            for caption_id in texts.among(TextKind.CAPTION, match_word(word), some)
        }
        for said, caption_id in given:
            if caption_id in holding:
                found.setdefault(said, []).append(word.shown)
    best = max(found, key=lambda said: len(found[said]), default=None)
    return None if best is None else (best, tuple(found[best]))


def matched_fields(
    session: Session, words: Sequence[TypedWord], *, file_id: int
) -> dict[str, tuple[str, ...]]:
    """The texts of a file that hold words, with these as they were typed.

    Texts are `name`, `title`, `tag`, `folder`, `note`, then the other fields of its metadata.
    """
    found: dict[str, dict[str, None]] = {}
    for word in words:
        row = full_text(session).marked(match_word(word), file_id=file_id)
        if row is None:
            continue
        texts = dict(zip(_COLUMNS, row, strict=True))
        fields = [field for field in _COLUMNS if field != "metadata" and MARK in texts[field]]
        if MARK in texts["metadata"]:
            fields += _marked_fields(session, file_id, texts["metadata"])
        for field in fields:
            found.setdefault(field, {})[word.shown] = None
    shown = sorted(found, key=lambda field: _FIRST.index(field) if field in _FIRST else len(_FIRST))
    return {field: tuple(found[field]) for field in shown}


def _marked_fields(session: Session, file_id: int, marked: str) -> list[str]:
    """The fields of a file's metadata whose lines in the full text have a mark."""
    wanted = "SELECT metadata_json FROM sound_file WHERE id = :id"
    fields = [field for field, _ in values(fetch_value(session, wanted, id=file_id))]
    lines = marked.split("\n")
    return [field for field, line in zip(fields, lines, strict=True) if MARK in line]


def library_words(session: Session) -> dict[str, int]:
    """The stems of all words in files' texts, each with the number of files that hold it."""
    return full_text(session).n_texts(TextKind.FILE)


def caption_words(session: Session) -> dict[str, int]:
    """The stems of all words in captions, each with the number of captions that hold it."""
    return full_text(session).n_texts(TextKind.CAPTION)


def spelled_out(session: Session, stem: str) -> str:
    """A word with this stem as some file's texts or a caption have it."""
    texts = full_text(session)
    in_files = texts.spelled_out(TextKind.FILE, stem)
    return in_files or texts.spelled_out(TextKind.CAPTION, stem) or stem
