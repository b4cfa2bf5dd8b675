"""Files by where they are and by their names: globs, or words in the name and the folders.

Words are looked for in the full text, which knows the files that are there; the names of missing
ones are put into one of the same kind, made for the question. Globs are a function of this program
that SQLite calls; see `store.sqlite`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, false, func, literal, or_, select

from audiosearch._urls import separator_of
from audiosearch.store import fts5
from audiosearch.store.dialect_clauses import HasNameOf, IsAmong
from audiosearch.store.full_text import COLUMNS, TOKENIZER, Match, TextKind
from audiosearch.store.globs import asks_for_folders, glob_predicate
from audiosearch.store.names import normal_form, path_text, path_words
from audiosearch.store.queries.places import SEPARATOR, RootPath
from audiosearch.store.schema import LibraryRoot, SoundFile


@dataclass(frozen=True)
class FileName:
    """What a file's name is to be.

    Attributes:
        glob: for the name alone, or with "/" for the path below its root or the whole one.
        match: otherwise words, all in the name or its folders.
        beginnings: how the words begin, in normal form; letters that no stemming takes away.
        file_ids: the files that the glob means, where it has been looked up; see
            `dialects.computed_scope`.
    """

    glob: str = ""
    match: Match | None = None
    beginnings: tuple[str, ...] = ()
    file_ids: tuple[int, ...] | None = None


class PlacedFile(NamedTuple):
    """A file's id, its root and its path below that. A tuple, since there are many."""

    file_id: int
    root: bytes
    path: bytes


def inside(under: bytes, separator: bytes = SEPARATOR) -> ColumnElement[bool]:
    """Whether a file is at the path `under` (not empty) of its root, or below it.

    All below sort between `under/` and `end_of(under)`, so an index finds them.
    """
    below = and_(SoundFile.path > under + separator, SoundFile.path < end_of(under, separator))
    return or_(SoundFile.path == under, below)


def end_of(under: bytes, separator: bytes = SEPARATOR) -> bytes:
    """What sorts after all paths below `under`: it and the byte after "/"."""
    return under + bytes([separator[0] + 1])


def is_in(places: Sequence[RootPath]) -> ColumnElement[bool]:
    """Whether a file is at one of some places, or below it."""
    return or_(false(), *map(_is_at, places))


def _is_at(place: RootPath) -> ColumnElement[bool]:
    at_root = SoundFile.root_id == place.root.root_id
    separator = separator_of(place.root.path)
    return and_(at_root, inside(place.relative, separator)) if place.relative else at_root


def is_named(names: Sequence[FileName]) -> ColumnElement[bool]:
    """Whether a file has one of some names; by words, missing files are never found."""
    return or_(false(), *map(_has_name, names))


def _has_name(name: FileName) -> ColumnElement[bool]:
    if name.match is not None:
        return HasNameOf(SoundFile.id, name.match)
    return _is_glob(name) if name.file_ids is None else IsAmong(SoundFile.id, name.file_ids)


def _is_glob(name: FileName) -> ColumnElement[bool]:
    root: ColumnElement[bytes] = literal(b"")
    if asks_for_folders(name.glob):
        paths = select(LibraryRoot.path).where(LibraryRoot.id == SoundFile.root_id)
        root = paths.correlate(SoundFile).scalar_subquery()
    pattern = name.glob.encode("utf-8", "surrogateescape")
    return func.audiosearch_name_glob(pattern, root, SoundFile.path) == 1


def named_among(files: Iterable[PlacedFile], names: Sequence[FileName]) -> list[int]:
    """Ids of those files that have one of some names, whether or not the full text knows them."""
    globs = [glob_predicate(name.glob) for name in names if name.glob]
    words = [name for name in names if name.match is not None]
    found: list[int] = []
    likely: list[PlacedFile] = []
    for file in files:
        if any(is_meant(file.root, file.path) for is_meant in globs):
            found.append(file.file_id)
        elif words:
            letters = normal_form(path_text(_below_root(file)))
            if any(all(each in letters for each in name.beginnings) for name in words):
                likely.append(file)
    return found + (_with_words(likely, words) if likely else [])


def _with_words(files: Sequence[PlacedFile], names: Sequence[FileName]) -> list[int]:
    """The same by full text: a table like the library's own, filled with these files."""
    columns = ", ".join(COLUMNS[TextKind.FILE])
    with closing(sqlite3.connect(":memory:")) as memory:
        memory.execute(
            f'CREATE VIRTUAL TABLE file_text USING fts5({columns}, tokenize = "{TOKENIZER}")'
        )
        memory.executemany(
            "INSERT INTO file_text (rowid, name) VALUES (?, ?)",
            ((file.file_id, path_words(_below_root(file))) for file in files),
        )
        found: dict[int, None] = {}
        for name in names:
            assert name.match is not None
            rows = memory.execute(
                "SELECT rowid FROM file_text WHERE file_text MATCH ?", (fts5.in_names(name.match),)
            )
            found |= {file_id: None for (file_id,) in rows}
    return list(found)


def _below_root(file: PlacedFile) -> bytes:
    """The path from the root's own name on."""
    return os.path.join(os.path.basename(file.root), file.path)  # noqa: PTH118, PTH119 - bytes
