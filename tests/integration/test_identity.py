"""A library that is moved, deleted, restored or replaced while it is open: nothing is written."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from audiosearch.errors import LibraryReplaced, StoreError
from audiosearch.store.database import Database, open_database
from audiosearch.store.identity import read_identity
from audiosearch.store.integrity import places
from audiosearch.store.integrity.repair import repair
from audiosearch.store.integrity.verify import verify, verify_and_count
from audiosearch.store.queries import fulltext, generations, roots
from audiosearch.store.schema import FileState, SoundFile


def library(folder: Path, *, root: bytes) -> Path:
    path = folder / "library.sqlite3"
    with open_database(path) as database, database.session() as session:
        roots.add_root(session, root)
    return path


def root_paths(path: Path) -> list[bytes]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as reader:
        return [row[0] for row in reader.execute("SELECT path FROM library_root")]


def replaced_by_rename(mine: Path, other: Path) -> None:
    other.replace(mine)


def folder_exchanged(mine: Path, other: Path) -> None:
    mine.parent.rename(mine.parent.with_name("away"))
    other.parent.rename(mine.parent)


def overwritten_in_place(mine: Path, other: Path) -> None:
    mine.write_bytes(other.read_bytes())  # the same file entry, another library's content


def restored_from_a_copy(mine: Path, other: Path) -> None:
    shutil.copy2(mine, other)
    other.replace(mine)


def deleted(mine: Path, _other: Path) -> None:
    mine.unlink()


def folder_deleted(mine: Path, _other: Path) -> None:
    shutil.rmtree(mine.parent)


CHANGES = [
    replaced_by_rename,
    folder_exchanged,
    overwritten_in_place,
    restored_from_a_copy,
    deleted,
    folder_deleted,
]


def use(database: Database) -> None:
    with database.session() as session:
        roots.add_root(session, b"/written too late")


def ask(database: Database) -> None:
    with database.reading() as session:
        roots.list_roots(session)


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be replaced there")
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("was_used", [True, False])
def test_an_open_library_that_changes_is_neither_read_nor_written(
    tmp_path: Path, change: object, was_used: bool
) -> None:
    assert callable(change)
    mine = library(tmp_path / "mine", root=b"/mine")
    other = library(tmp_path / "other", root=b"/other")
    with open_database(mine) as writer, open_database(mine, read_only=True) as reader:
        if was_used:  # so that a connection is kept, into the old file
            ask(reader)
            ask(writer)
        change(mine, other)
        for attempt in (ask, use):
            with pytest.raises(LibraryReplaced, match="start the command again"):
                attempt(writer)
        with pytest.raises(LibraryReplaced):
            ask(reader)
        with reader.spare() as session:  # whoever only reads keeps nothing then
            assert session is None
    if mine.exists():
        assert root_paths(mine) != [b"/written too late"]
        assert b"/written too late" not in root_paths(mine)
        open_database(mine, read_only=True).close()
    else:
        assert not mine.exists()


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be replaced there")
@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_in_the_middle_of_a_transaction_is_not_written_to(
    tmp_path: Path, change: object
) -> None:
    assert callable(change)
    mine = library(tmp_path / "mine", root=b"/mine")
    other = library(tmp_path / "other", root=b"/other")

    def write_meanwhile() -> None:
        with writer.session() as session:
            roots.add_root(session, b"/written too late")
            change(mine, other)

    with open_database(mine) as writer:
        with pytest.raises(LibraryReplaced):
            write_meanwhile()
        with pytest.raises(LibraryReplaced):
            use(writer)
    if mine.exists():
        assert b"/written too late" not in root_paths(mine)
        assert verify_lines(mine) == []


def test_a_library_that_was_expected_is_not_made_migrated_or_locked(tmp_path: Path) -> None:
    mine = library(tmp_path / "mine", root=b"/mine")
    other = library(tmp_path / "other", root=b"/other")
    identity = read_identity(mine)
    open_database(mine, expected=identity).close()
    mine.parent.rename(tmp_path / "away")
    for read_only in (True, False):
        with pytest.raises(LibraryReplaced):
            open_database(mine, read_only=read_only, expected=identity)
    assert not mine.parent.exists()
    other.parent.rename(mine.parent)
    before = sorted(each.name for each in mine.parent.iterdir())
    with pytest.raises(LibraryReplaced):
        open_database(mine, expected=identity)
    assert sorted(each.name for each in mine.parent.iterdir()) == before


def test_libraries_have_numbers_of_their_own_that_stay(tmp_path: Path) -> None:
    first = read_identity(library(tmp_path / "first", root=b"/a"))
    second = read_identity(library(tmp_path / "second", root=b"/a"))
    assert first.number != second.number
    assert min(first.number, second.number) > 0
    shutil.copytree(tmp_path / "first", tmp_path / "copy")
    copy = read_identity(tmp_path / "copy" / "library.sqlite3")
    assert (copy.number, copy.inode != first.inode) == (first.number, True)
    with pytest.raises(StoreError):
        read_identity(tmp_path / "none" / "library.sqlite3")
    assert not (tmp_path / "none").exists()


def test_a_file_that_another_database_replaces_leaves_nothing_to_it(tmp_path: Path) -> None:
    """While a daemon reads, SQLite keeps the log of the last batches beside the file."""
    mine = library(tmp_path / "mine", root=b"/mine")
    other = library(tmp_path / "other", root=b"/other")
    with open_database(mine, read_only=True) as daemon:
        ask(daemon)
        with open_database(mine) as database, database.session() as session:
            for number in range(50):
                roots.add_root(session, b"/root %d" % number)
        assert Path(f"{mine}-wal").stat().st_size == 0
        other.replace(mine)
        with open_database(mine) as database, database.reading() as session:
            assert [each.path for each in roots.list_roots(session)] == [b"/other"]
            assert session.execute(text("PRAGMA integrity_check")).scalar() == "ok"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
@pytest.mark.parametrize("suffix", ["", "-wal"])
def test_a_pipe_in_the_place_of_a_library_is_refused_at_once(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "library.sqlite3"
    os.mkfifo(f"{path}{suffix}")
    if suffix:
        path.touch()
    for read_only in (True, False):
        with pytest.raises(StoreError, match="no ordinary file"):
            open_database(path, read_only=read_only)


def verify_lines(path: Path) -> list[str]:
    with open_database(path) as database:
        return [f"{each.invariant}: {each.detail}" for each in verify(database)]


def add_file(path: Path, *, root_id: int, name: bytes, file: Path | None = None) -> None:
    facts = (1, 2, 3)
    if file is not None:
        status = file.stat()
        facts = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    with open_database(path) as database, database.session() as session:
        session.add(
            SoundFile(
                root_id=root_id,
                path=name,
                display=name.decode(),
                size=facts[0],
                mtime_ns=facts[1],
                ctime_ns=facts[2],
                state=FileState.FAILED,
                error_code="empty",
                checked_at=1.0,
            )
        )
        session.flush()
        fulltext.rebuild(session)


def test_verify_finds_files_that_never_were_where_they_stand(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        (folder / f"in {folder.name}.wav").write_bytes(folder.name.encode())
    path = library(tmp_path / "library", root=os.fsencode(first))
    with open_database(path) as database, database.session() as session:
        place = roots.add_root(session, os.fsencode(second))
        ids = [each.root_id for each in roots.list_roots(session)]
    assert place.root.root_id in ids
    add_file(path, root_id=ids[0], name=b"in first.wav", file=first / "in first.wav")
    add_file(path, root_id=ids[0], name=b"deleted since.wav")
    assert verify_lines(path) == []  # what is deleted is found by the next look, and is no breach
    add_file(path, root_id=ids[0], name=b"in second.wav", file=second / "in second.wav")
    add_file(path, root_id=ids[1], name=b"../first/in first.wav")
    [wrong, outside] = verify_lines(path)
    assert "in second.wav, was never below" in wrong
    assert "leads out of its root" in outside
    with open_database(path) as database:
        repair(database, dims={})
    assert verify_lines(path) == []
    with open_database(path) as database, database.reading() as session:
        rows = session.execute(text("SELECT display, state FROM sound_file ORDER BY id")).all()
    assert [row.display for row in rows if row.state == "missing"] == [
        "in second.wav",
        "../first/in first.wav",
    ]


def test_files_that_are_not_there_are_counted_in_the_same_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "sounds"
    folder.mkdir()
    (folder / "there.wav").write_bytes(b"there")
    path = library(tmp_path / "library", root=os.fsencode(folder))
    for name in (b"there.wav", b"deleted since.wav", b"this one too.wav"):
        add_file(path, root_id=1, name=name)
    looked_at: list[bytes] = []
    facts_of = places._facts
    monkeypatch.setattr(places, "_facts", lambda path: looked_at.append(path) or facts_of(path))
    with open_database(path) as database:
        found = verify_and_count(database)
    assert (found.violations, found.n_absent) == ([], 2)
    assert len(looked_at) == 3


def test_a_number_that_was_lost_is_given_anew(tmp_path: Path) -> None:
    path = library(tmp_path / "library", root=os.fsencode(tmp_path))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM library_state WHERE name = 'identity'")
    assert verify_lines(path) == ["identity: the library has no number of its own"]
    with open_database(path) as database:
        repair(database, dims={})
    assert verify_lines(path) == []


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be replaced there")
@pytest.mark.parametrize("renamed", [True, False])
def test_what_was_in_the_log_goes_to_its_own_library(tmp_path: Path, renamed: bool) -> None:
    """SQLite knows a log by its name: it would bring it into whatever stands there by then."""
    mine = library(tmp_path / "mine", root=b"/mine")
    other = library(tmp_path / "other", root=b"/other")
    with open_database(mine, read_only=True) as reader:
        ask(reader)
        with open_database(mine) as writer:
            for number in range(20):
                with writer.session() as session:
                    roots.add_root(session, b"/late %d" % number)
                    generations.windows_added(session)  # as every batch of an index does
            assert Path(f"{mine}-wal").stat().st_size > 0
            if renamed:
                mine.rename(tmp_path / "away.sqlite3")
            other.replace(mine)
            with pytest.raises(StoreError, match="-wal is of another library"):
                open_database(mine, read_only=True)
            with pytest.raises(LibraryReplaced):
                use(writer)
        assert Path(f"{mine}-wal").stat().st_size == 0
    assert root_paths(mine) == [b"/other"]
    with open_database(mine) as database:
        ask(database)
        assert verify(database) == []
    if renamed:
        assert len(root_paths(tmp_path / "away.sqlite3")) == 21
