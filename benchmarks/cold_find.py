"""`audiosearch find` as a whole cold process: median of ten, imports apart, and its stages.

python -m benchmarks.cold_find ~/sounds
python -m benchmarks.cold_find --library FOLDER      # one that was kept by benchmarks.indexing
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from benchmarks.child import environment, run

RUNS = 10
QUERY = "a dog barks after a man speaks"
# What the command imports until it can answer by itself, with the command's own setting of `gc`.
IMPORTS = (
    "import gc; gc.set_threshold(50_000);"
    "import audiosearch.cli.main, audiosearch.cli.find, audiosearch.library, onnxruntime"
)


@click.command()
@click.argument("sounds", required=False, type=click.Path(exists=True, file_okay=False))
@click.option("--library", type=click.Path(path_type=Path), help="A data folder that is filled.")
@click.option("--query", default=QUERY, show_default=True)
def main(sounds: str | None, library: Path | None, query: str) -> None:
    """Measure a cold `audiosearch find`."""
    if (sounds is None) == (library is None):
        raise click.UsageError("give a folder of sounds, or --library")
    with tempfile.TemporaryDirectory() as place:
        data_dir = library or Path(place)
        if sounds is not None:
            run("index", sounds, "--quiet", data_dir=data_dir)
        bare, _ = _medians_s("pass", data_dir)
        importing, imports = _medians_s(IMPORTS, data_dir)
        runs = [run("find", query, "-v", data_dir=data_dir) for _ in range(RUNS)]
    walls = sorted(each.wall_s for each in runs)
    click.echo(f"find {query!r}, {RUNS} cold processes")
    click.echo(f"  wall          median {statistics.median(walls):.2f} s")
    click.echo(f"                least {walls[0]:.2f} s, most {walls[-1]:.2f} s")
    click.echo(f"  interpreter   median {bare:.2f} s")
    click.echo(f"  imports       median {imports:.2f} s")
    click.echo(f"  leaving       median {importing - imports - bare:.2f} s (modules are let go)")
    middle = sorted(runs, key=lambda each: each.wall_s)[RUNS // 2]
    stages = next(line for line in middle.err.splitlines() if " s in all" in line)
    click.echo(f"  of one run:   {stages}")
    click.echo(f"  peak memory   {max(each.peak_mb for each in runs):.0f} MB")


def _medians_s(code: str, data_dir: Path) -> tuple[float, float]:
    """Medians of a whole process that runs `code`, and of the code itself within it."""
    timed = f"import time; began = time.perf_counter(); {code}; print(time.perf_counter() - began)"
    wholes: list[float] = []
    parts: list[float] = []
    for _ in range(RUNS):
        began = time.perf_counter()
        command = [sys.executable, "-c", timed]
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, env=environment(data_dir)
        )
        wholes.append(time.perf_counter() - began)
        parts.append(float(done.stdout))
    return statistics.median(wholes), statistics.median(parts)


if __name__ == "__main__":
    main()
