"""What a query's filters mean in one library."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy.orm import Session

from audiosearch.errors import QueryError
from audiosearch.search.filters import Filters
from audiosearch.store.globs import is_glob
from audiosearch.store.queries.file_names import FileName
from audiosearch.store.queries.fulltext import match_words, telling_words
from audiosearch.store.queries.places import RootPath, path_inside
from audiosearch.store.queries.roots import list_roots
from audiosearch.store.queries.scope import Scope

_BEGINNING = 2  # letters of a word that no stemmer takes away


def find_scope(session: Session, filters: Filters) -> Scope:
    """The scope that `filters` mean in this library.

    Raises:
        QueryError: a folder is not part of the library, there is no word in a name, or the
            shortest length is above the longest.
    """
    low, high = filters.min_duration_s, filters.max_duration_s
    if low is not None and high is not None and low > high:
        raise QueryError(f"no recording is both longer than {low:g} s and shorter than {high:g} s")
    places: list[RootPath] = []
    for folder in filters.folders:
        places += _places(session, folder)
    return Scope(
        places=tuple(places) if filters.folders else None,
        since=filters.since,
        formats=tuple(_text(name).lower().lstrip(".") for name in filters.formats),
        min_duration_s=low,
        max_duration_s=high,
        tags=tuple(map(_text, filters.tags)),
        names=(tuple(map(file_name, filters.names)),) if filters.names else (),
    )


def _text(given: str) -> str:
    """A text that a database takes: bytes that are none, as a shell may give them, are replaced."""
    return given.encode("utf-8", "replace").decode()


def file_name(text: str) -> FileName:
    """A glob, an absolute path, which is one without wildcards, or words, as the store takes them.

    Raises:
        QueryError: there is no word in it.
    """
    path = os.path.expanduser(text)  # noqa: PTH111 - in quotes no shell has done it
    if is_glob(text) or os.path.isabs(path):  # noqa: PTH117
        return FileName(glob=path)
    words = telling_words(text)
    if not words:
        raise QueryError(
            f"there is no word in the name {text!r}", remedy="give words, or a glob such as '*.wav'"
        )
    return FileName(
        match=match_words(words, every=True) or "",
        beginnings=tuple(word.parts[0][:_BEGINNING] for word in words),
    )


def _places(session: Session, folder: Path) -> list[RootPath]:
    """Where in the library a folder is: under a root, or above some."""
    roots = list_roots(session)
    # As the person wrote it first: a root may itself be a link to somewhere else.
    for path in (os.path.abspath(folder), os.path.realpath(folder)):  # noqa: PTH100 - keeps links
        wanted = os.fsencode(path)
        found = [
            RootPath(root=root, relative=under)
            for root in roots
            if (under := path_inside(wanted, root.path)) is not None
        ]
        found += [
            RootPath(root=root, relative=b"")
            for root in roots
            if root.path != wanted and path_inside(root.path, wanted) is not None
        ]
        if found:
            return found
    raise QueryError(
        "no folder of this library", path=folder, remedy="audiosearch roots list shows them"
    )
