"""`audiosearch watch`: keep the library in step with its folders for months, and answer at once."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

import click

from audiosearch.cli.options import library_options
from audiosearch.cli.service_notify import Notifier
from audiosearch.cli.watch_log import watch_log
from audiosearch.config import Config
from audiosearch.errors import AudiosearchError
from audiosearch.library import open_library
from audiosearch.server.server import AnswerServer
from audiosearch.store.lock import IndexerLock
from audiosearch.watch.indexer import WatchIndexer
from audiosearch.watch.state import WatchActivity, WatchState, write_state
from audiosearch.watch.watcher import Watcher

EXIT_INTERRUPTED = 130
DRAIN_S = 9.0  # from the first signal to the end, whatever is under way; a promise of ten
_ANSWER_S = 2.0  # of these, for a question that is being answered
_QUIET_S = 5.0  # since the last question, before odd jobs are done

log = logging.getLogger(__name__)


@click.command()
@library_options
def watch(config: Config, quiet: bool) -> int:
    """Keep the library in step with all its folders, until told to stop; answer questions at once.

    What is new or has changed is taken in when it has come to rest. Folders are those that were
    given to `audiosearch index` or `audiosearch roots add`; others may come while this runs.
    `audiosearch status` tells how it goes, and so does the log in the data folder.

    Ctrl-C or SIGTERM ends it within ten seconds, a second one at once.
    """
    with IndexerLock(config.data_dir), watch_log(config.data_dir, quiet=quiet):
        with open_library(config, writable=True) as library:  # made, migrated, and fit to be used
            _ = library.bundle
            if not library.roots():
                log.warning("no folder was ever given: audiosearch roots add FOLDER")
        with AnswerServer(config) as server, _signals() as told_to:
            return _run(config, server, told_to)


class _ToldTo:
    """What signals have asked for."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.status = 0
        self.at = 0.0

    def heed(self, number: int, _frame: FrameType | None) -> None:
        """The first signal asks to stop, the second one insists."""
        if self.stop.is_set():
            os._exit(EXIT_INTERRUPTED)  # what is committed stays; the next start goes on from there
        self.status = 0 if number == signal.SIGTERM else EXIT_INTERRUPTED
        self.at = time.monotonic()
        self.stop.set()


@contextlib.contextmanager
def _signals() -> Iterator[_ToldTo]:
    told_to = _ToldTo()
    handled = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, told_to.heed) for number in handled}
    try:
        yield told_to
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Work(threading.Thread):
    """The daemon's own thread, so that the main one always hears signals."""

    def __init__(self, config: Config, server: AnswerServer, told_to: _ToldTo) -> None:
        super().__init__(name="watch", daemon=True)
        self._config = config
        self._server = server
        self._told_to_stop = told_to.stop
        self._notifier = Notifier()
        self._is_silent = False
        self.error: BaseException | None = None

    def run(self) -> None:
        """Keep the library until told to stop; what goes wrong is left in `error`."""
        try:
            with open_library(self._config) as library:
                keeper = WatchIndexer(
                    self._config,
                    library.database,
                    stop=self._told_to_stop,
                    is_quiet=lambda: self._server.idle() > _QUIET_S,
                )
                Watcher(
                    keeper,
                    watch=self._config.watch,
                    index=self._config.index,
                    stop=self._told_to_stop,
                    tell=self._tell,
                ).run()
        except BaseException as error:  # noqa: BLE001  # the main thread raises it
            self.error = error

    def _tell(self, state: WatchState) -> None:
        if state.activity is not WatchActivity.STARTING:
            self._notifier.ready()
        self._notifier.status(state)
        try:
            write_state(self._config.data_dir, state)
            self._is_silent = False
        except OSError as error:  # a full disk: the pass itself says so, too
            if not self._is_silent:
                log.warning("its state cannot be written down: %s", error.strerror or error)
            self._is_silent = True


def _run(config: Config, server: AnswerServer, told_to: _ToldTo) -> int:
    """Work until told to stop, then end within `DRAIN_S` seconds.

    Raises:
        AudiosearchError: the work cannot go on.
    """
    work = _Work(config, server, told_to)
    work.start()
    while work.is_alive() and not told_to.stop.is_set():
        work.join(0.5)
    if told_to.stop.is_set():
        log.info("stopping; once more to stop at once")
        deadline = told_to.at + DRAIN_S
        server.stop(_ANSWER_S)
        work.join(max(0.0, deadline - time.monotonic()))
        if work.is_alive():
            log.warning("the batch in hand is given up: it is done again at the next start")
            logging.shutdown()
            os._exit(told_to.status)  # what is committed stays, as after a crash
    if isinstance(work.error, AudiosearchError):
        log.error("%s", work.error)
    if work.error is not None:
        raise work.error
    return told_to.status
