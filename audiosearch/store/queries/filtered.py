"""What filters come to in SQL: for a `Scope` that leaves something out; see `scope`.

Apart from it, since the statements of a question without filters need no SQLAlchemy.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from audiosearch._typing import Ids
from audiosearch._urls import is_url
from audiosearch.store.queries.conditions import AmongFiles, clauses
from audiosearch.store.queries.file_names import is_named
from audiosearch.store.queries.places import join
from audiosearch.store.queries.scope import Scope
from audiosearch.store.schema import FileState, LibraryRoot, Recording, SoundFile, WindowRow


def filtered_windows(session: Session, scope: Scope, *, bundle_id: int) -> Ids:
    """Ids (n,) of the bundle's windows that may answer, ascending; see `scope.allowed_windows`."""
    wanted = select(WindowRow.id).where(
        WindowRow.bundle_id == bundle_id,
        WindowRow.silent == 0,
        WindowRow.recording_id.in_(_recordings_within(scope)),
    )
    # The connection's own rows: objects for a million of them would take seconds.
    rows = session.connection().execute(wanted.order_by(WindowRow.id))
    return np.fromiter(rows.scalars(), np.int64)


def filtered_files(
    session: Session, recording_ids: Sequence[int], scope: Scope
) -> list[tuple[Any, ...]]:
    """What `scope.files_within` makes files of, for some hundred recordings."""
    rows = session.connection().execute(
        select(
            SoundFile.id,
            SoundFile.recording_id,
            LibraryRoot.path,
            SoundFile.path,
            SoundFile.mtime_ns,
            Recording.loudness_lufs,
        )
        .join(LibraryRoot, LibraryRoot.id == SoundFile.root_id)
        .join(Recording, Recording.id == SoundFile.recording_id)
        .where(SoundFile.recording_id.in_(recording_ids), *_about_files(scope))
    )
    return [tuple(row) for row in rows]


def _recordings_within(scope: Scope) -> Select[Any]:
    """Ids of recordings with a file that is there, as a subquery that runs once for all rows."""
    found = select(SoundFile.recording_id).where(SoundFile.recording_id.is_not(None))
    if scope.asks_recordings:
        found = found.join(Recording, Recording.id == SoundFile.recording_id)
    return found.where(*_about_files(scope))


def _about_files(scope: Scope) -> list[ColumnElement[bool]]:
    """Conditions on a file that may answer; some need its `Recording` joined."""
    # Not the bare column: SQLite would take its index first, and walk all files that are there.
    there = func.coalesce(SoundFile.state, "").in_([FileState.INDEXED, FileState.PENDING])
    return [there, *clauses(scope.conditions), *(is_named(names) for names in scope.names)]


def filtered_unknown(session: Session, scope: Scope) -> dict[str, int]:
    """See `scope.count_unknown`."""
    found: dict[str, int] = {}
    for unknown, measure, rest in unknown_parts(scope):
        wanted = (
            select(func.count(SoundFile.recording_id.distinct()))
            .join(Recording, Recording.id == SoundFile.recording_id)
            .where(unknown, *_about_files(rest))
        )
        n = session.scalar(wanted) or 0
        if n:
            found[measure] = n
    return found


def unknown_parts(scope: Scope) -> Iterator[tuple[ColumnElement[bool], str, Scope]]:
    """For each condition whose answer may not be known: that it is not, of what, and the rest."""
    for each in scope.conditions:
        if each.measure is not None:
            rest = tuple(other for other in scope.conditions if other is not each)
            yield each.is_unknown(), each.measure, replace(scope, conditions=rest)


def offline_files(session: Session, scope: Scope) -> AmongFiles:
    """The files within `scope` that are not there, of whatever state; others may be among them.

    A root that is away is given as a whole. One listing a folder, not one look a file: drives of a
    network answer slowly. Stores at URLs are not asked: what the last look at them found, holds.
    """
    rows = session.execute(select(LibraryRoot.id, LibraryRoot.path))
    roots: dict[int, bytes] = {row.id: row.path for row in rows}
    away = tuple(root_id for root_id, path in roots.items() if _is_away(path))
    present = [each for each in roots if each not in away and not is_url(roots[each])]
    files = session.connection().execute(
        select(SoundFile.id, SoundFile.root_id, SoundFile.path)
        .outerjoin(Recording, Recording.id == SoundFile.recording_id)
        .where(
            SoundFile.root_id.in_(present),
            *clauses(scope.conditions),
            *(is_named(names) for names in scope.names),
        )
        .order_by(SoundFile.root_id, SoundFile.path)
    )
    listed: dict[bytes, frozenset[bytes]] = {}
    gone: list[int] = []
    for file_id, root_id, path in files:
        folder, name = os.path.split(join(roots[root_id], path))
        if folder not in listed:
            listed[folder] = _names(folder)
        if name not in listed[folder] and not os.path.lexists(join(folder, name)):
            gone.append(file_id)
    return AmongFiles(away, tuple(gone))


def _is_away(root: bytes) -> bool:
    return not is_url(root) and not os.path.lexists(root)


def _names(folder: bytes) -> frozenset[bytes]:
    """What is in a folder; nothing where it is not there, or may not be read."""
    try:
        return frozenset(os.listdir(folder))  # noqa: PTH208 - bytes
    except OSError:
        return frozenset()
