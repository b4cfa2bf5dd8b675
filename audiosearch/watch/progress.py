"""How far the daemon's work in hand has come: for its state, and a line in the log now and then."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from audiosearch._wording import counted
from audiosearch.indexing.meter import time_left_s
from audiosearch.watch.state import PassProgress

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
