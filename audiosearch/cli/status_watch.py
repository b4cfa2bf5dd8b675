"""What `audiosearch status` tells of the daemon: whether one runs, and how each root is watched."""

from __future__ import annotations

import time

from audiosearch._wording import counted
from audiosearch.cli.output import duration, shown_path
from audiosearch.watch.status import RootState, WatchState, progress_line


def watch_lines(state: WatchState | None) -> list[tuple[str, str]]:
    """The same for people: pairs of a name and a text."""
    if state is None:
        return [("watch", "no daemon is running (audiosearch watch)")]
    now = time.time()
    text = f"pid {state.pid}, for {duration(now - state.since)}: {state.activity}"
    if state.note is not None:
        text += f" ({state.note})"
    lines = [("watch", text)]
    if state.progress is not None:
        lines.append(("", progress_line(state.progress)))
    if state.n_settling:
        lines.append(("", f"{counted(state.n_settling, 'path')} changed, and coming to rest"))
    if state.next_scan_at is not None:
        last = "" if state.scanned_at is None else f"last {duration(now - state.scanned_at)} ago, "
        lines.append(
            ("", f"full look: {last}next in {duration(max(0.0, state.next_scan_at - now))}")
        )
    lines += [("", _root_line(root)) for root in state.roots]
    return lines


def _root_line(root: RootState) -> str:
    text = f"{shown_path(root.path)}: {root.mode}"
    if root.why is not None:
        text += f", {root.why}"
    elif root.n_folders is not None:
        text += f", {root.n_watched} of {counted(root.n_folders, 'folder')} watched"
    if root.guarded is not None:
        text += (
            f"; {root.guarded.n_lost} of {counted(root.guarded.n_known, 'file')} gone:"
            " if that is meant, audiosearch roots confirm"
        )
    return text
