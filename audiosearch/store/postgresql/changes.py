"""Who changes a library on a server says so to those who wait for it: LISTEN and NOTIFY.

A counter in `library_state` moves with every transaction that writes, and is the truth: what was
sent while nobody listened is lost, so who begins to listen, or does so again, looks at the counter.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.engine.url import URL
from sqlalchemy.orm import Session

from audiosearch.store.postgresql.engine import LIVENESS, driver_url, own_name, shown

log = logging.getLogger(__name__)

CHANNEL: Final = "audiosearch"  # of the library's database: other databases hear nothing of it
_COUNTER: Final = "changes"  # in `library_state`
_CLOSES_S: Final = 0.5  # after which a listener sees that it is to end
_SHORTEST_S, _LONGEST_S = 0.5, 30.0  # between attempts to reach a server again

# Nothing where nothing was written: that a transaction only looked is no change.
_MOVE: Final = text(
    "WITH moved AS (INSERT INTO library_state (name, value)"
    " SELECT :name, :now WHERE pg_current_xact_id_if_assigned() IS NOT NULL"
    " ON CONFLICT (name) DO UPDATE"
    " SET value = greatest(library_state.value + 1, excluded.value) RETURNING value)"
    " SELECT pg_notify(:channel, CAST(value AS text)) FROM moved"
)
_COUNT: Final = text("SELECT value FROM library_state WHERE name = :name")

_TOKEN: Final = text(
    "SELECT (SELECT value FROM library_state WHERE name = :name),"
    " pg_current_xact_id_if_assigned() IS NULL"
)


def announce(session: Session) -> None:
    """Move the counter if this transaction has written, and tell who listens once it is committed.

    Values are as those of `queries.generations`.
    """
    session.execute(_MOVE, {"name": _COUNTER, "now": time.time_ns(), "channel": CHANNEL})


def read_changes(session: Session) -> int:
    """The counter, as of the session's state; 0 before the first change."""
    return int(session.scalar(_COUNT, {"name": _COUNTER}) or 0)


def commit_token(session: Session) -> tuple[object, ...]:
    """Something that stays the same as long as nobody commits anything; see `store.dialects`.

    Of the library alone: what others do on the same server, or in the same database, leaves it as
    it is. After a write in the same transaction it is another one each time.
    """
    row = session.execute(_TOKEN, {"name": _COUNTER}).one()
    return (str(session.get_bind().engine.url), row[0]) if row[1] else (object(),)


def announce_writer(connection: Any) -> None:
    """Tell who listens that a process begins or ends to write; psycopg's connection, autocommit."""
    connection.execute("SELECT pg_notify(%s, 'writer')", (CHANNEL,))


class ChangeListener:
    """Hears of changes in a thread of its own, by a connection of its own.

    Attributes:
        n_told: moves with every change that was told, and when listening begins (again): then
            something may have been missed.
        listening: whether changes are told at this moment. Where they are not, who wants to know
            of them looks.
    """

    def __init__(self, url: URL) -> None:
        self.n_told = 0
        self.listening = False
        self._url = url
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="changes", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._ending.set()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout=2 * _CLOSES_S)

    def _work(self) -> None:
        import psycopg  # noqa: PLC0415 - only libraries on a server need it

        wait_s = _SHORTEST_S
        while not self._ending.is_set():
            try:
                with psycopg.connect(
                    driver_url(self._url),
                    autocommit=True,
                    **LIVENESS,
                    application_name=own_name(" listens"),
                ) as connection:
                    connection.execute(f"LISTEN {CHANNEL}".encode())
                    wait_s, self.listening = _SHORTEST_S, True
                    self.n_told += 1
                    self._listen(connection)
            except psycopg.errors.ReadOnlySqlTransaction:  # a standby, for as long as it is one
                log.info("%s is a copy, which tells of no changes: it is looked at", self._shown)
                wait_s = _LONGEST_S
            except psycopg.Error as error:
                log.info("%s tells of no changes at present: %s", self._shown, error)
            finally:
                self.listening = False
            self._ending.wait(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_S)

    def _listen(self, connection: Any) -> None:
        while not self._ending.is_set():
            for _ in connection.notifies(timeout=_CLOSES_S, stop_after=1):
                self.n_told += 1

    @property
    def _shown(self) -> str:
        return shown(self._url)
