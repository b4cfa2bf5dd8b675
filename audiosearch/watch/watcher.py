"""The daemon: keeps a library in step with its folders, for months.

Events are hints, the scan is the truth: what goes by unnoticed is made good by the next full scan,
so the library always comes to what a fresh scan would say.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from audiosearch._wording import counted
from audiosearch.config import IndexConfig, WatchConfig
from audiosearch.errors import (
    AudiosearchError,
    LibraryCorrupt,
    LibraryReplaced,
    OutOfResources,
    SchemaTooNew,
    display_path,
)
from audiosearch.indexing.passed_over import Exclusions
from audiosearch.indexing.scan import ScanRules
from audiosearch.indexing.types import IndexReport
from audiosearch.indexing.walk import is_relevant
from audiosearch.store.queries.places import Root, RootPath, path_inside
from audiosearch.watch.debounce import Growing, Settled
from audiosearch.watch.events import FolderWatch, Inbox, outermost, stat_path
from audiosearch.watch.indexer import WatchIndexer
from audiosearch.watch.roots import WatchedRoot, WatchedRoots
from audiosearch.watch.status import (
    GuardedFiles,
    StatusPublisher,
    WatchActivity,
    WatchMode,
    WatchState,
)

log = logging.getLogger(__name__)

_TICK_S: Final = 0.5
_MANY_PATHS: Final = 200  # looked at one by one; where there are more, a look at all is cheaper


@dataclass(frozen=True)
class WatchPace:
    """How long the daemon lets pass between what it does by itself, in seconds."""

    look_every_s: float = 2.0  # at whether roots have come or gone
    lost_pause_s: float = 10.0  # after a full look, before another one for events that were lost
    quiet_s: float = 10.0  # without any change, before odd jobs are done
    retry_s: tuple[float, ...] = (5.0, 15.0, 60.0)  # after something that may pass: a full disk
    tell_every_s: float = 1.0  # at most, of its state


class Watcher:
    """The daemon; `run` ends when `stop` is set."""

    def __init__(
        self,
        indexer: WatchIndexer,
        *,
        watch: WatchConfig,
        index: IndexConfig,
        stop: threading.Event,
        tell: Callable[[WatchState], None],
        pace: WatchPace = WatchPace(),  # frozen
    ) -> None:
        self._pace = pace
        self._indexer = indexer
        self._watch = watch
        self._exclusions = Exclusions(index.exclude)
        self._stop = stop
        self._growing = Growing(watch.settle_s)
        self._inbox = Inbox()
        self._folders = FolderWatch(self._inbox)
        self._roots = WatchedRoots(self._folders, watch=watch, index=index)
        self._publisher = StatusPublisher(tell, roots=self._roots, every_s=pace.tell_every_s)
        self._look_at = 0.0
        self._scan_ended_at = -pace.lost_pause_s
        self._retry_at = 0.0
        self._n_failures = 0
        self._rescan_token = indexer.rescan_token()
        self._changed_at: float | None = None  # when a pass last changed something

    def run(self) -> None:
        """Keep the library in step until told to stop.

        Raises:
            LibraryCorrupt: the database is damaged.
            LibraryReplaced: it was moved, deleted, or another one was put in its place.
            SchemaTooNew: a later version of the program has taken it over.
        """
        tick_s = min(_TICK_S, self._watch.settle_s / 2)
        with self._folders:
            while not self._stop.is_set():
                now = time.monotonic()
                try:
                    self._turn(now)
                except (LibraryCorrupt, LibraryReplaced, SchemaTooNew):
                    raise
                except AudiosearchError as error:
                    self._wait(error, now=time.monotonic())
                except (OSError, RuntimeError, MemoryError) as error:
                    scarcity = OutOfResources.of(error)
                    if scarcity is None:
                        raise
                    self._wait(scarcity, now=time.monotonic())
                self._publisher.now()
                self._stop.wait(tick_s)
            self._publisher.activity(WatchActivity.STOPPING)
            log.info("stopped")

    def _turn(self, now: float) -> None:
        """One look at all that may have to be done."""
        if now >= self._look_at:
            self._roots.update(self._indexer.roots(), now=now)
            self._look_at = now + self._pace.look_every_s
            self._check_rescan_token(now)
        self._gather(now)
        if now < self._retry_at:
            return
        if not self._scan_due(now) and not self._look_at_settled(now):
            self._publisher.activity(WatchActivity.IDLE)
            self._tidy(now)

    def _check_rescan_token(self, now: float) -> None:
        token = self._indexer.rescan_token()
        if token != self._rescan_token:
            self._rescan_token = token
            self._scan_all(now)

    def _scan_all(self, due: float) -> None:
        for each in self._roots.all:
            each.scan_due = min(each.scan_due, due)

    # -- what happened -------------------------------------------------------------------------

    def _gather(self, now: float) -> None:
        """Take in what watchers have told since the last turn."""
        gathered = self._inbox.take()
        if gathered.lost:
            log.warning("events were lost: all folders are looked at")
            self._scan_all(max(now, self._scan_ended_at + self._pace.lost_pause_s))
        for path in gathered.paths:
            self._on_event(path, now=now)

    def _on_event(self, path: bytes, *, now: float) -> None:
        each = self._roots.holding(path)
        if each is not None and is_relevant(path, root=each.root.path, exclusions=self._exclusions):
            facts = stat_path(path)
            is_file = facts is not None and not facts.is_folder
            rest_s = self._growing.touched(path, now=now) if is_file else None
            each.debouncer.on_event(path, facts=facts, now=now, rest_s=rest_s)

    # -- full looks ----------------------------------------------------------------------------

    def _scan_due(self, now: float) -> bool:
        """Look at all of the roots for which it is time; whether there was one."""
        due = [each for each in self._roots.all if each.mode.is_scanned and each.scan_due <= now]
        if not due:
            return False
        for each in due:  # first watch all of it, then look: nothing falls in between
            if each.mode is WatchMode.NATIVE:
                self._roots.cover(each)
            else:
                self._roots.begin(each)
        report = self._index(
            due, [RootPath(root=each.root, relative=b"") for each in due], observed=False
        )
        if report.interrupted:
            return True
        ended, wall = time.monotonic(), time.time()
        self._scan_ended_at = ended
        look_s = report.stages_s.get("scan", 0.0)  # listening to what was new is no part of it
        for each in due:
            _set_guarded(each, report, otherwise=None)
            self._roots.scanned(each, now=ended, wall=wall, took_s=look_s)
        self._publisher.scanned(wall)
        return True

    # -- single paths --------------------------------------------------------------------------

    def _look_at_settled(self, now: float) -> bool:
        """Look at the paths that have come to rest; whether there were any worth it."""
        places: list[RootPath] = []
        touched: list[WatchedRoot] = []
        for each in self._roots.all:
            settled = each.debouncer.take_settled(now=now, stat=stat_path)
            mine = self._places(each, settled)
            if len(mine) > _MANY_PATHS:
                each.scan_due = now
            elif mine:
                places += mine
                touched.append(each)
        if not places:
            return False
        report = self._index(touched, places, observed=True)
        for each in touched:
            _set_guarded(each, report, otherwise=each.guarded)
        return True

    def _places(self, each: WatchedRoot, settled: Settled) -> list[RootPath]:
        """Where to look for what has come to rest in a root."""
        there = outermost(settled.there)
        folders = [path for path in there if (facts := stat_path(path)) and facts.is_folder]
        if folders and each.mode is WatchMode.NATIVE:
            self._roots.cover(each, below=folders)
        places = [_place(each.root, path) for path in there]
        if len(settled.gone) > _MANY_PATHS:  # told one by one they are as good as a folder
            return places + [_place(each.root, path) for path in settled.gone]
        gone = (_place(each.root, path) for path in outermost(settled.gone))
        return places + [place for place in gone if self._indexer.is_known(place)]

    # -- passes --------------------------------------------------------------------------------

    def _index(
        self, roots: Sequence[WatchedRoot], places: Sequence[RootPath], *, observed: bool
    ) -> IndexReport:
        """One pass; what it could not take in is seen to later."""
        self._publisher.activity(WatchActivity.SCANNING)
        rules = ScanRules(
            observed=observed,
            rest_s=self._watch.settle_s,
            longer_s=self._growing.waits(now=time.monotonic()),
        )
        try:
            report = self._indexer.index(places, rules=rules, progress=self._publisher.progress)
        except AudiosearchError:
            for each in roots:
                each.scan_due = time.monotonic()  # what was to be looked at is not known any more
            raise
        finally:
            self._publisher.progress.end()
        self._n_failures = 0
        self._publisher.note = None
        now = time.monotonic()
        self._growing.indexed(report.recent, now=now)
        if report.interrupted:  # for another command, most likely: what is left is looked for anew
            self._scan_all(now)
            return report
        for path in report.unsettled:
            self._on_event(path, now=now)
        if _did_something(report) or not all(each.scanned_at for each in roots):
            _log(report, "changes" if observed else "all folders")
        if _did_something(report):
            self._changed_at = now
        return report

    def _wait(self, error: AudiosearchError, *, now: float) -> None:
        """Something that may pass by itself: another writer, a full disk."""
        pauses_s = self._pace.retry_s
        pause_s = pauses_s[min(self._n_failures, len(pauses_s) - 1)]
        self._n_failures += 1
        self._retry_at = now + pause_s
        if self._publisher.note != str(error):
            log.warning("%s; tried again in %.0f s", error, pause_s)
        self._publisher.note = str(error)
        self._publisher.activity(WatchActivity.WAITING)

    def _tidy(self, now: float) -> None:
        if self._changed_at is not None and now - self._changed_at >= self._pace.quiet_s:
            self._changed_at = None
            self._indexer.tidy()


def _did_something(report: IndexReport) -> bool:
    return bool(report.n_encoded or report.n_recognised or report.n_missing or report.n_failed)


def _place(root: Root, path: bytes) -> RootPath:
    return RootPath(root=root, relative=path_inside(path, root.path) or b"")


def _set_guarded(each: WatchedRoot, report: IndexReport, *, otherwise: GuardedFiles | None) -> None:
    """Note whether too much of a root is gone, and say so once."""
    found = [
        GuardedFiles(one.n_lost, one.n_known)
        for one in report.guarded
        if one.path == each.root.path
    ]
    before, each.guarded = each.guarded, found[0] if found else otherwise
    if each.guarded is not None and each.guarded != before:
        path = display_path(each.root.path)
        log.warning("%s: if that is meant: audiosearch roots confirm %s", path, path)


def _log(report: IndexReport, looked_at: str) -> None:
    log.info(
        "%s: %s, %d listened to (%.2f h), %d recognised, %d missing, %d failed, %.1f s",
        looked_at,
        counted(report.n_files, "file"),
        report.n_encoded,
        report.sound_s / 3600,
        report.n_recognised,
        report.n_missing,
        report.n_failed,
        report.wall_s,
    )
