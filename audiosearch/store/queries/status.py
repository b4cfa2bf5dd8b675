"""What is in the library, in numbers. Read-only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from audiosearch.store.schema import (
    BundleRow,
    Caption,
    Encoding,
    FileState,
    LibraryRoot,
    Recording,
    SoundFile,
    WindowCaption,
    WindowRow,
)


@dataclass(frozen=True)
class BundleStatus:
    """What one bundle has encoded."""

    bundle_id: int
    name: str
    version: str
    fingerprint: str
    n_recordings: int  # complete
    n_windows: int
    n_silent: int
    n_captioned: int  # windows with a caption


@dataclass(frozen=True)
class LibraryStatus:
    """The library in numbers."""

    n_roots: int
    files: Mapping[FileState, int]  # every state, 0 where there is none
    failures: Mapping[str, int]  # failed files by error code
    n_recordings: int
    n_without_file: int  # recordings that no file holds any more, kept until purged
    hours: float  # of distinct sound that some file holds
    n_captions: int
    bundles: tuple[BundleStatus, ...]


def library_status(session: Session) -> LibraryStatus:
    """Count everything."""
    by_state = {
        FileState(row.state): row.n
        for row in session.execute(
            select(SoundFile.state, func.count().label("n")).group_by(SoundFile.state)
        )
    }
    failures = {
        row.error_code or "": row.n
        for row in session.execute(
            select(SoundFile.error_code, func.count().label("n"))
            .where(SoundFile.state == FileState.FAILED)
            .group_by(SoundFile.error_code)
            .order_by(func.count().desc(), SoundFile.error_code)
        )
    }
    held = exists().where(
        SoundFile.recording_id == Recording.id, SoundFile.state != FileState.MISSING
    )
    any_file = exists().where(SoundFile.recording_id == Recording.id)
    seconds = session.scalar(select(func.sum(Recording.duration_s)).where(held))
    return LibraryStatus(
        n_roots=_count(session, LibraryRoot),
        files={each: by_state.get(each, 0) for each in FileState},
        failures=failures,
        n_recordings=_count(session, Recording),
        n_without_file=session.scalar(select(func.count()).select_from(Recording).where(~any_file))
        or 0,
        hours=(seconds or 0.0) / 3600,
        n_captions=_count(session, Caption),
        bundles=tuple(_bundles(session)),
    )


def _count(session: Session, table: type[LibraryRoot | Recording | Caption]) -> int:
    return session.scalar(select(func.count()).select_from(table)) or 0


def _bundles(session: Session) -> list[BundleStatus]:
    windows = {
        row.bundle_id: row
        for row in session.execute(
            select(
                WindowRow.bundle_id,
                func.count().label("n_windows"),
                func.sum(WindowRow.silent).label("n_silent"),
            ).group_by(WindowRow.bundle_id)
        )
    }
    captioned = {
        row.bundle_id: row.n
        for row in session.execute(
            select(WindowRow.bundle_id, func.count(WindowCaption.window_id.distinct()).label("n"))
            .join(WindowCaption, WindowCaption.window_id == WindowRow.id)
            .group_by(WindowRow.bundle_id)
        )
    }
    rows = session.execute(
        select(
            BundleRow.id,
            BundleRow.name,
            BundleRow.version,
            BundleRow.fingerprint,
            func.count(Encoding.n_windows).label("n_recordings"),
        )
        .outerjoin(Encoding, Encoding.bundle_id == BundleRow.id)
        .group_by(BundleRow.id)
        .order_by(BundleRow.id)
    )
    return [
        BundleStatus(
            bundle_id=row.id,
            name=row.name,
            version=row.version,
            fingerprint=row.fingerprint,
            n_recordings=row.n_recordings,
            n_windows=windows[row.id].n_windows if row.id in windows else 0,
            # A server sums whole numbers to decimals.
            n_silent=int(windows[row.id].n_silent) if row.id in windows else 0,
            n_captioned=captioned.get(row.id, 0),
        )
        for row in rows
    ]
