"""`audiosearch verify --repair`: a damaged library is put right, at any moment of a crash too."""

from __future__ import annotations

import dataclasses
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from audiosearch.store.lock import IndexerLock
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
