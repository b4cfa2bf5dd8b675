"""Index a folder from nothing, then again: seconds by stage, real-time factor, peak memory.

python -m benchmarks.indexing ~/sounds
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click

from benchmarks.child import Run, run


@click.command()
@click.argument("sounds", type=click.Path(exists=True, file_okay=False))
@click.option("--keep", type=click.Path(path_type=Path), help="Keep the library in this folder.")
def main(sounds: str, keep: Path | None) -> None:
    """Measure `audiosearch index SOUNDS`, first and second run."""
    with tempfile.TemporaryDirectory() as place:
        data_dir = keep or Path(place)
        first = run("index", sounds, "--json", "--quiet", data_dir=data_dir)
        again = run("index", sounds, "--json", "--quiet", data_dir=data_dir)
    for name, measured in (("first", first), ("second", again)):
        if measured.status != 0:
            raise click.ClickException(f"{name} run failed: {measured.err}")
        _print(name, measured)


def _print(name: str, measured: Run) -> None:
    report = json.loads(measured.out)
    sound_s = report["sound_s"]
    click.echo(f"{name} run")
    click.echo(f"  files                {report['files']:9d}  ({report['failed']} failed)")
    click.echo(f"  windows encoded      {report['windows_encoded']:9d}")
    click.echo(f"  sound                {sound_s / 3600:9.2f} h")
    click.echo(f"  wall, whole process  {measured.wall_s:9.2f} s")
    for stage, seconds in report["stages_s"].items():
        click.echo(f"    {stage:<18} {seconds:9.2f} s")
    click.echo(f"  times real time      {sound_s / measured.wall_s:9.0f}")
    click.echo(f"  peak memory          {measured.peak_mb:9.0f} MB (main process)")


if __name__ == "__main__":
    main()
