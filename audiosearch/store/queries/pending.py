"""Files waiting to be read: which, how many, and why some wait again.

The caller owns the transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, and_, exists, func, select, update
from sqlalchemy.orm import Session

from audiosearch.store.queries._bulk import chunks
from audiosearch.store.queries.file_names import is_in
from audiosearch.store.queries.places import RootPath
from audiosearch.store.schema import Encoding, FileState, LibraryRoot, SoundFile


@dataclass(frozen=True)
class PendingFile:
    """A file to be read: where it is, and the recording it held when it was last read."""

    file_id: int
    root_id: int
    root_path: bytes
    path: bytes
    recording_id: int | None


def requeue_incomplete(
    session: Session, *, bundle_id: int, hop_s: float, places: Sequence[RootPath] | None = None
) -> None:
    """Indexed files whose recording this bundle, at this hop, has not encoded: pending again.

    With `places`, only the files there.
    """
    complete = exists().where(
        Encoding.recording_id == SoundFile.recording_id,
        Encoding.bundle_id == bundle_id,
        Encoding.hop_s == hop_s,
        Encoding.n_windows.is_not(None),
    )
    session.execute(
        update(SoundFile)
        .where(
            SoundFile.state == FileState.INDEXED, ~complete, *([is_in(places)] if places else [])
        )
        .values(state=FileState.PENDING)
        .execution_options(synchronize_session=False)
    )


def _pending(places: Sequence[RootPath]) -> ColumnElement[bool]:
    return and_(SoundFile.state == FileState.PENDING, is_in(places))


def count_pending(
    session: Session, places: Sequence[RootPath], *, without: AbstractSet[int] = frozenset()
) -> int:
    """How many files in these places are to be read, not counting those with ids in `without`."""
    wanted = select(func.count()).select_from(SoundFile).where(_pending(places))
    n_pending = session.scalar(wanted) or 0
    return n_pending - sum(
        session.scalar(wanted.where(SoundFile.id.in_(some))) or 0
        for some in chunks(sorted(without))
    )


def pending_files(
    session: Session, places: Sequence[RootPath], *, after_id: int, limit: int
) -> list[PendingFile]:
    """The next files to be read, by id, so that a million of them need not be held at once."""
    rows = session.execute(
        select(
            SoundFile.id,
            SoundFile.root_id,
            LibraryRoot.path.label("root_path"),
            SoundFile.path,
            SoundFile.recording_id,
        )
        .join(LibraryRoot, LibraryRoot.id == SoundFile.root_id)
        .where(_pending(places), SoundFile.id > after_id)
        .order_by(SoundFile.id)
        .limit(limit)
    )
    return [
        PendingFile(
            file_id=row.id,
            root_id=row.root_id,
            root_path=row.root_path,
            path=row.path,
            recording_id=row.recording_id,
        )
        for row in rows
    ]


def renewed(session: Session, files: Sequence[PendingFile]) -> list[PendingFile]:
    """The same files, in their order, each with the recording that is begun for it by now."""
    now: dict[int, int | None] = {}
    for some in chunks([each.file_id for each in files]):
        rows = session.execute(
            select(SoundFile.id, SoundFile.recording_id).where(SoundFile.id.in_(some))
        )
        now.update({row.id: row.recording_id for row in rows})
    return [replace(each, recording_id=now.get(each.file_id)) for each in files]
