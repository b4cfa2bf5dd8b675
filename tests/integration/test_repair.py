"""A library damaged on purpose: repaired, heard again where needed, and nothing of people lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from audiosearch.errors import LibraryCorrupt
from audiosearch.store.database import Database, open_database
from audiosearch.store.integrity.repair import Repaired, repair
from audiosearch.store.integrity.verify import verify
from audiosearch.store.queries import captions, fulltext
from audiosearch.store.schema import CaptionSource
from tests.damage import damage as change_rows
from tests.indexing_fakes import (
    DIMS,
    EMBEDDING,
    FakeModels,
    WaveReader,
    run_index,
    write_wav,
)

N_WINDOWS = 9  # 3 sounds of 2 seconds: windows of one second, half-overlapping


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Three sounds, and a person's caption on the second one."""
    for number in range(3):
        write_wav(tmp_path / "sounds" / f"{number}.wav", seconds=2, seed=number)
    with open_database(tmp_path / "library.sqlite3") as database:
        run_index(database, tmp_path / "sounds", open_reader=WaveReader)
        with database.session() as session:
            [caption_id] = captions.add_captions(
                session, ["my own words"], source=CaptionSource.USER
            ).values()
            target = captions.Target(caption_id, recording_id=2, start_s=0.5, end_s=1.5)
            captions.add_targets(session, [target])
        assert verify(database, dims=DIMS) == []
        yield database


def damage(database: Database, *statements: str) -> None:
    """Change rows so that `verify` sees it."""
    change_rows(database, *statements)
    assert verify(database, dims=DIMS) != []


def execute(database: Database, statement: str) -> None:
    with closing(sqlite3.connect(database.path)) as connection, connection:
        connection.execute(statement)


@contextmanager
def open_anew(database: Database) -> Iterator[Database]:
    """The library as another process would find it."""
    database.close()
    with open_database(database.path) as opened:
        yield opened


def found_by_own_words(database: Database) -> set[int]:
    """The recordings found by the words that a person wrote."""
    with database.reading() as session:
        words = fulltext.telling_words("my own words")
        hits = fulltext.search_windows(session, words, bundle_id=1, limit=9)
        rows = session.execute(text("SELECT id, recording_id FROM window"))
        recording_of = {row[0]: row[1] for row in rows}
    return {recording_of[window_id] for window_id, _ in hits}


NAN = "00" * (2 * EMBEDDING - 2) + "007e"

# statement -> windows that have to be encoded again
DAMAGE = {
    "UPDATE sound_file SET state = 'lost' WHERE id = 2": 0,
    "UPDATE sound_file SET error_code = 'x' WHERE id = 2": 0,
    "UPDATE sound_file SET recording_id = NULL WHERE id = 2": 0,
    "UPDATE sound_file SET recording_id = 99 WHERE id = 2": 0,
    "UPDATE sound_file SET metadata_json = '{' WHERE id = 2": 0,
    "UPDATE sound_file SET metadata_json = x'ff' WHERE id = 2": 0,
    "INSERT INTO tag (name) VALUES ('  Rain ')": 0,
    "INSERT INTO tag (name) VALUES ('')": 0,
    "UPDATE encoding SET n_windows = NULL WHERE recording_id = 2": 0,
    "UPDATE encoding SET n_windows = 9 WHERE recording_id = 2": 3,
    "UPDATE window SET position = 7 WHERE recording_id = 2 AND position = 1": 3,
    "UPDATE recording SET duration_s = 0 WHERE id = 2": 3,
    "UPDATE window SET end_s = start_s WHERE recording_id = 2": 3,
    "UPDATE window SET start_s = 0 WHERE recording_id = 2 AND position = 1": 3,
    "UPDATE window_caption SET cross_entropy = 9e99 WHERE window_id = 5": 3,
    "DELETE FROM encoding WHERE recording_id = 2": 3,
    "DELETE FROM window_frames WHERE window_id = 5": 3,
    "DELETE FROM window WHERE id = 5": 3,
    "UPDATE window_frames SET n_frames = 4 WHERE window_id = 5": 3,
    "UPDATE window_frames SET frames = x'007e' WHERE window_id = 5": 3,
    "UPDATE window SET embedding = x'00' WHERE id = 5": 3,
    f"UPDATE window SET embedding = x'{NAN}' WHERE id = 5": 3,
    "UPDATE window SET joint = NULL WHERE id = 5": 3,
    "DELETE FROM window_draw WHERE window_id = 5": 3,
    "UPDATE window SET silent = 1 WHERE id = 5": 3,
    "DELETE FROM caption_text": 0,
    "INSERT INTO caption_text (rowid, text) VALUES (999, 'x')": 0,
    "DELETE FROM file_text WHERE rowid = 2": 0,
    "INSERT INTO file_text (rowid, name) VALUES (999, 'x')": 0,
    "UPDATE caption_target SET end_s = -1": 0,
}


@pytest.mark.parametrize(("statement", "n_again"), DAMAGE.items())
def test_damage_is_repaired_and_what_people_wrote_is_kept(
    database: Database, statement: str, n_again: int
) -> None:
    damage(database, statement)
    repair(database, dims=DIMS)
    assert verify(database, dims=DIMS) == []
    models = FakeModels()
    run_index(database, models=models, open_reader=WaveReader)
    assert models.encoder.n_windows == n_again
    assert verify(database, dims=DIMS) == []
    with database.reading() as session:
        states = session.execute(text("SELECT state, count(*) FROM sound_file GROUP BY state"))
        assert [tuple(row) for row in states] == [("indexed", 3)]
        assert session.scalar(text("SELECT count(*) FROM window")) == N_WINDOWS
        own = captions.list_captions(session, source=CaptionSource.USER)
        assert [(each.text, each.n_targets) for each in own] == [("my own words", 1)]
    assert found_by_own_words(database) == {2}
    run_index(database, models=models, open_reader=WaveReader)
    assert models.encoder.n_windows == n_again  # nothing more


def test_everything_at_once(database: Database) -> None:
    damage(
        database,
        *(each for each in DAMAGE if "sound_file" in each or "file_text" in each),
        "DELETE FROM window_frames WHERE window_id = 1",
        "UPDATE window SET embedding = x'00' WHERE id = 9",
    )
    done = repair(database, dims=DIMS)
    assert done.n_encodings == 2
    run_index(database, open_reader=WaveReader)
    assert verify(database, dims=DIMS) == []
    assert found_by_own_words(database) == {2}


def test_a_sound_library_is_left_alone(database: Database) -> None:
    before = database.path.read_bytes()
    assert repair(database, dims=DIMS) == Repaired(n_encodings=0, n_files=0, n_rows=0)
    assert database.path.read_bytes() == before


def test_tags_that_are_one_become_one_and_stay_where_they_were(database: Database) -> None:
    damage(
        database,
        "INSERT INTO tag (id, name) VALUES (1, 'Brücke'), (2, 'brucke'), (3, 'BRÜCKE'), (4, '')",
        "INSERT INTO file_tag (file_id, tag_id) VALUES (1, 1), (1, 2), (2, 3), (3, 4)",
        "INSERT INTO recording_tag (recording_id, tag_id) VALUES (3, 1), (3, 3)",
    )
    repair(database, dims=DIMS)
    assert verify(database, dims=DIMS) == []
    with database.reading() as session:
        assert session.execute(text("SELECT name FROM tag")).scalars().all() == ["brucke"]
        of_files = session.execute(text("SELECT file_id FROM file_tag ORDER BY 1")).scalars().all()
        given = session.execute(text("SELECT recording_id FROM recording_tag")).scalars().all()
        assert (of_files, given) == ([1, 2], [3])
        words = fulltext.telling_words("Brücke")
        hits = fulltext.search_windows(session, words, bundle_id=1, limit=N_WINDOWS)
        assert len(hits) == N_WINDOWS  # all three files, by its one name


def test_broken_texts_of_a_missing_file_are_read_when_it_is_back(
    database: Database, tmp_path: Path
) -> None:
    path, away = tmp_path / "sounds" / "1.wav", tmp_path / "away"
    path.rename(away)
    run_index(database, open_reader=WaveReader)
    damage(database, "UPDATE sound_file SET metadata_json = 'x' WHERE state = 'missing'")
    repair(database, dims=DIMS)
    with database.reading() as session:
        [state] = session.execute(text("SELECT state FROM sound_file WHERE id = 2")).scalars()
    assert state == "missing"
    away.rename(path)
    models = FakeModels()
    report = run_index(database, models=models, open_reader=WaveReader)
    assert (report.n_recognised, models.encoder.n_windows) == (1, 0)
    assert verify(database, dims=DIMS) == []


def test_more_breaches_than_are_told_are_all_repaired(database: Database, tmp_path: Path) -> None:
    for number in range(3, 30):
        write_wav(tmp_path / "sounds" / f"{number}.wav", seconds=1, seed=number)
    run_index(database, open_reader=WaveReader)
    damage(database, "DELETE FROM window_frames")
    assert repair(database, dims=DIMS).n_encodings == 30
    assert verify(database, dims=DIMS) == []


def test_orphans_go(database: Database) -> None:
    damage(
        database,
        "INSERT INTO window_frames (window_id, n_frames, frames) VALUES (77, 1, x'0000')",
        "INSERT INTO caption_vector (caption_id, bundle_id, joint) VALUES (77, 1, x'0000')",
    )
    assert repair(database, dims=DIMS).n_rows == 2
    assert verify(database, dims=DIMS) == []


def test_vectors_of_a_bundle_that_is_not_here_are_held_to_most_of_them(
    database: Database,
) -> None:
    """The first window is the wrong one: the others must not be taken for wrong."""
    damage(database, "UPDATE window SET embedding = x'0000' WHERE id = 1")
    assert [each.encoding for each in verify(database)] == [(1, 1)]
    assert repair(database, dims={}).n_encodings == 1


def test_an_index_out_of_step_is_built_anew(database: Database) -> None:
    """Rows change while the index is hidden, as if the disk had lost a write."""
    name = "ix_sound_file_state"
    with closing(sqlite3.connect(database.path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        row = connection.execute("SELECT * FROM sqlite_master WHERE name = ?", (name,)).fetchone()
        connection.execute("DELETE FROM sqlite_master WHERE name = ?", (name,))
    with closing(sqlite3.connect(database.path, isolation_level=None)) as connection:
        connection.execute("UPDATE sound_file SET state = 'missing' WHERE id = 1")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", row)
    with open_anew(database) as opened:
        assert {each.invariant for each in verify(opened)} == {"integrity"}
        repair(opened, dims=DIMS)
        assert verify(opened, dims=DIMS) == []


def test_damaged_pages_cannot_be_repaired_and_nothing_is_changed(database: Database) -> None:
    for _ in range(50):
        execute(database, "INSERT INTO library_root (path, added_at) VALUES (randomblob(3000), 0)")
    database.close()
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(database.path.read_bytes())
    n_pages = len(content) // 4096
    for start in range(n_pages // 2 * 4096, len(content), 4096):  # the heads of pages
        content[start : start + 64] = b"\xa5" * 64
    database.path.write_bytes(content)
    with open_anew(database) as opened, pytest.raises(LibraryCorrupt) as caught:
        repair(opened, dims=DIMS)
    assert "backup" in str(caught.value)
    assert database.path.read_bytes() == bytes(content)
