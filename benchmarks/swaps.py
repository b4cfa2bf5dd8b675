"""Take a library from under a command at a random moment; what stands there then must be untouched.

    python -m benchmarks.swaps --histories 100 --seed 1

Works on generated sounds and a toy bundle. In each history `index` or `watch` takes in new sounds
of a library, and meanwhile its folder is exchanged with another one, another database is put or
copied over its own, it is deleted, restored from a copy of itself, or made read-only. The process
must end by itself, with status 2 unless it was done before, without a traceback; the other library
must hold what it held and be sound, none may be made anew by the daemon, and what comes back must
be sound and go on. Exit status 1 if anything is amiss. POSIX only.
"""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType

import click

from benchmarks import child
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
    """Another database into the same file, at a moment at which nothing waits in the log beside it.

    SQLite would bring that into whatever stands in the file:
    https://www.sqlite.org/howtocorrupt.html#_unlinking_or_renaming_a_database_file_while_in_use
    """
    log = mine / f"{DATABASE}-wal"
    deadline = time.monotonic() + END_S
    while log.exists() and log.stat().st_size and time.monotonic() < deadline:
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
    """Its files; administrators may write to them all the same."""
    for file in mine.glob(f"{DATABASE}*"):
        file.chmod(0o400)


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
        )
    }
)
OTHERS = ("exchange_folders", "put_database", "copy_over")


def environment(data_dir: Path) -> dict[str, str]:
    """Of a command for a library with a toy bundle, and nothing of this user's settings."""
    return child.environment(data_dir) | {
        "AUDIOSEARCH_MODEL_BUNDLE": str(TOY),
        "AUDIOSEARCH_MODEL_DEVICE": "cpu",
        "AUDIOSEARCH_WATCH_SETTLE_S": "0.2",
        "AUDIOSEARCH_INDEX_BATCH_WINDOWS": "4",
    }


def command(data_dir: Path, *arguments: str | Path) -> subprocess.Popen[str]:
    """A command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "audiosearch", *map(str, arguments)],
        env=environment(data_dir),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(data_dir: Path, *arguments: str | Path) -> tuple[int, str]:
    """A command to its end: its status, and all that it said."""
    process = command(data_dir, *arguments)
    out, err = process.communicate(timeout=300)
    return process.returncode, out + err


def held(database: Path) -> list[list[tuple[object, ...]]]:
    """What a library says of files, captions and folders."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as reader:
        return [reader.execute(sql).fetchall() for sql in ROWS]


def prepared(place: Path, name: str, *, seed: int) -> Path:
    """A small library; gives its data folder."""
    sounds = place / f"{name}-sounds"
    sounds.mkdir()
    for number in range(3):
        write_audio(sounds / f"{number}.wav", noise(seconds=1.0, seed=10 * seed + number))
    data = place / name
    for arguments in (("index", "-q", sounds), ("captions", "add", f"a caption of {name}")):
        status, told = run(data, *arguments)
        assert status == 0, told
    return data


def history(place: Path, *, dice: random.Random) -> tuple[str, list[str]]:
    """One of them: what was done, and what is amiss."""
    mine, other = (prepared(place, name, seed=n) for n, name in enumerate(("mine", "other")))
    shutil.copytree(mine, mine.with_name("kept"))
    others = held(other / DATABASE)
    for number in range(4):
        sound = noise(seconds=dice.uniform(5, 60), rate=8000, seed=90 + number)
        write_audio(place / "mine-sounds" / f"long {number}.wav", sound, rate=8000)
    change, what = dice.choice(list(CHANGES)), dice.choice(("index", "watch"))
    process = command(mine, what, "-q")
    has_opened = mine / "watch.json" if what == "watch" else mine / "writer.pid"
    deadline = time.monotonic() + END_S
    while not has_opened.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(dice.uniform(0.2, 4.0))
    begun = process.poll() is None
    CHANGES[change](mine, other)
    ended = end(process, wait=what == "index" or change != "make_read_only")
    name = f"{what} {change}"
    amiss = [f"{name}: {each}" for each in judge(process, ended, begun=begun, change=change)]
    if change in OTHERS:
        amiss += [f"{name}: {each}" for each in untouched(mine, others)]
    elif change.startswith("delete") and what == "watch" and (mine / DATABASE).exists() and begun:
        amiss.append(f"{name}: a library was made anew")
    elif change in ("restore_copy", "make_read_only"):
        for file in mine.glob(f"{DATABASE}*"):
            file.chmod(0o600)
        for arguments in (("index", "-q"), ("verify",)):
            status, told = run(mine, *arguments)
            amiss += [f"{name}: afterwards {arguments[0]}: {told}"] if status else []
    return name, amiss


def end(process: subprocess.Popen[str], *, wait: bool) -> str:
    """Let a process end, or end it; what it said."""
    try:
        out, err = process.communicate(timeout=END_S if wait else 5.0)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=END_S)
        return f"{out}{err}" if not wait else f"did not end by itself: {out}{err}"
    return f"{out}{err}"


def judge(process: subprocess.Popen[str], ended: str, *, begun: bool, change: str) -> list[str]:
    """What is wrong with how a process ended."""
    found = []
    if "Traceback" in ended or "unforeseen" in ended:
        found.append(ended)
    if "did not end by itself" in ended and begun:
        found.append(ended)
    if process.returncode not in (0, 2, 143, -signal.SIGTERM):
        found.append(f"status {process.returncode} after {change}")
    return found


def untouched(mine: Path, others: list[list[tuple[object, ...]]]) -> list[str]:
    """What is wrong with another library that was put in the place of the first."""
    found = []
    if held(mine / DATABASE) != others:
        found.append("the other library was written to")
    status, told = run(mine, "verify")
    if status:
        found.append(f"the other library: {told}")
    return found


@click.command()
@click.option("--histories", default=100, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(histories: int, seed: int) -> None:
    """Live through them, and tell."""
    done: Counter[str] = Counter()
    amiss: list[str] = []
    with told_to_stop() as stop:
        for number in range(histories):
            if stop.is_set():
                break
            dice = random.Random(f"{seed} {number}")  # noqa: S311 - moments, no secrets
            with tempfile.TemporaryDirectory(prefix="swaps-") as place:
                name, wrong = history(Path(place), dice=dice)
            done[name] += 1
            amiss += [f"seed {seed}, history {number}: {each}" for each in wrong]
            for each in wrong:
                click.echo(f"AMISS seed {seed}, history {number}: {each}")
            if number % 10 == 9:
                click.echo(f"{number + 1} histories, {len(amiss)} amiss")
    click.echo(f"{sum(done.values())} histories, {len(amiss)} amiss: {dict(sorted(done.items()))}")
    sys.exit(1 if amiss else 0)


if __name__ == "__main__":
    main()
