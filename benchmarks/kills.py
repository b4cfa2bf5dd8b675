"""Kill `audiosearch index` at random moments; after each, the library must be sound.

    python -m benchmarks.kills ~/sounds --kills 20 --seed 1

After every kill `audiosearch verify` checks all invariants; the run then goes on in the same
library until it is killed again. At the end a whole run completes it, and one more must encode
nothing. Exit status 1 if anything is amiss.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from pathlib import Path

import click

from benchmarks.child import run, start


@click.command()
@click.argument("sounds", type=click.Path(exists=True, file_okay=False))
@click.option("--kills", default=20, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--latest-s", default=8.0, show_default=True, help="Latest moment of a kill.")
def main(sounds: str, kills: int, seed: int, latest_s: float) -> None:
    """Kill, verify, go on; print a row for each kill."""
    dice = random.Random(seed)  # noqa: S311  # a moment, not a secret
    amiss = 0
    with tempfile.TemporaryDirectory() as place:
        data_dir = Path(place)
        for number in range(1, kills + 1):
            moment_s = dice.uniform(0.3, latest_s)
            killed = _kill(sounds, data_dir, moment_s)
            verified = run("verify", data_dir=data_dir)
            amiss += verified.status != 0
            windows = _windows(data_dir)
            word = "sound" if verified.status == 0 else f"AMISS {verified.out}{verified.err}"
            what = "killed" if killed else "ended before"
            click.echo(f"{number:3d}  {what} at {moment_s:5.2f} s  {windows:6d} windows  {word}")
        whole = json.loads(run("index", sounds, "--json", "--quiet", data_dir=data_dir).out)
        again = json.loads(run("index", sounds, "--json", "--quiet", data_dir=data_dir).out)
        verified = run("verify", data_dir=data_dir)
        amiss += verified.status != 0 or again["windows_encoded"] != 0
        total = _windows(data_dir)
    click.echo(f"then: {whole['windows_encoded']} windows more, {total} in all;")
    click.echo(f"once more: {again['windows_encoded']} encoded; {amiss} checks failed")
    sys.exit(1 if amiss else 0)


def _kill(sounds: str, data_dir: Path, moment_s: float) -> bool:
    process = start("index", sounds, "--quiet", data_dir=data_dir)
    time.sleep(moment_s)
    alive = process.poll() is None
    process.kill()
    process.communicate()
    return alive


def _windows(data_dir: Path) -> int:
    status = run("status", "--json", data_dir=data_dir)
    return sum(bundle["windows"] for bundle in json.loads(status.out)["bundles"])


if __name__ == "__main__":
    main()
