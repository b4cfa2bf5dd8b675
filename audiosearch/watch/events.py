"""What the system tells of changes below folders, gathered for one reader.

Events are kept as paths only: what happened to a path is seen by looking at it.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from watchdog.events import (
    DirAttribEvent,
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

from audiosearch.store.queries.places import SEPARATOR, path_inside
from audiosearch.watch.debounce import Facts

MANY: Final = 5000  # paths waiting to be gathered; where there are more, a scan is cheaper

_KINDS: Final[list[type[FileSystemEvent]]] = [
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileDeletedEvent,
    FileClosedEvent,  # after writing
    FileAttribEvent,  # a permission that was granted
    DirCreatedEvent,
    DirMovedEvent,
    DirDeletedEvent,
    DirAttribEvent,
]

_BOOKKEEPING: Final = r"Callback with id '\d+' (already exists|does not exist) for watch"


@dataclass(frozen=True)
class Gathered:
    """Absolute paths that something happened to since the last time; `lost`: and others."""

    paths: frozenset[bytes] = frozenset()
    lost: bool = False


class Inbox(FileSystemEventHandler):
    """Collects paths from watchdog's threads; never more than `MANY`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._paths: set[bytes] = set()
        self._lost = False

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Called by watchdog for each event."""
        paths = {os.fsencode(path) for path in (event.src_path, event.dest_path) if path}
        with self._lock:
            self._paths |= paths
            if len(self._paths) > MANY:
                self._paths.clear()
                self._lost = True

    def lose(self) -> None:
        """Something was dropped before it came here."""
        with self._lock:
            self._lost = True

    def take(self) -> Gathered:
        """All that has come; forgets it."""
        with self._lock:
            gathered = Gathered(frozenset(self._paths), self._lost)
            self._paths, self._lost = set(), False
        return gathered


class _Warnings(logging.Handler):
    """Hears watchdog's own warnings: it warns when the system has dropped events.

    Any of them counts as a loss. What it tells through `warnings` is its own bookkeeping, as when
    it meets a new folder twice, by the folder above and by the folder's own event; nothing is lost
    then, and it is silenced (`_BOOKKEEPING`).
    """

    def __init__(self, inbox: Inbox) -> None:
        super().__init__(logging.WARNING)
        self._inbox = inbox

    def emit(self, record: logging.LogRecord) -> None:
        self._inbox.lose()


class FolderWatch:
    """Watches folders with all that is below them, by the system's own means.

    A context manager: leaving it ends all watching.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._warnings = _Warnings(inbox)
        self._observer: BaseObserver | None = None
        self._watches: dict[bytes, ObservedWatch] = {}

    def __enter__(self) -> FolderWatch:
        logging.getLogger("watchdog").addHandler(self._warnings)
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def watch(self, folder: bytes) -> None:
        """Begin, or begin anew, to watch a folder.

        Raises:
            OSError: the system cannot: it is not there, or a limit is reached.
        """
        self.unwatch(folder)
        observer = self._running()
        self._watches[folder] = observer.schedule(
            self._inbox, os.fsdecode(folder), recursive=True, event_filter=_KINDS
        )

    def _running(self) -> BaseObserver:
        if self._observer is not None and not self._observer.is_alive():
            self._end()
        if self._observer is None:
            warnings.filterwarnings("ignore", _BOOKKEEPING, RuntimeWarning)
            observer = Observer()
            observer.start()
            self._observer = observer
        return self._observer

    def unwatch(self, folder: bytes) -> None:
        """Watch a folder no longer; harmless where it is not watched."""
        watch = self._watches.pop(folder, None)
        if watch is not None and self._observer is not None:
            self._observer.unschedule(watch)

    def alive(self, folder: bytes) -> bool:
        """Whether a folder is still being watched: watchers die with their folders."""
        watch = self._watches.get(folder)
        if watch is None or self._observer is None or not self._observer.is_alive():
            return False
        return any(
            each.watch == watch and each.is_alive() for each in list(self._observer.emitters)
        )

    def close(self) -> None:
        """End all watching; it can be begun again."""
        logging.getLogger("watchdog").removeHandler(self._warnings)
        self._end()

    def _end(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None
        self._watches.clear()


def stat_path(path: bytes) -> Facts | None:
    """What a path looks like now; None where nothing is there, or nothing that can be read."""
    try:
        facts = os.lstat(path)
    except OSError:
        return None
    if stat.S_ISDIR(facts.st_mode):
        return Facts(is_folder=True, size=0, mtime_ns=0, ctime_ns=0)  # its contents tell for it
    return Facts(
        is_folder=False, size=facts.st_size, mtime_ns=facts.st_mtime_ns, ctime_ns=facts.st_ctime_ns
    )


def outermost(paths: Iterable[bytes]) -> list[bytes]:
    """The paths that do not lie in another one of them, in ascending order."""
    kept: list[bytes] = []
    for path in sorted(paths, key=lambda each: each.split(SEPARATOR)):
        if not kept or path_inside(path, kept[-1]) is None:
            kept.append(path)
    return kept
