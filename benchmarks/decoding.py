"""Decoding through a worker process: seconds of sound for each second of its processor time.

Opening (hash and texts), decoding, levels, resampling and the pipe are all in it.

python -m benchmarks.decoding                # generated sounds of several formats
python -m benchmarks.decoding ~/sounds       # the files of a folder, by suffix
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import click
import numpy as np

from audiosearch.audio.sandbox.client import Worker
from audiosearch.errors import DecodeError
from audiosearch.training.synth.examples import write_examples
from tests.sounds import noise, write_audio

RATE = 32_000  # what an encoder asks for
LONG = ((".wav", 48_000), (".flac", 48_000), (".mp3", 44_100), (".ogg", 44_100))
LONG_S = 120


@click.command()
@click.argument("sounds", required=False, type=click.Path(exists=True, path_type=Path))
def main(sounds: Path | None) -> None:
    """Measure decoding."""
    if not sys.platform.startswith("linux"):
        raise click.UsageError("processor times of a child are read from /proc: Linux only")
    with tempfile.TemporaryDirectory() as place:
        folder = sounds or _generated(Path(place))
        groups: dict[str, list[Path]] = defaultdict(list)
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                groups[path.suffix].append(path)
        with Worker() as worker:
            start = time.perf_counter()
            with contextlib.suppress(DecodeError):
                worker.open(os.fsencode(next(iter(groups.values()))[0]), sample_rate=RATE)
            print(f"first file opened after {1e3 * (time.perf_counter() - start):.0f} ms")
            print(
                f"{'files':>14} {'sound s':>9} {'wall s':>7} {'x real time':>11} {'x per core':>10}"
                f" {'ms a file':>9} {'of it opening':>13} {'failed':>6}"
            )
            for suffix, paths in groups.items():
                _measure(worker, suffix, paths)


def _generated(folder: Path) -> Path:
    write_examples(folder / "short")
    sound = np.stack([noise(seconds=LONG_S, rate=48_000, seed=seed) for seed in (0, 1)], axis=1)
    for suffix, rate in LONG:
        write_audio(folder / f"long{suffix.upper()}", sound[: LONG_S * rate], rate=rate)
    return folder


def _measure(worker: Worker, suffix: str, paths: list[Path]) -> None:
    pid = worker.pid
    assert pid is not None
    cpu_s, start, opening_s, sound_s, n_failed = _cpu_s(pid), time.perf_counter(), 0.0, 0.0, 0
    for path in paths:
        try:
            before = time.perf_counter()
            worker.open(os.fsencode(path), sample_rate=RATE)
            opening_s += time.perf_counter() - before
            for _ in worker.blocks():
                pass
            sound_s += worker.facts().duration_s
        except DecodeError:
            n_failed += 1
    wall_s = time.perf_counter() - start
    cpu_s = max(_cpu_s(pid) - cpu_s, 0.01) if worker.pid == pid else float("nan")
    n_files = len(paths)
    print(
        f"{n_files:>8} {suffix:<5} {sound_s:>9.0f} {wall_s:>7.2f} {sound_s / wall_s:>11.0f}", end=""
    )
    print(f" {sound_s / cpu_s:>10.0f} {1e3 * wall_s / n_files:>9.1f}", end="")
    print(f" {1e3 * opening_s / n_files:>13.1f} {n_failed:>6}")


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
