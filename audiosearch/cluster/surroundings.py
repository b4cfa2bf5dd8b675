"""What surrounds Ray in this process: its stdout, signals, environment and folder of sockets."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from audiosearch._files import PRIVATE_FOLDER

log = logging.getLogger(__name__)

_FOLDER: Final = "audiosearch-ray-"
_SOCKET: Final = "/r/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store"
_MOST_SOCKET: Final = 107  # bytes of a socket's path, as Linux has it


@contextlib.contextmanager
def stdout_to_log() -> Iterator[None]:
    """What Ray prints to stdout, even when told to print nothing, goes to the log."""
    printed = _LogLines()
    with contextlib.redirect_stdout(printed):
        yield


class _LogLines(io.TextIOBase):
    """A stream whose lines are logged."""

    def write(self, text: str) -> int:
        if text.strip():
            log.debug("%s", text.strip())
        return len(text)


@contextlib.contextmanager
def own_signals() -> Iterator[None]:
    """Leave signals to those who handle them: Ray would take SIGTERM for itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def quiet_home(folder: Path) -> Iterator[None]:
    """Have processes that are started now take `folder` for their user's home.

    Ray asks the servers of three clouds, by name and address, where it runs, told to send nothing
    or not. It does not where this file is, in which others write down where it runs.
    """
    (folder / "ray_bootstrap_config.yaml").write_text("{}\n")
    names = ("HOME", "USERPROFILE")
    before = {name: os.environ[name] for name in names if name in os.environ}
    os.environ.update(dict.fromkeys(before, str(folder)))
    try:
        yield
    finally:
        os.environ.update(before)


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """A folder that nobody else can enter, removed at the end.

    For Ray's sockets and logs in a folder of its own below: what Ray is given it opens to all.
    """
    name = f"{_FOLDER}{os.getpid()}-"
    usual = tempfile.gettempdir()
    fits = len(os.fsencode(usual)) + len(name) + 9 + len(_SOCKET) <= _MOST_SOCKET
    place = usual if fits or os.name == "nt" else "/tmp"  # noqa: S108 - the folder in it is ours
    folder = Path(tempfile.mkdtemp(prefix=name, dir=place))
    folder.chmod(PRIVATE_FOLDER)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers() -> None:
    """Folders of runs that were killed."""
    for place in {tempfile.gettempdir(), "/tmp"}:  # noqa: S108 - only our own are removed
        for folder in Path(place).glob(f"{_FOLDER}*-*"):
            number = folder.name.removeprefix(_FOLDER).partition("-")[0]
            try:
                own = not hasattr(os, "getuid") or folder.lstat().st_uid == os.getuid()
                if own and number.isdecimal() and not _alive(int(number)):
                    shutil.rmtree(folder, ignore_errors=True)
            except OSError:
                continue


def _alive(pid: int) -> bool:
    if os.name == "nt":  # where signal 0 would end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
