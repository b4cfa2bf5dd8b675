"""A folder of a million files: what a look at all of it takes, in time and in memory.

    python -m benchmarks.many_files --files 1000000 --place /dev/shm

Makes empty files that are called sounds, in folders of a thousand, and looks at them as `index` and
the daemon do, `indexing.scan`: at first, again with nothing changed, after a stop half-way, and
when a tenth is gone; then reads the list of what is to be read, as a run does. No file is opened.
Printed are wall and processor seconds, and how far the memory of the process rose (Linux).
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from audiosearch.config import IndexConfig
from audiosearch.indexing.scan import PlaceScan, mark_missing, reconcile
from audiosearch.store.database import Database, open_database
from audiosearch.store.queries import pending, roots
from audiosearch.store.queries.places import RootPath

FOLDER = 1000  # files of one
PAGE = 1000  # as the pipeline reads them


class Stopping(threading.Event):
    """Is set once it has been asked so often."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self._left = after

    def is_set(self) -> bool:
        """Whether it has been asked often enough."""
        self._left -= 1
        return self._left < 0


class Looks:
    """A library of many files, and looks at them."""

    def __init__(self, database: Database, sounds: Path) -> None:
        self._database = database
        self._sounds = sounds
        with database.session() as session:
            root = roots.add_root(session, os.fsencode(sounds))
        self._place = RootPath(root=root.root, relative=b"")

    def look(self, stop: threading.Event | None = None) -> PlaceScan:
        """Once over all of it."""
        scan = reconcile(self._database, self._place, config=IndexConfig(), stop=stop)
        mark_missing(self._database, [scan], accept_missing=False)
        return scan

    def read_list(self) -> int:
        """What is to be read, page by page."""
        last = n_files = 0
        while True:
            with self._database.reading() as session:
                page = pending.pending_files(session, [self._place], after_id=last, limit=PAGE)
            if not page:
                return n_files
            last, n_files = page[-1].file_id, n_files + len(page)


@click.command()
@click.option("--files", default=1_000_000, show_default=True)
@click.option("--place", type=click.Path(path_type=Path, file_okay=False), default="/dev/shm")  # noqa: S108
def main(files: int, place: Path) -> None:
    """Make them, look, tell."""
    with tempfile.TemporaryDirectory(dir=place) as name:
        sounds = Path(name) / "sounds"
        _make(sounds, files)
        with open_database(Path(name) / "data" / "library.sqlite3") as database:
            looks = Looks(database, sounds)
            click.echo(f"{'':34}{'wall s':>10}{'processor s':>13}{'memory +MB':>12}")
            _told("a look that is stopped half-way", lambda: looks.look(Stopping(files // 2)))
            _told("the look after it", looks.look)
            _told("nothing has changed", looks.look)
            _told("the list of what is to be read", looks.read_list)
            for each in sorted(sounds.iterdir())[::10]:
                shutil.rmtree(each)
            _told("a tenth is gone", looks.look)


def _make(sounds: Path, n_files: int) -> None:
    for first in range(0, n_files, FOLDER):
        folder = sounds / f"{first // FOLDER:05d}"
        folder.mkdir(parents=True)
        for number in range(first, min(first + FOLDER, n_files)):
            os.close(os.open(folder / f"{number:07d}.wav", os.O_CREAT | os.O_WRONLY))


def _told(name: str, work: Callable[[], PlaceScan | int]) -> None:
    wall_s, processor_s = time.perf_counter(), time.process_time()
    with _rise() as rise:
        done = work()
    wall_s, processor_s = time.perf_counter() - wall_s, time.process_time() - processor_s
    what = (
        f"{done} to be read"
        if isinstance(done, int)
        else f"{done.n_new} new, {done.n_unchanged} unchanged, {len(done.gone)} gone"
    )
    click.echo(f"{name:34}{wall_s:>10.1f}{processor_s:>13.1f}{rise[0]:>12.0f}   {what}")


@contextmanager
def _rise() -> Iterator[list[float]]:
    """How many MB the most resident memory within a block is above that at its beginning."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # see proc(5)
    before, rise = _status_mb("VmRSS:"), [0.0]
    yield rise
    rise[0] = _status_mb("VmHWM:") - before


def _status_mb(field: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


if __name__ == "__main__":
    main()
