"""The daemon's library: what `watch.watcher` asks for, and what is told of a daemon elsewhere."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from audiosearch.config import Config, load_config
from audiosearch.errors import AudiosearchError
from audiosearch.indexing.scan import ScanRules
from audiosearch.indexing.types import IndexReport, Progress
from audiosearch.library.library import Library, open_library
from audiosearch.library.model_selection import ModelStamp, model_stamp
from audiosearch.store.database import Database
from audiosearch.store.lock import indexer_pid
from audiosearch.store.queries import files, roots
from audiosearch.store.queries.places import Root, RootPath
from audiosearch.store.vector_cache import damaged_caches, discard
from audiosearch.watch.status import WatchState, nudged_at, read_state

log = logging.getLogger(__name__)

_LOOK_S = 0.5  # in a pass, at whether it has to end early


class WatchIndexer:
    """A library as the daemon uses it; each call may raise `AudiosearchError`.

    It is open for writing only while there is something to write, so that other commands may
    write between two passes. Models are loaded for a pass that needs them, and let go after it.
    """

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
        """The folders of the library, as they are now."""
        with self._database.reading() as session:
            return roots.list_roots(session)

    def is_known(self, place: RootPath) -> bool:
        """Whether some file at a place, or below it, is in the library and not missing."""
        with self._database.reading() as session:
            return files.any_there(session, place.root.root_id, under=place.relative)

    def rescan_token(self) -> Hashable:
        """What changes when all folders are to be looked at: at a person's wish, or a new model."""
        return nudged_at(self._config.data_dir), self._model()

    def index(
        self, places: Sequence[RootPath], *, rules: ScanRules, progress: Progress
    ) -> IndexReport:
        """Bring the library up to date with these places.

        Ends early when the daemon stops, another command waits to write, or the model is another.
        """
        config = self._config_now()
        with (
            open_library(
                config,
                writable=True,
                yields_to_waiters=True,
                expected=self._database.identity,
            ) as library,
            self._until_wanted(library.database) as stop,
        ):
            return library.index_places(places, rules=rules, progress=progress, stop=stop)

    @contextmanager
    def _until_wanted(self, database: Database) -> Iterator[threading.Event]:
        """An event that is set when this pass is to end after the batch in hand."""
        model, early, ended = self._model(), threading.Event(), threading.Event()

        def look() -> None:
            while not ended.wait(_LOOK_S):
                if self._stop.is_set() or not database.is_current():
                    early.set()
                elif database.has_waiters():
                    log.info("another command waits to write: it is let in after the batch in hand")
                    early.set()
                elif self._model() != model:
                    log.info("the model is another one: it begins after the batch in hand")
                    early.set()
                if early.is_set():
                    return

        thread = threading.Thread(target=look, name="watch-others", daemon=True)
        thread.start()
        try:
            yield early
        finally:
            ended.set()
            thread.join()

    def tidy(self) -> None:
        """Do what can wait; ends early when the daemon stops."""
        for path, problem in damaged_caches(self._database.vectors_dir):
            log.warning("%s: a damaged cache of vectors is made anew: %s", path, problem)
            discard(path)
        library = Library(self._config_now(), self._database)
        while not self._stop.is_set() and self._is_quiet() and library.refresh_scales():
            pass

    def _model(self) -> ModelStamp | None:
        """The model that new sounds are to be heard with; None while there is none."""
        try:
            return model_stamp(self._config_now())
        except (AudiosearchError, OSError):
            return None

    def _config_now(self) -> Config:
        """The settings that the daemon was started with, but for the model that they name by now.

        Raises:
            ConfigError: the settings file cannot be read any more.
        """
        file = self._config.config_file
        fresh = load_config(file if file.exists() else None)
        return replace(self._config, model=replace(self._config.model, bundle=fresh.model.bundle))


def running_daemon(config: Config) -> WatchState | None:
    """What the daemon that keeps this library says of itself; None when none is running."""
    pid = indexer_pid(config.data_dir)
    state = read_state(config.data_dir)
    return state if pid is not None and state is not None and state.pid == pid else None
