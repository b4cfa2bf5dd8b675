"""How fast large libraries answer: 100,000 and 1,000,000 windows, generated, in one table.

    python -m benchmarks.search_speed --windows 100000
    python -m benchmarks.search_speed --windows 1000000 --keep /tmp/million
    python -m benchmarks.search_speed --keep /tmp/million --part warm --part cold

Warm: the same process again and again, step by step; then with filters. Beside the daemon:
`python -m audiosearch.server` asked over its socket, and the whole command. Cold: the whole
command without it. Then queries while a run of `index` takes in new sounds. Wall times depend on
what else the machine does; processor times hardly do. See `generated_library` for what is made up.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import ClassVar

import click
import numpy as np

from audiosearch._typing import Ints
from audiosearch.config import Config, ModelConfig
from audiosearch.library import Library, open_library
from audiosearch.model.scoring import CaptionScorer
from audiosearch.search.candidates import likely_windows
from audiosearch.search.filters import Filters
from audiosearch.search.query import ParsedQuery, parse_query
from audiosearch.search.rerank import rerank
from audiosearch.search.results import SoundQuery, TextQuery
from audiosearch.search.snapshot import SnapshotCache, open_snapshot
from audiosearch.server.query_client import open_client
from benchmarks.child import environment, run, start
from benchmarks.generated_library import Maker, sentences
from tests.sounds import noise, write_audio

PARTS = ("warm", "filters", "daemon", "cold", "indexing")
FRAMES_UP_TO = 200_000  # windows; of larger libraries a tenth have frames, and all candidates


@click.command()
@click.option("--windows", default=100_000, show_default=True)
@click.option("--rounds", default=5, show_default=True, help="How often each query is asked.")
@click.option("--queries", default=12, show_default=True)
@click.option("--keep", type=click.Path(path_type=Path), help="Keep the library here, or use it.")
@click.option("--sounds", default=60, show_default=True, help="Files indexed while queries run.")
@click.option("--part", "parts", type=click.Choice(PARTS), multiple=True, help="Only these parts.")
@click.option("--json", "told", type=click.Path(path_type=Path), help="Write the lines here too.")
def main(
    windows: int,
    rounds: int,
    queries: int,
    keep: Path | None,
    sounds: int,
    parts: tuple[str, ...],
    told: Path | None,
) -> None:
    """Make a library and measure searching in it."""
    with tempfile.TemporaryDirectory() as place:
        data_dir = keep or Path(place) / "data"
        config = Config(
            data_dir=data_dir, config_file=data_dir / "none", model=ModelConfig(device="cpu")
        )
        texts = [text for text in sentences(queries * 40, seed=9) if " " in text][::40]
        _make(config, windows, texts, filtered=not parts or "filters" in parts)
        row("", "p50 ms", "p95 ms", "processor ms", "memory MB")
        steps: dict[str, Callable[[], None]] = {
            "warm": lambda: _warm(config, texts, rounds),
            "filters": lambda: _filtered(config, texts, rounds),
            "daemon": lambda: _at_once(config, texts, rounds),
            "cold": lambda: _cold(config, texts),
            "indexing": lambda: _while_indexing(config, texts, Path(place) / "sounds", sounds),
        }
        for name in PARTS:
            if name in (parts or PARTS):
                steps[name]()
        if told is not None:
            told.write_text(json.dumps(Times.shown, indent=1), encoding="utf-8")


def row(name: str, *cells: str) -> None:
    """One line of the table."""
    click.echo(f"{name:<44}" + "".join(f"{cell:>14}" for cell in cells))


class Times:
    """Seconds of one thing, measured many times, and the processor's share."""

    shown: ClassVar[dict[str, dict[str, float]]] = {}  # by what they are of; parts below a whole

    def __init__(self) -> None:
        self.wall_s: list[float] = []
        self.processor_s: list[float] = []

    def show(self, name: str, *, memory_mb: float | None = None) -> None:
        """Print p50 and p95."""
        wall = np.percentile(self.wall_s, [50, 95]) * 1e3
        processor = f"{np.median(self.processor_s) * 1e3:.1f}" if self.processor_s else "-"
        memory = "-" if memory_mb is None else f"{memory_mb:.0f}"
        row(name, f"{wall[0]:.1f}", f"{wall[1]:.1f}", processor, memory)
        if name.startswith(" "):
            whole = next(each for each in reversed(self.shown) if ": " not in each)
            name = f"{whole}: {name.strip().partition(':')[0]}"
        found = {"p50_ms": float(wall[0]), "p95_ms": float(wall[1])}
        if self.processor_s:
            found["processor_ms"] = float(np.median(self.processor_s)) * 1e3
        if memory_mb is not None:
            found["memory_mb"] = memory_mb
        self.shown[name] = found

    def measure(self, work: Callable[[], object]) -> None:
        """Do it, and write down how long it took."""
        wall_s, processor_s = time.perf_counter(), time.process_time()
        work()
        self.wall_s.append(time.perf_counter() - wall_s)
        self.processor_s.append(time.process_time() - processor_s)


def _make(config: Config, windows: int, texts: Sequence[str], *, filtered: bool = True) -> None:
    """See that there is a library, with frames for all that the decoder will be asked about."""
    maker = Maker(config)
    if config.database.exists():
        click.echo(f"using the library in {config.data_dir}")
    else:
        share = 1.0 if windows <= FRAMES_UP_TO else 0.1
        made = maker.make(windows, frames=share)
        click.echo(
            f"made in {made.seconds:.0f} s: {made.n_windows} windows of {made.n_recordings}"
            f" recordings, {made.n_captions} captions, frames for {made.n_frames} windows"
        )
    wanted: set[int] = set()
    for limit in {config.search.candidates} | ({100} if filtered else set()):
        settings = replace(config, search=replace(config.search, candidates=limit))
        with open_library(settings) as library:
            wanted.update(_candidates(library, texts, filtered=filtered))
    maker.add_frames(sorted(wanted))
    click.echo(f"{len(wanted)} candidates; {config.database.stat().st_size / 1e9:.1f} GB")


def _candidates(library: Library, texts: Sequence[str], *, filtered: bool) -> list[int]:
    """All windows that the decoder will be asked about."""
    found: set[int] = set()
    for filters in _filters().values() if filtered else (Filters(),):
        steps = Steps(library, filters)
        for text in texts:
            found.update(steps.choose(text).tolist())
    return sorted(found)


def _filters() -> dict[str, Filters]:
    return {
        "no filter": Filters(),
        "--in a folder of 1/500": Filters(folders=(Path("/generated/007"),)),
        "--min-duration 20": Filters(min_duration_s=20.0),
    }


def _warm(config: Config, texts: Sequence[str], rounds: int) -> None:
    with open_library(config) as library:
        _ask_similar(library, rounds)
        limit = config.search.candidates
        _ask_warm(library, texts, rounds, Filters(), f"warm, {limit} candidates")


def _filtered(config: Config, texts: Sequence[str], rounds: int) -> None:
    settings = replace(config, search=replace(config.search, candidates=100))
    with open_library(settings) as library:
        for name, filters in _filters().items():
            _ask_warm(library, texts, rounds, filters, f"warm, 100 candidates, {name}")


def _ask_warm(
    library: Library, texts: Sequence[str], rounds: int, filters: Filters, name: str
) -> None:
    whole, first, second = Times(), Times(), Times()
    steps = Steps(library, filters)
    for number in range(rounds + 1):
        if number == 1:  # the first round reads from the disk
            whole, first, second = Times(), Times(), Times()
        for text in texts:
            query = TextQuery(text=text, min_score=0.0, filters=filters)
            first.measure(lambda text=text: steps.choose(text))  # type: ignore[misc]
            second.measure(steps.rerank)
            whole.measure(lambda query=query: library.engine.find(query))  # type: ignore[misc]
    whole.show(name, memory_mb=_memory_mb(os.getpid()))
    first.show("  candidates: words, filters, vectors, text")
    second.show("  rerank: frames, decoder")


class Steps:
    """The two steps of a query, one at a time, as the engine takes them."""

    def __init__(self, library: Library, filters: Filters) -> None:
        self._library, self._filters = library, filters
        self._model = library.answering
        self._scorer = CaptionScorer(self._model.decoder)
        self._cache = SnapshotCache(
            bundle=self._model.bundle, cache_dir=library.database.vectors_dir
        )
        self._chosen: Ints = np.zeros(0, np.int64)
        self._query: ParsedQuery | None = None

    def choose(self, text: str) -> Ints:
        """The first step."""
        self._query = parse_query(text, scorer=self._scorer, tower=self._model.tower)
        with self._library.database.asking() as session:
            snapshot = open_snapshot(
                session, self._filters, bundle=self._model.bundle, cache=self._cache
            )
            assert snapshot is not None
            limit = self._library.config.search.candidates
            self._chosen = likely_windows(snapshot, self._query, limit=limit)
        return self._chosen

    def rerank(self) -> None:
        """The second step, for what the first one chose."""
        assert self._query is not None
        with self._library.database.asking() as session:
            rerank(session, np.sort(self._chosen), tokens=self._query.tokens, scorer=self._scorer)


def _ask_similar(library: Library, rounds: int) -> None:
    dice, times = np.random.default_rng(1), Times()
    for number in range(4 + 4 * rounds):
        sound = dice.normal(size=(3, library.bundle.embedding_dim)).astype(np.float32)
        query = SoundQuery(embeddings=sound)
        times.measure(lambda query=query: library.engine.similar(query))  # type: ignore[misc]
        if number < 4:  # the matrix comes off the disk
            times = Times()
    times.show("warm, similar, a sound of 3 windows", memory_mb=_memory_mb(os.getpid()))


@contextmanager
def _server(config: Config) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "audiosearch.server"],
        env=environment(config.data_dir) | {"AUDIOSEARCH_MODEL_DEVICE": "cpu"},
        stderr=subprocess.DEVNULL,
    )
    try:
        while not (config.data_dir / "answers" / "address.json").exists():
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait()


def _ask(config: Config, text: str) -> None:
    with open_client(config) as answering:
        answering.find(TextQuery(text=text, min_score=0.0))
        if "by the daemon" not in answering.who:
            raise click.ClickException(answering.who)


def _at_once(config: Config, texts: Sequence[str], rounds: int) -> None:
    with _server(config) as process:
        first, times, whole = Times(), Times(), Times()
        first.measure(lambda: _ask(config, texts[0]))
        first.show("daemon, first question (loads the model)")
        for _ in range(rounds):
            for text in texts:
                times.measure(lambda text=text: _ask(config, text))  # type: ignore[misc]
        times.processor_s = []  # that of the asking side says nothing
        times.show("daemon, 200 candidates", memory_mb=_memory_mb(process.pid))
        peak = 0.0
        for text in texts:
            done = run("find", text, "--device", "cpu", "-v", data_dir=config.data_dir)
            if "by the daemon" not in done.err:
                raise click.ClickException(done.err)
            whole.wall_s.append(done.wall_s)
            peak = max(peak, done.peak_mb)
        whole.show("  the whole command `find`", memory_mb=peak)


def _cold(config: Config, texts: Sequence[str]) -> None:
    times, peak = Times(), 0.0
    for text in texts[:8]:
        done = run("find", text, "--device", "cpu", data_dir=config.data_dir)
        if done.status > 1:
            raise click.ClickException(done.err)
        times.wall_s.append(done.wall_s)
        times.processor_s.append(done.processor_s)
        peak = max(peak, done.peak_mb)
    times.show("cold, the whole command `find`", memory_mb=peak)


def _while_indexing(config: Config, texts: Sequence[str], folder: Path, n_sounds: int) -> None:
    """Ask the daemon while new sounds are taken in."""
    folder.mkdir(parents=True)
    for number in range(n_sounds):
        write_audio(folder / f"{number}.wav", noise(seconds=20.0, rate=16_000, seed=number))
    with _server(config):
        _ask(config, texts[0])
        arguments = ("index", str(folder), "--quiet", "--device", "cpu")
        indexing, times = start(*arguments, data_dir=config.data_dir), Times()
        for text in cycle(texts):
            if indexing.poll() is not None:
                break
            times.measure(lambda text=text: _ask(config, text))  # type: ignore[misc]
        _, err = indexing.communicate()
    if indexing.returncode:
        raise click.ClickException(err)
    times.processor_s = []
    times.show(f"daemon, while index runs ({len(times.wall_s)} questions)")
    shutil.rmtree(folder)


def _memory_mb(pid: int) -> float:
    """Resident memory now (Linux), pages shared with the cache of the disk left out."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return float("nan")


if __name__ == "__main__":
    main()
