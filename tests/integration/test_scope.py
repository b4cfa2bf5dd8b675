"""Whether anything is hidden from a question without filters, against a plain reckoning."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from audiosearch.store.database import open_database
from audiosearch.store.queries.scope import Scope, allowed_windows

THERE = ("pending", "indexed")
STATES = (*THERE, "failed", "missing")


def fill(path: Path, dice: random.Random) -> set[int]:
    """Recordings with no file, one or some, in whatever state; returns those that are hidden."""
    seen: set[int] = set()
    n_recordings = dice.randint(1, 5)
    with closing(sqlite3.connect(path)) as writer, writer:
        writer.execute("DELETE FROM sound_file")
        writer.execute("DELETE FROM recording")
        writer.execute("INSERT OR IGNORE INTO library_root (id, path, added_at) VALUES (1, 'r', 0)")
        for number in range(1, n_recordings + 1):
            writer.execute(
                "INSERT INTO recording VALUES (?, ?, 1, 8000, 1, 16, 'pcm', 'wav', -3, -23, 0)",
                (number, number.to_bytes(32, "little")),
            )
        for number in range(dice.randint(0, 8)):
            state = dice.choice(STATES)
            recording = dice.randint(1, n_recordings)
            known = state == "indexed" or dice.random() < 0.8
            seen |= {recording} if known and state in THERE else set()
            writer.execute(
                "INSERT INTO sound_file (root_id, path, display, size, mtime_ns, ctime_ns, state,"
                " error_code, recording_id, checked_at) VALUES (1, ?, '', 1, 1, 1, ?, ?, ?, 0)",
                (
                    str(number).encode(),
                    state,
                    "damaged" if state == "failed" else None,
                    recording if known else None,
                ),
            )
    return set(range(1, n_recordings + 1)) - seen


@pytest.mark.parametrize("seed", range(3))
def test_all_may_answer_only_where_every_recording_has_a_file_that_is_there(
    tmp_path: Path, seed: int
):
    dice, found = random.Random(seed), set()
    path = tmp_path / "library.sqlite3"
    with open_database(path) as database:
        for _ in range(20):
            hidden = fill(path, dice)
            with database.reading() as session:
                everything = allowed_windows(session, Scope(), bundle_id=1) is None
            assert everything == (not hidden)
            found.add(everything)
    assert found == {True, False}
