"""The bar of `index`, as it is drawn on terminals of several widths, and its lines in a log."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from audiosearch.cli.progress import IndexProgress

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """What a terminal of some columns shows of a run of `index`."""

    def __init__(self, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self._screen = io.StringIO()
        console = Console(
            file=self._screen,
            force_terminal=True,
            color_system="truecolor",
            no_color=False,
            width=width,
            height=20,
        )
        self.width = width
        self.now = 1000.0
        monkeypatch.setattr("audiosearch.cli.progress.time.monotonic", lambda: self.now)
        self.progress = IndexProgress(quiet=False, console=console)

    def line(self) -> str:
        """The bar as it stands now: never more than a line of the terminal."""
        self._screen.seek(0)
        self._screen.truncate()
        self.progress.refresh()
        lines = ESCAPES.sub("", self._screen.getvalue()).strip("\r\n").splitlines()
        assert len(lines) == 1, lines
        line = lines[0].strip("\r")
        assert len(line) <= self.width
        assert "…" not in line
        return line

    def filled(self) -> float:
        """How much of the bar is drawn full, from 0 to 1."""
        self._screen.seek(0)
        self._screen.truncate()
        self.progress.refresh()
        drawn = self._screen.getvalue()
        full = sum(len(run) for run in re.findall(r"\x1b\[38;2;249;38;114m([━╸╺]+)", drawn))
        rest = sum(len(run) for run in re.findall(r"\x1b\[38;5;237m([━╸╺]+)", drawn))
        return full / max(full + rest, 1)


@pytest.mark.parametrize("width", [40, 50, 60, 80, 100, 200])
@pytest.mark.parametrize("total", [1, 1_000_000])
def test_count_and_time_left_stay_in_narrow_windows(
    width: int, total: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal(width, monkeypatch)
    with terminal.progress as progress:
        progress.start(total)
        assert f"0/{total}" in terminal.line()
        assert "-:--" in terminal.line()
        terminal.now += 90.0
        progress.advance(n_files=0, under_way=0.25, seconds=900.0, rate=10.0, n_failed=0)
        line = terminal.line()
        assert f"0/{total}" in line
        assert ("4:30" if total == 1 else "99999:58:30") in line
        assert re.search("[━╸╺]{5,}", line)
        terminal.now += 30.0  # it runs down by itself
        assert ("4:00" if total == 1 else "99999:58:00") in terminal.line()
        if width >= 100:
            assert "15.0 min of sound, 10 x real time" in line
        elif width >= 80:
            assert "15.0 min" in line


def test_the_bar_of_one_long_file_moves_with_its_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal(50, monkeypatch)
    with terminal.progress as progress:
        progress.start(1)
        filled = []
        for tenths in range(10):
            terminal.now += 6.0
            progress.advance(
                n_files=0, under_way=tenths / 10, seconds=360.0 * tenths, rate=60.0, n_failed=0
            )
            filled.append(terminal.filled())
        assert filled == pytest.approx([tenths / 10 for tenths in range(10)], abs=0.07)
        progress.advance(n_files=1, under_way=0.0, seconds=3600.0, rate=60.0, n_failed=0)
        line = terminal.line()
        assert "1/1" in line
        assert "0:00" in line


def test_failures_are_told_where_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal(80, monkeypatch)
    with terminal.progress as progress:
        progress.start(9)
        progress.advance(n_files=3, under_way=0.0, seconds=60.0, rate=5.0, n_failed=2)
        assert "1.0 min, 2 failed" in terminal.line()


def test_a_log_has_the_time_left_of_one_long_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("audiosearch.cli.progress.time.monotonic", lambda: now[0])
    with IndexProgress(quiet=False) as progress:
        progress.start(1)
        now[0] += 60.0
        progress.advance(n_files=0, under_way=0.5, seconds=1800.0, rate=30.0, n_failed=0)
    assert "0 of 1 files, 30.0 min of sound, 30 x real time, about 1.0 min left" in (
        capsys.readouterr().err
    )
