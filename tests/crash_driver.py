"""Kill the real commands at every fault point; one JSON line for each case.

    python -m tests.crash_driver WORK BUNDLE

A process of its own that forks (`benchmarks.forked`), so that imports are paid for once and no
thread is alive when it does. One library goes through all cases: each brings new sounds, is killed
once at its point, checked, and finished, so that what one kill spoils shows in all that follow.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import text

from audiosearch import _failpoints
from audiosearch.store.database import open_database
from audiosearch.store.integrity.verify import verify
from benchmarks.forked import ForkedCommand
from tests.indexing_fakes import write_wav

# 4 and 5 windows of ten seconds, half-overlapping: with batches of 4, three in all
LENGTHS_S = (25, 30)
N_WINDOWS = 9
RATE = 16_000


class Cases:
    """A library, the folder it is made of, and what happens to them."""

    def __init__(self, work: Path, bundle: Path) -> None:
        self.command = ForkedCommand(data_dir=work / "data", bundle=bundle)
        self.sounds = work / "sounds"
        self.n_made = 0

    def add_sounds(self) -> None:
        """Two sounds that nobody has heard yet, a copy of one, and a broken file."""
        for length_s in LENGTHS_S:
            self.n_made += 1
            path = self.sounds / f"{self.n_made:04d}.wav"
            write_wav(path, seconds=length_s, seed=self.n_made, rate=RATE)
        copy = self.sounds / f"{self.n_made:04d} copy.wav"
        copy.write_bytes(path.read_bytes())
        (self.sounds / f"{self.n_made:04d} broken.wav").write_bytes(b"no sound %d" % self.n_made)

    def look(self) -> dict[str, Any]:
        """What the library holds, and what is wrong with it."""
        with open_database(self.command.database) as database:
            violations = [f"{each.invariant}: {each.detail}" for each in verify(database)]
            with database.reading() as session:
                states = session.execute(
                    text("SELECT state, count(*) FROM sound_file GROUP BY state")
                )
                return {
                    "violations": violations,
                    "files": {row[0]: row[1] for row in states},
                    "windows": session.scalar(text("SELECT count(*) FROM window")),
                    "captions": session.scalar(
                        text("SELECT count(*) FROM caption WHERE source = 'user'")
                    ),
                    "scales": session.scalar(text("SELECT count(*) FROM caption_scale")),
                }

    def case(self, fault: str, *arguments: str) -> dict[str, Any]:
        """Kill a command at a point, look, run it again, look."""
        before = self.look()
        n_encoded = self.command.n_encoded
        killed = self.command(*arguments, fault=fault)
        encoded_when_killed = self.command.n_encoded - n_encoded
        after_kill = self.look()
        again = self.command(*arguments)
        return {
            "case": fault,
            "command": arguments[0],
            "killed": killed.killed,
            "status": again.status,
            "said": self.command.said.read_text(),
            "encoded_when_killed": encoded_when_killed,
            "encoded": self.command.n_encoded - n_encoded,
            "before": before,
            "after_kill": after_kill,
            "after": self.look(),
        }


def index_cases(cases: Cases) -> Iterator[dict[str, Any]]:
    """Every point of `index`: in the second of three batches, where there are batches."""
    folder = str(cases.sounds)
    for point in _failpoints.POINTS:
        if point.startswith(("scan.", "batch.")):
            cases.add_sounds()
            passage = 2 if point.startswith("batch.") else 1
            yield cases.case(f"{point}:{passage}", "index", folder)
    cases.add_sounds()
    oldest = min(cases.sounds.iterdir())
    oldest.rename(cases.sounds.with_name(oldest.name))  # gone: its sound is nowhere else
    yield cases.case("missing.commit", "index", folder)


def transaction_cases(cases: Cases) -> Iterator[dict[str, Any]]:
    """Every transaction of `index`, the first, the second ..., before and after it is committed."""
    for number in range(1, 100):
        cases.add_sounds()
        point = "transaction.commit" if number % 2 else "transaction.done"
        case = cases.case(f"{point}:{number}", "index", str(cases.sounds))
        yield case
        if not case["killed"]:
            return


def caption_cases(cases: Cases) -> Iterator[dict[str, Any]]:
    """Captions of people, and the scales that are measured for them."""
    one = str(sorted(cases.sounds.glob("*[0-9].wav"))[-1])
    for number, point in enumerate(("captions.commit", "captions.done")):
        yield cases.case(point, "captions", "add", f"{number} dogs bark", "--for", one)
    for number, point in enumerate(("scale.measure", "scale.commit", "scale.done")):
        cases.command("captions", "add", f"{number} birds sing")  # which has no scale yet
        yield cases.case(point, "describe", one)


def main() -> None:
    """See the head."""
    cases = Cases(Path(sys.argv[1]), Path(sys.argv[2]))
    cases.command("status")  # makes the library
    for group in (index_cases, transaction_cases, caption_cases):
        for each in group(cases):
            print(json.dumps(each), flush=True)


if __name__ == "__main__":
    main()
