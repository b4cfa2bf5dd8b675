"""Index thousands of damaged sound files through the real decoding processes; count what happens.

    python -m benchmarks.fuzz --files 10000 --seed 1

Seeded, structure-aware damage to tiny files of every format (`tests/mutations.py`), with sound
ones among them, goes in batches through the whole of `index` with a toy bundle. This process must
live; each file must end up indexed or failed with a reason; every sound file must be indexed; the
library must be sound; a second run must read nothing again. Told are the ends of files by format,
how many decoding processes died, how long a file took at most and what memory its decoder took.
Exit status 1 if anything is amiss. SIGINT or SIGTERM ends it after the library in hand, and the
table tells of what was done by then. POSIX only.
"""

from __future__ import annotations

import functools
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import click
from sqlalchemy import text

from audiosearch._typing import Floats
from audiosearch.audio.sandbox.client import OpenedFile, Worker, WorkerLimits
from audiosearch.audio.types import AudioFacts
from audiosearch.config import IndexConfig
from audiosearch.indexing.pipeline import index
from audiosearch.indexing.types import IndexReport, Models, NoProgress
from audiosearch.model.bundle import load_bundle
from audiosearch.model.captioner import Captioner
from audiosearch.model.loaded import Model
from audiosearch.model.runtime.session import RuntimeOptions
from audiosearch.store.database import Database, open_database
from audiosearch.store.integrity.verify import verify
from audiosearch.store.queries import roots
from audiosearch.store.queries.places import RootPath
from benchmarks.told import told_to_stop
from tests.mutations import Seed, mutated, seeds
from tests.sounds import LOSSLESS, LOSSY, RATES, noise, write_audio
from tests.toy_bundles import TOY

BATCH = 100  # files of one library
_SOUND_ONE_IN = 25  # files are undamaged
LIMITS = WorkerLimits(memory_bytes=1 << 30, stall_s=10.0)


@dataclass
class Tally:
    """What became of the files."""

    n_damaged: int = 0
    n_sound: int = 0
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)  # (suffix, code) -> files
    n_deaths: int = 0
    slowest_s: float = 0.0
    slowest: str = ""
    peak_bytes: int = 0
    amiss: list[str] = field(default_factory=list)


class WatchedWorker(AbstractContextManager["WatchedWorker"]):
    """A decoding process whose time and memory are noted for each file."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._worker = Worker(LIMITS)
        self._name = ""
        self._pid = self._worker.pid
        self._took_s = 0.0

    def open(self, path: bytes, *, sample_rate: int) -> OpenedFile:
        """See `Worker.open`."""
        self._note()
        self._name, self._took_s = os.fsdecode(path), 0.0
        start = time.perf_counter()
        try:
            return self._worker.open(path, sample_rate=sample_rate)
        finally:
            self._took_s += time.perf_counter() - start

    def blocks(self) -> Iterator[Floats]:
        """See `Worker.blocks`; only the time that is waited for the decoder counts."""
        blocks = self._worker.blocks()
        while True:
            start = time.perf_counter()
            try:
                block = next(blocks, None)
            finally:
                self._took_s += time.perf_counter() - start
            if block is None:
                return
            yield block

    def facts(self) -> AudioFacts:
        """See `Worker.facts`."""
        return self._worker.facts()

    def skip(self) -> None:
        """See `Worker.skip`."""
        self._worker.skip()

    def close(self) -> None:
        """See `Worker.close`."""
        self._note()
        self._worker.close()

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _note(self) -> None:
        """Write down what the file before this one took."""
        if self._took_s > self._tally.slowest_s:
            self._tally.slowest_s, self._tally.slowest = self._took_s, self._name
        pid = self._worker.pid
        if pid != self._pid and self._pid is not None:
            self._tally.n_deaths += 1
        self._pid = pid
        if pid is not None:
            self._tally.peak_bytes = max(self._tally.peak_bytes, peak_memory(pid))


def peak_memory(pid: int) -> int:
    """The most resident memory that a living process ever took, in bytes; 0 where unknown."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    found = (line for line in lines if line.startswith("VmHWM:"))
    return next((int(line.split()[1]) << 10 for line in found), 0)


class Fuzz:
    """Batches of damaged files through libraries of their own."""

    def __init__(self, place: Path, *, bundle: Path, seed: int) -> None:
        self.tally = Tally()
        self._place = place
        self._seed = seed
        self._seeds: list[Seed] = seeds(place / "seeds")
        options = RuntimeOptions(device="cpu", threads=1)
        self._model = Model(load_bundle(bundle), options=options)

    def batch(self, first: int, n_files: int) -> None:
        """Make, index and check files `first` to `first + n_files - 1`."""
        with tempfile.TemporaryDirectory(dir=self._place) as name:
            folder = Path(name) / "sounds"
            folder.mkdir()
            healthy = {
                path
                for number in range(first, first + n_files)
                if (path := self._make(folder, number)) is not None
            }
            with open_database(Path(name) / "library.sqlite3") as database:
                self._index(database, folder)
                self._check(database, healthy, n_files=n_files)
                again = self._index(database, folder)
            if again.n_windows or again.n_failed or again.n_recognised:
                self.tally.amiss.append(f"batch {first}: read again what was known: {again}")

    def _make(self, folder: Path, number: int) -> bytes | None:
        """Write the file of a number; returns its name if it is a sound one."""
        if number % _SOUND_ONE_IN == 0:
            suffixes = (*LOSSLESS, *LOSSY)
            suffix = suffixes[number // _SOUND_ONE_IN % len(suffixes)]
            rate = RATES.get(suffix, 16_000)
            path = folder / f"{number:06d}-sound{suffix}"
            write_audio(path, noise(seconds=0.25, rate=rate, seed=number), rate=rate)
            self.tally.n_sound += 1
            return os.fsencode(path.name)
        name, content = mutated(self._seeds, number, seed=self._seed)
        (folder / name).write_bytes(content)
        self.tally.n_damaged += 1
        return None

    def _index(self, database: Database, folder: Path) -> IndexReport:
        with database.session() as session:
            [root] = roots.add_roots(session, [os.fsencode(folder)])
        return index(
            database,
            places=[RootPath(root=root.root, relative=b"")],
            bundle=self._model.bundle,
            load_models=functools.partial(_parts, self._model),
            config=IndexConfig(workers=1),
            progress=NoProgress(),
            open_reader=lambda: WatchedWorker(self.tally),
        )

    def _check(self, database: Database, healthy: set[bytes], *, n_files: int) -> None:
        amiss = [f"{each.invariant}: {each.detail}" for each in verify(database)]
        with database.reading() as session:
            files = session.execute(
                text("SELECT path, state, error_code, error_text FROM sound_file")
            ).all()
        if len(files) != n_files:
            amiss.append(f"{len(files)} files recorded of {n_files}")
        for path, state, code, reason in files:
            name = os.fsdecode(path)
            if state not in ("indexed", "failed") or (state == "failed" and not reason):
                amiss.append(f"{name} is {state} {code} {reason}")
            if path in healthy and state != "indexed":
                amiss.append(f"{name} is sound and {state}: {reason}")
            if path not in healthy:
                self.tally.ends[Path(name).suffix, code or "indexed"] += 1
        self.tally.amiss += amiss


def _parts(model: Model) -> Models:
    assert model.tower is not None
    return Models(
        encoder=model.encoder,
        captioner=Captioner(model.decoder),
        embed_texts=model.tower.embed,
    )


def report(tally: Tally) -> Iterator[str]:
    """A table of the ends by format, and the figures."""
    codes = sorted({code for _, code in tally.ends}, key=lambda code: (code != "indexed", code))
    yield " ".join([f"{'':6}", *(f"{code:>11}" for code in codes)])
    for suffix in sorted({suffix for suffix, _ in tally.ends}):
        yield " ".join([f"{suffix:6}", *(f"{tally.ends[suffix, code]:11}" for code in codes)])
    yield (
        f"{tally.n_damaged} damaged files and {tally.n_sound} sound ones;"
        f" {tally.n_deaths} decoding processes died or were given up;"
        f" slowest file {tally.slowest_s:.1f} s ({Path(tally.slowest).name});"
        f" peak memory of a decoder {tally.peak_bytes / 1e6:.0f} MB;"
        f" {len(tally.amiss)} amiss"
    )
    yield from tally.amiss


@click.command()
@click.option("--files", default=10_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(files: int, seed: int) -> None:
    """Damage, index, count."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as place, told_to_stop() as stop:
        fuzz = Fuzz(Path(place), bundle=TOY, seed=seed)
        done = 0
        while done < files and not stop.is_set():
            fuzz.batch(done, min(BATCH, files - done))
            done, took_s = min(done + BATCH, files), time.monotonic() - start
            deaths, amiss = fuzz.tally.n_deaths, len(fuzz.tally.amiss)
            click.echo(f"{done} files, {took_s:.0f} s, {deaths} deaths, {amiss} amiss", err=True)
    click.echo(f"seed {seed}, {time.monotonic() - start:.0f} s")
    for line in report(fuzz.tally):
        click.echo(line)
    sys.exit(1 if fuzz.tally.amiss else 0)


if __name__ == "__main__":
    main()
