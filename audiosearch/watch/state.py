"""What the daemon says of itself: a small JSON file in the data folder, written whole or not.

In: `WatchState`. Out: the same, in another process (`audiosearch status`). A file may be left by a
daemon that was killed: whether one is alive is told by its lock (`store.lock`), not here.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from audiosearch._files import atomic_write
from audiosearch.errors import display_path

STATE_FILE = "watch.json"
_NUDGE_FILE = "watch.nudge"


class WatchMode(StrEnum):
    """How changes below a root come to be known."""

    NATIVE = "native"  # the system tells
    POLLING = "polling"  # a scan every now and then
    OFFLINE = "offline"  # it is not there, or empty: waited for


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
    held: GuardedFiles | None = None


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
    with atomic_write(data_dir / STATE_FILE) as file:
        file.write(json.dumps(row, indent=1).encode())


def read_state(data_dir: Path) -> WatchState | None:
    """The last state that was written; None where there is none, or one that is not understood."""
    try:
        row: Any = json.loads((data_dir / STATE_FILE).read_text(encoding="utf-8"))
        roots = tuple(_root(each) for each in row.pop("roots"))
        progress = row.pop("progress")
        return WatchState(
            **{**row, "activity": WatchActivity(row["activity"])},
            roots=roots,
            progress=None if progress is None else PassProgress(**progress),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None  # of another version, or none: nothing depends on it


def nudge(data_dir: Path) -> None:
    """Have a daemon, if there is one, look at all folders now."""
    if data_dir.is_dir():
        (data_dir / _NUDGE_FILE).touch()


def nudged_at(data_dir: Path) -> int:
    """When `nudge` was called last, in nanoseconds; 0: never."""
    try:
        return (data_dir / _NUDGE_FILE).stat().st_mtime_ns
    except OSError:
        return 0


def _root_row(root: RootState) -> dict[str, Any]:
    row = asdict(root)
    path = row.pop("path")
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
        held=None if held is None else GuardedFiles(**held),
    )
