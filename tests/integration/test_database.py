"""The database file itself: opening, locks, transactions, damage, a full disk."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from audiosearch.errors import (
    LibraryCorrupt,
    LibraryLocked,
    SchemaTooNew,
    StorageFull,
    StoreError,
)
from audiosearch.store.database import database_size, open_database
from audiosearch.store.integrity.verify import verify
from audiosearch.store.queries import roots
from audiosearch.store.schema import LibraryRoot


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "library.sqlite3"


def test_a_new_library_is_empty_and_sound(path: Path) -> None:
    with open_database(path) as database:
        assert verify(database) == []
        assert not database.read_only
    assert database_size(path) > 0


def test_what_is_committed_is_there_and_what_fails_is_not(path: Path) -> None:
    with open_database(path) as database:
        with database.session() as session:
            roots.add_root(session, b"/kept")
        with contextlib.suppress(RuntimeError), database.session() as session:
            roots.add_root(session, b"/dropped")
            raise RuntimeError
    with open_database(path, read_only=True) as database, database.reading() as session:
        assert [root.path for root in roots.list_roots(session)] == [b"/kept"]


def test_reading_a_library_that_is_not_there(path: Path) -> None:
    with pytest.raises(StoreError, match="no library yet"):
        open_database(path, read_only=True)
    assert not path.parent.exists()


def test_a_path_of_odd_characters(tmp_path: Path) -> None:
    path = tmp_path / "a b%20?mode=ro#é" / "library.sqlite3"
    open_database(path).close()
    assert path.exists()
    open_database(path, read_only=True).close()


def test_readers_see_one_state_while_a_writer_writes(path: Path) -> None:
    with open_database(path) as writer, open_database(path, read_only=True) as reader:
        with reader.reading() as reading:
            assert roots.list_roots(reading) == []
            with writer.session() as writing:
                roots.add_root(writing, b"/new")
            assert roots.list_roots(reading) == []
        with reader.session() as reading:
            assert len(roots.list_roots(reading)) == 1


def test_a_read_only_library_cannot_be_written_to(path: Path) -> None:
    open_database(path).close()
    with (
        open_database(path, read_only=True) as database,
        pytest.raises(StoreError, match="readonly"),
        database.session() as session,
    ):
        roots.add_root(session, b"/x")


def test_only_one_writer(path: Path) -> None:
    with open_database(path):
        with pytest.raises(LibraryLocked, match=f"pid {os.getpid()}"):
            open_database(path)
        open_database(path, read_only=True).close()
    open_database(path).close()  # given back


def test_a_second_process_is_told_who_writes(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from audiosearch.store.database import *\n"
        "open_database(Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", program, str(path)]
    with open_database(path):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert f"LibraryLocked: {path.parent}" in done.stderr
        assert f"pid {os.getpid()}" in done.stderr
    subprocess.run(command, check=True)


def test_a_dead_writer_leaves_no_lock(path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from audiosearch.store.database import *\n"
        "database = open_database(Path(sys.argv[1])); os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert done.returncode == 9
    open_database(path).close()


def test_another_programs_lock_is_waited_for_then_reported(path: Path) -> None:
    open_database(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with open_database(path, patience_s=0.1) as database:
            with pytest.raises(LibraryLocked, match="another program"), database.session():
                pass
            with database.reading() as session:
                assert session.scalars(select(LibraryRoot)).all() == []
            other.execute("ROLLBACK")
            with database.session() as session:
                roots.add_root(session, b"/later")


def test_a_lock_that_is_dropped_in_time_is_waited_for(path: Path) -> None:
    open_database(path).close()
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    happened: list[str] = []

    def drop() -> None:
        happened.append("dropped")
        other.rollback()

    timer = threading.Timer(0.3, drop)
    with open_database(path) as database:
        timer.start()
        with database.session() as session:
            roots.add_root(session, b"/x")
            happened.append("written")
        timer.join()
        other.close()
        assert happened == ["dropped", "written"]
        with database.reading() as session:
            assert session.scalars(select(LibraryRoot.path)).all() == [b"/x"]


def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database at all\n" * 100)
    before = path.read_bytes()
    for read_only in (True, False):
        with pytest.raises(LibraryCorrupt, match="damaged"):
            open_database(path, read_only=read_only)
    assert path.read_bytes() == before


def test_another_programs_database_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE photos (id INTEGER)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not an audiosearch library"):
        open_database(path)
    assert path.read_bytes() == before


def test_damage_is_reported_and_nothing_is_made_anew(path: Path) -> None:
    with open_database(path) as database, database.session() as session:
        session.execute(
            text(
                "INSERT INTO library_root (path, added_at) SELECT randomblob(3000), 0 FROM"
                " (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)"
                " SELECT i FROM n)"
            )
        )
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    for start in range(len(content) // 2, len(content), 4096):  # later pages: the blobs
        content[start : start + 64] = os.urandom(64)
    path.write_bytes(content)
    with open_database(path) as database:
        assert any(each.invariant == "integrity" for each in verify(database))
        with (
            pytest.raises(LibraryCorrupt, match="damaged") as caught,
            database.session() as session,
        ):
            session.execute(text("REINDEX"))
        assert "verify" in str(caught.value)
    assert path.stat().st_size == len(content)


def test_a_newer_schema_is_refused_and_the_file_unchanged(path: Path) -> None:
    open_database(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = hashlib.sha256(path.read_bytes()).digest()
    for read_only in (True, False):
        with pytest.raises(SchemaTooNew, match="9999"):
            open_database(path, read_only=read_only)
    assert hashlib.sha256(path.read_bytes()).digest() == before
    open_database(path.with_name("other.sqlite3")).close()  # the lock was given back


def fill_the_disk(session: Session) -> None:
    """Make SQLite say what it says at ENOSPC, without a disk to fill."""
    session.execute(text("PRAGMA max_page_count = 1"))
    for number in range(2000):
        roots.add_root(session, b"/%d" % number * 50)


def test_a_full_disk_is_said_and_leaves_the_library_sound(path: Path) -> None:
    with open_database(path) as database:
        with pytest.raises(StorageFull, match="full"), database.session() as session:
            fill_the_disk(session)
        with database.reading() as session:
            session.execute(text("PRAGMA max_page_count = 1073741823"))
            assert roots.list_roots(session) == []
        assert verify(database) == []


def test_opening_does_not_load_alembic(path: Path) -> None:
    open_database(path).close()
    program = (
        "import sys; from pathlib import Path; from audiosearch.store.database import *\n"
        "open_database(Path(sys.argv[1]), read_only=True).close()\n"
        "assert not {'alembic', 'filelock', 'mako'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)


def test_threads_may_write_at_the_same_time(path: Path) -> None:
    with open_database(path) as database:

        def add(number: int) -> None:
            for each in range(5):
                with database.session() as session:
                    roots.add_root(session, b"/%d-%d" % (number, each))

        threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with database.reading() as session:
            assert len(roots.list_roots(session)) == 20
