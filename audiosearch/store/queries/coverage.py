"""How far bundles have come with one library: what one has heard and another has not. Read-only."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import and_, exists, func, select
from sqlalchemy.orm import Session, aliased

from audiosearch.store.schema import BundleRow, Encoding, FileState, SoundFile


@dataclass(frozen=True)
class BundleAhead:
    """A bundle that has heard recordings which another has not."""

    name: str
    version: str
    fingerprint: str
    n_recordings: int  # that it is ahead by


def bundles_ahead(session: Session, *, of: str) -> list[BundleAhead]:
    """Bundles that are ahead of the one with fingerprint `of`, the farthest ahead first.

    Only recordings count that some readable file still holds: no other could ever be caught up.
    """
    others = select(func.count()).select_from(BundleRow).where(BundleRow.fingerprint != of)
    if (session.scalar(others) or 0) == 0:  # nearly always, and far cheaper to know
        return []
    own = aliased(Encoding)
    own_bundle = aliased(BundleRow)
    heard = exists().where(
        own.recording_id == Encoding.recording_id,
        own.n_windows.is_not(None),
        own.bundle_id == own_bundle.id,
        own_bundle.fingerprint == of,
    )
    held = exists().where(
        SoundFile.recording_id == Encoding.recording_id,
        SoundFile.state.in_([FileState.PENDING, FileState.INDEXED]),
    )
    n_ahead = func.count().label("n_ahead")
    rows = session.execute(
        select(BundleRow.name, BundleRow.version, BundleRow.fingerprint, n_ahead)
        .join(Encoding, and_(Encoding.bundle_id == BundleRow.id, Encoding.n_windows.is_not(None)))
        .where(BundleRow.fingerprint != of, held, ~heard)
        .group_by(BundleRow.id)
        .order_by(n_ahead.desc(), BundleRow.added_at.desc())
    )
    return [BundleAhead(row.name, row.version, row.fingerprint, row.n_ahead) for row in rows]
