"""What a cluster costs and gains: the plain command beside one worker of Ray, and one beside two.

    python -m benchmarks.cluster --files 240 --rounds 3

Makes sounds, and a Ray of one-processor nodes on this machine. In turns, so that a busy machine
disturbs all alike, it indexes them with the plain command (one decoding process, one thread of the
model), by one worker and by two. Told of are files an hour, by the clock, and processor seconds of
all processes together, which other programs hardly change. What starting takes is told apart: each
way is run over few files and over many, and the difference is what the files took. So is what Ray
takes while nothing is done, which a busy machine stretches: of a node's time it is the share that
is measured before. Linux.
"""

from __future__ import annotations

import json
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np

from audiosearch._resources import bundled_models_path
from audiosearch.audio.windows import Window
from audiosearch.indexing.types import CaptionedWindow, DecodedWindow, HeardBatch
from audiosearch.model.loaded import Model
from audiosearch.model.runtime.session import RuntimeOptions
from audiosearch.store.queries.pending import PendingFile
from benchmarks.child import environment
from tests.ray_nodes import RayNodes, children, ray_nodes
from tests.sounds import noise, tones, write_audio

ONE_CORE = {
    "AUDIOSEARCH_INDEX_WORKERS": "1",
    "AUDIOSEARCH_MODEL_THREADS": "1",
    "AUDIOSEARCH_MODEL_DEVICE": "cpu",
    "OMP_NUM_THREADS": "1",
}
LENGTH_S = 20.0  # of a sound: three windows
FEW = 4  # the smaller of two runs is over so many times fewer files
IDLE_S = 10.0  # in which a Ray that does nothing is watched
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """What a run took."""

    wall_s: float
    cpu_s: float

    def without_idle(self, share: float) -> Cost:
        """The same less what Ray takes anyway."""
        return Cost(self.wall_s, self.cpu_s - share * self.wall_s)

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.wall_s - other.wall_s, self.cpu_s - other.cpu_s)


class ProcessorTime:
    """Adds up what processes below some take while it is open; the last moment of each is lost."""

    def __init__(self, parents: list[int]) -> None:
        self._parents = parents
        self._first: dict[int, float] = {}
        self._last: dict[int, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> ProcessorTime:
        for pid, seconds in self._look().items():
            self._first[pid] = seconds
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()
        self._last.update(self._look())

    @property
    def seconds(self) -> float:
        """Processor seconds since it was opened."""
        return sum(self._last.values()) - sum(self._first.values())

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            self._last.update(self._look())

    def _look(self) -> dict[int, float]:
        found = {}
        for parent in self._parents:
            for pid in [parent, *children(parent)]:
                try:
                    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                found[pid] = (int(stat[11]) + int(stat[12])) * TICK_S
        return found


def run(sounds: Path, cluster: RayNodes | None) -> Cost:
    """Index sounds into a new library, by the plain command or on a cluster."""
    with tempfile.TemporaryDirectory() as data_dir:
        told = environment(Path(data_dir)) | ONE_CORE
        command = [sys.executable, "-m", "audiosearch", "index", str(sounds), "--json", "--quiet"]
        parents: list[int] = []
        if cluster is not None:
            told |= {key: cluster.environment[key] for key in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN")}
            command = [*cluster.networks[0].before, *command, "--on", f"ray://{cluster.address}"]
            parents = [node.process.pid for node in cluster.nodes]
        process = subprocess.Popen(command, env=told, stdout=subprocess.PIPE)
        with ProcessorTime([*parents, process.pid]) as taken:
            out, _ = process.communicate()
    if process.returncode != 0:
        raise click.ClickException(f"status {process.returncode}")
    report = json.loads(out)
    return Cost(report["wall_s"], taken.seconds)


def sent_bytes() -> float:
    """What a worker sends of a window, with the bundled model."""
    options = RuntimeOptions(device="cpu", threads=1)
    model = Model.open(bundled_models_path() / "starter", options=options)
    seconds = model.bundle.window_s
    samples = noise(seconds=seconds, rate=model.bundle.sample_rate).astype(np.float32)
    [sound] = model.encoder.encode_many([samples])
    window = DecodedWindow(
        PendingFile(1, 1, b"/mnt/archive", b"one/sound.wav", None),
        Window(0, 0.0, seconds, 0, samples[:0], silent=False),
    )
    sent = HeardBatch([window], [CaptionedWindow(window, replace(sound, tags=None), None)], {})
    return float(len(pickle.dumps(sent)))


def idle_share(cluster: RayNodes) -> float:
    """What of one processor a Ray takes that does nothing."""
    with ProcessorTime([node.process.pid for node in cluster.nodes]) as taken:
        time.sleep(IDLE_S)
    return taken.seconds / IDLE_S


def make_sounds(folder: Path, n_files: int) -> Path:
    """Sounds, each unlike the others."""
    for number in range(n_files):
        pitches = [200 + 37 * number, 900 + 11 * number]
        sound = tones(pitches, seconds=LENGTH_S / 2) + noise(seconds=LENGTH_S, seed=number)
        folder.mkdir(parents=True, exist_ok=True)
        write_audio(folder / f"{number}.wav", sound)
    return folder


@click.command()
@click.option("--files", default=240, show_default=True, help="In the larger of both runs.")
@click.option("--rounds", default=3, show_default=True)
def main(files: int, rounds: int) -> None:
    """Measure, and print a table."""
    with (
        tempfile.TemporaryDirectory() as place,
        ray_nodes(n_nodes=1) as one,
        ray_nodes(n_nodes=2) as two,
    ):
        many = make_sounds(Path(place) / "many", files)
        few = make_sounds(Path(place) / "few", files // FEW)
        ways = {"plain command": None, "1 worker of Ray": one, "2 workers of Ray": two}
        small: dict[str, list[Cost]] = {way: [] for way in ways}
        large: dict[str, list[Cost]] = {way: [] for way in ways}
        idle = {way: idle_share(ray) if ray else 0.0 for way, ray in ways.items()}
        for number in range(rounds):
            for way, cluster in ways.items():
                small[way].append(run(few, cluster).without_idle(idle[way]))
                large[way].append(run(many, cluster).without_idle(idle[way]))
                click.echo(f"{way}: {small[way][-1]}, {large[way][-1]}", err=True)
            click.echo(f"round {number + 1} of {rounds}; load {os.getloadavg()[0]:.1f}", err=True)
    n_between = files - files // FEW
    click.echo(
        f"{files} files of {LENGTH_S:g} s, medians of {rounds} rounds, {os.cpu_count()} cores"
    )
    titles = ("files an hour", "CPU s a file", "start, s", "start, CPU s")
    click.echo(" " * 18 + "".join(f"{title:>14}" for title in titles))
    each: dict[str, list[Cost]] = {}
    for way in ways:
        pairs = list(zip(large[way], small[way], strict=True))
        each[way] = [big - little for big, little in pairs]
        wall_s = statistics.median(cost.wall_s for cost in each[way]) / n_between
        cpu_s = statistics.median(cost.cpu_s for cost in each[way]) / n_between
        starts = [
            Cost(
                little.wall_s - (files // FEW) * rest.wall_s / n_between,
                little.cpu_s - (files // FEW) * rest.cpu_s / n_between,
            )
            for (_, little), rest in zip(pairs, each[way], strict=True)
        ]
        start_s = statistics.median(cost.wall_s for cost in starts)
        start_cpu_s = statistics.median(cost.cpu_s for cost in starts)
        click.echo(
            f"{way:18}{3600 / wall_s:>14.0f}{cpu_s:>14.3f}{start_s:>14.1f}{start_cpu_s:>14.1f}"
        )
    click.echo(f"a window is {sent_bytes():.0f} bytes from worker to driver")
    plain, ours, both = (each[way] for way in ways)
    # Of a machine that does nothing else: what Ray takes anyway comes on top of a second's work.
    own = 1 + idle["1 worker of Ray"]
    lost = [1 - a.cpu_s / (b.cpu_s * own) for a, b in zip(plain, ours, strict=True)]
    click.echo(f"a Ray of one node that does nothing takes {own - 1:.1%} of a processor")
    gained = [a.wall_s / b.wall_s for a, b in zip(ours, both, strict=True)]
    click.echo(
        f"lost to the engine, of processor time, pair by pair: {statistics.median(lost):.1%}"
        f" ({', '.join(f'{share:.1%}' for share in sorted(lost))})"
    )
    click.echo(
        f"2 workers against 1, by the clock: {statistics.median(gained):.2f} times as many files"
        f" ({', '.join(f'{ratio:.2f}' for ratio in sorted(gained))})"
    )


if __name__ == "__main__":
    main()
