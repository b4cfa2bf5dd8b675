"""Bring a library on a server to the newest schema: all of it or none of it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.engine.url import URL
from sqlalchemy.orm import Session

from audiosearch._failpoints import failpoint
from audiosearch.errors import FeatureUnavailable, StoreError
from audiosearch.store.database import is_behind
from audiosearch.store.postgresql.engine import shown
from audiosearch.store.queries import annotate, file_texts, fulltext

_LEAST = (0, 8)  # pgvector, with which a filter in an index still gives all that is asked for


def read_revision(engine: Engine) -> tuple[str | None, bool]:
    """Alembic's revision of a database, and whether it has any table."""
    with engine.connect() as connection:
        if not has_table(connection, "alembic_version"):
            tables = connection.execute(
                text("SELECT EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = current_schema())")
            )
            return None, bool(tables.scalar())
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return (None if found is None else str(found)), True


def has_table(connection: Connection, name: str) -> bool:
    """Whether there is a table of that name."""
    found = connection.execute(text("SELECT to_regclass(:name) IS NOT NULL"), {"name": name})
    return bool(found.scalar())


def needs_migration(engine: Engine, url: URL, *, scripts: Path) -> bool:
    """Whether the schema is behind, or there is none.

    Raises:
        SchemaTooNew: it is of a later version.
        StoreError: the database is another program's.
    """
    revision, has_tables = read_revision(engine)
    return is_behind(revision, has_tables=has_tables, path=shown(url), scripts=scripts)


def migrate_server(engine: Engine, *, scripts: Path) -> None:
    """Run the pending migrations in one transaction, and fill the full text anew.

    The caller holds the writer lock. Backups of a server are its administrator's.

    Raises:
        FeatureUnavailable: the server lacks pgvector, or has one that is too old.
        StoreError: the database's texts are no UTF-8.
    """
    from alembic import command  # noqa: PLC0415 - slow to import, and seldom needed
    from alembic.config import Config  # noqa: PLC0415

    with engine.begin() as connection:
        see_that_it_fits(connection)
        config = Config()
        config.set_main_option("script_location", str(scripts).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        with Session(bind=connection) as session:
            annotate.mend_tags(session)
            file_texts.normalise_tags(session)
            fulltext.rebuild(session)
        failpoint("migrate.commit")
    failpoint("migrate.done")


def see_that_it_fits(connection: Connection) -> None:
    """See that a server has what a library needs.

    Raises:
        FeatureUnavailable: it lacks pgvector, or has one that is too old.
        StoreError: the database's texts are no UTF-8.
    """
    encoding = connection.execute(text("SHOW server_encoding")).scalar()
    if encoding != "UTF8":
        raise StoreError(
            f"the database's encoding is {encoding}",
            remedy="make one with: createdb --encoding UTF8 --template template0 NAME",
        )
    wanted = text("SELECT default_version FROM pg_available_extensions WHERE name = 'vector'")
    version = connection.execute(wanted).scalar()
    least = ".".join(map(str, _LEAST))
    if version is None or tuple(map(int, str(version).split(".")[:2])) < _LEAST:
        has = "has none" if version is None else f"has {version}"
        raise FeatureUnavailable(
            f"the server needs pgvector {least} or later, and {has}",
            remedy="install the package postgresql-NN-pgvector, or what your provider calls it",
        )
