"""`audiosearch verify --repair`: a damaged library is put right, at any moment of a crash too."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import String

from audiosearch.store.lock import IndexerLock
from audiosearch.store.schema import Base
from tests.e2e.command import Command

pytestmark = pytest.mark.slow


BELLS = "bells of my own"


@pytest.fixture
def damaged(fresh: Command, sound_folder: Path) -> Command:
    """A library with a person's caption, and several things wrong with it."""
    assert fresh("index", sound_folder).status == 0
    low = sound_folder / "low-high.wav"
    assert fresh("captions", "add", BELLS, "--for", low).status == 0
    with closing(sqlite3.connect(fresh.data_dir / "library.sqlite3")) as connection, connection:
        (window_id,) = connection.execute(
            "SELECT w.id FROM window AS w JOIN sound_file AS f USING (recording_id)"
            " WHERE f.path = CAST('low-high.wav' AS BLOB)"
        ).fetchone()
        for statement in (
            f"DELETE FROM window_frames WHERE window_id = {window_id}",
            f"UPDATE window SET embedding = x'007e' WHERE id != {window_id}",
            "INSERT INTO window_frames (window_id, n_frames, frames) VALUES (999, 1, x'0000')",
            "DELETE FROM caption_text",
        ):
            assert connection.execute(statement).rowcount > 0
    return fresh


def assert_whole(command: Command, folder: Path) -> None:
    assert command("verify").status == 0
    assert command("index", "--json").rows[0]["windows_encoded"] == 0
    [own] = command("captions", "list", "--source", "user", "--json").rows
    assert own["caption"] == BELLS
    first = command("find", BELLS, "--json", "--min-score", "0").rows[0]
    assert first["path"] == str(folder / "low-high.wav")


def test_a_damaged_library_is_repaired(damaged: Command, sound_folder: Path) -> None:
    broken = damaged("verify", "--json")
    assert broken.status == 1
    assert {row["invariant"] for row in broken.rows} == {
        "frames",
        "vectors",
        "integrity",
        "full-text",
    }
    answer = damaged("verify", "--repair", "--json")
    assert answer.status == 0, answer.err
    assert all(row["repaired"] for row in answer.rows)
    assert len(answer.rows) == len(broken.rows)
    assert "3 recordings to be heard again" in answer.err
    assert "sound again" in answer.err
    assert_whole(damaged, sound_folder)
    assert damaged("verify", "--repair").status == 0


@pytest.mark.parametrize(
    ("change", "question"),
    [
        ("window SET embedding = x'0000'", ("similar", "low-high.wav")),
        ("window SET embedding = 'no vector'", ("similar", "low-high.wav")),
        ("window SET joint = x'00'", ("find", "a dog barks")),
        ("window SET joint = x''", ("find", "a dog barks")),
        ("window_frames SET frames = x'0000'", ("find", "a dog barks")),
        ("window_frames SET frames = 'none'", ("find", "a dog barks")),
        ("window_frames SET base_id = 77", ("find", "a dog barks")),
        ("window_frames SET base_id = 'abc'", ("find", "a dog barks")),
        ("window_frames SET n_frames = 'abc'", ("find", "a dog barks")),
        ("window_frames SET n_frames = 99999999", ("find", "a dog barks")),
        ("window_frames SET window_id = 77", ("find", "a dog barks")),
        ("caption SET text = CAST(x'61ff62' AS TEXT)", ("similar", "low-high.wav")),
        ("bundle SET fingerprint = CAST(x'61ff62' AS TEXT)", ("find", "a dog barks")),
    ],
)
def test_a_question_to_damaged_rows_names_the_library_and_the_remedy(
    fresh: Command, sound_folder: Path, change: str, question: tuple[str, str]
) -> None:
    assert fresh("index", sound_folder).status == 0
    library = fresh.data_dir / "library.sqlite3"
    with closing(sqlite3.connect(library)) as connection, connection:
        table = change.split(maxsplit=1)[0]
        statement = f"UPDATE {change} WHERE rowid = (SELECT min(rowid) FROM {table})"
        assert connection.execute(statement).rowcount == 1
    command, given = question
    answer = fresh(command, sound_folder / given if command == "similar" else given)
    assert answer.status == 2
    assert f"{library}: the library's database holds damaged rows" in answer.err
    assert "audiosearch verify --repair" in answer.err
    assert fresh("verify", "--repair").status == 0
    assert fresh("find", "a dog barks").status != 2


TEXTS = [
    (table.name, column.name)
    for table in Base.metadata.sorted_tables
    for column in table.columns
    if isinstance(column.type, String) and table.dialect_options["sqlite"].get("with_rowid", True)
]


def test_texts_of_which_a_bit_has_turned_are_mended_and_the_rest_stays(
    damaged: Command, sound_folder: Path
) -> None:
    """In each column of each table at once."""
    assert damaged("verify", "--repair").status == 0
    low = sound_folder / "low-high.wav"
    assert damaged("tag", "add", "low tone", low).status == 0
    assert damaged("note", "a note of my own", low).status == 0
    assert damaged("collection", "create", "tones").status == 0
    assert damaged("collection", "add", "tones", low).status == 0
    assert damaged("search", "save", "dogs", "a dog barks").status == 0
    library = damaged.data_dir / "library.sqlite3"
    n_damaged = 0
    for table, column in TEXTS:
        with closing(sqlite3.connect(library)) as connection, connection:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            n_damaged += connection.execute(
                f"UPDATE {table} SET {column} = CAST({column} || x'ff' AS TEXT)"
                f" WHERE rowid = (SELECT max(rowid) FROM {table} WHERE {column} IS NOT NULL)"
            ).rowcount
    assert n_damaged > 15
    assert damaged("verify").status == 1
    repaired = damaged("verify", "--repair")
    assert repaired.status == 0, repaired.err
    assert damaged("verify").status == 0
    for asked in (("find", "a dog barks"), ("similar", low), ("captions", "list"), ("files",)):
        assert damaged(*asked, "--json").status in (0, 1)
    texts = {row["caption"] for row in damaged("captions", "list", "--json").rows}
    assert texts & {BELLS, f"{BELLS}\N{REPLACEMENT CHARACTER}"}


def test_a_bit_that_turned_on_the_disk_is_mended_wherever_the_text_stands(
    damaged: Command,
) -> None:
    """In the table, its index and the full text, each for itself: nothing else knows of it."""
    assert damaged("verify", "--repair").status == 0
    library = damaged.data_dir / "library.sqlite3"
    with closing(sqlite3.connect(library)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = library.read_bytes()
    places = [match.start() for match in re.finditer(BELLS.encode(), whole)]
    assert places
    for place in places:
        library.with_name("library.sqlite3-wal").unlink(missing_ok=True)
        library.with_name("library.sqlite3-shm").unlink(missing_ok=True)
        turned = bytearray(whole)
        turned[place] ^= 0x80
        library.write_bytes(turned)
        repaired = damaged("verify", "--repair")
        assert repaired.status == 0, repaired.err
        assert damaged("verify").status == 0
        texts = {row["caption"] for row in damaged("captions", "list", "--json").rows}
        assert texts & {BELLS, f"\N{REPLACEMENT CHARACTER}{BELLS[1:]}"}


def test_what_is_not_there_to_be_heard_is_left_for_later(
    damaged: Command, sound_folder: Path
) -> None:
    """The drive is not plugged in: what is damaged is dropped, and heard when it is back."""
    away = sound_folder.rename(sound_folder.with_name("away"))
    assert damaged("verify", "--repair").status == 0
    away.rename(sound_folder)
    assert damaged("index", "--json").rows[0]["windows_encoded"] == 3
    assert_whole(damaged, sound_folder)


def test_a_repair_waits_for_no_daemon(damaged: Command) -> None:
    """Whoever keeps the library up to date would index at the same time: it is named instead."""
    with IndexerLock(damaged.data_dir):
        refused = damaged("verify", "--repair")
        assert refused.status == 2
        assert f"pid {os.getpid()}" in refused.err
        assert damaged("verify").status == 1  # looking is allowed


@pytest.mark.parametrize("point", ["repair.commit", "transaction.done"])
def test_a_repair_that_is_killed_can_be_taken_up(
    damaged: Command, sound_folder: Path, point: str
) -> None:
    armed = dataclasses.replace(damaged, environ={"AUDIOSEARCH_FAULT": point})
    assert armed("verify", "--repair").status == -signal.SIGKILL
    assert damaged("verify", "--repair").status == 0
    damaged("index")
    assert_whole(damaged, sound_folder)
