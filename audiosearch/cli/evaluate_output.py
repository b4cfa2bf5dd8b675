"""How evaluations are shown: tables on the terminal, JSON lines, progress with the time left."""

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
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from audiosearch.cli.output import duration, print_json
from audiosearch.evaluation.tables import Outcome, Table, json_rows, shown

_LINE_EVERY_S = 10.0


class EvaluationProgress:
    """What evaluations call while they work; also notes how long each stage took.

    A bar on a terminal, a line now and then in a log, nothing when quiet.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._terminal = sys.stderr.isatty()
        self._quiet = quiet
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=quiet or not self._terminal,
        )
        self._task = self._bar.add_task("reading", total=None)
        self._stage = ""
        self._total = self._done = self._done_before = 0
        self._started = self._last_line = time.monotonic()
        self._seconds: dict[str, float] = {}

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close_stage()
        self._bar.stop()

    def start(self, stage: str, *, total: int, done: int = 0) -> None:
        """See `audiosearch.evaluation.progress.Progress`."""
        self._close_stage()
        self._stage, self._total, self._done, self._done_before = stage, total, done, done
        self._bar.remove_task(self._task)
        self._task = self._bar.add_task(stage, total=total, completed=done)
        if done and not self._quiet:
            text = f"{stage}: {done} of {total} were done by an earlier run"
            self._bar.console.print(text, markup=False, highlight=False)

    def advance(self, n: int) -> None:
        """See `audiosearch.evaluation.progress.Progress`."""
        self._done += n
        self._bar.advance(self._task, n)
        now = time.monotonic()
        if self._quiet or self._terminal or now - self._last_line < _LINE_EVERY_S:
            return
        self._last_line = now
        rate = (self._done - self._done_before) / max(now - self._started, 1e-9)
        left = duration((self._total - self._done) / rate) if rate > 0 else "?"
        click.echo(f"{self._stage}: {self._done} of {self._total}, about {left} left", err=True)

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


def print_outcome(outcome: Outcome, *, as_json: bool) -> None:
    """The tables of an outcome, for people or as JSON lines; the first line says what it was."""
    if as_json:
        facts = {name.replace(" ", "_"): value for name, value in outcome.facts}
        row = {"evaluation": outcome.name, "table": "facts", **facts}
        print_json({**row, "remarks": list(outcome.remarks)})
        for fields in json_rows(outcome):
            print_json(fields)
        return
    click.echo(click.style(outcome.title, bold=True))
    for name, value in outcome.facts:
        click.echo(f"  {click.style(f'{name:<14}', dim=True)} {value}")
    for table in outcome.tables:
        click.echo(f"\n{click.style(table.title, bold=True)}")
        for line in table_lines(table):
            click.echo(line)
    for remark in outcome.remarks:
        click.echo(f"\n{click.style('!', fg='yellow')} {remark}")


def table_lines(table: Table) -> list[str]:
    """A table as aligned text: words to the left, numbers to the right."""
    if not table.rows:
        return ["  (nothing)"]
    cells = [[shown(cell) for cell in row] for row in table.rows]
    words = [all(isinstance(row[i], str) for row in table.rows) for i in range(len(table.columns))]
    widths = [
        max(len(name), *(len(row[i]) for row in cells)) for i, name in enumerate(table.columns)
    ]

    def line(texts: list[str]) -> str:
        padded = (
            text.ljust(width) if word else text.rjust(width)
            for text, width, word in zip(texts, widths, words, strict=True)
        )
        return f"  {'  '.join(padded)}".rstrip()

    return [click.style(line(list(table.columns)), dim=True), *map(line, cells)]
