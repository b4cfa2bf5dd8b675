"""What the daemon says of itself, while it works: its state, handed out not too often.

In: what it is doing, notes, and its roots. Out: a `WatchState` whenever there is something new to
say. Used by the daemon's one thread; what becomes of a state is the business of `tell`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from audiosearch.watch.progress import WatchProgress
from audiosearch.watch.roots import WatchedRoots
from audiosearch.watch.state import Activity, WatchMode, WatchState

_TELL_EVERY_S: Final = 1.0


class Telling:
    """The state of a daemon, and who hears of it; `progress` is for the pass in hand."""

    def __init__(self, tell: Callable[[WatchState], None], *, roots: WatchedRoots) -> None:
        self.progress = WatchProgress(self.now)
        self._tell = tell
        self._roots = roots
        self._state = WatchState(pid=os.getpid(), since=time.time(), activity=Activity.STARTING)
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

    def activity(self, activity: Activity) -> None:
        """What it is doing from now on; told at once."""
        if activity is not self._state.activity:
            self._state = replace(self._state, activity=activity)
            self.now(at_once=True)

    def now(self, *, at_once: bool = False) -> None:
        """Hand the state out, if it is time and there is something new."""
        now = time.monotonic()
        if not at_once and now - self._told_at < _TELL_EVERY_S:
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
