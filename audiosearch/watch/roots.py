"""The roots that the daemon keeps, and how changes below each come to be known."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from audiosearch._urls import is_url
from audiosearch._wording import counted
from audiosearch.config import IndexConfig, WatchConfig
from audiosearch.errors import display_path
from audiosearch.indexing.walk import is_absent_or_empty
from audiosearch.store.queries.places import Root, path_inside
from audiosearch.watch.coverage import (
    coverage,
    folders_below,
    read_mounts,
    reason_to_poll,
    watched_inodes,
)
from audiosearch.watch.debounce import Debouncer
from audiosearch.watch.events import FolderWatch
from audiosearch.watch.status import GuardedFiles, RootState, WatchMode

log = logging.getLogger(__name__)

_FEW: Final = 2000  # folders that are looked at again, all of them, when some have changed
_ATTEMPTS: Final = 3  # at watching all folders of a root, while some are being made
_POLL_SHARE: Final = 10  # polling a root takes at most a tenth of the time
_URL: Final = "a URL is looked at by audiosearch index alone"
_LIMIT: Final = "the system's limit on watches is reached (fs.inotify.max_user_watches)"


@dataclass
class WatchedRoot:
    """A root and what is known of it; times are those of a steady clock but for `scanned_at`."""

    root: Root
    debouncer: Debouncer
    mode: WatchMode = WatchMode.OFFLINE
    why: str | None = None
    identity: tuple[int, int] | None = None  # device and inode of its folder, as it is watched
    n_folders: int | None = None
    n_watched: int | None = None
    scan_due: float = 0.0
    scanned_at: float | None = None  # Unix time
    guarded: GuardedFiles | None = None

    def state(self) -> RootState:
        """What a person is told of it."""
        return RootState(
            path=self.root.path,
            mode=self.mode,
            why=self.why,
            n_folders=self.n_folders,
            n_watched=self.n_watched,
            scanned_at=self.scanned_at,
            guarded=self.guarded,
        )


class WatchedRoots:
    """All roots of the daemon.

    Each is watched by the system's own means where that works for all of its folders, polled where
    it does not (network and FUSE file systems, the limit on watches), and waited for where it is
    not there. Whatever makes this uncertain makes a full scan due.
    """

    def __init__(self, folders: FolderWatch, *, watch: WatchConfig, index: IndexConfig) -> None:
        self._folders = folders
        self._watch = watch
        self._index = index
        self._roots: dict[Root, WatchedRoot] = {}

    @property
    def all(self) -> list[WatchedRoot]:
        """Every root, offline ones too, by path."""
        return sorted(self._roots.values(), key=lambda each: each.root.path)

    def holding(self, path: bytes) -> WatchedRoot | None:
        """The root that a path lies in; none where that was forgotten."""
        for each in self._roots.values():
            if path_inside(path, each.root.path) is not None:
                return each
        return None

    def update(self, roots: Sequence[Root], *, now: float) -> None:
        """Bring all this in step with the library's roots, and with the disk."""
        for root in set(self._roots) - set(roots):
            self._folders.unwatch(root.path)
            del self._roots[root]
            log.info("%s: forgotten", display_path(root.path))
        for root in roots:
            if root not in self._roots:
                self._roots[root] = WatchedRoot(root, Debouncer(self._watch.settle_s))
            self._check(self._roots[root], now=now)

    def _check(self, each: WatchedRoot, *, now: float) -> None:
        """Watch a root that has come, or come back, or that is watched no longer."""
        path = each.root.path
        if is_url(path):  # stores tell of nothing, and each look costs money
            each.mode, each.why = WatchMode.BY_HAND, _URL
            return
        if is_absent_or_empty(path):
            if each.mode is not WatchMode.OFFLINE or each.why is None:
                log.warning("%s: not there or empty; what is known of it stays", display_path(path))
            self._folders.unwatch(path)
            each.debouncer.forget()
            each.mode, each.why, each.identity = WatchMode.OFFLINE, "not there or empty", None
            each.n_folders = each.n_watched = None
            return
        identity = _identity(path)
        dead = each.mode is WatchMode.NATIVE and not self._folders.alive(path)
        if each.mode is WatchMode.OFFLINE or identity != each.identity or dead:
            if dead and identity == each.identity:
                log.warning("%s: its watcher has ended and is begun anew", display_path(path))
            each.identity = identity
            each.scan_due = now
            self.begin(each)

    def begin(self, each: WatchedRoot) -> None:
        """Watch a root in the way that works for it; called again, it finds out anew."""
        path = each.root.path
        before = each.mode, each.why
        each.why = self._reason_to_poll(path)
        if each.why is None:
            each.mode = WatchMode.NATIVE
            self.cover(each)
        else:
            self._poll(each, each.why)
        if (each.mode, each.why) != before:
            why = "" if each.why is None else f" ({each.why})"
            log.info("%s: %s%s", display_path(path), each.mode, why)

    def _reason_to_poll(self, path: bytes) -> str | None:
        if self._watch.polling == "always":
            return "as configured"
        if self._index.follow_symlinks:
            return "links are followed, which watchers do not do"
        return reason_to_poll(os.path.realpath(path), read_mounts())

    def _poll(self, each: WatchedRoot, why: str) -> None:
        self._folders.unwatch(each.root.path)
        each.mode, each.why = WatchMode.POLLING, why

    def cover(self, each: WatchedRoot, *, below: Sequence[bytes] = ()) -> None:
        """See to it that all folders of a watched root are watched; else poll it.

        Watchers pass over folders in silence, at the system's limit or where a folder was made and
        filled before it was seen; so what is watched is compared with what is there. Watching anew
        loses events meanwhile, so the first attempt does it only where the watcher is dead. Folders
        may be made while we compare, hence more attempts, which look at all folders, not at those
        `below` alone. A root half watched would miss changes for good: in the end it is polled.

        Args:
            each: a root that is watched.
            below: look at these folders of it only (absolute paths), and what is in them.
        """
        path = each.root.path
        for attempt in range(_ATTEMPTS):
            if attempt or not self._folders.alive(path):
                try:
                    self._folders.watch(path)
                except OSError as error:
                    self._poll(each, _reason(error))
                    return
            part = below if attempt == 0 and (each.n_folders or 0) > _FEW else ()
            if self._coverage(each, part):
                return
        n_folders = counted(each.n_folders or 0, "folder")
        self._poll(each, f"{each.n_watched} of {n_folders} could be watched: {_LIMIT}")

    def _coverage(self, each: WatchedRoot, below: Sequence[bytes]) -> bool:
        """Whether all folders are watched, as far as the system tells."""
        watched = watched_inodes()
        if watched is None:
            return True
        found = [
            coverage(folders_below(start, exclude=self._index.exclude), watched)
            for start in below or (each.root.path,)
        ]
        if not below:
            each.n_folders, each.n_watched = found[0].n_folders, found[0].n_watched
        return not any(one.unwatched for one in found)

    def scanned(self, each: WatchedRoot, *, now: float, wall: float, took_s: float) -> None:
        """A full look at a root has ended; says when the next one is due."""
        each.scanned_at = wall
        every_s = self._watch.scan_every_s
        if each.mode is WatchMode.POLLING:
            every_s = min(every_s, max(self._watch.poll_every_s, _POLL_SHARE * took_s))
        each.scan_due = now + every_s


def _identity(path: bytes) -> tuple[int, int] | None:
    try:
        facts = os.stat(path)  # noqa: PTH116  # bytes, which pathlib does not keep
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


def _reason(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EMFILE):
        return _LIMIT
    return f"it cannot be watched: {error.strerror or error}"
