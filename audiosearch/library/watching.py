"""The daemon's library: what `indexing.watch` asks for, and what is told of a daemon elsewhere.

The library is opened for writing only while there is something to write, so that other commands
may write between two passes. Models are loaded for a pass that needs them, and let go after it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from audiosearch.config import Config
from audiosearch.indexing.interfaces import IndexReport, Progress
from audiosearch.indexing.sync import ScanRules
from audiosearch.indexing.watch_state import WatchState, nudged_at, read_state
from audiosearch.library.library import Library, open_library
from audiosearch.store.database import Database
from audiosearch.store.queries import files, roots
from audiosearch.store.queries.places import Place, Root
from audiosearch.store.writer_lock import indexer_pid


class LibraryKeeper:
    """A library as the daemon uses it (`indexing.watch.Keeper`)."""

    def __init__(
        self,
        config: Config,
        database: Database,
        *,
        stop: threading.Event,
        is_quiet: Callable[[], bool],
    ) -> None:
        """Keep the library of `config`; `database` is it, opened for reading.

        `is_quiet` tells whether nobody is waiting for this machine at the moment.
        """
        self._config = config
        self._database = database
        self._stop = stop
        self._is_quiet = is_quiet

    def roots(self) -> list[Root]:
        """See `Keeper`."""
        with self._database.reading() as session:
            return roots.list_roots(session)

    def is_known(self, place: Place) -> bool:
        """See `Keeper`."""
        with self._database.reading() as session:
            return files.any_there(session, place.root.root_id, under=place.under)

    def nudged_at(self) -> int:
        """See `Keeper`."""
        return nudged_at(self._config.data_dir)

    def index(
        self, places: Sequence[Place], *, rules: ScanRules, progress: Progress
    ) -> IndexReport:
        """See `Keeper`."""
        with open_library(self._config, writable=True) as library:
            return library.index_places(places, rules=rules, progress=progress, stop=self._stop)

    def tidy(self) -> None:
        """See `Keeper`."""
        library = Library(self._config, self._database)
        while not self._stop.is_set() and self._is_quiet() and library.refresh_scales():
            pass


def running_daemon(config: Config) -> WatchState | None:
    """What the daemon that keeps this library says of itself; None when none is running."""
    pid = indexer_pid(config.data_dir)
    state = read_state(config.data_dir)
    return state if pid is not None and state is not None and state.pid == pid else None
