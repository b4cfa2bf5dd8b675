"""Files: paths under roots, what the scan knows of them, and what became of each.

The caller owns the transaction. Lists go in and out in bulk: a library has up to a million files.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import (
    bindparam,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Session

from audiosearch.errors import display_path
from audiosearch.store.queries import fulltext
from audiosearch.store.queries._bulk import chunks
from audiosearch.store.queries.file_names import end_of, inside
from audiosearch.store.queries.places import SEPARATOR
from audiosearch.store.schema import FileState, SoundFile


class FileStat(NamedTuple):
    """A file as the disk has it; `path` is relative to its root. A tuple, since there are many."""

    path: bytes
    size: int  # bytes
    mtime_ns: int
    ctime_ns: int


class FileRow(NamedTuple):
    """A file as the library has it."""

    file_id: int
    path: bytes
    size: int
    mtime_ns: int
    ctime_ns: int
    state: FileState


def known_files(
    session: Session, root_id: int, *, under: bytes = b"", separator: bytes = SEPARATOR
) -> Iterator[FileRow]:
    """What is known under a root, or under a path of it, in the order of the paths' bytes."""
    wanted = (
        select(
            SoundFile.id,
            SoundFile.path,
            SoundFile.size,
            SoundFile.mtime_ns,
            SoundFile.ctime_ns,
            SoundFile.state,
        )
        .where(SoundFile.root_id == root_id)
        .order_by(SoundFile.path)
        .execution_options(yield_per=2000)
    )
    if under:  # the bounds say nothing more, but have only these rows read, and in order
        bounds = SoundFile.path >= under, SoundFile.path < end_of(under, separator)
        wanted = wanted.where(inside(under, separator), *bounds)
    with session.execute(wanted) as rows:  # a server's cursor is not left to the collector
        for row in rows:
            yield FileRow(*row)


def add_files(session: Session, root_id: int, found: Sequence[FileStat]) -> None:
    """Write new files down, to be read."""
    now = time.time()
    rows = [
        {
            "root_id": root_id,
            "path": each.path,
            "display": display_path(each.path),
            "size": each.size,
            "mtime_ns": each.mtime_ns,
            "ctime_ns": each.ctime_ns,
            "state": FileState.PENDING,
            "checked_at": now,
        }
        for each in found
    ]
    if rows:
        new = session.connection().execute(insert(SoundFile).returning(SoundFile.id), rows)
        fulltext.refresh_files(session, new.scalars().all())


def set_pending(session: Session, changed: Sequence[tuple[int, FileStat]]) -> None:
    """Files (id, as found) whose content may differ now: to be read again."""
    rows = [
        {"file": file_id, "b_size": f.size, "b_mtime": f.mtime_ns, "b_ctime": f.ctime_ns}
        for file_id, f in changed
    ]
    came_back: list[int] = []  # which the full text does not have
    for some in chunks([file_id for file_id, _ in changed]):
        there = SoundFile.id.in_(some), SoundFile.state == FileState.MISSING
        came_back += session.scalars(select(SoundFile.id).where(*there))
    if rows:
        session.connection().execute(
            update(SoundFile)
            .where(SoundFile.id == bindparam("file"))
            .values(
                size=bindparam("b_size"),
                mtime_ns=bindparam("b_mtime"),
                ctime_ns=bindparam("b_ctime"),
                state=FileState.PENDING,
                error_code=None,
                error_text=None,
            ),
            rows,
        )
        fulltext.refresh_files(session, came_back)


def set_returned(session: Session, file_ids: Sequence[int]) -> None:
    """Files that were missing and are there again, unchanged.

    Those with a recording need not be read: whether it is complete `requeue_incomplete` checks.
    """
    rows = [{"file": file_id} for file_id in file_ids]
    if not rows:
        return
    for recorded, state in ((True, FileState.INDEXED), (False, FileState.PENDING)):
        has = SoundFile.recording_id.is_not(None)
        session.connection().execute(
            update(SoundFile)
            .where(SoundFile.id == bindparam("file"), has if recorded else ~has)
            .values(state=state),
            rows,
        )
    fulltext.refresh_files(session, file_ids)


def set_missing(session: Session, file_ids: Sequence[int]) -> None:
    """Files that are no longer where they were; all that is known of them stays but the name."""
    rows = [{"file": file_id} for file_id in file_ids]
    if rows:
        session.connection().execute(
            update(SoundFile)
            .where(SoundFile.id == bindparam("file"))
            .values(state=FileState.MISSING, error_code=None, error_text=None),
            rows,
        )
        fulltext.remove_files(session, file_ids)


@dataclass(frozen=True)
class ReadFile:
    """A file that was read to the end: its recording, and its facts while it was open."""

    file_id: int
    recording_id: int
    size: int
    mtime_ns: int
    ctime_ns: int
    remark: str | None = None  # what a person should know of its sound


def set_indexed(session: Session, read: Sequence[ReadFile]) -> None:
    """Files whose recording is complete for the current bundle."""
    _link(session, read, state=FileState.INDEXED)


def set_recording(session: Session, read: Sequence[ReadFile]) -> None:
    """Files whose recording is known but not yet complete; they stay pending."""
    _link(session, read, state=FileState.PENDING)


def _link(session: Session, read: Sequence[ReadFile], *, state: FileState) -> None:
    rows = [
        {
            "file": each.file_id,
            "b_recording": each.recording_id,
            "b_size": each.size,
            "b_mtime": each.mtime_ns,
            "b_ctime": each.ctime_ns,
            "b_remark": each.remark,
        }
        for each in read
    ]
    if rows:
        session.connection().execute(
            update(SoundFile)
            .where(SoundFile.id == bindparam("file"))
            .values(
                recording_id=bindparam("b_recording"),
                size=bindparam("b_size"),
                mtime_ns=bindparam("b_mtime"),
                ctime_ns=bindparam("b_ctime"),
                remark=bindparam("b_remark"),
                state=state,
                error_code=None,
                error_text=None,
                checked_at=time.time(),
            ),
            rows,
        )


def lost_files(session: Session, file_ids: Sequence[int]) -> list[int]:
    """Of vanished files, those whose sound is not in the library under another path.

    The rest were moved or renamed: their recording has a file that is there.
    """
    gone = set(file_ids)
    lost: list[int] = []
    for some in chunks(file_ids):
        recordings = {
            row.id: row.recording_id
            for row in session.execute(
                select(SoundFile.id, SoundFile.recording_id).where(SoundFile.id.in_(some))
            )
        }
        wanted = {each for each in recordings.values() if each is not None}
        # The state is looked at here: as a condition, it would have SQLite read all files that are
        # there, time and again, rather than the few of these recordings.
        alive = {
            row.recording_id
            for row in session.execute(
                select(SoundFile.id, SoundFile.recording_id, SoundFile.state).where(
                    SoundFile.recording_id.in_(wanted)
                )
            )
            if row.id not in gone and row.state in (FileState.INDEXED, FileState.PENDING)
        }
        lost += [file_id for file_id in some if recordings.get(file_id) not in alive]
    return lost


def count_there(session: Session, root_id: int) -> int:
    """How many files of a root are not missing."""
    # All less those that are missing: counted so, no row but of those few is read.
    wanted = select(func.count()).where(SoundFile.root_id == root_id)
    n_missing = session.scalar(wanted.where(SoundFile.state == FileState.MISSING)) or 0
    return (session.scalar(wanted) or 0) - n_missing


def any_there(session: Session, root_id: int, *, under: bytes) -> bool:
    """Whether a file at a path of a root, or below it, is known and not missing."""
    wanted = select(SoundFile.id).where(
        SoundFile.root_id == root_id, inside(under), SoundFile.state != FileState.MISSING
    )
    return session.scalar(wanted.limit(1)) is not None
