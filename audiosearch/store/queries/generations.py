"""Counters that tell whether something derived from the database is still good.

Values are times in nanoseconds that never run backwards, not 1, 2, 3: a library restored from a
backup and changed in another way must not come to a number that was already in use.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from audiosearch.store.direct import fetch_value

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

WINDOWS: Final = "windows"  # moves when windows come or go
WINDOWS_REMOVED: Final = "windows_removed"  # moves when windows go
CAPTIONS: Final = "captions"  # moves when captions go, or get a place in a joint space
CAPTIONS_REMOVED: Final = "captions_removed"  # moves when captions go

_VALUE: Final = "SELECT value FROM library_state WHERE name = :name"


def read_generation(session: Session, name: str) -> int:
    """The value of a counter; 0 before its first move."""
    return int(fetch_value(session, _VALUE, name=name) or 0)


def windows_added(session: Session) -> None:
    """Windows were added, and none removed or altered."""
    _move(session, WINDOWS)


def windows_removed(session: Session) -> None:
    """Windows were removed, perhaps others added."""
    _move(session, WINDOWS)
    _move(session, WINDOWS_REMOVED)


def captions_placed(session: Session) -> None:
    """Captions were given vectors, and none removed."""
    _move(session, CAPTIONS)


def captions_removed(session: Session) -> None:
    """Captions were removed, perhaps others added."""
    _move(session, CAPTIONS)
    _move(session, CAPTIONS_REMOVED)


def _move(session: Session, name: str) -> None:
    from sqlalchemy import insert, select, update  # noqa: PLC0415 - who only reads does without

    from audiosearch.store.schema import LibraryState  # noqa: PLC0415

    old = session.scalar(select(LibraryState.value).where(LibraryState.name == name))
    if old is None:
        session.execute(insert(LibraryState).values(name=name, value=time.time_ns()))
    else:
        session.execute(
            update(LibraryState)
            .where(LibraryState.name == name)
            .values(value=max(old + 1, time.time_ns()))
        )
