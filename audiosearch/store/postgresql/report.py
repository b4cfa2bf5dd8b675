"""What a server says of itself and of the library that it has; nothing is made or altered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from audiosearch.store.postgresql.engine import make_engine, server_url, shown, translated
from audiosearch.store.postgresql.integrity import integrity_problems
from audiosearch.store.postgresql.migrate import read_revision


@dataclass(frozen=True)
class ServerReport:
    """A server and its library.

    Attributes:
        shown: where it is, without the password.
        version, pgvector: of the server and of its extension; None: it has none.
        revision: the schema's; None: there is no library.
        size_bytes: of the database on the server's disk.
        may_write: whether this user may write to the library.
        problems: see `integrity_problems`.
    """

    shown: str
    version: str
    pgvector: str | None
    revision: str | None
    size_bytes: int
    may_write: bool
    problems: tuple[str, ...]


def server_report(given: str) -> ServerReport:
    """What a server says.

    Raises:
        StoreError: it cannot be reached.
    """
    url = server_url(given)
    engine = make_engine(url, read_only=True)
    try:
        with translated(shown(url)):
            revision, _ = read_revision(engine)
            with Session(engine) as session:
                version, pgvector, size = session.execute(
                    text(
                        "SELECT current_setting('server_version'), (SELECT default_version"
                        " FROM pg_available_extensions WHERE name = 'vector'),"
                        " pg_database_size(current_database())"
                    )
                ).one()
                may_write = revision is not None and session.scalar(
                    text("SELECT has_table_privilege('library_state', 'UPDATE')")
                )
                problems = tuple(integrity_problems(session))
    finally:
        engine.dispose()
    return ServerReport(
        shown=shown(url),
        version=version.split()[0],
        pgvector=pgvector,
        revision=revision,
        size_bytes=size,
        may_write=bool(may_write),
        problems=problems,
    )


def server_rows(given: str, query: str) -> list[tuple[Any, ...]]:
    """The rows of a statement without parameters.

    Raises:
        StoreError: the server cannot be reached.
    """
    url = server_url(given)
    engine = make_engine(url, read_only=True)
    try:
        with translated(shown(url)), engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]
    finally:
        engine.dispose()


_PARAMETER: Final = re.compile(r"\?\d?")
_OTHERS: Final = {
    "SELECT name FROM sqlite_master": "SELECT relname AS name FROM pg_class"
    " WHERE relnamespace = CAST(current_schema() AS regnamespace) AND relkind = 'r'",
    **{
        f"SELECT name FROM pragma_table_info('{table}')":  # noqa: S608 - literals
        "SELECT attname AS name FROM pg_attribute"  # noqa: S608 - the names below
        f" WHERE attrelid = CAST('{table}' AS regclass)"
        " AND attnum > 0 AND NOT attisdropped"
        for table in ("caption", "annotation", "collection")
    },
}


class ServerReader:
    """One state of a library, read by statements that are written for SQLite's own connection."""

    def __init__(self, session: Session) -> None:
        self._driver: Any = session.connection().connection.driver_connection

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> Iterable[Any]:
        """The rows of a statement with `?` for parameters."""
        text = _PARAMETER.sub("%s", _OTHERS.get(statement, statement))
        rows: Iterable[Any] = self._driver.execute(text, list(parameters) or None)
        return rows
