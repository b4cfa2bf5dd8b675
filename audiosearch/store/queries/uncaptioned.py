"""Windows that were stored while no captions were wanted, so that they can be captioned later.

Kept as a range of window ids for each bundle, beside the counters: a window that merely has no
caption tells nothing, since a person may have removed it. The caller owns the transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, exists, func, insert, select
from sqlalchemy.orm import Session

from audiosearch._typing import Floats
from audiosearch.store.queries.frames import unpacked
from audiosearch.store.schema import LibraryState, WindowCaption, WindowFrames, WindowRow


@dataclass(frozen=True, eq=False)
class StoredFrames:
    """The decoder's memory of a stored window: (T, D)."""

    window_id: int
    frames: Floats


def note_uncaptioned(session: Session, window_ids: Sequence[int], *, bundle_id: int) -> None:
    """Windows are stored of which something could be said, and nothing was."""
    if not window_ids:
        return
    ids = (*window_ids, *(_range(session, bundle_id) or ()))
    _set_range(session, bundle_id, min(ids), max(ids))


def uncaptioned_done(session: Session, *, bundle_id: int, up_to: int) -> None:
    """Windows up to an id have got what is to be said of them; forgets the range at its end."""
    noted = _range(session, bundle_id)
    if noted:
        _set_range(session, bundle_id, up_to + 1, noted[1])


def count_uncaptioned(session: Session, *, bundle_id: int) -> int:
    """How many windows are to be captioned."""
    noted = _range(session, bundle_id)
    if not noted:
        return 0
    wanted = select(func.count()).select_from(WindowRow).where(*_conditions(bundle_id, noted))
    return session.scalar(wanted) or 0


def uncaptioned_windows(
    session: Session, *, bundle_id: int, limit: int, after: int = 0
) -> list[StoredFrames]:
    """The first windows to be captioned whose ids are above `after`, by id."""
    noted = _range(session, bundle_id)
    if not noted:
        return []
    rows = session.execute(
        select(WindowRow.id, WindowFrames.n_frames, WindowFrames.frames, WindowFrames.base_id)
        .join(WindowFrames, WindowFrames.window_id == WindowRow.id)
        .where(*_conditions(bundle_id, noted), WindowRow.id > after)
        .order_by(WindowRow.id)
        .limit(limit)
    ).all()
    frames = unpacked(session, [(row.n_frames, row.frames, row.base_id) for row in rows], dim=None)
    return [StoredFrames(row.id, each) for row, each in zip(rows, frames, strict=True)]


def _conditions(bundle_id: int, noted: tuple[int, int]) -> tuple[ColumnElement[bool], ...]:
    return (
        WindowRow.id.between(*noted),
        # Without "+ 0" the index on bundles is taken, and all windows are walked.
        WindowRow.bundle_id + 0 == bundle_id,
        WindowRow.silent == 0,
        ~exists().where(WindowCaption.window_id == WindowRow.id),
    )


def _names(bundle_id: int) -> tuple[str, str]:
    return f"uncaptioned_from:{bundle_id}", f"uncaptioned_to:{bundle_id}"


def _range(session: Session, bundle_id: int) -> tuple[int, int] | None:
    """The first and last id."""
    names = _names(bundle_id)
    rows = session.execute(
        select(LibraryState.name, LibraryState.value).where(LibraryState.name.in_(names))
    )
    values = {row.name: row.value for row in rows}
    return (values[names[0]], values[names[1]]) if values else None


def _set_range(session: Session, bundle_id: int, first: int, last: int) -> None:
    names = _names(bundle_id)
    session.execute(delete(LibraryState).where(LibraryState.name.in_(names)))
    if first <= last:
        for name, value in zip(names, (first, last), strict=True):
            session.execute(insert(LibraryState).values(name=name, value=value))
