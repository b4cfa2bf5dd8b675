"""Questions on SQLite's own connection, and the ordinary session behind it."""

import sqlite3
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select

from audiosearch.errors import LibraryCorrupt, LibraryReplaced
from audiosearch.store.database import Database, open_database
from audiosearch.store.dialects import commit_token, is_sqlite
from audiosearch.store.direct import DirectSession, fetch, fetch_parts, fetch_value, in_list
from audiosearch.store.queries import roots
from audiosearch.store.schema import LibraryRoot

COUNT = "SELECT count(*) FROM library_root"


@pytest.fixture
def database(tmp_path: Path):
    with open_database(tmp_path / "library.sqlite3") as opened:
        yield opened


def add(database: Database, path: bytes) -> None:
    with database.session() as session:
        roots.add_root(session, path)


def test_both_ways_see_one_state_whatever_is_written_meanwhile(database: Database):
    add(database, b"/one")
    with open_database(database.path, read_only=True) as reader, reader.asking() as session:
        assert isinstance(session, DirectSession)
        assert is_sqlite(session)
        assert fetch_value(session, COUNT) == 1
        add(database, b"/two")
        assert fetch_value(session, COUNT) == 1
        assert session.scalar(select(func.count()).select_from(LibraryRoot)) == 1
        assert [root.path for root in session.scalars(select(LibraryRoot))] == [b"/one"]
        assert session.connection().exec_driver_sql(COUNT).scalar() == 1
        assert fetch_value(session, COUNT) == 1


def test_the_next_question_sees_what_was_written_and_has_another_mark(database: Database):
    with open_database(database.path, read_only=True) as reader:
        marks = []
        for n in range(3):
            with reader.asking() as session:
                marks.append(commit_token(session))
                assert fetch_value(session, COUNT) == n
                assert session.scalar(select(func.count()).select_from(LibraryRoot)) == n
            with reader.asking() as session:
                assert commit_token(session) == marks[-1]
            add(database, f"/{n}".encode())
        assert len(set(marks)) == 3


def test_nothing_can_be_written(database: Database):
    with database.asking() as session:
        assert isinstance(session, DirectSession)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            session.driver.execute("DELETE FROM library_root")


def test_statements_say_the_same_on_an_ordinary_session(database: Database):
    for n in range(10):
        add(database, f"/{n}".encode())
    wanted = f"SELECT id, path FROM library_root WHERE id IN ({in_list(range(4))}) AND path > :path"
    with database.asking() as direct, database.reading() as ordinary:
        assert not isinstance(ordinary, DirectSession)
        rows = fetch(direct, wanted, path=b"/0")
        assert rows == fetch(ordinary, wanted, path=b"/0") == [(2, b"/1"), (3, b"/2")]
        every = "SELECT id FROM library_root ORDER BY id"
        for session in (direct, ordinary):
            assert [len(part) for part in fetch_parts(session, every, 4)] == [4, 4, 2]
            assert fetch_value(session, f"{every} LIMIT :n", n=0) is None
            assert fetch(session, f"SELECT 1 FROM library_root WHERE id IN ({in_list([])})") == []


def test_questions_at_once_each_have_a_connection(database: Database):
    add(database, b"/one")
    found: list[int] = []
    together = threading.Barrier(4)

    def ask() -> None:
        with database.asking() as session:
            together.wait(30)
            assert session.scalar(select(func.count()).select_from(LibraryRoot)) == 1
            found.append(fetch_value(session, COUNT))
            together.wait(30)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [1] * 4


def test_a_failed_question_leaves_nothing_behind(database: Database):
    add(database, b"/one")
    with pytest.raises(sqlite3.OperationalError), database.asking() as session:
        fetch(session, "SELECT nothing FROM library_root")
    with pytest.raises(ZeroDivisionError), database.asking():
        raise ZeroDivisionError
    with database.asking() as session:
        assert fetch_value(session, COUNT) == 1


def test_damage_is_told_as_everywhere(tmp_path: Path):
    path = tmp_path / "library.sqlite3"
    with open_database(path) as database:
        add(database, b"/one")
    with open_database(path, read_only=True) as reader:
        content = bytearray(path.read_bytes())
        content[4096:] = b"\xff" * (len(content) - 4096)
        path.write_bytes(content)
        with pytest.raises((LibraryCorrupt, LibraryReplaced)), reader.asking() as session:
            fetch(session, "SELECT * FROM sound_file, library_root, caption")


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be moved there")
@pytest.mark.parametrize("asked_before", [False, True])
def test_a_library_that_took_the_place_is_not_asked(tmp_path: Path, asked_before: bool):
    path, other = tmp_path / "a" / "library.sqlite3", tmp_path / "b" / "library.sqlite3"
    for each in (path, other):
        with open_database(each) as database:
            add(database, os_path(each))
    with open_database(path, read_only=True) as reader:
        if asked_before:
            with reader.asking() as session:
                assert fetch_value(session, COUNT) == 1
        other.replace(path)
        with pytest.raises(LibraryReplaced), reader.asking():
            pass


def os_path(path: Path) -> bytes:
    return str(path.parent).encode()
