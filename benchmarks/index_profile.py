"""Where the processor's time of a whole `audiosearch index` goes, decoding processes included.

    python -m benchmarks.index_profile ~/sounds --rounds 3

Lines add up to the whole, as the system counts it for the command and all that it started. Shown is
the run in the middle of some, each into a new library. Threads of the networks count towards the
stage that uses them. See `index_stages` for how; what that itself takes is in it (some 20 us a
stage, and 0.05 s of imports at most).
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.child import environment
from benchmarks.index_stages import END, LINES


@dataclass(frozen=True)
class IndexProfile:
    """What one run took: seconds of processor time by stage, and in all."""

    seconds: dict[str, float]
    whole_s: float
    n_files: int
    n_windows: int


def profile(sounds: Path) -> IndexProfile:
    """Index a folder into a new library.

    Raises:
        ClickException: it cannot be indexed.
    """
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "told.json"
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "benchmarks.index_stages", str(told)]
        done = subprocess.run(
            [*command, "index", str(sounds), "--json", "--quiet", "--device", "cpu"],
            env=environment(Path(folder) / "data"),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise click.ClickException(done.stderr)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds: dict[str, float] = json.loads(told.read_text("utf-8"))
    whole_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    seconds[END] += whole_s - sum(seconds.values())  # what came after it was told
    report = json.loads(done.stdout)
    return IndexProfile(seconds, whole_s, report["files"], report["windows_encoded"])


@click.command()
@click.argument("sounds", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--rounds", default=3, show_default=True)
def main(sounds: Path, rounds: int) -> None:
    """Print the table for `audiosearch index SOUNDS`."""
    found = sorted((profile(sounds) for _ in range(rounds)), key=lambda each: each.whole_s)
    middle = found[rounds // 2]
    click.echo(
        f"| {middle.n_files:,} files, {middle.n_windows:,} windows | s | ms a file | share |\n"
        "|---|---|---|---|"
    )
    for line in LINES:
        click.echo(_row(line, middle.seconds.get(line, 0.0), middle))
    click.echo(_row("**the whole**", middle.whole_s, middle))


def _row(name: str, seconds: float, of: IndexProfile) -> str:
    a_file = 1e3 * seconds / max(of.n_files, 1)
    return f"| {name} | {seconds:.2f} | {a_file:.2f} | {seconds / of.whole_s:.1%} |"


if __name__ == "__main__":
    main()
