"""What the daemon publishes of itself while it works: its state, and lines in the log.

Used by the daemon's one thread; where a published state goes is its caller's business.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from audiosearch._wording import counted
from audiosearch.indexing.meter import time_left_s
from audiosearch.watch.state import PassProgress, WatchActivity, WatchMode, WatchState

if TYPE_CHECKING:  # which loads watchdog; commands show progress without it
    from audiosearch.watch.roots import WatchedRoots

log = logging.getLogger(__name__)

_LINE_EVERY_S: Final = 30.0
_REMEMBERED: Final = 1000


class WatchProgress:
    """What the pipeline calls while it works; `told` is called after each step."""

    def __init__(self, told: Callable[[], None]) -> None:
        self.now: PassProgress | None = None
        self._told = told
        self._n_files = 0
        self._said: set[str] = set()
        self._started = self._last_line = time.monotonic()

    def start(self, n_files: int) -> None:
        """There are `n_files` to look at."""
        self._n_files = n_files
        self._started = self._last_line = time.monotonic()
        if n_files:
            self.now = PassProgress(0, n_files, 0, 0.0, 0.0, None)
        self._told()

    def advance(
        self, *, n_files: int, under_way: float, seconds: float, rate: float, n_failed: int
    ) -> None:
        """So far `n_files` are done, with `seconds` of sound heard, lately `rate` times as fast."""
        now = time.monotonic()
        left_s = time_left_s(
            n_done=n_files + under_way, n_total=self._n_files, elapsed_s=now - self._started
        )
        self.now = PassProgress(n_files, self._n_files, n_failed, seconds, rate, left_s)
        if now - self._last_line >= _LINE_EVERY_S:
            self._last_line = now
            log.info("%s", progress_line(self.now))
        self._told()

    def warn(self, message: str) -> None:
        """Something the user should know, said once in a while; the work goes on."""
        if len(self._said) > _REMEMBERED:
            self._said.clear()
        if message not in self._said:  # what is wrong with a folder is found at each look at it
            self._said.add(message)
            log.warning("%s", message)

    def end(self) -> None:
        """The pass is over."""
        self.now = None


def progress_line(progress: PassProgress) -> str:
    """Files, hours, rate and time left, for people."""
    line = (
        f"{progress.n_done} of {counted(progress.n_files, 'file')},"
        f" {progress.sound_s / 3600:.2f} h of sound,"
        f" {progress.rate:.0f} x real time"
    )
    if progress.n_failed:
        line += f", {progress.n_failed} failed"
    if progress.left_s is not None:
        line += f", about {_about(progress.left_s)} left"
    return line


def _about(seconds: float) -> str:
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


class StatusPublisher:
    """The state of a daemon, and who hears of it; `progress` is for the pass in hand."""

    def __init__(
        self, tell: Callable[[WatchState], None], *, roots: WatchedRoots, every_s: float
    ) -> None:
        self._every_s = every_s
        self.progress = WatchProgress(self.now)
        self._tell = tell
        self._roots = roots
        self._state = WatchState(
            pid=os.getpid(), since=time.time(), activity=WatchActivity.STARTING
        )
        self._told: WatchState | None = None
        self._told_at = 0.0

    @property
    def note(self) -> str | None:
        """Why it waits, or what went wrong last."""
        return self._state.note

    @note.setter
    def note(self, note: str | None) -> None:
        self._state = replace(self._state, note=note)

    def scanned(self, wall: float) -> None:
        """A full look has ended, at that Unix time."""
        self._state = replace(self._state, scanned_at=wall)

    def activity(self, activity: WatchActivity) -> None:
        """What it is doing from now on; told at once."""
        if activity is not self._state.activity:
            self._state = replace(self._state, activity=activity)
            self.now(at_once=True)

    def now(self, *, at_once: bool = False) -> None:
        """Hand the state out, if it is time and there is something new."""
        now = time.monotonic()
        if not at_once and now - self._told_at < self._every_s:
            return
        self._told_at = now
        due = [each.scan_due for each in self._roots.all if each.mode is not WatchMode.OFFLINE]
        next_scan_at = time.time() + max(0.0, min(due) - now) if due else None
        state = replace(
            self._state,
            # Rounded: a daemon with nothing to do has nothing new to say, and lets the disk sleep.
            next_scan_at=None if next_scan_at is None else round(next_scan_at, -1),
            n_settling=sum(len(each.settling) for each in self._roots.all),
            progress=self.progress.now,
            roots=tuple(each.state() for each in self._roots.all),
        )
        if state != self._told:
            self._told = state
            self._tell(state)
