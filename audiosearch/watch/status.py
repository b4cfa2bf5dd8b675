"""What the daemon says of itself while it works: `WatchState`, in a small JSON file, and log lines.

The file may be left by a daemon that was killed: whether one is alive is told by its lock.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_origin, get_type_hints

from audiosearch._files import PRIVATE_FILE, atomic_write, read_bounded
from audiosearch._timing import time_left_s
from audiosearch._wording import counted
from audiosearch.errors import display_path, path_fields

if TYPE_CHECKING:  # which loads watchdog; commands show progress without it
    from audiosearch.watch.roots import WatchedRoots

log = logging.getLogger(__name__)

STATE_FILE = "watch.json"
_NUDGE_FILE = "watch.nudge"
_MOST_BYTES: Final = 64 << 20  # of the state, which has a row for each folder that is a root
_LINE_EVERY_S: Final = 30.0  # of the log
_TELL_EVERY_S: Final = 1.0
_REMEMBERED: Final = 1000  # warnings that are not said again


class WatchMode(StrEnum):
    """How changes below a root come to be known."""

    NATIVE = "native"  # the system tells
    POLLING = "polling"  # a scan every now and then
    BY_HAND = "by-hand"  # it is a URL: `audiosearch index` looks at it
    OFFLINE = "offline"  # it is not there, or empty: waited for

    @property
    def is_scanned(self) -> bool:
        """Whether the daemon looks through such a root."""
        return self in (WatchMode.NATIVE, WatchMode.POLLING)


class WatchActivity(StrEnum):
    """What the daemon is doing."""

    STARTING = "starting"
    SCANNING = "scanning"  # looking for what is new, and listening to it
    WAITING = "waiting"  # something keeps it from writing; it tries again
    IDLE = "idle"
    STOPPING = "stopping"


@dataclass(frozen=True)
class GuardedFiles:
    """So much is gone at once that a person must say that it is meant."""

    n_lost: int
    n_known: int


@dataclass(frozen=True)
class RootState:
    """How one root is watched."""

    path: bytes
    mode: WatchMode
    why: str | None = None  # of a mode that is not native
    n_folders: int | None = None
    n_watched: int | None = None  # of the folders; None where the system does not tell
    scanned_at: float | None = None  # Unix time of the last full look
    guarded: GuardedFiles | None = None


@dataclass(frozen=True)
class PassProgress:
    """How far the work in hand has come."""

    n_done: int
    n_files: int
    n_failed: int
    sound_s: float
    rate: float  # seconds of sound a second
    left_s: float | None  # until all is done, as it goes now


@dataclass(frozen=True)
class WatchState:
    """The daemon, at one moment; times are Unix times."""

    pid: int
    since: float
    activity: WatchActivity
    note: str | None = None  # why it waits, or what went wrong last
    scanned_at: float | None = None  # the last full scan's end
    next_scan_at: float | None = None
    n_settling: int = 0  # paths that something happened to and that have not come to rest
    progress: PassProgress | None = None
    roots: tuple[RootState, ...] = ()


def write_state(data_dir: Path, state: WatchState) -> None:
    """Put a state in the place of the last one.

    Raises:
        OSError: the folder cannot be written to.
    """
    row = asdict(state)
    row["roots"] = [_root_row(root) for root in state.roots]
    with atomic_write(data_dir / STATE_FILE, mode=PRIVATE_FILE) as file:
        file.write(json.dumps(row, indent=1).encode())


def read_state(data_dir: Path) -> WatchState | None:
    """The last state that was written; None where there is none, or one that is not understood."""
    try:
        row: Any = json.loads(read_bounded(data_dir / STATE_FILE, _MOST_BYTES))
        roots = tuple(_root(each) for each in row.pop("roots"))
        progress = row.pop("progress")
        state = WatchState(
            **{**row, "activity": WatchActivity(row["activity"])},
            roots=roots,
            progress=None if progress is None else PassProgress(**progress),
        )
        _check_types(state)
        return state
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None  # of another version, or none: nothing depends on it


def _check_types(state: object) -> None:
    """Refuse values that are not what the fields of a dataclass say, or of one inside it.

    Raises:
        TypeError: there is one.
    """
    for name, hint in get_type_hints(type(state)).items():
        value = getattr(state, name)
        parts = value if isinstance(value, tuple) else (value,)
        allowed = tuple if get_origin(hint) is tuple else hint
        if isinstance(0.0, allowed) and type(value) is int:  # JSON's numbers are all of one kind
            continue
        if not isinstance(value, allowed):
            raise TypeError(f"{name} is {value!r}")
        for part in parts:
            if is_dataclass(part):
                _check_types(part)


def nudge(data_dir: Path) -> None:
    """Have a daemon, if there is one, look at all folders now."""
    if data_dir.is_dir():
        (data_dir / _NUDGE_FILE).touch(mode=PRIVATE_FILE)


def nudged_at(data_dir: Path) -> int:
    """When `nudge` was called last, in nanoseconds; 0: never."""
    try:
        return (data_dir / _NUDGE_FILE).stat().st_mtime_ns
    except OSError:
        return 0


def _root_row(root: RootState) -> dict[str, Any]:
    row = asdict(root)
    path, row["held"] = row.pop("path"), row.pop("guarded")
    return {"display": display_path(path), "path": base64.b64encode(path).decode("ascii"), **row}


def _root(row: Mapping[str, Any]) -> RootState:
    fields = dict(row)
    fields.pop("display")
    held = fields.pop("held")
    return RootState(
        **{
            **fields,
            "path": base64.b64decode(fields["path"]),
            "mode": WatchMode(fields["mode"]),
        },
        guarded=None if held is None else GuardedFiles(**held),
    )


class WatchProgress:
    """What the pipeline calls while it works; `on_change` is called after each step."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self.now: PassProgress | None = None
        self._on_change = on_change
        self._n_files = 0
        self._warned: set[str] = set()
        self._started = self._last_line = time.monotonic()

    def start(self, n_files: int) -> None:
        """There are `n_files` to look at."""
        self._n_files = n_files
        self._started = self._last_line = time.monotonic()
        if n_files:
            self.now = PassProgress(0, n_files, 0, 0.0, 0.0, None)
        self._on_change()

    def advance(
        self, *, n_files: int, under_way: float, seconds: float, rate: float, n_failed: int
    ) -> None:
        """So far `n_files` are done, with `seconds` of sound heard, lately `rate` times as fast."""
        now = time.monotonic()
        left_s = time_left_s(
            n_done=n_files + under_way, n_total=self._n_files, elapsed_s=now - self._started
        )
        self.now = PassProgress(n_files, self._n_files, n_failed, seconds, rate, left_s)
        if now - self._last_line >= _LINE_EVERY_S:
            self._last_line = now
            log.info("%s", progress_line(self.now))
        self._on_change()

    def warn(self, message: str) -> None:
        """Something the user should know, said once in a while; the work goes on."""
        if len(self._warned) > _REMEMBERED:
            self._warned.clear()
        if message not in self._warned:  # what is wrong with a folder is found at each look at it
            self._warned.add(message)
            log.warning("%s", message)

    def end(self) -> None:
        """The pass is over."""
        self.now = None


def progress_line(progress: PassProgress) -> str:
    """Files, hours, rate and time left, for people."""
    line = (
        f"{progress.n_done} of {counted(progress.n_files, 'file')},"
        f" {progress.sound_s / 3600:.2f} h of sound,"
        f" {progress.rate:.0f} x real time"
    )
    if progress.n_failed:
        line += f", {progress.n_failed} failed"
    if progress.left_s is not None:
        line += f", about {_about(progress.left_s)} left"
    return line


def _about(seconds: float) -> str:
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


class StatusPublisher:
    """The state of a daemon, and who hears of it; `progress` is for the pass in hand."""

    def __init__(
        self, tell: Callable[[WatchState], None], *, roots: WatchedRoots, every_s: float
    ) -> None:
        self._every_s = every_s
        self.progress = WatchProgress(self.now)
        self._publish = tell
        self._roots = roots
        self._state = WatchState(
            pid=os.getpid(), since=time.time(), activity=WatchActivity.STARTING
        )
        self._published: WatchState | None = None
        self._published_at = 0.0

    @property
    def note(self) -> str | None:
        """Why it waits, or what went wrong last."""
        return self._state.note

    @note.setter
    def note(self, note: str | None) -> None:
        self._state = replace(self._state, note=note)

    def scanned(self, wall: float) -> None:
        """A full look has ended, at that Unix time."""
        self._state = replace(self._state, scanned_at=wall)

    def activity(self, activity: WatchActivity) -> None:
        """What it is doing from now on; told at once."""
        if activity is not self._state.activity:
            self._state = replace(self._state, activity=activity)
            self.now(at_once=True)

    def now(self, *, at_once: bool = False) -> None:
        """Hand the state out, if it is time and there is something new."""
        now = time.monotonic()
        if not at_once and now - self._published_at < self._every_s:
            return
        self._published_at = now
        due = [each.scan_due for each in self._roots.all if each.mode.is_scanned]
        next_scan_at = time.time() + max(0.0, min(due) - now) if due else None
        state = replace(
            self._state,
            # Rounded: a daemon with nothing to do has nothing new to say, and lets the disk sleep.
            next_scan_at=None if next_scan_at is None else round(next_scan_at, -1),
            n_settling=sum(len(each.debouncer) for each in self._roots.all),
            progress=self.progress.now,
            roots=tuple(each.state() for each in self._roots.all),
        )
        if state != self._published:
            self._published = state
            self._publish(state)


def watch_row(state: WatchState) -> dict[str, object]:
    """A running daemon, for programs; times are Unix times."""
    progress = state.progress
    return {
        "pid": state.pid,
        "since": state.since,
        "activity": str(state.activity),
        "note": state.note,
        "scanned_at": state.scanned_at,
        "next_scan_at": state.next_scan_at,
        "settling": state.n_settling,
        "progress": None
        if progress is None
        else {
            "done": progress.n_done,
            "files": progress.n_files,
            "failed": progress.n_failed,
            "sound_s": progress.sound_s,
            "rate": progress.rate,
            "left_s": progress.left_s,
        },
        "roots": [_watched_row(root) for root in state.roots],
    }


def _watched_row(root: RootState) -> dict[str, object]:
    held = (
        None
        if root.guarded is None
        else {"lost": root.guarded.n_lost, "known": root.guarded.n_known}
    )
    return {
        **path_fields(root.path),
        "mode": str(root.mode),
        "why": root.why,
        "folders": root.n_folders,
        "watched": root.n_watched,
        "scanned_at": root.scanned_at,
        "held": held,
    }
