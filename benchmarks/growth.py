"""How time and memory grow with the library, and with the length of a file: a table and a chart.

    python -m benchmarks.growth --keep FOLDER          # what is still to be measured, of all sizes
    python -m benchmarks.growth --windows 10000000     # of one size alone, whose library then goes
    python -m benchmarks.growth --hours 100 --again

Libraries are generated (`generated_library`), and asked by `search_speed`, in a process for each
size; recordings too (`generated_sound`), and heard by the real `index`. What was measured is kept
in growth.json as it comes, so that a run that was stopped goes on from there; larger sizes that
nobody measured are reckoned from the two largest that were, along a straight line, and marked so.
Every run puts the tables into docs/measurements.md, and the chart beside it; `scaling_model`
reckons on from them. Linux; ten million windows want 45 GB of disk, a hundred hours 11 GB.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import click

from audiosearch.config import Config
from audiosearch.library.model_selection import find_model
from audiosearch.model.bundle import load_bundle
from benchmarks.child import run
from benchmarks.generated_sound import write_sound
from benchmarks.growth_figures import HOURS, WINDOWS, Figures, keep_figures, read_figures, write_all

ROUNDS, MANY = 5, 1_000_000  # each question is asked so often, in libraries of more windows twice
SEED = 7
# What is kept, by the lines of search_speed.
LINES = {
    "candidates": "warm, 200 candidates: candidates",
    "rerank": "warm, 200 candidates: rerank",
    "question": "warm, 200 candidates",
    "similar": "warm, similar, a sound of 3 windows",
    "daemon": "daemon, 200 candidates",
    "daemon, first": "daemon, first question (loads the model)",
    "cold": "cold, the whole command `find`",
}


def measure_windows(folder: Path, n_windows: int) -> Figures:
    """What a library of so many windows takes; it is made in `folder`, if it is not there yet.

    Raises:
        ClickException: something went wrong.
    """
    data_dir, told = folder / f"windows-{n_windows}", folder / "told.json"
    database = data_dir / "library.sqlite3"
    if data_dir.exists() and not _is_whole(database, n_windows):
        shutil.rmtree(data_dir)
    waiting = os.getloadavg()[0]
    command = [
        *(sys.executable, "-m", "benchmarks.search_speed", "--keep", str(data_dir)),
        *("--windows", str(n_windows), "--rounds", str(ROUNDS if n_windows <= MANY else 2)),
        *("--json", str(told), "--part", "warm", "--part", "daemon", "--part", "cold"),
    ]
    done = subprocess.run(command, check=False)
    if done.returncode:
        raise click.ClickException(f"search_speed left with {done.returncode}")
    shown = json.loads(told.read_text("utf-8"))
    return {name: shown[line] for name, line in LINES.items()} | {
        "database": {"mb": _size_mb(database) + _frames_left_out_mb(database, n_windows)},
        "vectors": {"mb": _size_mb(data_dir / "vectors")},
        "before": {"load": waiting},
    }


def measure_hours(folder: Path, hours: int) -> Figures:
    """What indexing one recording of so many hours takes; it is made in `folder`, if not there.

    Raises:
        ClickException: it could not be indexed.
    """
    sounds, data_dir = folder / f"hours-{hours}", folder / f"hours-{hours}-library"
    sound = sounds / "recording.flac"
    if not sound.exists():
        sounds.mkdir(parents=True, exist_ok=True)
        write_sound(sound, hours=hours, seed=SEED)
    shutil.rmtree(data_dir, ignore_errors=True)
    waiting = os.getloadavg()[0]
    done = run("index", str(sounds), "--json", "--quiet", "--device", "cpu", data_dir=data_dir)
    if done.status:
        raise click.ClickException(done.err)
    report = json.loads(done.out)
    figures: Figures = {
        "index": {"processor_s": done.processor_s, "wall_s": done.wall_s},
        "main, peak": {"mb": done.peak_mb},
        "decoding, peak": {"mb": done.below_peak_mb},
        "database": {"mb": _size_mb(data_dir / "library.sqlite3")},
        "sound": {"mb": _size_mb(sound)},
        "windows": {"n": report["windows_encoded"]},
        "before": {"load": waiting},
    }
    shutil.rmtree(data_dir)
    return figures


def _is_whole(database: Path, n_windows: int) -> bool:
    """Whether a library was made to its end, and by the model that is used now."""
    config = Config(data_dir=database.parent, config_file=database.parent / "none")
    wanted = load_bundle(find_model(config, config.model.bundle)).fingerprint
    try:
        with closing(sqlite3.connect(database)) as opened:
            (n,) = opened.execute("SELECT max(id) FROM window").fetchone()
            (by,) = opened.execute("SELECT fingerprint FROM bundle").fetchone() or (None,)
    except sqlite3.Error:
        return False
    return (n, by) == (n_windows, wanted)


def _size_mb(path: Path) -> float:
    """Of a file, or of all files in a folder."""
    files = path.iterdir() if path.is_dir() else (path,)
    return sum(each.stat().st_size for each in files) / 1e6


def _frames_left_out_mb(database: Path, n_windows: int) -> float:
    """What the frames would take that large generated libraries leave out, by those there."""
    with closing(sqlite3.connect(database)) as opened:
        (n,) = opened.execute("SELECT count(*) FROM window_frames").fetchone()
        (size,) = opened.execute(
            "SELECT avg(length(frames)) FROM (SELECT frames FROM window_frames LIMIT 1000)"
        ).fetchone()
    return float((n_windows - n) * size / 1e6)


@click.command()
@click.option("--windows", type=int, multiple=True, help="Libraries of this size only.")
@click.option("--hours", type=int, multiple=True, help="Recordings of this length only.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep here what is made, or use it.")
@click.option("--again", is_flag=True, help="Measure what has been measured as well.")
def main(windows: Sequence[int], hours: Sequence[int], keep: Path | None, again: bool) -> None:
    """Measure what is missing, and write table and chart."""
    if not windows and not hours:
        windows, hours = WINDOWS, HOURS
    kinds: tuple[tuple[str, Sequence[int], Callable[[Path, int], Figures]], ...] = (
        ("windows", windows, measure_windows),
        ("hours", hours, measure_hours),
    )
    for kind, sizes, measure in kinds:
        for size in sizes:
            if again or size not in read_figures()[kind]:
                click.echo(f"{size:,} {kind}")
                with tempfile.TemporaryDirectory() as place:
                    folder = keep or Path(place)
                    folder.mkdir(parents=True, exist_ok=True)
                    keep_figures(kind, size, measure(folder, size))
    click.echo(write_all())


if __name__ == "__main__":
    main()
