"""Runs the real command in a child process and watches what it takes.

In: arguments of `audiosearch` and a data folder. Out: exit status, stdout, wall seconds, processor
seconds (those of the decoding processes below it too) and the peak resident memory of the process
itself, and of the largest of those.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """What a run of the command gave and took."""

    status: int
    out: str
    err: str
    wall_s: float
    processor_s: float
    peak_mb: float
    below_peak_mb: float  # of the largest process that it started; 0 without any


def environment(data_dir: Path) -> dict[str, str]:
    """The environment of a command with a library of its own and no settings file.

    Python may keep its bytecode, as it does for an installed program.
    """
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("AUDIOSEARCH_") and key != "PYTHONDONTWRITEBYTECODE"
    }
    no_config = str(data_dir / "no-config")
    return kept | {"AUDIOSEARCH_DATA_DIR": str(data_dir), "XDG_CONFIG_HOME": no_config}


def write_settings(file: Path, *, bundle: Path, exact_windows: bool = True) -> None:
    """A settings file for `--config`, with a bundle and how long recordings are heard."""
    file.write_text(
        f"[model]\nbundle = {json.dumps(str(bundle))}\n"
        f"[index]\nexact_windows = {json.dumps(exact_windows)}\n",
        encoding="utf-8",
    )


def start(*arguments: str, data_dir: Path) -> subprocess.Popen[str]:
    """Start `audiosearch` with a data folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "audiosearch", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(data_dir),
    )


def run(*arguments: str, data_dir: Path) -> Run:
    """Run `audiosearch` to its end."""
    began, spent_s = time.perf_counter(), _spent_by_children()
    process = start(*arguments, data_dir=data_dir)
    peaks_kb: dict[int, int] = {}
    watch = threading.Thread(target=_watch, args=(process, peaks_kb))
    watch.start()
    out, err = process.communicate()
    wall_s = time.perf_counter() - began
    watch.join()
    processor_s = _spent_by_children() - spent_s
    peak_kb = peaks_kb.pop(process.pid, 0)
    below_kb = max(peaks_kb.values(), default=0)
    return Run(process.returncode, out, err, wall_s, processor_s, peak_kb / 1024, below_kb / 1024)


def _spent_by_children() -> float:
    """Seconds of the processor that ended child processes, and theirs, have taken; 0 on Windows."""
    spent = os.times()
    return spent.children_user + spent.children_system


def _watch(process: subprocess.Popen[str], peaks_kb: dict[int, int]) -> None:
    """Keep the high-water marks of resident memory of the process and those below it (Linux)."""
    while process.poll() is None:
        for pid in (process.pid, *_started_by(process.pid)):
            try:
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            except OSError:
                continue
            for line in lines:
                if line.startswith("VmHWM:"):
                    peaks_kb[pid] = max(peaks_kb.get(pid, 0), int(line.split()[1]))
        time.sleep(0.05)


def _started_by(pid: int) -> list[int]:
    """Processes that threads of this one have started and that have not ended."""
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(each) for each in (task / "children").read_text().split()]
    except OSError:  # it has ended, or the system does not tell
        pass
    return found
