"""A process that dies at a fault point, without a process: what it had in hand is lost.

In: one of `_failpoints.POINTS`. An exception that nothing catches ends the work there; whatever
was not committed by then is rolled back, as SQLite would at the next start.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from audiosearch import _failpoints


class Killed(BaseException):
    """The process ends here; nobody may catch this."""


@contextmanager
def dying_at(point: str, passage: int) -> Iterator[list[str]]:
    """Die when a fault point is passed so many times; what is handed out then holds its name."""
    real = _failpoints.die
    death: list[str] = []

    def die() -> NoReturn:
        death.append(point)
        raise Killed

    _failpoints.die = die
    _failpoints.arm(f"{point}:{passage}")
    try:
        yield death
    except Killed:
        pass
    finally:
        _failpoints.die = real
        _failpoints.arm("")
