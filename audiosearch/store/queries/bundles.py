"""The bundles that have encoded something here, and which of them has heard more than another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from audiosearch.store.direct import fetch, fetch_value

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

# Recordings that some readable file holds and that a bundle has heard to the end, as the one of
# the fingerprint has not.
_AHEAD: Final = """
    SELECT b.name, b.version, b.fingerprint, count(*) AS n_ahead
    FROM bundle AS b JOIN encoding AS e ON e.bundle_id = b.id AND e.n_windows IS NOT NULL
    WHERE b.fingerprint <> :fingerprint
    AND EXISTS (
        SELECT 1 FROM sound_file AS f
        WHERE f.recording_id = e.recording_id AND f.state IN ('pending', 'indexed')
    )
    AND NOT EXISTS (
        SELECT 1 FROM encoding AS own JOIN bundle AS one ON one.id = own.bundle_id
        WHERE own.recording_id = e.recording_id AND own.n_windows IS NOT NULL
        AND one.fingerprint = :fingerprint
    )
    GROUP BY b.id, b.name, b.version, b.fingerprint, b.added_at
    ORDER BY n_ahead DESC, b.added_at DESC
"""


def find_bundle_id(session: Session, *, fingerprint: str) -> int | None:
    """The id of a bundle that has encoded something here, or None."""
    wanted = "SELECT id FROM bundle WHERE fingerprint = :fingerprint"
    found: int | None = fetch_value(session, wanted, fingerprint=fingerprint)
    return found


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
    others = "SELECT 1 FROM bundle WHERE fingerprint <> :fingerprint LIMIT 1"
    if not fetch(session, others, fingerprint=of):  # nearly always, and far cheaper to know
        return []
    return [BundleAhead(*row) for row in fetch(session, _AHEAD, fingerprint=of)]
