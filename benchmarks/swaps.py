"""Take a library from under a command at a random moment; what stands there then must be untouched.

    python -m benchmarks.swaps --histories 100 --seed 1

Works on generated sounds and a toy bundle. In each history `index` or `watch` takes in new sounds
of a library, and meanwhile its folder is exchanged with another one, another database is put or
copied over its own, it is deleted, restored from a copy of itself, or made read-only. The process
must end by itself, with status 2 unless it was done before, without a traceback; the other library
must hold what it held and be sound, none may be made anew by the daemon, and what comes back must
be sound and go on. Exit status 1 if anything is amiss. POSIX only: commands run in forks, without
an administrator's right to write wherever they like.
"""

from __future__ import annotations

import itertools
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from types import MappingProxyType

import click

from benchmarks.forked import Ending, ForkedCommand
from benchmarks.told import told_to_stop
from tests.sounds import noise, write_audio
from tests.toy_bundles import TOY

DATABASE = "library.sqlite3"
END_S = 60.0  # in which a process must have noticed
ROWS = (
    "SELECT display, state, size FROM sound_file ORDER BY root_id, display",
    "SELECT text FROM caption WHERE source = 'user' ORDER BY text",
    "SELECT path FROM library_root ORDER BY path",
)


def exchange_folders(mine: Path, other: Path) -> None:
    """As when another drive is mounted in its place."""
    mine.rename(mine.with_name("away"))
    other.rename(mine)


def put_database(mine: Path, other: Path) -> None:
    """Another database by a rename."""
    (other / DATABASE).replace(mine / DATABASE)


def copy_over(mine: Path, other: Path) -> None:
    """Another database into the same file, while nothing is written and nothing waits in its log.

    SQLite would bring that into whatever stands in the file:
    https://www.sqlite.org/howtocorrupt.html#_unlinking_or_renaming_a_database_file_while_in_use
    """
    log = mine / f"{DATABASE}-wal"
    deadline = time.monotonic() + END_S
    with closing(sqlite3.connect(mine / DATABASE, isolation_level=None)) as holder:
        while time.monotonic() < deadline:
            with suppress(sqlite3.OperationalError):  # it is being written to
                holder.execute("BEGIN IMMEDIATE")
                if not log.exists() or not log.stat().st_size:
                    break
                holder.execute("ROLLBACK")
            time.sleep(0.02)
        shutil.copyfile(other / DATABASE, mine / DATABASE)


def delete_folder(mine: Path, _other: Path) -> None:
    """All of it."""
    shutil.rmtree(mine, ignore_errors=True)


def delete_database(mine: Path, _other: Path) -> None:
    """The file alone."""
    (mine / DATABASE).unlink()


def restore_copy(mine: Path, _other: Path) -> None:
    """A copy of the same library, from before."""
    (mine.with_name("kept") / DATABASE).replace(mine / DATABASE)


def make_read_only(mine: Path, _other: Path) -> None:
    """By the permissions of its folder and files: what is open may still be written to."""
    for file in mine.glob(f"{DATABASE}*"):
        file.chmod(0o400)
    mine.chmod(0o500)


def freeze(mine: Path, _other: Path) -> None:
    """What is open, too, as when a drive has errors; permissions alone where that cannot be."""
    if not set_frozen(mine, frozen=True):
        make_read_only(mine, _other)


def set_frozen(folder: Path, *, frozen: bool) -> bool:
    """Whether a folder and its files could be set, or are no more, as files nobody may change."""
    if shutil.which("chattr") is None:
        return False
    files = [folder, *(each for each in folder.glob("*") if each.is_file())]
    command = ["chattr", "+i" if frozen else "-i", *map(str, files)]
    return subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0


CHANGES: Mapping[str, Callable[[Path, Path], None]] = MappingProxyType(
    {
        each.__name__: each
        for each in (
            exchange_folders,
            put_database,
            copy_over,
            delete_folder,
            delete_database,
            restore_copy,
            make_read_only,
            freeze,
        )
    }
)
READ_ONLY = ("make_read_only", "freeze")
OTHERS = ("exchange_folders", "put_database", "copy_over")
COMMANDS = ("index", "watch")
SETTINGS: Mapping[str, str] = MappingProxyType({"AUDIOSEARCH_WATCH_SETTLE_S": "0.2"})


class Libraries:
    """Two small libraries, made once and laid out anew for each history."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._kept = place / "kept as they were"
        self.mine, self.other = place / "mine", place / "other"
        self.sounds = place / "mine sounds"
        self.command = ForkedCommand(data_dir=self.mine, bundle=TOY, settings=SETTINGS)
        self._prepare(self.command, self.mine, seed=0)
        command = ForkedCommand(data_dir=self.other, bundle=TOY, settings=SETTINGS)
        self._prepare(command, self.other, seed=1)
        self.others = held(self.other / DATABASE)

    def lay_out(self) -> None:
        """Both of them, as they were made; and a copy of the first, to be restored."""
        self.put_away()
        for name in ("mine", "other"):
            shutil.copytree(self._kept / name, self._place / name)
        shutil.copytree(self.mine, self._place / "kept")
        for sound in self.sounds.glob("long *.wav"):
            sound.unlink()

    def put_away(self) -> None:
        """Delete what a history left."""
        for name in ("mine", "other", "kept", "away"):
            put_away(self._place / name)

    def run(self, *arguments: str) -> tuple[int, str]:
        """A command over what lies in the place of the first: its status, and what it said."""
        ending = self.command(*arguments)
        return ending.status, self.command.said.read_text(errors="replace")

    def _prepare(self, command: ForkedCommand, data: Path, *, seed: int) -> None:
        sounds = data.with_name(f"{data.name} sounds")
        sounds.mkdir()
        for number in range(3):
            write_audio(sounds / f"{number}.wav", noise(seconds=1.0, seed=10 * seed + number))
        for arguments in (
            ("index", "-q", str(sounds)),
            ("captions", "add", f"a caption of {data.name}"),
        ):
            ending = command(*arguments)
            assert ending.status == 0, command.said.read_text(errors="replace")
        shutil.copytree(data, self._kept / data.name)


def put_away(folder: Path) -> None:
    """Delete a folder, whoever may write to it."""
    if folder.exists():
        set_frozen(folder, frozen=False)
        folder.chmod(0o700)
        shutil.rmtree(folder)


def held(database: Path) -> list[list[tuple[object, ...]]]:
    """What a library says of files, captions and folders."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as reader:
        return [reader.execute(sql).fetchall() for sql in ROWS]


def history(
    libraries: Libraries, *, change: str, what: str, dice: random.Random
) -> tuple[bool, list[str]]:
    """One of them: whether the process ran when it came, and what is amiss."""
    libraries.lay_out()
    mine = libraries.mine
    for number in range(4):
        sound = noise(seconds=dice.uniform(5, 60), rate=8000, seed=dice.randrange(10**9))
        write_audio(libraries.sounds / f"long {number}.wav", sound, rate=8000)
    running = libraries.command.start(what, "-q")
    has_opened = mine / "watch.json" if what == "watch" else mine / "writer.pid"
    was_open = has_opened.stat().st_mtime_ns if has_opened.exists() else None
    deadline = time.monotonic() + END_S
    while running.poll() is None and time.monotonic() < deadline:
        if has_opened.exists() and has_opened.stat().st_mtime_ns != was_open:
            break
        time.sleep(0.02)
    time.sleep(dice.uniform(0.0, 3.0))
    begun = running.poll() is None
    CHANGES[change](mine, libraries.other)
    wait = what == "index" or change not in READ_ONLY
    ending = running.wait(timeout_s=END_S if wait else 5.0)
    in_time = ending is not None or not wait
    if ending is None:
        running.send(signal.SIGTERM)
        ending = running.wait(timeout_s=END_S)
    said = libraries.command.said.read_text(errors="replace")
    # SQLite maps a file into memory, and the system has no other word for a write that fails there:
    # https://www.sqlite.org/mmap.html
    ends = (-signal.SIGBUS,) if change == "freeze" else ()
    amiss = judge(ending, said, begun=begun, in_time=in_time, ends=ends)
    if change in OTHERS:
        amiss += untouched(libraries)
    elif change.startswith("delete") and what == "watch" and (mine / DATABASE).exists() and begun:
        amiss.append("a library was made anew")
    elif change in ("restore_copy", *READ_ONLY):
        set_frozen(mine, frozen=False)
        mine.chmod(0o700)
        for file in mine.glob(f"{DATABASE}*"):
            file.chmod(0o600)
        for arguments in (("index", "-q"), ("verify",)):
            status, told = libraries.run(*arguments)
            amiss += [f"afterwards {arguments[0]}: {told}"] if status else []
    return begun, amiss


def judge(
    ending: Ending | None, said: str, *, begun: bool, in_time: bool, ends: Sequence[int] = ()
) -> list[str]:
    """What is wrong with how a process ended; `ends` are statuses that are right as well."""
    found = []
    if "Traceback" in said or "unforeseen" in said:
        found.append(said)
    if ending is None:
        found.append(f"did not end when told to: {said}")
    elif ending.status not in (0, 2, 143, -signal.SIGTERM, *ends):
        found.append(f"status {ending.status}: {said}")
    if begun and not in_time:
        found.append(f"did not end by itself: {said}")
    return found


def untouched(libraries: Libraries) -> list[str]:
    """What is wrong with another library that was put in the place of the first."""
    found = []
    if held(libraries.mine / DATABASE) != libraries.others:
        found.append("the other library was written to")
    status, told = libraries.run("verify")
    if status:
        found.append(f"the other library: {told}")
    return found


@click.command()
@click.option("--histories", default=100, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(histories: int, seed: int) -> None:
    """Live through them, and tell."""
    start = time.monotonic()
    done: Counter[str] = Counter()
    amiss: list[str] = []
    n_running = 0
    kinds = list(itertools.product(CHANGES, COMMANDS))
    with tempfile.TemporaryDirectory(prefix="swaps-") as place, told_to_stop() as stop:
        libraries = Libraries(Path(place))
        for number in range(histories):
            if stop.is_set():
                break
            dice = random.Random(f"{seed} {number}")  # noqa: S311 - moments, no secrets
            change, what = kinds[number % len(kinds)]
            begun, wrong = history(libraries, change=change, what=what, dice=dice)
            name = f"{what} {change}"
            done[name] += 1
            n_running += begun
            amiss += [f"history {number}, {name}: {each}" for each in wrong]
            for each in wrong:
                click.echo(f"AMISS seed {seed}, history {number}, {name}: {each}")
            if number % 10 == 9:
                took_s = time.monotonic() - start
                click.echo(f"{number + 1} histories, {took_s:.0f} s, {len(amiss)} amiss")
        libraries.put_away()
    took_s = time.monotonic() - start
    click.echo(
        f"seed {seed}: {done.total()} histories, in {n_running} of which the process was running,"
        f" {took_s:.0f} s, {len(amiss)} amiss:"
        f" {dict(sorted(done.items()))}"
    )
    sys.exit(1 if amiss else 0)


if __name__ == "__main__":
    main()
