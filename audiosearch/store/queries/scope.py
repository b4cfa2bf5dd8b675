"""Which windows may answer a query: filters as SQL, and files that are there.

The caller owns the transaction; everything here only reads. In goes a `Scope`, out come window
ids. What filters a person may set, and in what words, is the business of `audiosearch.search`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Select, func, literal, or_, select
from sqlalchemy.orm import Session

from audiosearch._typing import Ids
from audiosearch.store.names import normal_form
from audiosearch.store.queries._bulk import chunks
from audiosearch.store.queries.file_names import FileName, is_in, is_named
from audiosearch.store.queries.places import RootPath, join
from audiosearch.store.schema import (
    FileState,
    FileTag,
    LibraryRoot,
    Recording,
    RecordingTag,
    SoundFile,
    Tag,
    WindowRow,
)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Which files and recordings may answer; all that is set must hold.

    Attributes:
        places: below one of these; None = anywhere, empty = nowhere.
        since: Unix seconds; only files modified at or after.
        formats: one of these, in lower case: a suffix, container or codec.
        min_duration_s, max_duration_s: of the recording, both included.
        tags: the file has all of these, by its metadata or since a person set them.
        names: the file has one of each of these sets.
    """

    places: tuple[RootPath, ...] | None = None
    since: float | None = None
    formats: tuple[str, ...] = ()
    min_duration_s: float | None = None
    max_duration_s: float | None = None
    tags: tuple[str, ...] = ()
    names: tuple[tuple[FileName, ...], ...] = ()


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
    found = select(SoundFile.recording_id).where(
        SoundFile.recording_id.is_not(None), *_about_files(scope)
    )
    conditions = about_recordings(scope)
    if conditions or scope.formats:
        found = found.join(Recording, Recording.id == SoundFile.recording_id)
    return found.where(*conditions)


def _about_files(scope: Scope) -> list[ColumnElement[bool]]:
    """Conditions on a file that may answer; those on its format need its `Recording` joined."""
    there = SoundFile.state.in_([FileState.INDEXED, FileState.PENDING])
    return [there, *about_any_file(scope), *(is_named(names) for names in scope.names)]


def about_any_file(scope: Scope) -> list[ColumnElement[bool]]:
    """Conditions on a file but for its state and name."""
    found: list[ColumnElement[bool]] = []
    if scope.places is not None:
        found.append(is_in(scope.places))
    if scope.since is not None:
        found.append(SoundFile.mtime_ns >= round(scope.since * 1e9))
    if scope.formats:
        found.append(or_(*(_is_format(name) for name in scope.formats)))
    found += [_has_tag(normal_form(tag)) for tag in scope.tags]
    return found


def _has_tag(name: str) -> ColumnElement[bool]:
    """Whether a file's own metadata names a tag, or a person set it on the file's recording."""
    tag = select(Tag.id).where(Tag.name == name)
    return or_(
        SoundFile.id.in_(select(FileTag.file_id).where(FileTag.tag_id.in_(tag))),
        SoundFile.recording_id.in_(
            select(RecordingTag.recording_id).where(RecordingTag.tag_id.in_(tag))
        ),
    )


def _is_format(name: str) -> ColumnElement[bool]:
    suffix = func.lower(SoundFile.display).endswith(f".{name}", autoescape=True)
    # FFmpeg's demuxers have names such as "mov,mp4,m4a".
    containers = literal(",").concat(Recording.container).concat(",")
    return or_(
        suffix,
        func.lower(containers).contains(f",{name},", autoescape=True),
        func.lower(Recording.codec) == name,
    )


def about_recordings(scope: Scope) -> list[ColumnElement[bool]]:
    """Conditions on a recording."""
    found: list[ColumnElement[bool]] = []
    if scope.min_duration_s is not None:
        found.append(Recording.duration_s >= scope.min_duration_s)
    if scope.max_duration_s is not None:
        found.append(Recording.duration_s <= scope.max_duration_s)
    return found


@dataclass(frozen=True)
class ScopedFile:
    """A file that may answer; `path` is absolute."""

    file_id: int
    recording_id: int
    path: bytes


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
            )
            .join(LibraryRoot, LibraryRoot.id == SoundFile.root_id)
            .join(Recording, Recording.id == SoundFile.recording_id)
            .where(SoundFile.recording_id.in_(some), *_about_files(scope))
        )
        for row in rows:
            yield ScopedFile(row.id, row.recording_id, join(row.root, row.path))


def first_paths(session: Session, recording_ids: Sequence[int], scope: Scope) -> dict[int, bytes]:
    """The absolute path of a file of each recording: the first by its bytes, within `scope`."""
    found: dict[int, bytes] = {}
    for file in files_within(session, recording_ids, scope):
        found[file.recording_id] = min(file.path, found.get(file.recording_id, file.path))
    return found
