"""Examine what keeps a library up to date: the daemon, and what the system lets it watch."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from audiosearch._urls import is_url
from audiosearch._wording import counted
from audiosearch.config import Config
from audiosearch.doctor.findings import Finding, warning
from audiosearch.errors import StoreError, display_path
from audiosearch.store import sqlite
from audiosearch.store.lock import indexer_pid
from audiosearch.watch.coverage import read_mounts, reason_to_poll
from audiosearch.watch.status import WatchMode, WatchState, read_state

LIMIT: Final = Path("/proc/sys/fs/inotify/max_user_watches")
_MANY_FOLDERS: Final = 200_000  # where counting them ends
_LATE_S: Final = 300.0  # a scan that is due for so long


def daemon(config: Config) -> Iterator[Finding]:
    """Whether a daemon keeps the library up to date, and what it says of itself."""
    pid = indexer_pid(config.data_dir) if config.data_dir.is_dir() else None
    state = read_state(config.data_dir)
    if pid is None:
        yield Finding("daemon", "none is running; folders are read when you say audiosearch index")
        return
    if state is None or state.pid != pid:
        yield Finding("daemon", f"process {pid or 'unknown'} is indexing now")
        return
    yield from _alive(state)


def _alive(state: WatchState) -> Iterator[Finding]:
    note = "" if state.note is None else f" ({state.note})"
    yield Finding("daemon", f"process {state.pid}: {state.activity}{note}")
    if state.next_scan_at is not None and state.next_scan_at < time.time() - _LATE_S:
        late = round((time.time() - state.next_scan_at) / 60)
        detail = f"its full scan is {counted(late, 'minute')} late"
        yield warning("daemon", detail, "see its log; stop it and start it again if it hangs")
    for root in state.roots:
        shown = display_path(root.path)
        if root.guarded is not None:
            known = counted(root.guarded.n_known, "file")
            detail = f"{shown}: {root.guarded.n_lost} of {known} gone at once"
            remedy = "audiosearch roots confirm FOLDER, if that is meant"
            yield warning("daemon", detail, remedy)
        if root.mode is WatchMode.POLLING and root.why is not None:
            detail = f"{shown} is looked through every now and then: {root.why}"
            yield Finding("daemon", detail)


def watching(config: Config) -> Iterator[Finding]:
    """Whether the system lets every folder of sounds be watched."""
    folders = _roots(config)
    mounts = read_mounts()
    native = []
    for path in folders:
        if is_url(path):
            continue  # which nothing watches
        why = reason_to_poll(os.path.realpath(path), mounts)
        if why is None:
            native.append(path)
        else:
            detail = f"{display_path(path)} is {why}: watched by looking through it"
            yield Finding("watching", detail)
    try:
        limit = int(LIMIT.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return  # no inotify: not Linux
    n_folders = _count_folders(native)
    detail = (
        f"{counted(n_folders, 'folder')} to watch;"
        f" the system allows {limit} in all programs together"
    )
    if n_folders > 0.9 * limit:
        wanted = max(524_288, 2 * n_folders)
        remedy = (
            f"sudo sysctl fs.inotify.max_user_watches={wanted}, and the same line in"
            " /etc/sysctl.d; until then the rest is looked through every now and then"
        )
        yield warning("watching", detail, remedy)
    else:
        yield Finding("watching", detail)


def _roots(config: Config) -> list[bytes]:
    """The folders of the library; none where it cannot be read, which other checks tell."""
    try:
        if config.store.url:
            from audiosearch.store.postgresql.report import server_rows  # noqa: PLC0415

            return [
                row[0] for row in server_rows(config.store.url, "SELECT path FROM library_root")
            ]
        with (
            sqlite.translated(config.database),
            closing(sqlite.connect(config.database, read_only=True)) as connection,
        ):
            return [row[0] for row in connection.execute("SELECT path FROM library_root")]
    except (StoreError, sqlite3.Error):
        return []


def _count_folders(roots: list[bytes]) -> int:
    """How many folders there are, counting no further than `_MANY_FOLDERS`."""
    n_folders = 0
    waiting = list(roots)
    while waiting and n_folders < _MANY_FOLDERS:
        try:
            with os.scandir(waiting.pop()) as entries:
                waiting += [each.path for each in entries if each.is_dir(follow_symlinks=False)]
        except OSError:
            continue
        n_folders += 1
    return n_folders
