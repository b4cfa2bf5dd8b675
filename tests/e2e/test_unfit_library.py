"""A library that this version must not touch: commands say so, leave with 2, change nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from audiosearch.store.database import open_database
from tests.e2e.command import Command

pytestmark = pytest.mark.slow


@pytest.fixture
def library(fresh: Command) -> Path:
    """The file of an empty library."""
    path = fresh.data_dir / "library.sqlite3"
    open_database(path).close()
    return path


def assert_refused(command: Command, library: Path, folder: Path, *, word: str) -> None:
    before = library.read_bytes()
    for arguments in (("index", folder), ("find", "a bell"), ("captions", "add", "a bell")):
        answer = command(*arguments)
        assert answer.status == 2, arguments
        assert word in answer.err
        assert str(library) in answer.err
        assert "Traceback" not in answer.err
        assert library.read_bytes() == before, arguments


def test_one_of_a_later_version(fresh: Command, library: Path, sound_folder: Path) -> None:
    with closing(sqlite3.connect(library, isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert_refused(fresh, library, sound_folder, word="upgrade audiosearch")


def test_one_that_is_damaged(fresh: Command, library: Path, sound_folder: Path) -> None:
    library.write_bytes(b"\xa5" * library.stat().st_size)
    assert_refused(fresh, library, sound_folder, word="restore a backup")
