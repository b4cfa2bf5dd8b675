"""The real daemon in a child process, and what the library's file holds meanwhile."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from typing import Any

from tests.e2e.command import Command

PATIENCE_S = 120.0


class Watch:
    """`audiosearch watch` in a child process."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.process = subprocess.Popen(
            [*command.program, "watch"],
            env=command.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def told(self) -> dict[str, Any] | None:
        """What `status` says of it."""
        row = self.command("status", "--json").rows[0]["watch"]
        assert row is None or isinstance(row, dict)
        return row

    def is_idle(self) -> bool:
        """Whether it has nothing in hand, as it says itself."""
        file = self.command.data_dir / "watch.json"
        return file.exists() and '"activity": "idle"' in file.read_text()

    def until(self, is_so: Callable[[], object]) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not is_so():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline, self.told()
            time.sleep(0.05)

    def until_rows(self, wanted: list[tuple[Any, ...]], sql: str) -> None:
        """Wait until the library answers a query so."""
        self.until(lambda: rows(self.command, sql) == wanted)

    def kill(self) -> None:
        """End it for good, if it is still there."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; the exit status and what was said."""
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, err


def rows(command: Command, sql: str) -> list[tuple[Any, ...]]:
    """What the library's file holds; nothing before there is one."""
    database = command.data_dir / "library.sqlite3"
    with contextlib.suppress(sqlite3.OperationalError):
        reader = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)
        with contextlib.closing(reader):
            return reader.execute(sql).fetchall()
    return []


FILES = "SELECT display, state FROM sound_file ORDER BY display"
