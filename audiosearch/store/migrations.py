"""Bring a database to the newest schema: all of it or none of it.

Loads Alembic, which is slow to import: `database` imports this only when there is something to do.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import event
from sqlalchemy.orm import Session

from audiosearch._failpoints import failpoint
from audiosearch._files import atomic_path
from audiosearch.errors import StoreError
from audiosearch.store import sqlite
from audiosearch.store.backup import back_up_before
from audiosearch.store.database import known_revisions
from audiosearch.store.queries import annotate, file_texts, fulltext


def migrate(path: Path, *, scripts: Path) -> Path | None:
    """Run the pending migrations in `scripts` on the database at `path`, made where absent.

    All pending migrations, and the full text that is filled anew after them, are one explicit
    transaction, so a process killed at any statement leaves the old library or the new one. A
    database with content is copied first, and what people wrote backed up. The caller holds the
    writer lock.

    Returns:
        the backup made first, or None where there was nothing to lose.

    Raises:
        StoreError: the disk is full, the file is damaged or cannot be written.
    """
    target = known_revisions(scripts)[-1]
    with sqlite.translated(path):
        copy = _back_up(path, before=target)
        if copy is not None:
            back_up_before(path, what="migration")
        _upgrade(path, scripts=scripts)
    return copy


def _back_up(path: Path, *, before: str) -> Path | None:
    """Copy a database that holds files or recordings; the copy has its name only when complete."""
    if not path.exists():
        return None
    with closing(sqlite.connect(path, read_only=True)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        kept = [name for name in ("library_root", "recording", "caption") if name in tables]
        if not any(
            connection.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone()  # noqa: S608 - literals
            for name in kept
        ):
            return None
    target = path.with_name(f"{path.name}.before-{before}.backup")
    with atomic_path(target) as unfinished:
        sqlite.backup(path, unfinished)
        failpoint("migrate.backup")
    return target


def _upgrade(path: Path, *, scripts: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    engine = sqlite.make_engine(path, read_only=False, make=True)

    @event.listens_for(engine, "connect")
    def loosen(driver: Any, _record: object) -> None:
        # Rebuilding a table, which is how SQLite alters one, would cascade; checked below instead.
        driver.execute("PRAGMA foreign_keys = OFF")

    @event.listens_for(engine, "before_cursor_execute")
    def pass_by(*_arguments: object) -> None:
        failpoint("migrate.statement")

    try:
        with engine.execution_options(**sqlite.WRITE).begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            with Session(bind=connection) as session:
                annotate.mend_tags(session)
                file_texts.normalise_tags(session)  # whose form is the program's, not the schema's
                fulltext.rebuild(session)
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
            if broken is not None:
                raise StoreError(f"a migration broke the table {broken[0]!r}", path=path)
            failpoint("migrate.commit")
        failpoint("migrate.done")
    finally:
        engine.dispose()
