"""Files that could not be read: why, and another try; and files heard with a remark.

The caller owns the transaction.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from audiosearch.store.queries.places import join
from audiosearch.store.schema import FileState, LibraryRoot, SoundFile


@dataclass(frozen=True)
class FailedFile:
    """A file that could not be read, and why."""

    file_id: int
    root_path: bytes
    path: bytes
    display: str
    error_code: str
    error_text: str

    @property
    def full_path(self) -> bytes:
        """The absolute path."""
        return join(self.root_path, self.path)


@dataclass(frozen=True)
class RemarkedFile:
    """A file that was heard, and what a person should know of its sound."""

    root_path: bytes
    path: bytes
    remark: str

    @property
    def full_path(self) -> bytes:
        """The absolute path."""
        return join(self.root_path, self.path)


def set_failed(session: Session, failures: Sequence[tuple[int, str, str]]) -> None:
    """Files (id, code, reason) that could not be read; not tried again until they change."""
    rows = [{"file": f, "b_code": code, "b_text": text} for f, code, text in failures]
    if rows:
        session.connection().execute(
            update(SoundFile)
            .where(SoundFile.id == bindparam("file"))
            .values(
                state=FileState.FAILED,
                recording_id=None,
                error_code=bindparam("b_code"),
                error_text=bindparam("b_text"),
                remark=None,
                checked_at=time.time(),
            ),
            rows,
        )


def retry_failed(session: Session) -> int:
    """Failed files become pending; returns how many."""
    n_failed = session.scalar(
        select(func.count()).select_from(SoundFile).where(SoundFile.state == FileState.FAILED)
    )
    session.execute(
        update(SoundFile)
        .where(SoundFile.state == FileState.FAILED)
        .values(state=FileState.PENDING, error_code=None, error_text=None)
    )
    return n_failed or 0


def failed_files(session: Session) -> list[FailedFile]:
    """All files that could not be read, by root and path."""
    rows = session.execute(
        select(
            SoundFile.id,
            LibraryRoot.path.label("root_path"),
            SoundFile.path,
            SoundFile.display,
            SoundFile.error_code,
            SoundFile.error_text,
        )
        .join(LibraryRoot, LibraryRoot.id == SoundFile.root_id)
        .where(SoundFile.state == FileState.FAILED)
        .order_by(LibraryRoot.path, SoundFile.path)
    )
    return [
        FailedFile(
            file_id=row.id,
            root_path=row.root_path,
            path=row.path,
            display=row.display,
            error_code=row.error_code or "",
            error_text=row.error_text or "",
        )
        for row in rows
    ]


def remarked_files(session: Session) -> list[RemarkedFile]:
    """All indexed files with a remark, by root and path."""
    rows = session.execute(
        select(LibraryRoot.path.label("root_path"), SoundFile.path, SoundFile.remark)
        .join(LibraryRoot, LibraryRoot.id == SoundFile.root_id)
        .where(SoundFile.state == FileState.INDEXED, SoundFile.remark.is_not(None))
        .order_by(LibraryRoot.path, SoundFile.path)
    )
    return [RemarkedFile(row.root_path, row.path, row.remark) for row in rows]
