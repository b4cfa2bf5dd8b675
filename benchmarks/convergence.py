"""How a daemon catches up with files that appeared while it could not listen.

    python -m benchmarks.convergence --files 20000

The real `audiosearch watch`, with a toy bundle, is halted (SIGSTOP) once it is idle; then the files
are made, more than the system keeps events for; then it goes on. Measured is the time until the
library knows all of them. At the end a fresh scan must find nothing to add, and all invariants
must hold: exit status 1 if not. Sounds are few and copied often, so that finding them is measured,
not listening to them. Linux only.
"""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np

from benchmarks.child import run, start
from tests.sounds import noise, write_audio
from tests.toy_bundles import TOY

_N_SOUNDS = 20
_LOOK_EVERY_S = 0.5
_PATIENCE_S = 7200.0


@click.command()
@click.option("--files", "n_files", default=20_000, show_default=True, help="Files to make.")
@click.option("--folders", "n_folders", default=200, show_default=True, help="Folders to use.")
def main(n_files: int, n_folders: int) -> None:
    """Measure how long a halted daemon takes to catch up."""
    with tempfile.TemporaryDirectory() as place:
        sys.exit(_measure(Path(place), n_files=n_files, n_folders=n_folders))


def _measure(place: Path, *, n_files: int, n_folders: int) -> int:
    data_dir, sounds = place / "data", place / "sounds"
    data_dir.mkdir()
    config = place / "config.toml"
    config.write_text(f'[model]\nbundle = "{TOY}"\n[watch]\nsettle_s = 1.0\n')
    seeds = [_sound(place, number) for number in range(_N_SOUNDS)]
    for folder in range(n_folders):
        (sounds / f"{folder:04d}").mkdir(parents=True)
    (sounds / "first.wav").write_bytes(seeds[0])
    given = ("--config", str(config))
    run("roots", "add", str(sounds), *given, data_dir=data_dir)
    daemon = start("watch", "--quiet", *given, data_dir=data_dir)
    try:
        _wait(daemon, data_dir, 1)
        time.sleep(2.0)
        daemon.send_signal(signal.SIGSTOP)
        began = time.perf_counter()
        for number in range(n_files):
            name = sounds / f"{number % n_folders:04d}" / f"{number:06d}.wav"
            name.write_bytes(seeds[number % _N_SOUNDS])
        made_s = time.perf_counter() - began
        daemon.send_signal(signal.SIGCONT)
        began = time.perf_counter()
        _wait(daemon, data_dir, n_files + 1)
        caught_up_s = time.perf_counter() - began
    finally:
        if daemon.poll() is None:
            daemon.send_signal(signal.SIGCONT)
            daemon.send_signal(signal.SIGTERM)
            daemon.communicate(timeout=60)
    log = (data_dir / "logs" / "watch.log").read_text()
    fresh = run("index", "--json", *given, data_dir=data_dir)
    verified = run("verify", *given, data_dir=data_dir)
    sound = (
        verified.status == 0 and '"new": 0,' in fresh.out and '"windows_encoded": 0' in fresh.out
    )
    click.echo(f"files                    {n_files} in {n_folders} folders, made in {made_s:.1f} s")
    click.echo(f"events were lost         {'yes' if 'events were lost' in log else 'no'}")
    click.echo(f"all of them known after  {caught_up_s:.1f} s")
    click.echo(f"a fresh scan adds        {'nothing' if sound else fresh.out + verified.out}")
    return 0 if sound else 1


def _sound(place: Path, number: int) -> bytes:
    file = place / f"sound{number}.wav"
    write_audio(file, np.asarray(noise(seconds=0.3, seed=number)))
    return file.read_bytes()


def _wait(daemon: subprocess.Popen[str], data_dir: Path, n_files: int) -> None:
    """Until so many files are indexed."""
    deadline = time.monotonic() + _PATIENCE_S
    while _n_indexed(data_dir) < n_files:
        if daemon.poll() is not None:
            raise RuntimeError(f"the daemon has ended: {daemon.communicate()[1]}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"{_n_indexed(data_dir)} of {n_files} files after {_PATIENCE_S} s")
        time.sleep(_LOOK_EVERY_S)


def _n_indexed(data_dir: Path) -> int:
    file = data_dir / "library.sqlite3"
    with (
        contextlib.suppress(sqlite3.OperationalError),  # it is not there yet
        contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as reader,
    ):
        wanted = "SELECT count(*) FROM sound_file WHERE state = 'indexed'"
        return int(reader.execute(wanted).fetchone()[0])
    return 0


if __name__ == "__main__":
    main()
