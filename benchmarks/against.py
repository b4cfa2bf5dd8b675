"""Two checkouts of the program side by side: what each takes for the same work, and what is wanted.

    git worktree add /tmp/before bec9d5f
    python -m benchmarks.against /tmp/before . --short ~/sounds --long ~/recordings
    python -m benchmarks.against /tmp/before . --short ~/sounds --long ~/recordings \\
        --windows 1000000 --only question --only similar --only room

In alternating pairs, both with the bundle of the newer one, so that only the program differs; or,
with `--own-bundles`, each as it came, with the model that it ships (lines that compare parts of the
program alone have the newer one all the same).
Processor time counts (of all processes, user and system), since machines are shared; a ratio is the
median of those of the pairs, with the least and the greatest. Lines on FFmpeg, on torch (by the
clock) and on the peak of the processor have these where others have the older checkout.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audiosearch.model.bundle import load_bundle
from benchmarks.gemm_share import measured_share, peak_flops
from benchmarks.large_lines import BUSY, LARGE, N_SOUNDS
from benchmarks.reading_lines import READ, ffmpeg_s

if TYPE_CHECKING:
    from benchmarks.published_size import PublishedEncoding

_MAIN = "import sys; sys.argv[0] = 'audiosearch'; from audiosearch.cli.main import main; main()"
# Runs a program and tells, at its end, what the processes below it took and how large it was.
_WATCHED = """
import atexit, json, resource, sys
code, place = sys.argv[1], sys.argv[2]
sys.argv[1:] = sys.argv[3:]
def tell():
    own = resource.getrusage(resource.RUSAGE_SELF)
    below = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = {"below_s": below.ru_utime + below.ru_stime, "peak_mb": own.ru_maxrss / 1024}
    with open(place, "w") as file:
        json.dump(took, file)
atexit.register(tell)
exec(code, {"__name__": "__main__"})
"""
_DECODE = """
import json, os, sys, time
os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # as the decoding process has
from audiosearch.audio.decode import Decoding
files = [name.encode() for name in json.load(open(sys.argv[1]))]
began = time.process_time()
for file in files:
    for block in Decoding(file, sample_rate=16000):
        pass
print(json.dumps(time.process_time() - began))
"""
_RERANK = """
import json, sys, time
from pathlib import Path
from sqlalchemy import text
from audiosearch.model.bundle import load_bundle
from audiosearch.model.decoder import Decoder
try:
    from audiosearch.model.runtime.session import RuntimeOptions
except ImportError:  # where it was before
    from audiosearch.model.runtime import RuntimeOptions
from audiosearch.model.scoring import CaptionScorer
from audiosearch.search import rerank as module
from audiosearch.store.database import open_database
import numpy as np
bundle = load_bundle(Path(sys.argv[1]))
rerank = module.rerank if hasattr(module, "rerank") else module.judge  # its name before
scorer = CaptionScorer(Decoder(bundle, options=RuntimeOptions(device="cpu")))
took = []
with open_database(Path(sys.argv[2]) / "library.sqlite3", read_only=True) as database:
    with database.reading() as session:
        rows = session.execute(text("SELECT id FROM window ORDER BY id LIMIT 200"))
        ids = [row[0] for row in rows]
        tokens = scorer.encode("a dog barks and a man speaks")
        for _ in range(6):
            began = time.process_time()
            rerank(session, np.array(ids), tokens=tokens, scorer=scorer)
            took.append(time.process_time() - began)
print(json.dumps(sorted(took[1:])[2] * 200 / len(ids)))
"""
_NEAREST = """
import json, time
import numpy as np
from audiosearch.store.vectors import VectorTable, unit_rows
dice = np.random.default_rng(0)
matrix = unit_rows(dice.standard_normal((200_000, 320), np.float32))
try:
    from audiosearch.store.coarse import coarse_rows
    table = VectorTable(np.arange(len(matrix)), matrix, coarse_rows(matrix))
except ImportError:  # the earlier one
    table = VectorTable(np.arange(len(matrix)), matrix)
took = []
for row in range(6):
    began = time.process_time()
    table.top_k(matrix[row], 200)
    took.append(time.process_time() - began)
print(json.dumps(sorted(took[1:])[2]))
"""

# What a find has loaded before it opens anything.
_IMPORTS = """
import json, time
began = time.process_time()
import audiosearch.cli.main, audiosearch.cli.find, audiosearch.library.answers
import audiosearch.search.engine
import numpy, onnxruntime
print(json.dumps(time.process_time() - began))
"""


@dataclass(frozen=True)
class Took:
    """What a run of a program took, and what it printed."""

    own_s: float
    below_s: float
    peak_mb: float
    out: str


@dataclass(frozen=True)
class Checkout:
    """A checkout of the program, with a library of its own."""

    path: Path
    python: Path
    data: Path
    large: Path  # where its generated library is
    environment: dict[str, str]

    def run(self, code: str, *arguments: str, data: Path | None = None, **variables: str) -> Took:
        """Run Python code or a command (`_MAIN`) with this checkout's modules."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with tempfile.NamedTemporaryFile() as told:
            done = subprocess.run(
                [str(self.python), "-c", _WATCHED, code, told.name, *arguments],
                cwd=self.path,
                env=self.environment
                | {"AUDIOSEARCH_DATA_DIR": str(data or self.data), "PYTHONPATH": str(self.path)}
                | variables,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode > (code == _MAIN):  # 1: a command that found nothing
                raise click.ClickException(f"{self.path}: {done.stderr[-2000:]}")
            took = json.loads(Path(told.name).read_text())
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        whole_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Took(whole_s - took["below_s"], took["below_s"], took["peak_mb"], done.stdout)

    def index(
        self, sounds: Path, *, keep: bool = False, captions: bool = True, shared: bool = False
    ) -> tuple[Took, dict[str, float]]:
        """Index from nothing; what it took, and its report."""
        place = self.data if keep else self.data.with_name(self.data.name + "-anew")
        shutil.rmtree(place, ignore_errors=True)
        wanted = {"AUDIOSEARCH_INDEX_CAPTIONS": json.dumps(captions)}
        if shared and (self.path / "audiosearch" / "model" / "shared_frames.py").exists():
            wanted["AUDIOSEARCH_INDEX_EXACT_WINDOWS"] = "false"
        took = self.run(_MAIN, "index", str(sounds), "--json", "--quiet", data=place, **wanted)
        return took, json.loads(took.out)


Measure = Callable[[Checkout], float]


@dataclass(frozen=True)
class Line:
    """One kind of work: what it is, how it is measured, and the ratio that is wanted."""

    work: str
    measure: Measure
    target: float
    unit: str = "s"
    reference: Callable[[], float] | None = None  # in place of the older checkout
    at_least: bool = False  # the ratio that is wanted is the least, not the greatest


def lines(
    short: Path, long: Path, listing: Path, bundle: Path, *, windows: int = 0
) -> dict[str, Line]:
    """The lines of the table by name, those of a generated library where it has `windows`."""

    def index(checkout: Checkout) -> float:
        took, _ = checkout.index(short)
        return took.own_s + took.below_s

    def encode(checkout: Checkout) -> float:
        """The main process's share without its start, which decodes nothing."""
        with tempfile.TemporaryDirectory() as nothing:
            idle, _ = checkout.index(Path(nothing), captions=False)
        took, _ = checkout.index(long, captions=False, shared=True)
        return took.own_s - idle.own_s

    def disk(checkout: Checkout) -> float:
        _, report = checkout.index(long, keep=True)
        size = (checkout.data / "library.sqlite3").stat().st_size
        return size / 1e6 / (report["sound_s"] / 3600)

    def find(checkout: Checkout) -> float:
        took = checkout.run(_MAIN, "find", "a dog barks after a man speaks", "--json")
        return took.own_s + took.below_s

    def probe(code: str, *arguments: str) -> Measure:
        return lambda checkout: float(json.loads(checkout.run(code, *arguments).out))

    def published(n_windows: int, least: float) -> Line:
        @cache
        def encoding() -> PublishedEncoding:
            from benchmarks.published_size import PublishedEncoding  # noqa: PLC0415 - loads torch

            return PublishedEncoding(listing.parent, threads=os.cpu_count() or 1)

        def seconds(*, by_torch: bool) -> float:
            return encoding().seconds(n_windows=n_windows, by_torch=by_torch)

        return Line(
            f"published size, {n_windows} at once, against torch",
            lambda _: seconds(by_torch=False),
            1 / least,
            reference=lambda: seconds(by_torch=True),
        )

    loaded = load_bundle(bundle)
    files: list[str] = json.loads(listing.read_text())
    return (_large_lines(bundle, windows) if windows else {}) | {
        "index": Line("index with captions, short clips", index, 0.55),
        "decode": Line("  decode, resample, mono, levels", probe(_DECODE, str(listing)), 0.55),
        "read": Line("  open, hash, decode", probe(READ, str(listing), "blocks"), 0.55),
        "open": Line("  of it opening, hashing, metadata", probe(READ, str(listing), "open"), 0.5),
        "ffmpeg": Line(
            "  decode against ffmpeg, a process a file",
            probe(_DECODE, str(listing)),
            1.15,
            reference=lambda: ffmpeg_s(files, net=False),
        ),
        "ffmpeg-net": Line(
            "  decode against ffmpeg without its start",
            probe(_DECODE, str(listing)),
            1.15,
            reference=lambda: ffmpeg_s(files, net=True),
        ),
        "gemm": Line(
            "encoder, share of the processor's peak",
            lambda _: measured_share(loaded).flops / 1e9,
            0.6,
            "GF",
            reference=lambda: peak_flops() / 1e9,
            at_least=True,
        ),
        "published-1": published(1, 1.4),
        "published-8": published(8, 2.0),
        "encode": Line("encode, store long recordings, shared", encode, 0.55),
        "disk": Line("disk, an hour of long recordings", disk, 3.5 / 12, "MB"),
        "find": Line("find, cold process", find, 0.55),
        # .15 s where it was .31 to .43 s
        "imports": Line("  of it imports", probe(_IMPORTS), 0.41),
        "rerank": Line(
            "rerank of 200 windows, warm",
            lambda checkout: float(
                json.loads(checkout.run(_RERANK, str(bundle), str(checkout.data)).out)
            ),
            0.45,
        ),
        "nearest": Line("nearest 200 of 200,000 embeddings", probe(_NEAREST), 0.3),
        "memory": Line(
            "peak memory of index, long recordings",
            lambda checkout: checkout.index(long)[0].peak_mb,
            0.7,
            "MB",
        ),
    }


def _large_lines(bundle: Path, windows: int) -> dict[str, Line]:
    """The lines of a generated library."""

    def large(checkout: Checkout, what: str, percentile: int = 50) -> float:
        given = (str(checkout.large), str(bundle), str(windows))
        if not checkout.large.exists():
            checkout.run(LARGE, *given, "make")
        found = json.loads(checkout.run(LARGE, *given, what).out.splitlines()[-1])
        return float(found[(50, 95).index(percentile)])

    def busy(checkout: Checkout) -> float:
        if not checkout.large.exists():
            large(checkout, "make")
        took = checkout.run(BUSY, str(checkout.large), str(bundle), str(N_SOUNDS))
        return float(took.out.splitlines()[-1])

    def room(checkout: Checkout) -> float:
        if not checkout.large.exists():
            large(checkout, "make")
        wanted = "a dog barks after a man speaks"
        model = {"AUDIOSEARCH_MODEL_BUNDLE": str(bundle)}  # that it was made with
        return checkout.run(_MAIN, "find", wanted, "--json", data=checkout.large, **model).peak_mb

    return {
        "question": Line(
            f"whole question, {windows:,} windows", lambda checkout: large(checkout, "find"), 0.4
        ),
        "question-p95": Line(
            "the same, p95", lambda checkout: large(checkout, "find", percentile=95), 0.4
        ),
        "question-new": Line(
            "the same, of words not asked before", lambda checkout: large(checkout, "find-new"), 0.4
        ),
        "question-new-p95": Line(
            "the same, p95", lambda checkout: large(checkout, "find-new", percentile=95), 0.4
        ),
        "similar": Line(
            f"similar, {windows:,} windows", lambda checkout: large(checkout, "similar"), 0.3
        ),
        "busy": Line(f"daemon while index runs, p95, {windows:,} windows (wall)", busy, 0.25),
        "room": Line(f"peak memory of find, {windows:,} windows", room, 0.7, "MB"),
    }


@click.command()
@click.argument("old", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("new", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--short", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--long", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--rounds", default=5, show_default=True, help="Pairs of each line.")
@click.option("--windows", default=0, help="Also lines on a generated library of so many windows.")
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where generated libraries stay for the next run.",
)
@click.option("--only", multiple=True, help="Lines to measure, by name; all without it.")
@click.option("--own-bundles", is_flag=True, help="Each checkout with the model that it ships.")
@click.option(
    "--old-python",
    default=sys.executable,
    type=click.Path(exists=True, path_type=Path),
    help="Interpreter of the older one, if not this one.",
)
def main(
    old: Path,
    new: Path,
    short: Path,
    long: Path,
    rounds: int,
    windows: int,
    keep: Path | None,
    only: tuple[str, ...],
    own_bundles: bool,
    old_python: Path,
) -> None:
    """Compare checkouts OLD and NEW on folders of short and of long recordings."""
    bundle = new.resolve() / "models" / "starter"
    # An installation has its bytecode.
    left_out = ("AUDIOSEARCH_", "PYTHONDONTWRITEBYTECODE")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        sides = [
            Checkout(
                path.resolve(),
                python,
                place / name,
                (keep or place).resolve() / f"{name}-{windows}",
                kept | _model(path if own_bundles else new),
            )
            for name, path, python in (("old", old, old_python), ("new", new, Path(sys.executable)))
        ]
        files = sorted(str(each.resolve()) for each in short.rglob("*") if each.is_file())
        listing = place / "files.json"
        listing.write_text(json.dumps(files))
        wanted = lines(short.resolve(), long.resolve(), listing, bundle, windows=windows)
        if unknown := set(only) - wanted.keys():
            names = ", ".join(wanted)
            raise click.UsageError(f"no line {', '.join(sorted(unknown))}; there are {names}")
        for side in sides:  # what questions are asked of; and both have their bytecode then
            side.index(long, keep=True)
        click.echo(
            f"{'':40}{'old':>9}{'new':>9}   {'ratio (least to most)':<24}{'target':>7}  verdict"
        )
        for name, line in wanted.items():
            if not only or name in only:
                _measure(line, sides, rounds)


def _model(checkout: Path) -> dict[str, str]:
    """The setting that names the model of a checkout."""
    return {"AUDIOSEARCH_MODEL_BUNDLE": str(checkout.resolve() / "models" / "starter")}


def _measure(line: Line, sides: list[Checkout], rounds: int) -> None:
    """Measure and print one line; who begins changes from round to round."""
    found: list[tuple[float, float]] = []
    for number in range(rounds):
        order = sides if number % 2 == 0 else sides[::-1]
        if line.reference is None:
            figures = {side.data.name: line.measure(side) for side in order}
        else:
            figures = {"old": line.reference(), "new": line.measure(sides[1])}
        found.append((figures["old"], figures["new"]))
    ratios = sorted(new / old for old, new in found)
    ratio = statistics.median(ratios)
    before, after = (statistics.median(values) for values in zip(*found, strict=True))
    spread = f"{ratio:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    held = ratio >= line.target if line.at_least else ratio <= line.target
    verdict = "held" if held else "not held"
    click.echo(
        f"{line.work:<40}{before:>7.3g} {line.unit:<2}{after:>6.3g} {line.unit:<2} {spread:<24}"
        f"{line.target:>7.2f}  {verdict}"
    )


if __name__ == "__main__":
    main()
