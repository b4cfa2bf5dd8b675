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
from pathlib import Path

import click

from benchmarks.child import environment
from benchmarks.index_stages import END, LINES


@click.command()
@click.argument("sounds", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--rounds", default=3, show_default=True)
def main(sounds: Path, rounds: int) -> None:
    """Print the table for `audiosearch index SOUNDS`."""
    runs = sorted((_run(sounds) for _ in range(rounds)), key=lambda each: sum(each[0].values()))
    seconds, n_files, n_windows = runs[len(runs) // 2]
    whole_s = sum(seconds.values())
    click.echo(
        f"| {n_files:,} files, {n_windows:,} windows; middle of {rounds} |"
        " processor s | ms a file | share |\n|---|---|---|---|"
    )
    for line in LINES:
        click.echo(_row(line, seconds.pop(line, 0.0), n_files, whole_s))
    assert not seconds, f"stages without a line: {', '.join(seconds)}"
    click.echo(_row("**the whole**", whole_s, n_files, whole_s))


def _run(sounds: Path) -> tuple[dict[str, float], int, int]:
    """Seconds by stage of one run, and how many files and windows it heard."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        told = place / "told.json"
        command = [sys.executable, "-m", "benchmarks.index_stages", str(told)]
        done = subprocess.run(
            [*command, "index", str(sounds), "--json", "--quiet", "--device", "cpu"],
            env=environment(place / "data"),
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
    return seconds, report["files"], report["windows_encoded"]


def _row(name: str, seconds: float, n_files: int, whole_s: float) -> str:
    a_file = 1e3 * seconds / max(n_files, 1)
    return f"| {name} | {seconds:.2f} | {a_file:.2f} | {seconds / whole_s:.1%} |"


if __name__ == "__main__":
    main()
