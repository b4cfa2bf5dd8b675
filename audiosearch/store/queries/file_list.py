"""Files of any state, looked up without their sounds: which there are, and what is known of each.

The caller owns the transaction. Ids first, in the order of the paths, since there may be a million;
then what is known of as many as are wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, literal, or_, select
from sqlalchemy.orm import Session

from audiosearch.store.dialect_clauses import HasNameOf, IsAmong
from audiosearch.store.full_text import Match
from audiosearch.store.queries._bulk import chunks
from audiosearch.store.queries.conditions import clauses
from audiosearch.store.queries.file_names import FileName, PlacedFile, is_named, named_among
from audiosearch.store.queries.filtered import unknown_parts
from audiosearch.store.queries.places import join
from audiosearch.store.queries.scope import Scope
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
class ListedFile:
    """A file, as a list shows it.

    Attributes:
        path: absolute.
        duration_s: None where it was not heard to its end.
        codec, container: FFmpeg's names; None where it was never read.
        tags: by its own metadata and by people, in the order of their names.
    """

    file_id: int
    path: bytes
    state: FileState
    size: int
    mtime_ns: int
    error_code: str | None
    recording_id: int | None
    duration_s: float | None
    codec: str | None
    container: str | None
    tags: tuple[str, ...]


class FileOrder(StrEnum):
    """What a list is ordered by; the longest, newest and loudest come first."""

    PATH = "path"
    DURATION = "duration"
    DATE = "date"
    LOUDNESS = "loudness"


def find_file_ids(
    session: Session,
    scope: Scope,
    *,
    states: Sequence[FileState] = tuple(FileState),
    order: FileOrder = FileOrder.PATH,
    reverse: bool = False,
) -> list[int]:
    """Ids of the files within `scope` and in one of `states`, in an order; equals by their path.

    A file that was never heard is of no length, and so within no limits of one. Those of which it
    is not known what they are ordered by come last, reversed or not.
    """
    wanted = _files(SoundFile.id).where(*_all_of(session, scope, states))
    # The connection's own rows: objects for a million of them would take seconds.
    rows = session.connection().execute(wanted.order_by(*_ordering(order, reverse=reverse)))
    return list(rows.scalars())


def count_unknown_files(
    session: Session, scope: Scope, *, states: Sequence[FileState]
) -> dict[str, int]:
    """Files left out since nobody knows whether they are within `scope`, by what is unknown.

    Each of them is within all the rest.
    """
    found: dict[str, int] = {}
    for unknown, measure, rest in unknown_parts(scope):
        wanted = _files(func.count()).where(unknown, *_all_of(session, rest, states))
        n = session.scalar(wanted) or 0
        if n:
            found[measure] = n
    return found


def _all_of(
    session: Session, scope: Scope, states: Sequence[FileState]
) -> list[ColumnElement[bool]]:
    conditions = clauses(scope.conditions)
    for names in scope.names:
        conditions.append(_is_named(session, names, conditions, states))
    return [SoundFile.state.in_(states), *conditions]


def _ordering(order: FileOrder, *, reverse: bool) -> list[ColumnElement[Any]]:
    """What rows are ordered by."""
    paths: list[ColumnElement[Any]] = [LibraryRoot.path.expression, SoundFile.path.expression]
    if order is FileOrder.PATH:
        return [each.desc() for each in paths] if reverse else paths
    value: ColumnElement[Any] = {
        FileOrder.DURATION: func.nullif(Recording.duration_s, 0),
        FileOrder.DATE: SoundFile.mtime_ns.expression,
        FileOrder.LOUDNESS: Recording.loudness_lufs.expression,
    }[order]
    return [(value.asc() if reverse else value.desc()).nulls_last(), *paths]


def file_paths(session: Session, file_ids: Sequence[int]) -> dict[int, bytes]:
    """Absolute paths of files, by id."""
    found: dict[int, bytes] = {}
    for some in chunks(file_ids):
        rows = session.connection().execute(
            _files(SoundFile.id, LibraryRoot.path, SoundFile.path).where(SoundFile.id.in_(some))
        )
        found |= {file_id: join(root, path) for file_id, root, path in rows}
    return found


def any_file(session: Session) -> bool:
    """Whether the library knows any file at all."""
    return session.scalar(select(SoundFile.id).limit(1)) is not None


def _files(*columns: Any) -> Select[Any]:
    return (
        select(*columns)
        .select_from(SoundFile)
        .join(LibraryRoot, LibraryRoot.id == SoundFile.root_id)
        .outerjoin(Recording, Recording.id == SoundFile.recording_id)
    )


def _is_named(
    session: Session,
    names: Sequence[FileName],
    conditions: Sequence[ColumnElement[bool]],
    states: Sequence[FileState],
) -> ColumnElement[bool]:
    """The condition on the name, missing files among them, which meet `conditions` too."""
    named = is_named(names)
    if FileState.MISSING not in states or all(name.match is None for name in names):
        return named
    missing = _files(SoundFile.id, LibraryRoot.path, SoundFile.path).where(
        SoundFile.state == FileState.MISSING, *conditions
    )
    rows = (PlacedFile(*row) for row in session.connection().execute(missing))
    return or_(named, IsAmong(SoundFile.id, named_among(rows, names)))


def listed_files(session: Session, file_ids: Sequence[int]) -> list[ListedFile]:
    """What is known of files, in the order asked for."""
    found: dict[int, ListedFile] = {}
    for some in chunks(file_ids):
        tags = file_tags(session, some)
        wanted = _files(
            SoundFile.id,
            LibraryRoot.path.label("root"),
            SoundFile.path,
            SoundFile.state,
            SoundFile.size,
            SoundFile.mtime_ns,
            SoundFile.error_code,
            SoundFile.recording_id,
            Recording.duration_s,
            Recording.codec,
            Recording.container,
        )
        for row in session.execute(wanted.where(SoundFile.id.in_(some))):
            found[row.id] = ListedFile(
                file_id=row.id,
                path=join(row.root, row.path),
                state=FileState(row.state),
                size=row.size,
                mtime_ns=row.mtime_ns,
                error_code=row.error_code,
                recording_id=row.recording_id,
                duration_s=row.duration_s or None,
                codec=row.codec,
                container=row.container,
                tags=tuple(sorted({name for name, _ in tags.get(row.id, ())})),
            )
    return [found[each] for each in file_ids if each in found]


def file_tags(session: Session, file_ids: Sequence[int]) -> dict[int, list[tuple[str, bool]]]:
    """The tags of a few hundred files: names, and whether the file's own metadata has them."""
    own = (
        select(FileTag.file_id, Tag.name, literal(1).label("own"))
        .join(Tag, Tag.id == FileTag.tag_id)
        .where(FileTag.file_id.in_(file_ids))
    )
    by_people = (
        select(SoundFile.id, Tag.name, literal(0).label("own"))
        .join(RecordingTag, RecordingTag.recording_id == SoundFile.recording_id)
        .join(Tag, Tag.id == RecordingTag.tag_id)
        .where(SoundFile.id.in_(file_ids))
    )
    found: dict[int, list[tuple[str, bool]]] = {}
    for file_id, name, is_own in session.execute(own.union_all(by_people)):
        found.setdefault(file_id, []).append((name, bool(is_own)))
    return found


def filtered_unheard(
    session: Session, match: Match, scope: Scope, *, bundle_id: int, most: int
) -> list[tuple[Any, ...]]:
    """What `word_matches.unheard_files` makes paths of: roots and paths below them."""
    is_heard = exists().where(
        WindowRow.recording_id == SoundFile.recording_id,
        WindowRow.bundle_id == bundle_id,
        WindowRow.silent == 0,
    )
    rows = session.execute(
        select(LibraryRoot.path.label("root"), SoundFile.path)
        .select_from(SoundFile)
        .join(LibraryRoot, LibraryRoot.id == SoundFile.root_id)
        .outerjoin(Recording, Recording.id == SoundFile.recording_id)
        .where(
            HasNameOf(SoundFile.id, match, anywhere=True),
            ~is_heard,
            *clauses(scope.conditions),
            *(is_named(names) for names in scope.names),
        )
        .order_by(LibraryRoot.path, SoundFile.path)
        .limit(most)
    )
    return [tuple(row) for row in rows]
