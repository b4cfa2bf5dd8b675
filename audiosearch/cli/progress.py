"""Progress on stderr: a bar on a terminal, a line now and then in a log, nothing when quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from audiosearch._timing import time_left_s
from audiosearch.cli.output import clock, duration
from audiosearch.cli.terminal import say
from audiosearch.errors import display_text

_LINE_EVERY_S = 10.0
_WIDE: Final = 100  # columns in which all is said
_MIDDLING: Final = 70  # in which the sound heard is
_BAR_COLUMNS: Final = 8  # at least


class StderrProgress:
    """A bar of some columns for one task at a time; a context manager."""

    def __init__(
        self,
        *columns: ProgressColumn,
        quiet: bool,
        console: Console | None = None,
        expand: bool = False,
    ) -> None:
        """Draw on `console`, or on stderr where that is a terminal."""
        self._quiet = quiet
        self._terminal = sys.stderr.isatty() if console is None else console.is_terminal
        self._last_line = time.monotonic()
        self._bar = Progress(
            SpinnerColumn(),
            *columns,
            console=console or Console(stderr=True),
            disable=quiet or not self._terminal,
            expand=expand,
        )

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

    @contextmanager
    def counting(self, description: str, *, total: int) -> Iterator[Callable[[], None]]:
        """A task of `total` steps; call what this gives after each of them."""
        task = self._bar.add_task(description, total=total)
        with self:
            yield lambda: self._bar.advance(task)

    def refresh(self) -> None:
        """Draw the bar as it is now, not only at its next turn."""
        self._bar.refresh()

    def _line_is_due(self, now: float) -> bool:
        """Whether a log is to get a line, which is noted."""
        if self._quiet or self._terminal or now - self._last_line < _LINE_EVERY_S:
            return False
        self._last_line = now
        return True

    def _print(self, text: str, *, style: str | None = None) -> None:
        """A remark above the bar."""
        if not self._quiet:
            self._bar.console.print(display_text(text), style=style, markup=False, highlight=False)


class IndexProgress(StderrProgress):
    """What the pipeline calls while it works; see `audiosearch.indexing.types.Progress`.

    The bar moves with the seconds of sound within a file, so that one of an hour does not stand
    still. In narrow windows what is said of the sound gives way; bar, count and time left stay.
    """

    def __init__(self, *, quiet: bool, console: Console | None = None) -> None:
        """See `StderrProgress`."""
        console = console or Console(stderr=True)
        super().__init__(
            TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=_BAR_COLUMNS)),
            _CountColumn(table_column=Column(no_wrap=True)),
            _SoundColumn(console),
            _LeftColumn(table_column=Column(no_wrap=True)),
            quiet=quiet,
            console=console,
            expand=True,
        )
        self._total = 0
        self._began = time.monotonic()
        self._task = self._bar.add_task("looking for files", total=None, **_fields())

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
        if self._line_is_due(now):
            left = "" if left_s is None else f", about {duration(left_s)} left"
            say(f"{n_files} of {self._total} files, {sound}{left}", err=True)

    def warn(self, message: str) -> None:
        """Something the user should know; the work goes on."""
        self._print(message, style="yellow")


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


class EvaluationProgress(StderrProgress):
    """What evaluations call while they work; also notes how long each stage took."""

    def __init__(self, *, quiet: bool) -> None:
        """See `StderrProgress`."""
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            quiet=quiet,
        )
        self._task = self._bar.add_task("reading", total=None)
        self._stage = ""
        self._total = self._done = self._done_before = 0
        self._started = time.monotonic()
        self._seconds: dict[str, float] = {}

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close_stage()
        super().__exit__(kind, error, trace)

    def start(self, stage: str, *, total: int, done: int = 0) -> None:
        """See `audiosearch.evaluation.work_folder.StageProgress`."""
        self._close_stage()
        self._stage, self._total, self._done, self._done_before = stage, total, done, done
        self._bar.remove_task(self._task)
        self._task = self._bar.add_task(stage, total=total, completed=done)
        if done:
            self._print(f"{stage}: {done} of {total} were done by an earlier run")

    def advance(self, n: int) -> None:
        """See `audiosearch.evaluation.work_folder.StageProgress`."""
        self._done += n
        self._bar.advance(self._task, n)
        now = time.monotonic()
        if not self._line_is_due(now):
            return
        rate = (self._done - self._done_before) / max(now - self._started, 1e-9)
        left = duration((self._total - self._done) / rate) if rate > 0 else "?"
        say(f"{self._stage}: {self._done} of {self._total}, about {left} left", err=True)

    def warn(self, message: str) -> None:
        """Something the user should know; the work goes on."""
        self._print(message, style="yellow")

    def timings(self) -> str:
        """How long the stages of this run took: `listening 12.0 s, scoring pairs 3.1 min`."""
        self._close_stage()
        return ", ".join(f"{stage} {duration(s)}" for stage, s in self._seconds.items())

    def _close_stage(self) -> None:
        now = time.monotonic()
        if self._stage:
            spent = self._seconds.get(self._stage, 0.0)
            self._seconds[self._stage] = spent + now - self._started
        self._stage, self._started = "", now


def with_bar(clips: Sequence[str]) -> Iterator[str]:
    """The clips, with a bar that counts those that are done, on a terminal only."""
    bar = StderrProgress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        quiet=False,
    )
    with bar.counting("listening", total=len(clips)) as advance:
        for clip in clips:
            yield clip
            advance()


def say_stopping(_number: int) -> None:
    """What the first signal to stop is answered with."""
    say("stopping after this batch; once more to stop at once", err=True)
