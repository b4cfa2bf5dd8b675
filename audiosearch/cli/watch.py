"""`audiosearch watch`: keep the library in step with its folders for months, and answer at once."""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path

import click

from audiosearch._files import make_private_folder
from audiosearch._signals import stop_on_signals
from audiosearch._statuses import EXIT_INTERRUPTED
from audiosearch.cli.options import library_options
from audiosearch.cli.service_unit import LABEL
from audiosearch.cli.terminal import PlainFormatter
from audiosearch.config import Config
from audiosearch.errors import (
    AudiosearchError,
    LibraryLocked,
    LibraryReplaced,
    StorageFull,
    StoreError,
)
from audiosearch.library import open_library
from audiosearch.server.page_address import Page, open_page
from audiosearch.server.server import AnswerServer
from audiosearch.store.identity import LibraryIdentity
from audiosearch.store.lock import IndexerLock
from audiosearch.watch.indexer import WatchIndexer
from audiosearch.watch.status import WatchActivity, WatchState, progress_line, write_state
from audiosearch.watch.watcher import Watcher

DRAIN_S = 9.0  # from the first signal to the end, whatever is under way; a promise of ten
_ANSWER_S = 2.0  # of these, for a question that is being answered
_QUIET_S = 5.0  # since the last question, before odd jobs are done

log = logging.getLogger(__name__)


@click.command()
@library_options
def watch(config: Config, quiet: bool) -> int:
    """Keep the library in step with all its folders, until told to stop; answer questions at once.

    A file that is new or has changed is indexed when nothing more happens to it. Folders are those
    given to `audiosearch index` or `audiosearch roots add`; more may be added while this runs.
    With `enabled = true` below `[serve]` in the settings it gives the page of `serve` as well.
    `audiosearch status` tells how it goes, and so does the log in the data folder.

    Ctrl-C or SIGTERM ends it within ten seconds, a second one at once.
    """
    os.umask(0o077)  # all that it writes is the library's
    with IndexerLock(config.data_dir), watch_log(config.data_dir, quiet=quiet):
        _see_that_nothing_is_lost(config)
        with open_library(config, writable=True) as library:  # made, migrated, and fit to be used
            _ = library.bundle
            if not library.roots():
                log.warning("no folder was ever given: audiosearch roots add FOLDER")
            identity = library.database.identity
        request = _StopRequest()
        signals = stop_on_signals(on_first=request.note, on_second=_leave_at_once)
        page = _page(config)
        with _answering(config, page) as server, signals as stop:
            return _run(config, server, stop, request, identity)


@contextmanager
def _answering(config: Config, page: Page | None) -> Iterator[AnswerServer]:
    """The server of questions; without it commands answer themselves, and folders are watched.

    Raises:
        LibraryLocked: another process answers for this library.
    """
    server = AnswerServer(config, page=page)
    try:
        server.start()
    except LibraryLocked:
        raise
    except StoreError as error:
        log.warning("commands have to answer questions themselves: %s", error)
    try:
        yield server
    finally:
        server.stop()


# What a library leaves beside its database; a folder with one of these has had a library.
_REMAINS = ("watch.json", "backups", "vectors")
_GONE_REMEDY = "put it back from a copy, or begin anew with: audiosearch index FOLDER"


def _see_that_nothing_is_lost(config: Config) -> None:
    """A daemon makes a library where there was none, but never in the place of one that is gone.

    Raises:
        StoreError: there was one.
    """
    if config.store.url or config.database.exists():
        return
    if os.environ.get("XPC_SERVICE_NAME") == LABEL:  # started by launchd, which asks no condition
        raise StoreError("there is no library", path=config.database, remedy=_GONE_REMEDY)
    remains = [name for name in _REMAINS if (config.data_dir / name).exists()]
    if remains:
        raise StoreError(
            f"the library is gone, of which {remains[0]} is left",
            path=config.database,
            remedy=_GONE_REMEDY,
        )


def _page(config: Config) -> Page | None:
    """The page, where the settings want it; what is to be said of it is in the log."""
    if not config.serve.enabled:
        return None
    page = open_page(config, tells_token=False)  # which must not stand in a log
    for text in page.remarks():
        log.warning("%s", text)
    return page


class _StopRequest:
    """What the first signal asked for."""

    status = 0
    at = 0.0

    def note(self, number: int) -> None:
        """Which signal it was, and when."""
        self.status = 0 if number == signal.SIGTERM else EXIT_INTERRUPTED
        self.at = time.monotonic()


def _leave_at_once(_number: int) -> None:
    os._exit(EXIT_INTERRUPTED)  # what is committed stays; the next start goes on from there


class _WatchThread(threading.Thread):
    """The daemon's own thread, so that the main one always hears signals."""

    def __init__(
        self,
        config: Config,
        server: AnswerServer,
        stop: threading.Event,
        identity: LibraryIdentity,
    ) -> None:
        super().__init__(name="watch", daemon=True)
        self._config = config
        self._identity = identity
        self._server = server
        self._stop_asked = stop
        self._notifier = Notifier()
        self._is_silent = False
        self.error: BaseException | None = None

    def run(self) -> None:
        """Keep the library until told to stop; what goes wrong is left in `error`."""
        try:
            with open_library(self._config, expected=self._identity) as library:
                keeper = WatchIndexer(
                    self._config,
                    library.database,
                    stop=self._stop_asked,
                    is_quiet=lambda: self._server.idle() > _QUIET_S,
                )
                Watcher(
                    keeper,
                    watch=self._config.watch,
                    index=self._config.index,
                    stop=self._stop_asked,
                    tell=self._tell,
                ).run()
        except BaseException as error:  # noqa: BLE001  # the main thread raises it
            self.error = error

    def _tell(self, state: WatchState) -> None:
        if state.activity is not WatchActivity.STARTING:
            self._notifier.ready()
        self._notifier.status(state)
        try:
            self._identity.check_file(self._config.database)
            write_state(self._config.data_dir, state)
            self._is_silent = False
        except LibraryReplaced:  # what is there now is another library's; the watcher ends
            return
        except OSError as error:  # a full disk: the pass itself says so, too
            if not self._is_silent:
                log.warning("its state cannot be written down: %s", error.strerror or error)
            self._is_silent = True


def _run(
    config: Config,
    server: AnswerServer,
    stop: threading.Event,
    request: _StopRequest,
    identity: LibraryIdentity,
) -> int:
    """Work until told to stop, then end within `DRAIN_S` seconds.

    Raises:
        AudiosearchError: the work cannot go on.
    """
    work = _WatchThread(config, server, stop, identity)
    work.start()
    while work.is_alive() and not stop.is_set():
        work.join(0.5)
    if stop.is_set():
        log.info("stopping; once more to stop at once")
        deadline = request.at + DRAIN_S
        server.stop(_ANSWER_S)
        work.join(max(0.0, deadline - time.monotonic()))
        if work.is_alive():
            log.warning("the batch in hand is given up: it is done again at the next start")
            logging.shutdown()
            os._exit(request.status)  # what is committed stays, as after a crash
    if isinstance(work.error, AudiosearchError):
        log.error("%s", work.error)
    if work.error is not None:
        raise work.error
    return request.status


LOG_BYTES = 2_000_000
OLD_LOGS = 5


def log_file(data_dir: Path) -> Path:
    """The newest log; older ones end in .1, .2 ..."""
    return data_dir / "logs" / "watch.log"


@contextmanager
def watch_log(
    data_dir: Path, *, quiet: bool, max_bytes: int = LOG_BYTES, n_old: int = OLD_LOGS
) -> Iterator[None]:
    """Write what this program logs to its file as well; with `quiet`, to stderr errors only.

    The file is kept below `max_bytes`, and `n_old` older ones beside it.

    Raises:
        StorageFull: there is no room for it.
        StoreError: it cannot be written.
    """
    file = log_file(data_dir)
    try:
        make_private_folder(file.parent)
        handler = RotatingFileHandler(file, maxBytes=max_bytes, backupCount=n_old, encoding="utf-8")
    except OSError as error:
        kind = StorageFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else StoreError
        raise kind(error.strerror or str(error), path=file) from error
    handler.setFormatter(PlainFormatter("%(asctime)s %(levelname)s %(message)s"))
    root, ours = logging.getLogger(), logging.getLogger("audiosearch")
    before = root.level, ours.level, [(each, each.level) for each in root.handlers]
    for each in root.handlers:
        each.setLevel(logging.ERROR if quiet else logging.INFO)
    root.setLevel(logging.WARNING)
    ours.setLevel(logging.INFO)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
        root.setLevel(before[0])
        ours.setLevel(before[1])
        for each, level in before[2]:
            each.setLevel(level)


class Notifier:
    """Tells systemd that the daemon is ready, and what it does; each thing once.

    That is sd_notify(3): a datagram of `KEY=value` lines to the socket that `NOTIFY_SOCKET` names
    (https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html). Not started by
    systemd, it does nothing.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._is_ready = False
        self._last_status = ""

    def ready(self) -> None:
        """It has started, and works."""
        if not self._is_ready:
            self._is_ready = True
            self._send("READY=1")

    def status(self, state: WatchState) -> None:
        """What it does now, for `systemctl status`."""
        text = state.activity if state.progress is None else progress_line(state.progress)
        if state.activity is WatchActivity.WAITING and state.note:
            text = f"waiting: {state.note}"
        if state.activity is WatchActivity.STOPPING and self._last_status != text:
            self._send("STOPPING=1")
        if text != self._last_status:
            self._last_status = text
            self._send("STATUS=" + text.replace("\n", " "))

    def _send(self, message: str) -> None:
        if not self._address or not hasattr(socket, "AF_UNIX"):
            return
        # A leading @ stands for the zero byte of Linux's abstract names.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
                to.connect(address)
                to.sendall(message.encode())
        except OSError as error:
            log.debug("systemd cannot be told: %s", error)
