"""What a query's filters mean in one library."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from audiosearch._urls import any_path, is_url, normal_url
from audiosearch.errors import QueryError
from audiosearch.search.filters import LIMITS, Filters, is_folder_glob
from audiosearch.store.dialects import computed_scope
from audiosearch.store.globs import is_glob
from audiosearch.store.queries.conditions import (
    Condition,
    HasTag,
    InCollection,
    InPlaces,
    IsFavourite,
    ModifiedSince,
    OfFormat,
    OfUcsCategory,
    Rated,
    Within,
    Without,
)
from audiosearch.store.queries.file_names import FileName
from audiosearch.store.queries.filtered import offline_files
from audiosearch.store.queries.fulltext import match_words, telling_words
from audiosearch.store.queries.places import RootPath, path_inside
from audiosearch.store.queries.roots import list_roots
from audiosearch.store.queries.scope import Scope
from audiosearch.store.queries.users import own_users

_BEGINNING = 2  # letters of a word that no stemmer takes away


def find_scope(session: Session, filters: Filters) -> Scope:
    """The scope that `filters` mean in this library.

    Raises:
        QueryError: a folder or collection is not part of the library, there is no word in a name,
            or the lowest of some limits is above the highest.
    """
    conditions = [
        *_of_file(session, filters),
        *_of_sound(filters),
        *_of_person(session, filters),
    ]
    names = (tuple(map(file_name, filters.names)),) if filters.names else ()
    scope = computed_scope(session, Scope(conditions=tuple(conditions), names=names))
    if filters.online is not None:
        away = offline_files(session, scope)
        online = Without(away) if filters.online else away
        scope = replace(scope, conditions=(*scope.conditions, online))
    return scope


def unknown_tags(session: Session, filters: Filters) -> tuple[str, ...]:
    """The tags asked for that no sound of this library has, neither its file's nor a person's."""
    return tuple(
        tag
        for tag in filters.tags
        if not session.scalar(select(exists().where(HasTag(_text(tag)).clause())))
    )


def _of_file(session: Session, filters: Filters) -> Iterator[Condition]:
    """What filters by place, date and words mean."""
    if filters.folders:
        yield _in_folders(session, filters.folders)
    if filters.not_folders:
        yield Without(_in_folders(session, filters.not_folders))
    if filters.since is not None:
        yield ModifiedSince(filters.since)
    if filters.formats:
        yield OfFormat(tuple(_text(name).lower().lstrip(".") for name in filters.formats))
    yield from (HasTag(_text(tag)) for tag in filters.tags)
    yield from (Without(HasTag(_text(tag))) for tag in filters.not_tags)
    if filters.ucs:
        yield OfUcsCategory(tuple(map(_text, filters.ucs)))


def _of_sound(filters: Filters) -> Iterator[Condition]:
    """What filters by a number mean."""
    low, high = filters.min_duration_s, filters.max_duration_s
    if low is not None and high is not None and low > high:
        raise QueryError(f"no recording is both longer than {low:g} s and shorter than {high:g} s")
    if (low, high) != (None, None):
        yield Within("duration_s", low, high)
    for column in LIMITS:
        low, high = getattr(filters, column) or (None, None)
        if low is not None and high is not None and low > high:
            raise QueryError(f"{low:g} is above {high:g}", remedy="write the lower limit first")
        if (low, high) != (None, None):
            yield Within(column, low, high)


def _of_person(session: Session, filters: Filters) -> Iterator[Condition]:
    """What filters by what a person wrote mean."""
    low, high = filters.rating or (None, None)
    if low is not None and high is not None and low > high:
        raise QueryError(f"{low:g} is above {high:g}", remedy="write the lower limit first")
    if (low, high) != (None, None):
        yield Rated(low, high, own_users(session))
    if filters.favourite is not None:
        favourite = IsFavourite(own_users(session))
        yield favourite if filters.favourite else Without(favourite)
    for name in filters.collections:
        yield InCollection(_collection(session, _text(name)))


def _collection(session: Session, name: str) -> int:
    from audiosearch.store.queries.collections import find_collection  # noqa: PLC0415 - seldom asked

    found = find_collection(session, name)
    if found is None:
        raise QueryError(
            f"there is no collection {name!r}", remedy="audiosearch collection list shows them"
        )
    return found


def _in_folders(session: Session, folders: Sequence[Path]) -> InPlaces:
    places: list[RootPath] = []
    globs: list[str] = []
    for folder in folders:
        path = folder
        if is_folder_glob(folder):
            path = any_path(os.path.expanduser(folder))  # noqa: PTH111
        if is_folder_glob(path):
            # A folder that is away may have just this name, brackets and all.
            is_whole = path.is_absolute() or is_url(os.fspath(path))
            places += _places(session, path) if is_whole else []
            globs.append(os.fspath(path))
            continue
        found = _places(session, path)
        if not found:
            raise QueryError(
                "no folder of this library", path=path, remedy="audiosearch roots list shows them"
            )
        places += found
    return InPlaces(tuple(places), tuple(globs))


def _text(given: str) -> str:
    """A text that a database takes: bytes that are none, as a shell may give them, are replaced."""
    return given.encode("utf-8", "replace").decode()


def file_name(text: str) -> FileName:
    """A glob, an absolute path, which is one without wildcards, or words, as the store takes them.

    Raises:
        QueryError: there is no word in it.
    """
    path = os.path.expanduser(text)  # noqa: PTH111 - in quotes no shell has done it
    if is_url(text) and not is_glob(text):
        path = os.fsdecode(normal_url(os.fsencode(text)))
    if is_glob(text) or is_url(path) or os.path.isabs(path):  # noqa: PTH117
        return FileName(glob=path)
    words = telling_words(text)
    if not words:
        raise QueryError(
            f"there is no word in the name {text!r}", remedy="give words, or a glob such as '*.wav'"
        )
    return FileName(
        match=match_words(words, every=True),
        beginnings=tuple(word.parts[0][:_BEGINNING] for word in words),
    )


def _places(session: Session, folder: Path) -> list[RootPath]:
    """Where in the library a folder is: under a root, or above some; else nowhere."""
    roots = list_roots(session)
    given = os.fspath(folder)
    # As the person wrote it first: a root may itself be a link to somewhere else.
    paths = (
        (normal_url(os.fsencode(given)),)
        if is_url(given)
        else map(os.fsencode, (os.path.abspath(given), os.path.realpath(given)))  # noqa: PTH100
    )
    for wanted in paths:
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
    return []
