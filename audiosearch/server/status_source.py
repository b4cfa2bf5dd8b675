"""How the library stands, counted anew only where something has changed: many listeners ask."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from audiosearch import __version__
from audiosearch.config import Config
from audiosearch.library.status_rows import Row, counts_row
from audiosearch.search.rows import tidy_row
from audiosearch.store.database import Database
from audiosearch.store.queries.status import library_status
from audiosearch.watch.indexer import running_daemon
from audiosearch.watch.status import watch_row

if TYPE_CHECKING:
    from audiosearch.store.postgresql.changes import ChangeListener

LOOK_EVERY_S: Final = 1.0
TOLD_LOOK_S: Final = 15.0  # where a server tells of changes; should it fail to
_SHARE: Final = 0.05  # of the time that counting may take: in a large library it takes long


class StatusSource:
    """What the library holds and what is done to it; several threads may ask."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._row: Row = {}
        self._held: Row = {}  # of this, what the database says
        self._counts: Row = {}
        self._writer: int | None = None
        self._counted_of: object = None
        self._looked_at = self._read_at = float("-inf")
        self._count_after = 0.0
        self._listener: ChangeListener | None = None
        self._n_told = -1

    def is_told(self) -> bool:
        """Whether a server has told of a change that `row` has not looked at yet."""
        return self._listener is not None and self._listener.n_told != self._n_told

    def row(self, database: Database) -> Row:
        """For programs, at most a second old; the counts may be older while much is written.

        A database that tells of changes is asked once it has told of some.
        """
        if not self._lock.acquire(blocking=not self._row):
            return self._row  # somebody counts already, which may take long
        try:
            now = time.monotonic()
            if now - self._looked_at >= LOOK_EVERY_S:
                self._look(database)
                self._looked_at = time.monotonic()
            elif self.is_told() and now - self._read_at >= LOOK_EVERY_S:
                self._look(database)
            return self._row
        finally:
            self._lock.release()

    def _look(self, database: Database) -> None:
        now = time.monotonic()
        listener = database.change_listener()
        if listener is not self._listener:
            self._listener, self._n_told = listener, -1
        is_behind = listener is None or not listener.listening or self.is_told()
        if is_behind or now - self._read_at >= TOLD_LOOK_S:
            n_told = -1 if listener is None else listener.n_told  # before what is read
            is_whole = self._read(database)
            self._read_at = time.monotonic()
            self._n_told = n_told if is_whole else -1
        daemon = running_daemon(self._config)
        self._row = {
            "version": __version__,
            "database": database.shown,
            **self._held,
            "watch": None if daemon is None else watch_row(daemon),
            "writer": self._writer,
        }

    def _read(self, database: Database) -> bool:
        """Ask the database; whether its counts are those of now."""
        stamp = database.stamp()
        started = time.monotonic()
        if stamp != self._counted_of and started >= self._count_after:
            with database.reading() as session:
                self._counts = tidy_row(counts_row(library_status(session)))
            self._counted_of = stamp
            took = time.monotonic() - started
            self._count_after = time.monotonic() + took / _SHARE
        self._held = {"database_bytes": database.size_bytes(), **self._counts}
        self._writer = database.writer_pid()
        return stamp == self._counted_of
