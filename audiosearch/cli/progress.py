"""Progress on stderr: a bar on a terminal, a line now and then in a log, nothing when quiet."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from audiosearch.cli.output import duration
from audiosearch.indexing.meter import time_left_s

_LINE_EVERY_S = 10.0


class IndexProgress:
    """What the pipeline calls while it works; see `audiosearch.indexing.interfaces.Progress`."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._last_line = time.monotonic()
        self._total = 0
        self._began = time.monotonic()
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[sound]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=quiet or not self._terminal,
        )
        self._task = self._bar.add_task("looking for files", total=None, sound="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def start(self, n_files: int) -> None:
        """There are `n_files` to look at."""
        self._total = n_files
        self._began = time.monotonic()
        self._bar.update(self._task, description="listening", total=n_files)

    def advance(self, *, n_files: int, seconds: float, rate: float, n_failed: int) -> None:
        """So far `n_files` are done, with `seconds` of sound heard, lately `rate` times as fast."""
        sound = f"{duration(seconds)} of sound, {rate:.0f} x real time"
        if n_failed:
            sound += f", {n_failed} failed"
        self._bar.update(self._task, completed=n_files, sound=sound)
        if self._quiet or self._terminal:
            return
        if time.monotonic() - self._last_line >= _LINE_EVERY_S:
            self._last_line = time.monotonic()
            left_s = time_left_s(
                n_done=n_files, n_total=self._total, elapsed_s=time.monotonic() - self._began
            )
            left = "" if left_s is None else f", about {duration(left_s)} left"
            click.echo(f"{n_files} of {self._total} files, {sound}{left}", err=True)

    def warn(self, message: str) -> None:
        """Something the user should know; the work goes on."""
        if not self._quiet:
            self._bar.console.print(message, style="yellow", markup=False, highlight=False)
