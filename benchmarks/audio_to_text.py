"""How long `describe` takes in libraries of few and of very many captions.

Makes a library of generated sounds, gives it captions put together from words that the model knows,
and describes sounds of it, so that nothing is decoded. Medians over sounds, in milliseconds:

- `candidates`: the step that looks at all captions, in a process that has asked before;
- `cold scales`: `describe` when no caption that it tries has a scale yet;
- `warm scales`: the same in a new process once the library has their scales, models already loaded;
- `again`: the same in the same process;
- `command`: the real command from start to end, with scales.

What grows with the number of captions should be the candidate step, and in a new process the
loading of the captions' places; nothing else. On a machine that has other work, `--processor-time`
counts what one thread of this process works, not how long it waits; `command` is left out then.

python -m benchmarks.audio_to_text [--captions 100,10000,100000] [--keep FOLDER]
"""

from __future__ import annotations

import itertools
import shutil
import statistics
import tempfile
import time
import wave
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from sqlalchemy import delete

from audiosearch.audio.clip import parse_clip
from audiosearch.config import Config, load_config
from audiosearch.library import Library, open_library
from audiosearch.library.captions import NewCaption, add
from audiosearch.library.clips import hear
from audiosearch.model.loaded import Model
from audiosearch.search.audio_to_text import caption_candidates
from audiosearch.search.describe import TRIED
from audiosearch.search.filters import Filters
from audiosearch.search.snapshot import SnapshotCache, open_snapshot
from audiosearch.store.schema import CaptionScale, CaptionSource
from audiosearch.training.synth import synthesis
from benchmarks.child import run

N_SOUNDS = 150  # windows, more than a scale is taken over
KINDS = (
    *(synthesis.rain, synthesis.wind, synthesis.siren, synthesis.clock, synthesis.bell),
    *(synthesis.engine, synthesis.beeps, synthesis.hiss, synthesis.birds, synthesis.phone),
)
THINGS = (
    *("dog", "cat", "bird", "bell", "clock", "siren", "train", "horse", "door", "car", "baby"),
    *("man", "woman", "crowd", "cow", "hen", "frog", "saw", "engine", "phone", "drill", "wolf"),
)
PLACES = ("in the rain", "in the wind", "in the distance", "nearby", "in a room", "outside")
CONNECTED = ("before", "after", "and then", "while", "followed by", "and")


def sentences(n: int) -> Iterator[str]:
    """`n` different captions, drawn from all that can be put together."""
    every = itertools.product(THINGS, PLACES, CONNECTED, THINGS, PLACES)
    made = [f"a {a} {p} {c} a {b} {q}" for a, p, c, b, q in every]
    yield from (made[i] for i in np.random.default_rng(0).permutation(len(made))[:n].tolist())


def write_sounds(folder: Path) -> list[Path]:
    """Short generated sounds of several kinds."""
    folder.mkdir(parents=True)
    paths = []
    for number in range(N_SOUNDS):
        rng = np.random.default_rng(number)
        sound = KINDS[number % len(KINDS)](rng)[: 5 * synthesis.RATE]
        samples = (sound / np.abs(sound).max() * 16_000).astype("<i2")
        path = folder / f"{number:03d}.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(synthesis.RATE)
            file.writeframes(samples.tobytes())
        paths.append(path)
    return paths


def fill(
    config: Config,
    folder: Path,
    n_captions: int,
    model: Model,
    *,
    clock: Callable[[], float],
) -> float:
    """A library of the sounds in `folder` and `n_captions`; seconds that the captions took."""
    with open_library(config, writable=True) as library:
        library.index([folder])
        began = clock()
        add(
            library.database,
            (NewCaption(text) for text in sentences(n_captions)),
            source=CaptionSource.IMPORT,
            bundle=model.bundle,
            tower=model.tower,
        )
        return clock() - began


def forget_scales(config: Config) -> None:
    """As if no caption had ever been a candidate."""
    with open_library(config, writable=True) as library, library.database.session() as session:
        session.execute(delete(CaptionScale))


def describing(library: Library, path: Path) -> Callable[[], object]:
    """Describes a sound of the library."""
    return lambda: list(library.describe(str(path), limit=5)[1])


def listing(library: Library, path: Path) -> Callable[[], object]:
    """Lists the captions worth trying on a sound; called once, so that tables are loaded."""
    model = library.answering
    cache = SnapshotCache(bundle=model.bundle, cache_dir=library.database.vectors_dir)
    [window] = hear(
        parse_clip(str(path)), database=library.database, model=model, config=library.config.index
    )

    def work() -> object:
        with library.database.reading() as session:
            snapshot = open_snapshot(session, Filters(), bundle=model.bundle, cache=cache)
            assert snapshot is not None
            assert window.encoded is not None
            return caption_candidates(snapshot, window.encoded, limit=TRIED)

    work()
    return work


def measure(config: Config, paths: list[Path], *, clock: Callable[[], float]) -> dict[str, float]:
    """Medians over sounds, in milliseconds, by column."""
    found: dict[str, list[float]] = {}

    def note(column: str, work: Callable[[], object]) -> None:
        began = clock()
        work()
        found.setdefault(column, []).append(1000 * (clock() - began))

    for path in paths:
        forget_scales(config)
        for column in ("cold scales", "warm scales"):
            with open_library(config) as library:
                list(library.describe(str(path), limit=0)[1])  # loads the models
                note(column, describing(library, path))
                if column == "warm scales":
                    note("again", describing(library, path))
                    note("candidates", listing(library, path))
        if clock is time.perf_counter:
            found.setdefault("command", []).append(
                1000 * run("describe", str(path), data_dir=config.data_dir).wall_s
            )
    return {column: statistics.median(values) for column, values in found.items()}


@click.command()
@click.option("--captions", default="100,10000,100000", show_default=True)
@click.option("--sounds", "n_sounds", default=5, show_default=True, help="Described for a figure.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keeps the libraries here.")
@click.option("--processor-time", is_flag=True, help="Of one thread, on a busy machine.")
def main(captions: str, n_sounds: int, keep: Path | None, processor_time: bool) -> None:
    """Print the table."""
    clock = time.process_time if processor_time else time.perf_counter
    with tempfile.TemporaryDirectory() as place:
        folder = keep or Path(place)
        if (folder / "sounds").exists():
            shutil.rmtree(folder / "sounds")
        paths = write_sounds(folder / "sounds")
        columns = ["candidates", "cold scales", "warm scales", "again"]
        columns += [] if processor_time else ["command"]
        print(f"milliseconds{' of one thread' if processor_time else ''}, medians over sounds")
        print(f"{'captions':>9} " + " ".join(f"{name:>12}" for name in columns) + "  added in s")
        for n in [int(each) for each in captions.split(",")]:
            base = load_config()
            index = replace(base.index, captions=False)
            threads = 1 if processor_time else base.model.threads
            config = replace(
                base,
                data_dir=folder / f"captions-{n}",
                index=index,
                model=replace(base.model, threads=threads),
            )
            with open_library(config) as library:
                model = library.answering
            took_s = fill(config, folder / "sounds", n, model, clock=clock)
            figures = measure(config, paths[:: N_SOUNDS // n_sounds][:n_sounds], clock=clock)
            cells = " ".join(f"{figures[name]:12.1f}" for name in columns)
            print(f"{n:9d} {cells} {took_s:11.1f}")


if __name__ == "__main__":
    main()
