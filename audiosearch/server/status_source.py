"""How the library stands, counted anew only where something has changed: many listeners ask."""

from __future__ import annotations

import threading
import time
from typing import Final

from audiosearch import __version__
from audiosearch.config import Config
from audiosearch.library.status_rows import Row, counts_row
from audiosearch.search.rows import tidy_row
from audiosearch.store.database import Database
from audiosearch.store.queries.status import library_status
from audiosearch.watch.indexer import running_daemon
from audiosearch.watch.status import watch_row

LOOK_EVERY_S: Final = 1.0
_SHARE: Final = 0.05  # of the time that counting may take: in a large library it takes long


class StatusSource:
    """What the library holds and what is done to it; several threads may ask."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._row: Row = {}
        self._counts: Row = {}
        self._counted_of: object = None
        self._looked_at = -LOOK_EVERY_S
        self._count_after = 0.0

    def row(self, database: Database) -> Row:
        """For programs, at most a second old; the counts may be older while much is written."""
        if not self._lock.acquire(blocking=not self._row):
            return self._row  # somebody counts already, which may take long
        try:
            now = time.monotonic()
            if now - self._looked_at >= LOOK_EVERY_S:
                self._look(database)
                self._looked_at = time.monotonic()
            return self._row
        finally:
            self._lock.release()

    def _look(self, database: Database) -> None:
        stamp = database.stamp()
        started = time.monotonic()
        if stamp != self._counted_of and started >= self._count_after:
            with database.reading() as session:
                self._counts = tidy_row(counts_row(library_status(session)))
            self._counted_of = stamp
            took = time.monotonic() - started
            self._count_after = time.monotonic() + took / _SHARE
        daemon = running_daemon(self._config)
        self._row = {
            "version": __version__,
            "database": database.shown,
            "database_bytes": database.size_bytes(),
            **self._counts,
            "watch": None if daemon is None else watch_row(daemon),
            "writer": database.writer_pid(),
        }
