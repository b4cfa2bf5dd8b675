"""Reading on SQLite's own connection: SQLAlchemy, a third of a cold question, is loaded on demand.

Statements that every question needs are written in SQL that both databases take, and go through
`fetch`; all others find the ordinary session behind a `DirectSession`, in the same transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from sqlalchemy.orm import Session

Row = tuple[Any, ...]


class SharedConnection(sqlite3.Connection):
    """A connection that two read from at once: only who opened it ends transactions, and closes it.

    SQLAlchemy calls these when it lets go of one.

    Attributes:
        derived: what readers keep of the state that it shows, by what it is; see `commit_token`.
    """

    derived: dict[str, Any]

    def rollback(self) -> None:
        """Nothing."""

    def commit(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing; see `end`."""

    def end(self) -> None:
        """Close it."""
        super().close()


class DirectSession:
    """A reading transaction on SQLite's own connection, which serves as a `Session` as well."""

    def __init__(self, reader: DirectReader) -> None:
        self._reader = reader
        self._whole: Session | None = None

    @property
    def driver(self) -> SharedConnection:
        """SQLite's connection."""
        return self._reader.driver

    @property
    def number(self) -> object:
        """What no other connection has."""
        return self._reader.number

    def __getattr__(self, name: str) -> Any:
        if self._whole is None:
            self._whole = self._reader.session()
        return getattr(self._whole, name)

    def close(self) -> None:
        """Let go of the ordinary session, if one was asked for."""
        if self._whole is not None:
            self._whole.close()


class DirectReader:
    """A connection that reads one transaction after the other, in one thread at a time."""

    def __init__(self, driver: SharedConnection) -> None:
        self.driver = driver
        driver.derived = {}
        self._user = ""
        self.number = object()
        self._connection: Connection | None = None

    @contextmanager
    def transaction(self, check: Callable[[Any], None], *, user: str) -> Iterator[Session]:
        """One consistent state, whatever a writer does meanwhile; `check` is called in it first.

        `user` is who asks.
        """
        self._user = user
        self.driver.execute("BEGIN")
        direct = DirectSession(self)
        try:
            check(self.driver)
            yield cast("Session", direct)
        finally:
            direct.close()
            with suppress(sqlite3.Error):  # it may be what failed that ended the transaction
                self.driver.execute("ROLLBACK")

    def session(self) -> Session:
        """An ordinary session in the transaction that this connection is in."""
        from sqlalchemy import create_engine  # noqa: PLC0415 - the weight of it is why this exists
        from sqlalchemy.orm import Session  # noqa: PLC0415
        from sqlalchemy.pool import StaticPool  # noqa: PLC0415

        if self._connection is None:
            engine = create_engine(
                "sqlite://", creator=lambda: self.driver, poolclass=StaticPool, echo=False
            )
            self._connection = engine.connect()
        return Session(
            self._connection,
            autoflush=False,
            expire_on_commit=False,
            info={"user": self._user},
        )

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
        self.driver.end()


def fetch(session: Session, statement: str, **values: Any) -> list[Row]:
    """All rows of a statement in SQL with `:names` for values."""
    if isinstance(session, DirectSession):
        return session.driver.execute(statement, values).fetchall()
    from sqlalchemy import text  # noqa: PLC0415 - loaded already, where there is such a session

    return [tuple(row) for row in session.connection().execute(text(statement), values)]


def fetch_parts(session: Session, statement: str, size: int, **values: Any) -> Iterator[list[Row]]:
    """The rows of a statement as by `fetch`, at most `size` of them in memory at a time."""
    if isinstance(session, DirectSession):
        cursor = session.driver.execute(statement, values)
        while part := cursor.fetchmany(size):
            yield part
        return
    from sqlalchemy import text  # noqa: PLC0415

    connection = session.connection()
    found = connection.execute(text(statement), values, execution_options={"yield_per": size})
    for rows in found.partitions(size):
        yield [tuple(row) for row in rows]


def fetch_value(session: Session, statement: str, **values: Any) -> Any:
    """The first value of the first row; None where there is none."""
    rows = fetch(session, statement, **values)
    return rows[0][0] if rows else None


def in_list(ids: Iterable[int]) -> str:
    """Ids as what stands in the brackets of an `IN (...)`; for none, what no id is equal to."""
    return ",".join(str(int(each)) for each in ids) or "NULL"
