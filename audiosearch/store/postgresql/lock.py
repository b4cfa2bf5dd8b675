"""One writer at a time, by a server's advisory lock: it is dropped with its holder's connection."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import Any, Final

from sqlalchemy.engine.url import URL
from sqlalchemy.orm import Session

from audiosearch.errors import LibraryLocked, StoreError
from audiosearch.store.lock import LOCK_TIMEOUT_S, TURN_S
from audiosearch.store.postgresql.changes import announce_writer
from audiosearch.store.postgresql.engine import (
    AGAIN,
    LIVENESS,
    driver_url,
    own_name,
    shown,
    translated,
)

log = logging.getLogger(__name__)

_KEY: Final = (0x61756469, 0x6F77)  # of this program, in the library's database
_GIVES_WAY: Final = " gives way"
_WAITING: Final = "audiosearch_waits"  # the channel on which who gives way hears of others
_BEGINS_S: Final = 2.0  # from telling that one waits to doing so, at most
_LOOK_S: Final = 15.0  # at who waits, should it not be told
_HOLDER: Final = (
    "SELECT a.application_name FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid"
    " WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %s AND l.objid = %s"
    " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_WAITS: Final = (
    "SELECT EXISTS (SELECT 1 FROM pg_locks AS l"
    " WHERE l.locktype = 'advisory' AND NOT l.granted AND l.classid = %s AND l.objid = %s"
    " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
)


def holder_pid(session: Session) -> int | None:
    """The process that writes to the library at this moment, 0 if it is not known which."""
    driver: Any = session.connection().connection.driver_connection
    row = driver.execute(_HOLDER, _KEY).fetchone()
    if row is None:
        return None
    pid = str(row[0]).removeprefix("audiosearch ").partition("@")[0]
    return int(pid) if pid.isdecimal() else 0


class ServerLock:
    """The right to write to a library on a server; as `WriterLock` is for a file.

    The server queues those who wait, so that a holder with work for hours sees them.
    """

    def __init__(
        self,
        url: URL,
        *,
        patience_s: float = LOCK_TIMEOUT_S,
        turn_s: float | None = None,
        yields_to_waiters: bool = False,
    ) -> None:
        self._url = url
        self._patience_s = patience_s
        self._turn_s = TURN_S if turn_s is None else turn_s
        self._yields_to_waiters = yields_to_waiters
        self._connection: Any = None
        self._looked_at = float("-inf")  # at who waits
        self._told_at = float("-inf")  # that somebody does

    def acquire(self) -> None:
        """Take the lock, waiting no longer than a short job of another program takes.

        Raises:
            LibraryLocked: another process has it; names its process and machine.
            StoreError: the server cannot be reached.
        """
        import psycopg  # noqa: PLC0415

        with translated(shown(self._url)):
            self._connection = psycopg.connect(
                driver_url(self._url),
                autocommit=True,
                **LIVENESS,
                application_name=own_name(_GIVES_WAY if self._yields_to_waiters else ""),
            )
        try:
            with translated(shown(self._url)):
                if self._yields_to_waiters:
                    self._connection.add_notify_handler(self._on_waiting)
                    self._connection.execute(f"LISTEN {_WAITING}")
                if self._taken(self._patience_s):
                    return
                holder = self._holder()
                if _GIVES_WAY in holder and self._patience_s > 0 and not self._yields_to_waiters:
                    log.warning(
                        "waiting: another process writes, which soon lets others: %s", holder
                    )
                    if self._taken(self._turn_s):
                        return
            raise LibraryLocked(
                f"another process is writing to the library ({holder or 'not known which'})",
                path=shown(self._url),
                remedy="wait until it has finished, or stop it",
            )
        except BaseException:
            self.release()
            raise

    def _taken(self, patience_s: float) -> bool:
        from psycopg import errors  # noqa: PLC0415

        if patience_s <= 0:
            row = self._connection.execute("SELECT pg_try_advisory_lock(%s, %s)", _KEY).fetchone()
            if row[0]:
                announce_writer(self._connection)
            return bool(row[0])
        self._connection.execute("SELECT pg_notify(%s, '')", (_WAITING,))
        self._connection.execute(f"SET lock_timeout = {max(1, round(patience_s * 1000))}")
        try:
            self._connection.execute("SELECT pg_advisory_lock(%s, %s)", _KEY)
        except errors.LockNotAvailable:
            return False
        announce_writer(self._connection)
        return True

    def _holder(self) -> str:
        row = self._connection.execute(_HOLDER, _KEY).fetchone()
        return "" if row is None else str(row[0])

    def has_waiters(self) -> bool:
        """Whether another process waits for the lock held here.

        Who begins to wait says so; the server is asked only then, and now and then otherwise.
        """
        import psycopg  # noqa: PLC0415

        now = time.monotonic()
        try:
            self._read_notes()
            is_told = now - self._told_at <= _BEGINS_S
            if self._yields_to_waiters and not is_told and now - self._looked_at < _LOOK_S:
                return False
            self._looked_at = now
            return bool(self._connection.execute(_WAITS, _KEY).fetchone()[0])
        except psycopg.Error:  # which the next transaction says
            return False

    def _read_notes(self) -> None:
        """Take in what the server has sent while nothing was asked."""
        with self._connection.lock:
            self._connection.pgconn.consume_input()
            while self._connection.pgconn.notifies():
                self._on_waiting()

    def _on_waiting(self, _note: object = None) -> None:
        self._told_at = time.monotonic()

    def check(self) -> None:
        """See that the lock is still held: whoever lost its connection has lost it.

        Raises:
            StoreError: it is not; nothing was written since.
        """
        import psycopg  # noqa: PLC0415

        try:
            self._connection.execute("SELECT 1")
        except psycopg.Error as error:
            raise StoreError(
                "the connection to the server was lost, and with it the right to write",
                path=shown(self._url),
                remedy=AGAIN,
            ) from error

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        import psycopg  # noqa: PLC0415

        if self._connection is not None:
            with suppress(psycopg.Error):  # a lost connection has lost the lock already
                self._connection.execute("SELECT pg_advisory_unlock_all()")
                announce_writer(self._connection)
            self._connection.close()
            self._connection = None
