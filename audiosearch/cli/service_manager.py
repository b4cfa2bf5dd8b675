"""The service's file, and what systemd or launchd is told of it: all of it is done, or nothing.

Which words the managers understand is known by `service_unit` alone.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from audiosearch._files import make_private_folder
from audiosearch.cli.service_unit import (
    forget_commands,
    is_active_command,
    login_link,
    start_commands,
    stop_commands,
)
from audiosearch.errors import AudiosearchError

_COMMAND_S: Final = 60.0
_START_S: Final = 660.0  # a start may take the ten minutes that the unit gives it

_ONLY_WRITE: Final = "audiosearch service install --no-start only writes the file"


def install_service(path: Path, text: str, *, logs: Path, mac: bool, start: bool) -> None:
    """Write the service's file and start it; where that fails, all is as it was before.

    Args:
        path: where the manager looks for the file.
        text: what is in it.
        logs: a folder that the service needs.
        mac: launchd in place of systemd.
        start: now and at each login; without it the manager is told nothing.

    Raises:
        AudiosearchError: the file cannot be written, or the manager is not there or refuses.
    """
    made = [each for folder in (logs, login_link(path).parent) for each in _missing(folder)]
    before = path.read_bytes() if path.exists() else None
    ran = start and before is not None and _attempt([is_active_command(mac=mac)]) is None
    try:
        make_private_folder(logs.parent)
        make_private_folder(logs)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if start:
            if ran and mac:
                _attempt(stop_commands(mac=mac))  # launchd takes no agent that it has already
            for command in start_commands(path, mac=mac):
                _run(command, limit_s=_START_S, remedy=_ONLY_WRITE)
    except BaseException as error:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            _restore(path, before, mac=mac, told=start, ran=ran)
        for folder in sorted(made, reverse=True):
            with contextlib.suppress(OSError):  # not made yet, or somebody else's by now
                folder.rmdir()
        if isinstance(error, OSError):
            raise AudiosearchError(error.strerror or str(error), path=path) from error
        raise


def remove_service(path: Path, *, mac: bool) -> AudiosearchError | None:
    """Stop the service and remove its file; what of it is gone already is no error.

    Returns why the manager could not stop it, which also means that it knows none.

    Raises:
        AudiosearchError: the file is there, and cannot be removed.
    """
    refused = _attempt(stop_commands(mac=mac))
    try:
        path.unlink(missing_ok=True)
        login_link(path).unlink(missing_ok=True)
    except OSError as error:
        raise AudiosearchError(error.strerror or str(error), path=path) from error
    _attempt(forget_commands(mac=mac))
    return refused


def _restore(path: Path, before: bytes | None, *, mac: bool, told: bool, ran: bool) -> None:
    """Bring back what was there before an installation that failed."""
    if before is None:
        if told:
            _attempt(stop_commands(mac=mac))
        path.unlink(missing_ok=True)
        login_link(path).unlink(missing_ok=True)
    else:
        path.write_bytes(before)
    if told:
        _attempt(start_commands(path, mac=mac) if ran else forget_commands(mac=mac))


def _missing(folder: Path) -> Iterable[Path]:
    """The folder and those above it that are not there."""
    return (each for each in (folder, *folder.parents) if not each.exists())


def _attempt(commands: Sequence[tuple[str, ...]]) -> AudiosearchError | None:
    """Run all commands, whatever becomes of each; the first error, if any."""
    first = None
    for command in commands:
        try:
            _run(command)
        except AudiosearchError as error:
            first = first or error
    return first


def _run(
    command: tuple[str, ...], *, limit_s: float = _COMMAND_S, remedy: str | None = None
) -> None:
    """Run one of the service manager's commands.

    Raises:
        AudiosearchError: there is no such manager, or it refuses.
    """
    line = " ".join(command)
    try:
        done = subprocess.run(  # noqa: S603  # our own words, no shell
            command, capture_output=True, text=True, timeout=limit_s, check=False
        )
    except FileNotFoundError as error:
        raise AudiosearchError(
            f"{line}: there is no {command[0]} on this system", remedy=remedy
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AudiosearchError(f"{line}: {error}", remedy=remedy) from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().replace("\n", "; ")
        raise AudiosearchError(f"{line}: {said or 'failed'}", remedy=remedy)
