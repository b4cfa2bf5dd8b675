"""Progress on stderr: a bar on a terminal, a line now and then in a log, nothing when quiet.

The bar moves with the seconds of sound within a file, so that one of an hour does not stand still.
In narrow windows what is said of the sound gives way; bar, count and time left stay.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Final, Self

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
)
from rich.table import Column
from rich.text import Text

from audiosearch.cli.output import clock, duration
from audiosearch.indexing.meter import time_left_s

_LINE_EVERY_S = 10.0
_WIDE: Final = 100  # columns in which all is said
_MIDDLING: Final = 70  # in which the sound heard is
_BAR_COLUMNS: Final = 8  # at least


class IndexProgress:
    """What the pipeline calls while it works; see `audiosearch.indexing.types.Progress`."""

    def __init__(self, *, quiet: bool, console: Console | None = None) -> None:
        """Draw on `console`, or on stderr where that is a terminal."""
        self._quiet = quiet
        self._terminal = sys.stderr.isatty() if console is None else console.is_terminal
        self._last_line = time.monotonic()
        self._total = 0
        self._began = time.monotonic()
        console = console or Console(stderr=True)
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=_BAR_COLUMNS)),
            _CountColumn(table_column=Column(no_wrap=True)),
            _SoundColumn(console),
            _LeftColumn(table_column=Column(no_wrap=True)),
            console=console,
            disable=quiet or not self._terminal,
            expand=True,
        )
        self._task = self._bar.add_task("looking for files", total=None, **_fields())

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

    def advance(
        self, *, n_files: int, under_way: float, seconds: float, rate: float, n_failed: int
    ) -> None:
        """So far `n_files` are done, with `seconds` of sound heard, lately `rate` times as fast."""
        now = time.monotonic()
        done = n_files + under_way
        left_s = time_left_s(n_done=done, n_total=self._total, elapsed_s=now - self._began)
        failed = f", {n_failed} failed" if n_failed else ""
        sound = f"{duration(seconds)} of sound, {rate:.0f} x real time{failed}"
        self._bar.update(
            self._task,
            completed=done,
            **_fields(
                n_done=n_files,
                sound=sound,
                short=f"{duration(seconds)}{failed}",
                ends_at=None if left_s is None else now + left_s,
            ),
        )
        if self._quiet or self._terminal:
            return
        if now - self._last_line >= _LINE_EVERY_S:
            self._last_line = now
            left = "" if left_s is None else f", about {duration(left_s)} left"
            click.echo(f"{n_files} of {self._total} files, {sound}{left}", err=True)

    def warn(self, message: str) -> None:
        """Something the user should know; the work goes on."""
        if not self._quiet:
            self._bar.console.print(message, style="yellow", markup=False, highlight=False)


def _fields(
    *, n_done: int = 0, sound: str = "", short: str = "", ends_at: float | None = None
) -> dict[str, Any]:
    """What the columns below read from a task; `ends_at` is a time of the steady clock."""
    return {"n_done": n_done, "sound": sound, "short": short, "ends_at": ends_at}


class _CountColumn(ProgressColumn):
    """Whole files done, of how many."""

    def render(self, task: Task) -> Text:
        """See `ProgressColumn`."""
        total = "?" if task.total is None else int(task.total)
        return Text(f"{task.fields['n_done']}/{total}", style="progress.download")


class _SoundColumn(ProgressColumn):
    """What was heard so far, as far as there is room."""

    def __init__(self, console: Console) -> None:
        super().__init__(table_column=Column(no_wrap=True))
        self._console = console

    def render(self, task: Task) -> Text:
        """See `ProgressColumn`."""
        width = self._console.width
        said = "sound" if width >= _WIDE else "short" if width >= _MIDDLING else None
        return Text("" if said is None else task.fields[said])


class _LeftColumn(ProgressColumn):
    """The time left, which runs down between two reports."""

    def render(self, task: Task) -> Text:
        """See `ProgressColumn`."""
        ends_at = task.fields["ends_at"]
        if task.finished or ends_at is None:
            return Text("0:00" if task.finished else "-:--", style="progress.remaining")
        left_s = max(0, round(ends_at - time.monotonic()))
        return Text(clock(left_s), style="progress.remaining")
