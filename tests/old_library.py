"""A library as an earlier version of the program left it, made out of one of today's.

In: the database of a library, and the revision that it is to have. The tables of that revision are
made by the migrations themselves; rows keep all columns that it had.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from audiosearch._resources import migrations_path
from audiosearch.store.packed_frames import FrameBase


def make_tables(path: Path, *, revision: str, scripts: Path) -> None:
    """An empty library of an old revision; `scripts` is a folder for a copy of the migrations."""
    shutil.copytree(migrations_path(), scripts, ignore=shutil.ignore_patterns("__pycache__"))
    config = Config()
    config.set_main_option("script_location", str(scripts))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def make_older(path: Path, *, revision: str, scripts: Path, filled: dict[str, str]) -> None:
    """Put a library of an old revision in a library's place.

    Args:
        path: the database, which nobody has open.
        revision: an earlier one.
        scripts: a folder for a copy of the migrations.
        filled: by `table.column`, SQL for a column that is no more and must not be empty.
    """
    old = path.with_name("older.sqlite3")
    make_tables(old, revision=revision, scripts=scripts)
    with closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("ATTACH ? AS today", (str(path),))
        for table in _tables(connection, "main"):
            if table not in _tables(connection, "today"):
                continue
            there = _columns(connection, "today", table)
            columns = _columns(connection, "main", table)
            given = [c if c in there else filled.get(f"{table}.{c}", "NULL") for c in columns]
            connection.execute(f"DELETE FROM main.{table}")  # what migrations put there
            connection.execute(
                f"INSERT INTO main.{table} ({', '.join(columns)})"
                f" SELECT {', '.join(given)} FROM today.{table}"
            )
        packed = [
            "base_id" in _columns(connection, each, "window_frames") for each in ("main", "today")
        ]
        if packed == [False, True]:
            _unpack_frames(connection)
    path.unlink()
    for beside in ("-wal", "-shm"):
        path.with_name(path.name + beside).unlink(missing_ok=True)
    old.rename(path)


def _unpack_frames(connection: sqlite3.Connection) -> None:
    """Frames as they were before they were packed, in a database to which today's is attached."""
    bases = {
        base_id: FrameBase(np.frombuffer(frames, "<f4").reshape(n_frames, -1))
        for base_id, n_frames, frames in connection.execute(
            "SELECT id, n_frames, frames FROM today.frame_base"
        )
    }
    packed = connection.execute(
        "SELECT window_id, n_frames, frames, base_id FROM today.window_frames"
        " WHERE base_id IS NOT NULL"
    ).fetchall()
    connection.executemany(
        "UPDATE main.window_frames SET frames = ? WHERE window_id = ?",
        [
            (bases[base_id].unpack(frames, n_frames).astype("<f2").tobytes(), window_id)
            for window_id, n_frames, frames, base_id in packed
        ],
    )


def _tables(connection: sqlite3.Connection, schema: str) -> set[str]:
    rows = connection.execute(f"SELECT name, sql FROM {schema}.sqlite_master WHERE type = 'table'")
    return {
        name
        for name, sql in rows
        if not name.startswith(("caption_text", "recording_text", "file_text", "alembic"))
        and "VIRTUAL" not in sql
    }


def _columns(connection: sqlite3.Connection, schema: str, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA {schema}.table_info({table})")]
