"""Several people write of the sounds of one library: whose it is, and what each of them sees."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from audiosearch.errors import QueryError
from audiosearch.library.annotations import Annotations
from audiosearch.library.restore import restore
from audiosearch.search.filters import Filters
from audiosearch.search.scope import find_scope
from audiosearch.store.backup import write_backup
from audiosearch.store.backup_lines import VERSION
from audiosearch.store.database import Database, open_database
from audiosearch.store.integrity.verify import verify
from audiosearch.store.queries.file_details import sound_briefs
from audiosearch.store.queries.filtered import filtered_files
from tests.indexing_fakes import WaveReader, run_index, write_wav
from tests.old_library import make_older
from tests.users import check_what_users_see


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(3):
        write_wav(tmp_path / "sounds" / f"{number}.wav", seconds=2, seed=number)
    return tmp_path / "sounds"


@pytest.fixture
def database(folder: Path, tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "library.sqlite3") as database:
        run_index(database, folder, open_reader=WaveReader)
        yield database
        assert verify(database) == []


def test_each_sees_what_is_everybodys_and_the_own(database: Database, folder: Path) -> None:
    check_what_users_see(database, folder)


def names(database: Database, filters: Filters) -> list[str]:
    with database.asking() as session:  # as questions do
        rows = filtered_files(session, [1, 2, 3], find_scope(session, filters))
    return sorted(row[3].decode() for row in rows)


def test_filters_count_the_own(database: Database, folder: Path) -> None:
    own = Annotations(database)
    for user, number, stars in (("", 0, 3), ("anna", 1, 5), ("ben", 2, 5), ("ben", 0, 1)):
        database.user = user
        own.rate([str(folder / f"{number}.wav")], stars)
    database.user = "ben"
    own.favourite([str(folder / "2.wav")])
    own.tag([str(folder / "2.wav")], "creak")
    database.user = "anna"
    assert names(database, Filters(rating=(4, None))) == ["1.wav"]
    assert names(database, Filters(rating=(3, None))) == ["0.wav", "1.wav"]
    assert names(database, Filters(favourite=True)) == []
    assert names(database, Filters(favourite=False)) == ["0.wav", "1.wav", "2.wav"]
    assert names(database, Filters(tags=("Creak",))) == ["2.wav"]  # a team's tags are for all
    with database.reading() as session:
        briefs = sound_briefs(session, [1, 2, 3])
    assert [(each.rating, each.favourite) for each in briefs] == [
        (3, False),
        (5, False),
        (None, False),
    ]
    assert [each.tags_given for each in briefs] == [(), (), ("creak",)]
    own.rate([str(folder / "0.wav")], 2)  # counts before everybody's, which is 3
    assert names(database, Filters(rating=(3, None))) == ["1.wav"]
    assert [row.rating for row in own.listed(least_stars=3)] == [5]
    assert own.rate([str(folder / "0.wav")], None).n_changed == 1  # and everybody's stays
    assert names(database, Filters(rating=(3, None))) == ["0.wav", "1.wav"]
    database.user = "ben"
    assert names(database, Filters(favourite=True)) == ["2.wav"]
    with database.reading() as session:
        briefs = sound_briefs(session, [1, 2, 3])
    assert [each.rating for each in briefs] == [1, None, 5]


def test_a_backup_keeps_whose_it_is(database: Database, folder: Path, tmp_path: Path) -> None:
    own, first = Annotations(database), str(folder / "0.wav")
    own.tag([first], "door")
    plain = tmp_path / "plain.jsonl"
    write_backup(database, plain)
    assert json.loads(plain.read_text().splitlines()[0])["version"] == 1  # older programs read it
    assert "user" not in plain.read_text()
    for user in ("anna", "ben"):
        database.user = user
        own.rate([first], 4 if user == "anna" else 2)
        own.note([f"{first}@0-1"], f"of {user}")
        own.collect("best", [first], create=True)
    file = tmp_path / "mine.jsonl"
    write_backup(database, file)
    assert json.loads(file.read_text().splitlines()[0])["version"] == VERSION == 2
    with open_database(tmp_path / "other" / "library.sqlite3") as other:
        run_index(other, folder, open_reader=WaveReader)
        other.user = "carl"  # who restores it does not matter
        assert restore(other, file).n_new == len(file.read_text().splitlines()) - 2
        again = tmp_path / "again.jsonl"
        write_backup(other, again)
        assert again.read_text().splitlines()[1:] == file.read_text().splitlines()[1:]
        assert restore(other, file).n_new == 0
        other.user = "ben"
        [mine] = Annotations(other).collection("best")
        assert mine.rating == 2
        assert verify(other) == []


def test_what_was_written_before_there_were_users_is_everybodys(
    folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "old" / "library.sqlite3"
    with open_database(path) as database:
        run_index(database, folder, open_reader=WaveReader)
        own = Annotations(database)
        own.tag([str(folder / "0.wav")], "door")
        own.rate([f"{folder / '0.wav'}@0-1"], 3)
        own.collect("best", [str(folder / "0.wav")], create=True)
        before = own.listed(), own.collection("best")
    make_older(path, revision="0011", scripts=tmp_path / "scripts", filled={})
    with open_database(path, user="anna") as database:
        own = Annotations(database)
        assert (own.listed(), own.collection("best")) == before
        assert {each.user for each in own.listed()} == {""}
        own.untag([str(folder / "0.wav")], "door")  # what is everybody's, each may change
        assert own.tags() == []
        assert verify(database) == []


def test_a_collection_of_ones_own_is_shared(database: Database, folder: Path) -> None:
    own, sounds = Annotations(database), [str(folder / f"{n}.wav") for n in range(3)]
    database.user = "anna"
    own.collect("best", [sounds[2], f"{sounds[0]}@0-1", sounds[1]], create=True)
    own.rate([sounds[2]], 5)
    database.user = "ben"
    assert own.collections() == []
    with pytest.raises(QueryError, match="there is no collection 'best'"):
        own.collection("best")
    own.create_collection("Best", shared=True)  # of that name he sees none
    database.user = "anna"
    with pytest.raises(QueryError, match="that everybody shares"):
        own.share_collection("best")
    own.rename_collection("best", "the best")
    before = [(row.path, row.start_s, row.end_s, row.rating) for row in own.collection("the best")]
    assert own.share_collection("the best") is True
    assert own.share_collection("the best") is False
    assert [
        (row.path, row.start_s, row.end_s, row.rating) for row in own.collection("the best")
    ] == before
    database.user = "ben"
    assert [row.path for row in own.collection("the best")] == [each[0] for each in before]
    assert own.uncollect("the best", [sounds[1]]).n_changed == 1
    assert own.collect("the best", [sounds[1]]).n_changed == 1
    assert [row.rating for row in own.collection("the best")] == [None, None, None]  # hers


def test_a_tag_is_taken_from_sounds_of_ones_own_and_of_everybody(
    database: Database, folder: Path
) -> None:
    own, sounds = Annotations(database), [str(folder / f"{n}.wav") for n in range(2)]
    own.tag([sounds[0]], "door")
    database.user = "anna"
    own.tag([sounds[1]], "door")
    assert own.untag(sounds, "Door").n_changed == 2
    assert own.tag(sounds[:1], "plain").n_changed == 1
    with database.session() as session:  # a name of before, which is not what was typed
        session.execute(text("UPDATE tag SET name = 'strange' WHERE name = 'plain'"))
    assert own.untag(sounds, "strange").n_changed == 1
    assert own.tags() == []
