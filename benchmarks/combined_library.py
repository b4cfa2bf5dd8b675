"""`index` and `find` with a combined bundle: a CLAP of published size and the bundled captioner.

The CLAP (HTS-AT and RoBERTa as in clap-htsat-unfused, 153 million weights) has random weights: what
it takes is measured, not what it finds. Times of this process' children, by the clock and of the
processor, and the peak memory of the command's own process.

python -m benchmarks.combined_library ~/sounds [--work FOLDER]
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
import torch

from audiosearch.convert.importer import import_published
from audiosearch.training.networks.clap import ClapAudio, ClapText
from audiosearch.training.networks.frontend import FrontendConfig, LogMel
from audiosearch.training.networks.htsat import HtsatConfig
from audiosearch.training.networks.roberta import RobertaConfig
from benchmarks.child import Run, environment, run
from tests.published_joint import SAMPLES, write_clap_folder

FRONTEND = FrontendConfig(
    sample_rate=48_000, n_fft=1024, window=1024, hop=480, mels=64, low_hz=50.0, high_hz=14_000.0
)
QUERIES = ("a dog barks after a man speaks", "rain falls", "a door creaks open and then shuts")
ROUNDS = 5
WARM = """
import json, sys, time
import audiosearch
taken = []
with audiosearch.open() as library:
    for query in json.loads(sys.argv[1]) * (1 + int(sys.argv[2])):
        began, cpu = time.perf_counter(), time.process_time()
        library.find(query)
        taken.append((time.perf_counter() - began, time.process_time() - cpu))
[peak] = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(json.dumps((taken, int(peak))))
"""


@click.command()
@click.argument("sounds", type=click.Path(exists=True, file_okay=False))
@click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    help="A data folder to keep; one that is filled saves indexing.",
)
def main(sounds: str, work: Path | None) -> None:
    """Measure a library of SOUNDS that is heard by a combined bundle."""
    with tempfile.TemporaryDirectory() as place:
        data_dir = work or Path(place)
        if not (data_dir / "models" / "top").is_dir():
            _make_bundles(data_dir)
        indexed = _ran("index", sounds, "--json", "--quiet", data_dir=data_dir)
        report = json.loads(indexed.out)
        click.echo(
            f"index: {report['files']} files, {report['windows_encoded']} windows,"
            f" {report['sound_s'] / 3600:.2f} h of sound"
        )
        _print("  whole command", [indexed])
        for stage, seconds in report["stages_s"].items():
            click.echo(f"    {stage:<18} {seconds:9.2f} s")
        size = sum(file.stat().st_size for file in data_dir.glob("library.sqlite3*"))
        click.echo(f"  database {size / 1e6:.1f} MB")
        for options in ((), ("--exhaustive",)):
            runs = [
                _ran("find", query, "--json", *options, data_dir=data_dir)
                for _ in range(ROUNDS)
                for query in QUERIES
            ]
            _print(" ".join(("cold find", *options)), runs)
        _print_warm(data_dir)


def _make_bundles(data_dir: Path) -> None:
    torch.manual_seed(0)
    sound = ClapAudio(HtsatConfig(), joint_dim=512, samples=SAMPLES, log_mel=LogMel(FRONTEND))
    sound.encoder.batch_norm.running_mean.fill_(-40.0)  # type: ignore[union-attr]
    sound.encoder.batch_norm.running_var.fill_(400.0)  # type: ignore[union-attr]
    text = ClapText(RobertaConfig(), joint_dim=512)
    with tempfile.TemporaryDirectory() as place:
        folder = write_clap_folder(Path(place), networks=(sound.eval(), text.eval()))
        import_published([folder], name="clap", folder=data_dir / "models")
    for arguments in (
        ("combine", "--joint", "clap", "--captioner", "starter", "--name", "top"),
        ("use", "top"),
    ):
        _ran("models", *arguments, data_dir=data_dir)


def _ran(*arguments: str, data_dir: Path) -> Run:
    done = run(*arguments, data_dir=data_dir)
    if done.status not in (0, 1):  # 1: nothing was found
        raise click.ClickException(f"{' '.join(arguments)}: {done.err}")
    return done


def _print(what: str, runs: Sequence[Run]) -> None:
    wall, processor = (
        statistics.median(getattr(each, name) for each in runs)
        for name in ("wall_s", "processor_s")
    )
    peak = max(each.peak_mb for each in runs)
    click.echo(f"{what}: {wall:.2f} s, {processor:.2f} s of the processor, {peak:.0f} MB at most")


def _print_warm(data_dir: Path) -> None:
    """Questions to a library that stays open, in a process of its own."""
    command = [sys.executable, "-c", WARM, json.dumps(QUERIES), str(ROUNDS)]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=environment(data_dir)
    )
    taken, peak_kb = json.loads(done.stdout)
    wall, processor = (statistics.median(each) for each in zip(*taken[len(QUERIES) :], strict=True))
    click.echo(f"first find in a process: {taken[0][0]:.2f} s")
    click.echo(
        f"warm find: {wall:.3f} s, {processor:.3f} s of the processor, {peak_kb / 1024:.0f} MB"
    )


if __name__ == "__main__":
    main()
