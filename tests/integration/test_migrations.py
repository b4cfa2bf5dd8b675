"""Migrations: the schema they make, and that a process killed in one leaves old or new."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from audiosearch._resources import migrations_path
from audiosearch.errors import SchemaTooNew
from audiosearch.store.database import known_revisions, open_database
from audiosearch.store.integrity.verify import verify
from audiosearch.store.queries import roots
from audiosearch.store.schema import Base

NOW = known_revisions(migrations_path())[-1]
NEXT = f"{int(NOW) + 1:04d}"
SECOND = f"""
import sqlalchemy as sa
from alembic import op

revision = "{NEXT}"
down_revision = "{NOW}"


def upgrade():
    op.add_column("library_root", sa.Column("note", sa.Text()))
    op.execute("UPDATE library_root SET note = 'migrated'")
    with op.batch_alter_table("library_root") as batch:
        batch.alter_column("note", nullable=False)
    op.create_table("extra", sa.Column("id", sa.Integer, primary_key=True))
"""
# Forks for each fault point, so that the imports are paid for once.
KILL_AT_EACH = """
import json, os, shutil, sys
from pathlib import Path
from audiosearch import _failpoints
from audiosearch.store.database import open_database

folder, scripts, old = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
points = ["migrate.backup", "migrate.commit", "migrate.done"]
points += [f"migrate.statement:{n}" for n in range(1, 100)]
died = []
for point in points:
    path = folder / point / "library.sqlite3"
    path.parent.mkdir(parents=True)
    if old:
        shutil.copy(old, path)
    child = os.fork()
    if child == 0:
        _failpoints.arm(point)
        open_database(path, scripts=scripts).close()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        died.append(point)
    elif "statement" in point:
        break  # past the last one
print(json.dumps(died))
"""

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")


@pytest.fixture
def newer_scripts(tmp_path: Path) -> Path:
    """The program's migrations and one more, with a table rebuilt."""
    scripts = tmp_path / "migrations"
    shutil.copytree(migrations_path(), scripts, ignore=shutil.ignore_patterns("__pycache__"))
    (scripts / "versions" / f"{NEXT}_notes.py").write_text(SECOND)
    return scripts


def statements(path: Path) -> dict[str, str]:
    """The schema as SQLite keeps it, by name; full text is not in the metadata."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {
            name: " ".join(sql.replace('"', "").split())  # a table that was renamed is quoted
            for name, sql in rows
            if not name.startswith(
                (
                    "caption_text",
                    "file_text",
                    "alembic",
                    *(
                        f"{text}_{view}"
                        for text in ("caption", "file")
                        for view in ("word", "instance")
                    ),
                )
            )
        }


def test_the_migrated_schema_is_the_one_described(tmp_path: Path) -> None:
    migrated, described = tmp_path / "migrated.sqlite3", tmp_path / "described.sqlite3"
    open_database(migrated).close()
    engine = create_engine(f"sqlite:///{described}")
    Base.metadata.create_all(engine)
    engine.dispose()

    def parts(sql: str) -> set[str]:
        return {part.strip(" ()") for part in sql.replace(")", "),").split(",")}

    left, right = statements(migrated), statements(described)
    assert left.keys() == right.keys()
    for name in left:
        assert parts(left[name]) == parts(right[name]), name


def test_autogenerate_finds_nothing_to_do(tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite3"
    open_database(path).close()
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_name": lambda name, kind, _: (
                    kind != "table" or name in Base.metadata.tables
                ),
            },
        )
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def revision(path: Path) -> str | None:
    if not path.exists() or path.stat().st_size == 0:
        return None
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if not names:
            return None
        assert "window" in names, "half a schema"
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def run_killed(folder: Path, scripts: Path, *, old: Path | None) -> dict[str, Path]:
    """Open (and migrate) a library once for each fault point; the libraries whose process died."""
    done = subprocess.run(
        [sys.executable, "-c", KILL_AT_EACH, str(folder), str(scripts), str(old or "")],
        capture_output=True,
        text=True,
        check=True,
    )
    return {point: folder / point / "library.sqlite3" for point in json.loads(done.stdout)}


@pytest.mark.slow
@needs_fork
def test_a_first_migration_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    died = run_killed(tmp_path, migrations_path(), old=None)
    assert {"migrate.statement:20", "migrate.commit", "migrate.done"} <= died.keys()
    for point, path in died.items():
        assert revision(path) == (NOW if point == "migrate.done" else None), point
        with open_database(path) as database:
            assert verify(database) == []


def make_old_library(path: Path) -> None:
    with open_database(path) as database, database.session() as session:
        roots.add_root(session, b"/precious")


@pytest.mark.slow
@needs_fork
def test_an_upgrade_that_is_killed_leaves_old_or_new(tmp_path: Path, newer_scripts: Path) -> None:
    old = tmp_path / "old.sqlite3"
    make_old_library(old)
    died = run_killed(tmp_path / "killed", newer_scripts, old=old)
    assert {"migrate.backup", "migrate.statement:8", "migrate.commit", "migrate.done"} <= set(died)
    for point, path in died.items():
        assert revision(path) == (NEXT if point == "migrate.done" else NOW), point
        with open_database(path, scripts=newer_scripts) as database, database.reading() as session:
            assert [root.path for root in roots.list_roots(session)] == [b"/precious"]
        assert revision(path) == NEXT


def test_a_library_with_content_is_copied_first(tmp_path: Path, newer_scripts: Path) -> None:
    path = tmp_path / "library.sqlite3"
    make_old_library(path)
    open_database(path, scripts=newer_scripts).close()
    copy = tmp_path / f"library.sqlite3.before-{NEXT}.backup"
    assert revision(copy) == NOW
    with open_database(copy) as database, database.reading() as session:
        assert [root.path for root in roots.list_roots(session)] == [b"/precious"]
    with pytest.raises(SchemaTooNew):
        open_database(path)


def test_an_empty_library_is_not_copied(tmp_path: Path, newer_scripts: Path) -> None:
    path = tmp_path / "library.sqlite3"
    open_database(path).close()
    open_database(path, scripts=newer_scripts).close()
    assert list(tmp_path.glob("*.backup")) == []
    assert revision(path) == NEXT


def test_a_reader_brings_an_old_library_up_to_date(tmp_path: Path, newer_scripts: Path) -> None:
    path = tmp_path / "library.sqlite3"
    make_old_library(path)
    with open_database(path, read_only=True, scripts=newer_scripts) as database:
        assert database.read_only
    assert revision(path) == NEXT
