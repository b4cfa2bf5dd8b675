"""The files that globs mean, looked up by the program, whose rules no server's patterns keep."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from audiosearch.store.globs import folder_predicate, glob_predicate, parse_glob
from audiosearch.store.names import normal_form
from audiosearch.store.queries.conditions import (
    CATEGORY_IDS,
    AmongFiles,
    AnyCondition,
    Condition,
    InPlaces,
    OfUcsCategory,
    Without,
)
from audiosearch.store.queries.scope import Scope
from audiosearch.store.schema import LibraryRoot, SoundFile

_Predicate = Callable[[bytes, bytes], bool]


def without_globs(session: Session, scope: Scope) -> Scope:
    """The same scope with the files that its globs mean in their place, as of now."""
    names = tuple(
        tuple(
            replace(name, file_ids=_files_of(session, [glob_predicate(name.glob)]))
            if name.match is None and name.file_ids is None
            else name
            for name in some
        )
        for some in scope.names
    )
    conditions = tuple(_computed(session, each) for each in scope.conditions)
    return Scope(conditions=conditions, names=names)


def _computed(session: Session, condition: Condition) -> Condition:
    if isinstance(condition, Without):
        return Without(_computed(session, condition.condition))
    if isinstance(condition, InPlaces) and condition.globs:
        meant = _files_of(session, [folder_predicate(glob) for glob in condition.globs])
        return AnyCondition((InPlaces(condition.places), AmongFiles((), meant)))
    if isinstance(condition, OfUcsCategory):
        return AmongFiles((), _of_categories(session, condition.globs))
    return condition


def _files_of(session: Session, predicates: list[_Predicate]) -> tuple[int, ...]:
    rows = session.connection().execute(
        select(SoundFile.id, LibraryRoot.path, SoundFile.path)
        .join(LibraryRoot, LibraryRoot.id == SoundFile.root_id)
        .order_by(SoundFile.id)
    )
    return tuple(
        file_id
        for file_id, root, path in rows
        if any(is_meant(root, path) for is_meant in predicates)
    )


def _of_categories(session: Session, globs: tuple[str, ...]) -> tuple[int, ...]:
    parsed = [parse_glob(glob) for glob in globs]
    likely = or_(*(SoundFile.metadata_json.icontains(each) for each in CATEGORY_IDS))
    rows = session.connection().execute(
        select(SoundFile.id, SoundFile.metadata_json).where(likely).order_by(SoundFile.id)
    )
    found: list[int] = []
    for file_id, stored in rows:
        values = [
            value
            for field, some in json.loads(stored).items()
            if _is_category(field)
            for value in some
        ]
        if any(
            value.strip(" ") and any(glob.matches(normal_form(value)) for glob in parsed)
            for value in values
        ):
            found.append(file_id)
    return tuple(found)


def _is_category(field: str) -> bool:
    name = "".join(letter.lower() if letter.isascii() else letter for letter in field)
    return any(name == each or name.endswith(f".{each}") for each in CATEGORY_IDS)
