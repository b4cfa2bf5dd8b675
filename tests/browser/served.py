"""`audiosearch serve` in a process of its own, and the browser that is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from tests.e2e.command import Command

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def chromium_path() -> str | None:
    """The browser of this system; None where there is none, or no Playwright to drive it."""
    try:
        import playwright  # noqa: F401, PLC0415
    except ImportError:
        return None
    named = os.environ.get("AUDIOSEARCH_CHROMIUM")
    return named or next((path for path in map(shutil.which, _NAMES) if path), None)


@dataclass(frozen=True)
class Served:
    """A page that is given.

    Attributes:
        url: with a slash at its end.
        command: with the library that it shows.
    """

    url: str
    command: Command


@contextmanager
def serving(command: Command, *options: str) -> Iterator[Served]:
    """Start `audiosearch serve` on any free port, and stop it."""
    process = subprocess.Popen(
        [*command.program, "serve", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env=command.environment(),
        text=True,
    )
    said: list[str] = []
    assert process.stdout is not None
    assert process.stderr is not None
    reader = threading.Thread(target=_read, args=(process.stderr, said))
    reader.start()
    try:
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:"), "".join(said)
        yield Served(url, command)
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        finally:
            process.kill()
            process.wait()
            reader.join()
            process.stdout.close()
            process.stderr.close()


def _read(stream: IO[str], into: list[str]) -> None:
    into.extend(stream)
