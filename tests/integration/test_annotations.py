"""What a person wrote of sounds stays with the sounds, whatever becomes of files and rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from audiosearch.audio.clip import ClipRange
from audiosearch.errors import QueryError
from audiosearch.library.annotations import Annotations
from audiosearch.store.database import Database, open_database
from audiosearch.store.integrity.repair import repair
from audiosearch.store.integrity.verify import BundleDims, verify
from audiosearch.store.queries import captions, fulltext, recordings
from audiosearch.store.queries.roots import list_roots, remove_root
from audiosearch.store.schema import CaptionSource
from tests.damage import damage
from tests.indexing_fakes import (
    EMBEDDING,
    FRAME_DIM,
    JOINT,
    FakeBundle,
    WaveReader,
    run_index,
    write_wav,
)
from tests.old_library import make_older

DIMS = {FakeBundle().fingerprint: BundleDims(embedding=EMBEDDING, joint=JOINT, frames=FRAME_DIM)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three sounds of two seconds."""
    for number in range(3):
        write_wav(tmp_path / "sounds" / f"{number}.wav", seconds=2, seed=number)
    return tmp_path / "sounds"


@pytest.fixture
def database(folder: Path, tmp_path: Path) -> Iterator[Database]:
    """Their library, in which much is written of the first, and something of the second."""
    with open_database(tmp_path / "library.sqlite3") as database:
        run_index(database, folder, open_reader=WaveReader)
        own = Annotations(database)
        first, second = str(folder / "0.wav"), str(folder / "1.wav")
        own.tag([first], "Creaky Door")
        own.tag([f"{second}@0.5-1.5"], "squeak")
        own.rate([first], 4)
        own.favourite([f"{second}@0.5-1.5"])
        own.note([first], "by the old mill\nsecond line")
        own.collect("Trailer", [second, first], create=True)
        own.save_search("doors", ["find", "a door", "-n", "3"])
        with database.session() as session:
            [caption_id] = captions.add_captions(
                session, ["the postman"], source=CaptionSource.USER
            ).values()
            target = captions.Target(caption_id, 1, start_s=0.5, end_s=1.5, typed="The Postman")
            captions.add_targets(session, [target])
        assert verify(database, dims=DIMS) == []
        yield database


def written(database: Database) -> list[tuple[object, ...]]:
    """All that is written, without times, paths and ids."""
    own = Annotations(database)
    rows: list[tuple[object, ...]] = [
        (
            row.audio_hash,
            row.start_s,
            row.end_s,
            row.tags,
            row.rating,
            row.favourite_at is not None,
            row.note,
            row.collections,
        )
        for row in own.listed()
    ]
    rows.sort(key=repr)
    with database.reading() as session:
        rows += session.execute(
            text(
                "SELECT r.audio_hash, t.start_s, t.end_s, t.said FROM caption_target AS t"
                " JOIN recording AS r ON r.id = t.recording_id"
            )
        )
    order = [(row.audio_hash, row.start_s) for row in own.collection("trailer")]
    return [*rows, *order, *((each.name, each.arguments) for each in own.searches())]


def found_by(database: Database, words: str) -> list[str]:
    """Names of files whose sounds are found by words that are written of them."""
    with database.reading() as session:
        hits = fulltext.search_windows(
            session, fulltext.telling_words(words), bundle_id=1, limit=20, every=True
        )
        rows = session.execute(
            text(
                "SELECT DISTINCT f.display FROM sound_file AS f JOIN window AS w"
                " ON w.recording_id = f.recording_id WHERE f.state = 'indexed' AND w.id IN"
                f" ({','.join(str(each) for each, _ in hits) or 'NULL'}) ORDER BY 1"
            )
        )
        return [str(name) for (name,) in rows]


def test_what_is_written_is_listed_and_searched(database: Database, folder: Path) -> None:
    own = Annotations(database)
    first, *_, third = sorted(own.listed(), key=lambda row: (row.path, row.start_s, row.end_s or 0))
    assert first.path == bytes(folder / "0.wav")
    assert (first.tags, first.rating, first.note) == (
        ("Creaky Door",),
        4,
        "by the old mill\nsecond line",
    )
    assert first.collections == ("Trailer",)
    assert (third.start_s, third.end_s, third.tags) == (0.5, 1.5, ("squeak",))
    assert third.favourite_at is not None
    assert found_by(database, "creaky doors") == ["0.wav"]
    assert found_by(database, "squeak") == ["1.wav"]
    assert found_by(database, "mill second") == ["0.wav"]
    assert [(each.name, each.n_stretches) for each in own.tags()] == [
        ("Creaky Door", 1),
        ("squeak", 1),
    ]
    assert own.listed(tag="CREAKY  door") == [first]
    assert own.listed(least_stars=5) == []
    assert [row.path for row in own.collection("TRAILER")] == [
        bytes(folder / "1.wav"),
        bytes(folder / "0.wav"),
    ]


def test_it_stays_when_files_move_and_are_tagged_by_others(
    database: Database, folder: Path, tmp_path: Path
) -> None:
    before = written(database)
    (folder / "new").mkdir()
    (folder / "0.wav").rename(folder / "new" / "name.wav")
    (folder / "1.wav").write_bytes((folder / "1.wav").read_bytes() + b"LIST\4\0\0\0INFO")
    run_index(database, open_reader=WaveReader)
    assert written(database) == before
    paths = {row.path for row in Annotations(database).listed(tag="creaky door")}
    assert paths == {bytes(folder / "new" / "name.wav")}
    assert found_by(database, "creaky door mill") == ["new/name.wav"]


@pytest.mark.parametrize("how", ["missing", "root"])
def test_it_stays_when_sounds_are_purged_and_come_back(
    database: Database, folder: Path, tmp_path: Path, how: str
) -> None:
    before, away = written(database), tmp_path / "away"
    if how == "missing":
        folder.rename(away)
        folder.mkdir()
        write_wav(folder / "other.wav", seconds=1, seed=9)
        run_index(database, open_reader=WaveReader, accept_missing=True)
    with database.session() as session:
        if how == "root":
            [root] = list_roots(session)
            remove_root(session, root.root_id)
        assert recordings.purge(session).n_recordings == 3
    assert verify(database, dims=DIMS) == []
    rows = Annotations(database).listed(tag="creaky door")
    assert [(row.path, row.here, row.duration_s) for row in rows] == [
        (bytes(folder / "0.wav"), False, None)
    ]
    assert found_by(database, "creaky door") == []

    # Of what is gone something can still be written, by the path that it had.
    Annotations(database).rate([str(folder / "0.wav")], 5)
    Annotations(database).rate([str(folder / "0.wav")], 4)

    if how == "missing":
        away.rename(folder / "back")
    run_index(database, folder, open_reader=WaveReader)
    assert written(database) == before
    assert verify(database, dims=DIMS) == []
    assert len(found_by(database, "creaky door")) == 1
    with database.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM waiting_caption")) == 0


def test_it_stays_when_another_model_hears_all(database: Database, folder: Path) -> None:
    before = written(database)
    other = FakeBundle(name="other", fingerprint="e" * 64)
    run_index(database, folder, bundle=other, open_reader=WaveReader)
    assert written(database) == before
    assert verify(database) == []


DAMAGE = [
    "DELETE FROM tag",
    "UPDATE tag SET name = 'XX' WHERE name = 'creaky door'",
    "DELETE FROM recording_tag",
    "UPDATE recording_tag SET recording_id = 3",
    "UPDATE annotation SET rating = 9 WHERE rating IS NULL",
    "UPDATE annotation SET rated_at = NULL",
    "UPDATE annotation SET note = x'00ff', noted_at = 1 WHERE note IS NULL",
    "UPDATE collection SET key = 'else'",
    "UPDATE saved_search SET key = ''",
    "DELETE FROM window_frames",
    "DELETE FROM file_text",
    "UPDATE sound_file SET recording_id = 99",
    "UPDATE window SET embedding = x'00'",
]


@pytest.mark.parametrize("statement", DAMAGE)
def test_a_repair_keeps_it(database: Database, statement: str) -> None:
    before = written(database)
    damage(database, statement)
    assert verify(database, dims=DIMS) != []
    repair(database, dims=DIMS)
    run_index(database, open_reader=WaveReader)
    assert verify(database, dims=DIMS) == []
    after = written(database)
    if "recording_tag SET" in statement:
        # Set by nobody that is known, and yet there: it is kept rather than lost.
        assert len(after) >= len(before)
    else:
        assert after == before


def test_a_repair_keeps_what_lies_nowhere_for_the_whole_sound(database: Database) -> None:
    damage(database, "UPDATE annotation SET end_s = -1 WHERE start_s = 0.5")
    assert any(each.invariant == "annotations" for each in verify(database, dims=DIMS))
    repair(database, dims=DIMS)
    assert verify(database, dims=DIMS) == []
    [row] = Annotations(database).listed(tag="squeak")
    assert (row.start_s, row.end_s, row.collections) == (0.0, None, ("Trailer",))
    assert row.favourite_at is not None


def test_a_damaged_search_keeps_its_words(database: Database) -> None:
    damage(database, "UPDATE saved_search SET arguments_json = 'a creaking door'")
    repair(database, dims=DIMS)
    assert verify(database, dims=DIMS) == []
    assert Annotations(database).search("doors").arguments == ("find", "a creaking door")


def test_taking_it_away_leaves_nothing(database: Database, folder: Path) -> None:
    own = Annotations(database)
    first, second = str(folder / "0.wav"), str(folder / "1.wav")
    assert own.untag([first, second], "creaky DOOR").n_changed == 1
    assert own.untag([second], "squeak").n_changed == 1  # of the stretch, by its file
    assert own.rate([first], None).n_changed == 1
    assert own.favourite([second], wanted=False).n_changed == 1
    assert own.note([first], None).n_changed == 1
    assert own.uncollect("trailer", [first]).n_changed == 1
    own.delete_collection("trailer")
    assert own.listed() == []
    assert own.tags() == []
    assert found_by(database, "creaky") == []
    with database.reading() as session:
        for table in ("annotation", "annotated_sound", "annotation_tag", "recording_tag"):
            assert session.scalar(text(f"SELECT count(*) FROM {table}")) == 0
    assert verify(database, dims=DIMS) == []


def test_stretches(database: Database, folder: Path) -> None:
    own, second = Annotations(database), str(folder / "1.wav")
    own.tag([f"{second}@0-2", f"{second}@0-9", ClipRange(bytes(folder / "1.wav"), 0.0, 2.0)], "all")
    [row] = own.listed(tag="all")
    assert (row.start_s, row.end_s) == (0.0, None)  # all of a sound is the sound
    own.tag([f"{second}@1-"], "rest")
    [row] = own.listed(tag="rest")
    assert (row.start_s, row.end_s) == (1.0, 2.0)
    with pytest.raises(QueryError, match="the sound ends before 2 s"):
        own.tag([f"{second}@2-3"], "late")
    with pytest.raises(QueryError, match="no such sound file"):
        own.tag([f"{second}x"], "nowhere")
    (folder / "late.wav").write_bytes((folder / "1.wav").read_bytes())
    with pytest.raises(QueryError, match=r"not in the library|not heard"):
        own.tag([str(folder / "late.wav")], "unknown")
    done = own.tag([second, str(folder / "none.wav"), f"{second}@7-9"], "some")
    assert (done.n_stretches, done.n_changed, len(done.problems)) == (1, 1, 2)
    with pytest.raises(QueryError, match=r"none\.wav"):
        own.tag([second, str(folder / "none.wav")], "never", all_or_none=True)
    assert own.listed(tag="never") == []


@pytest.mark.parametrize(
    "name",
    [
        *("", "   ", "\n", "x" * 201, "a\x07b", "a\ud800", "a\udcffb"),
        *("a\u202eb", "\u2066a\u2069", "a\u200eb", "do\u200dor", "a\u200bb", "\ufeffa"),
    ],
)
def test_names_that_are_none_are_refused(database: Database, folder: Path, name: str) -> None:
    own, first = Annotations(database), str(folder / "0.wav")
    with pytest.raises(QueryError):
        own.tag([first], name)
    with pytest.raises(QueryError):
        own.create_collection(name)
    with pytest.raises(QueryError):
        own.save_search(name, ["find", "x"])
    with pytest.raises(QueryError):
        own.create_collection("TRAILER")  # there is one


def test_a_tag_of_the_first_libraries_becomes_an_annotation(
    database: Database, tmp_path: Path
) -> None:
    damage(database, "DELETE FROM annotation_tag")
    database.close()
    path = database.path
    make_older(path, revision="0005", scripts=tmp_path / "scripts", filled={})
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM recording_tag")
        connection.execute("INSERT INTO tag (id, name) VALUES (50, 'Brücke')")
        connection.execute("INSERT INTO recording_tag VALUES (2, 50)")
    with open_database(path) as opened:
        assert verify(opened) == []
        [row] = Annotations(opened).listed(tag="brucke")
        assert (row.tags, row.end_s) == (("Brücke",), None)
        assert row.path.endswith(b"1.wav")
        assert found_by(opened, "brücke") == ["1.wav"]
    [backup] = (path.parent / "backups").iterdir()  # with the caption that was written
    assert b'"The Postman"' in backup.read_bytes()
