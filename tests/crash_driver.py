"""Index a folder again and again in child processes that are killed; one JSON line for each.

    python -m tests.crash_driver WORK points          at every fault point
    python -m tests.crash_driver WORK random N SEED   at N random moments, with decoding processes

Each case begins with an empty library, is killed once (the random ones up to three times), checked,
run to its end, checked, and run once more. A process of its own that forks, so that imports are
paid for once and no thread is alive when it does.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from audiosearch.indexing.interfaces import OpenReader
from audiosearch.store import (
    faults,
    migrate,  # noqa: F401 - before the forks
)
from audiosearch.store.database import open_database
from audiosearch.store.queries.status import library_status
from audiosearch.store.verify import verify
from tests.indexing_fakes import FakeModels, WaveReader, run_index, write_wav

BATCH = 4


def make_sounds(folder: Path) -> int:
    """Sounds of 1 to 13 windows, a copy and a broken file; returns how many windows in all."""
    lengths = [0.5, 7, 1.4, 3, 0.9, 2, 5]
    for number, seconds in enumerate(lengths):
        write_wav(folder / f"{number}.wav", seconds=seconds, seed=number)
    write_wav(folder / "copy.wav", seconds=7, seed=1)
    (folder / "broken.wav").write_bytes(b"no sound")
    return sum(max(1, round((seconds - 1) / 0.5 + 0.4999) + 1) for seconds in lengths)


def index_in_child(
    case: Path, sounds: Path, *, fault: str = "", reader: OpenReader | None, kill_s: float = 0
) -> tuple[bool, float]:
    """Run `index` in a fork; whether it was killed, and how long it took."""
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        faults.arm(fault)
        models = FakeModels()
        log = (case / "encoded").open("a", buffering=1)
        models.encoder.on_batch = lambda: print(models.encoder.batches[-1], file=log)
        with open_database(case / "library.sqlite3") as database:
            run_index(database, sounds, models=models, batch_windows=BATCH, open_reader=reader)
        os._exit(0)
    if kill_s:
        time.sleep(kill_s)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    killed = os.WIFSIGNALED(status)
    if not killed and os.WEXITSTATUS(status) != 0:
        raise SystemExit(f"the child failed with status {status}")
    return killed, time.monotonic() - start


def n_encoded(case: Path) -> int:
    """Windows given to the encoder so far."""
    log = case / "encoded"
    return sum(map(int, log.read_text().split())) if log.exists() else 0


def check(case: Path) -> list[str]:
    """What `verify` finds; a library that was killed before it was made is empty and sound."""
    with open_database(case / "library.sqlite3") as database:
        return [f"{each.invariant}: {each.detail}" for each in verify(database)]


def finish(case: Path, sounds: Path, reader: OpenReader | None) -> dict[str, object]:
    """Check, complete, check again, and run once more."""
    after_kill = check(case)
    index_in_child(case, sounds, reader=reader)
    total = n_encoded(case)
    after_rest = check(case)
    index_in_child(case, sounds, reader=reader)
    with (
        open_database(case / "library.sqlite3", read_only=True) as database,
        database.reading() as session,
    ):
        status = library_status(session)
    return {
        "violations": after_kill + after_rest,
        "n_encoded": total,
        "n_encoded_again": n_encoded(case) - total,
        "n_windows": sum(bundle.n_windows for bundle in status.bundles),
        "files": {str(state): n for state, n in status.files.items() if n},
    }


def at_points(work: Path, sounds: Path) -> None:
    """Every fault point of indexing, at its first and a later passage."""
    points = [each for each in faults.POINTS if each.startswith(("scan.", "batch."))]
    for point in points:
        for passage in (1, 3) if point.startswith("batch.") else (1,):
            case = work / f"{point}-{passage}"
            case.mkdir()
            killed, _ = index_in_child(case, sounds, fault=f"{point}:{passage}", reader=WaveReader)
            report = {"case": case.name, "n_kills": int(killed)}
            print(json.dumps(report | finish(case, sounds, WaveReader)), flush=True)


def while_marking_missing(work: Path, sounds: Path) -> None:
    """A file is gone, and the run that would say so is killed."""
    case = work / "missing.commit-1"
    case.mkdir()
    index_in_child(case, sounds, reader=WaveReader)
    (sounds / "copy.wav").unlink()
    killed, _ = index_in_child(case, sounds, fault="missing.commit", reader=WaveReader)
    report = {"case": case.name, "n_kills": int(killed)}
    print(json.dumps(report | finish(case, sounds, WaveReader)), flush=True)


def at_random(work: Path, sounds: Path, *, n_cases: int, seed: int) -> None:
    """Random moments of a run with real decoding processes."""
    whole = work / "whole"
    whole.mkdir()
    _, length_s = index_in_child(whole, sounds, reader=None)
    chance = random.Random(seed)
    for number in range(n_cases):
        case = work / f"random-{number}"
        case.mkdir()
        n_kills = 0
        for _ in range(chance.choice([1, 1, 2, 3])):
            moment = chance.uniform(0.001, length_s)
            n_kills += index_in_child(case, sounds, reader=None, kill_s=moment)[0]
        report = {"case": f"{case.name} (seed {seed})", "n_kills": n_kills}
        print(json.dumps(report | finish(case, sounds, None)), flush=True)


def main() -> None:
    """See the head."""
    work = Path(sys.argv[1])
    sounds = work / "sounds"
    print(json.dumps({"n_windows": make_sounds(sounds), "batch": BATCH}), flush=True)
    if sys.argv[2] == "points":
        at_points(work, sounds)
        while_marking_missing(work, sounds)
    else:
        at_random(work, sounds, n_cases=int(sys.argv[3]), seed=int(sys.argv[4]))


if __name__ == "__main__":
    main()
