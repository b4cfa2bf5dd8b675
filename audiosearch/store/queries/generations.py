"""Counters that tell whether something derived from the database is still good.

Values are times in nanoseconds that never run backwards, not 1, 2, 3: a library put back to an
earlier state and changed in another way must not come to a number that was in use. It forgets the
states that came after: what was derived from those is then of no library.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from audiosearch.store.direct import fetch_value

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

WINDOWS: Final = "windows"  # moves when windows come or go
CAPTIONS: Final = "captions"  # moves when captions go, or get a place in a joint space

_VALUE: Final = "SELECT value FROM library_state WHERE name = :name"
_EARLIER: Final = "SELECT 1 FROM earlier_state WHERE name = :name AND value = :value"


def read_generation(session: Session, name: str) -> int:
    """The value of a counter; 0 before its first move."""
    return int(fetch_value(session, _VALUE, name=name) or 0)


def only_grew_since(session: Session, name: str, value: int) -> bool:
    """Whether the library was in the state of a counter's value, and rows have only come since."""
    return fetch_value(session, _EARLIER, name=name, value=value) is not None


def windows_added(session: Session) -> None:
    """Windows were added, and none removed or altered."""
    _move(session, WINDOWS)


def windows_removed(session: Session) -> None:
    """Windows were removed, perhaps others added."""
    _move(session, WINDOWS, removed=True)


def captions_placed(session: Session) -> None:
    """Captions were given vectors, and none removed."""
    _move(session, CAPTIONS)


def captions_removed(session: Session) -> None:
    """Captions were removed, perhaps others added."""
    _move(session, CAPTIONS, removed=True)


def _move(session: Session, name: str, *, removed: bool = False) -> None:
    from sqlalchemy import delete, insert, select, update  # noqa: PLC0415 - readers do without

    from audiosearch.store.schema import EarlierState, LibraryState  # noqa: PLC0415

    old = session.scalar(select(LibraryState.value).where(LibraryState.name == name))
    if old is None:
        session.execute(insert(LibraryState).values(name=name, value=time.time_ns()))
        return
    session.execute(
        update(LibraryState)
        .where(LibraryState.name == name)
        .values(value=max(old + 1, time.time_ns()))
    )
    if removed:
        session.execute(delete(EarlierState).where(EarlierState.name == name))
    else:
        session.execute(insert(EarlierState).values(name=name, value=old))
