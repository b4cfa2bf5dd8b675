"""Which windows may answer a query: filters as SQL, and files that are there.

The caller owns the transaction; everything here only reads. In goes a `Scope`, out come window
ids. What filters a person may set, and in what words, is the business of `audiosearch.search`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from audiosearch._typing import Ids
from audiosearch.store.queries._bulk import chunks
from audiosearch.store.queries.conditions import AmongFiles, Condition, clauses
from audiosearch.store.queries.file_names import FileName, is_named
from audiosearch.store.queries.places import join
from audiosearch.store.schema import FileState, LibraryRoot, Recording, SoundFile, WindowRow


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Which files and recordings may answer; all that is set must hold.

    Attributes:
        conditions: on the file or its recording.
        names: the file has one of each of these sets.
    """

    conditions: tuple[Condition, ...] = ()
    names: tuple[tuple[FileName, ...], ...] = ()

    @property
    def asks_recordings(self) -> bool:
        """Whether the conditions need the file's `Recording` joined."""
        return any(each.of_recording for each in self.conditions)


def allowed_windows(session: Session, scope: Scope, *, bundle_id: int) -> Ids | None:
    """Ids (n,) of the bundle's windows that may answer, ascending; None: all that are not silent.

    Those are the windows that are not silent, of recordings of which at least one file is there
    and within `scope`.
    """
    within = _recordings_within(scope)
    if scope == Scope():
        # Usually nothing is hidden: to know that is far cheaper than to list every window.
        hidden = select(Recording.id).where(Recording.id.not_in(within)).limit(1)
        if session.scalar(hidden) is None:
            return None
    wanted = select(WindowRow.id).where(
        WindowRow.bundle_id == bundle_id, WindowRow.silent == 0, WindowRow.recording_id.in_(within)
    )
    # The connection's own rows: objects for a million of them would take seconds.
    rows = session.connection().execute(wanted.order_by(WindowRow.id))
    return np.fromiter(rows.scalars(), np.int64)


def among(window_ids: Sequence[int], allowed: Ids) -> list[int]:
    """Those of `window_ids` that are in `allowed` (ascending), in their order."""
    if not len(allowed):
        return []
    wanted = np.asarray(window_ids, np.int64)
    places = np.minimum(np.searchsorted(allowed, wanted), len(allowed) - 1)
    kept: list[int] = wanted[allowed[places] == wanted].tolist()
    return kept


def _recordings_within(scope: Scope) -> Select[Any]:
    """Ids of recordings with a file that is there, as a subquery that runs once for all rows."""
    found = select(SoundFile.recording_id).where(SoundFile.recording_id.is_not(None))
    if scope.asks_recordings:
        found = found.join(Recording, Recording.id == SoundFile.recording_id)
    return found.where(*_about_files(scope))


def _about_files(scope: Scope) -> list[ColumnElement[bool]]:
    """Conditions on a file that may answer; some need its `Recording` joined."""
    there = SoundFile.state.in_([FileState.INDEXED, FileState.PENDING])
    return [there, *clauses(scope.conditions), *(is_named(names) for names in scope.names)]


def count_unknown(session: Session, scope: Scope) -> dict[str, int]:
    """Recordings that are left out since nobody knows whether they are within, by what is unknown.

    Of those with a file that is there and within all the rest of `scope`.
    """
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


@dataclass(frozen=True)
class ScopedFile:
    """A file that may answer; `path` is absolute."""

    file_id: int
    recording_id: int
    path: bytes
    mtime_ns: int
    loudness_lufs: float | None  # of the recording


def files_within(
    session: Session, recording_ids: Sequence[int], scope: Scope
) -> Iterator[ScopedFile]:
    """The files of recordings that are there and within `scope`."""
    for some in chunks(recording_ids):
        rows = session.execute(
            select(
                SoundFile.id,
                SoundFile.recording_id,
                LibraryRoot.path.label("root"),
                SoundFile.path,
                SoundFile.mtime_ns,
                Recording.loudness_lufs,
            )
            .join(LibraryRoot, LibraryRoot.id == SoundFile.root_id)
            .join(Recording, Recording.id == SoundFile.recording_id)
            .where(SoundFile.recording_id.in_(some), *_about_files(scope))
        )
        for row in rows:
            yield ScopedFile(
                file_id=row.id,
                recording_id=row.recording_id,
                path=join(row.root, row.path),
                mtime_ns=row.mtime_ns,
                loudness_lufs=row.loudness_lufs,
            )


def files_by_recording(
    session: Session, recording_ids: Sequence[int], scope: Scope
) -> dict[int, list[ScopedFile]]:
    """The files of recordings that are there and within `scope`, each by its path's bytes."""
    found: dict[int, list[ScopedFile]] = {}
    for file in files_within(session, list(dict.fromkeys(recording_ids)), scope):
        found.setdefault(file.recording_id, []).append(file)
    for files in found.values():
        files.sort(key=lambda file: file.path)
    return found


def offline_files(session: Session, scope: Scope) -> AmongFiles:
    """The files within `scope` that are not there, of whatever state; others may be among them.

    A root that is away is given as a whole. One listing a folder, not one look a file: drives of a
    network answer slowly.
    """
    rows = session.execute(select(LibraryRoot.id, LibraryRoot.path))
    roots: dict[int, bytes] = {row.id: row.path for row in rows}
    away = tuple(root_id for root_id, path in roots.items() if not os.path.lexists(path))
    present = [root_id for root_id in roots if root_id not in away]
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


def _names(folder: bytes) -> frozenset[bytes]:
    """What is in a folder; nothing where it is not there, or may not be read."""
    try:
        return frozenset(os.listdir(folder))  # noqa: PTH208 - bytes
    except OSError:
        return frozenset()
