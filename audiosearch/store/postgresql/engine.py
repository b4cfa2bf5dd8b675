"""Connections to a PostgreSQL server, and what its errors mean to a person."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import create_engine
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.engine.url import URL
from sqlalchemy.exc import ArgumentError, DBAPIError

from audiosearch.errors import (
    FeatureUnavailable,
    LibraryCorrupt,
    LibraryLocked,
    QueryError,
    StorageFull,
    StoreError,
    display_text,
)
from audiosearch.store.damaged import DamagedRow, library_corrupt

# A server that is gone without a word is noticed within a minute, also by who only waits.
LIVENESS: Final[dict[str, Any]] = {
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 50_000,  # ms
}
_POOL: Final = 4  # connections kept open
_OVERFLOW: Final = 28  # more while many ask at once
AGAIN: Final = "see that the server runs, then run the command again; it goes on where it stopped"


def server_url(given: str) -> URL:
    """The server that a setting names.

    Raises:
        StoreError: it is no such URL, or names another kind of database.
        FeatureUnavailable: what speaks to PostgreSQL is not installed.
    """
    try:
        url = make_url(given)
    except ArgumentError as error:
        raise StoreError(
            "[store] url is no database's URL",
            remedy="such as postgresql+psycopg://USER@HOST/DATABASE",
        ) from error
    if url.drivername not in ("postgresql", "postgresql+psycopg", "postgres"):
        raise StoreError(
            f"[store] url names {url.drivername}, which is not supported",
            remedy="such as postgresql+psycopg://USER@HOST/DATABASE; without it, SQLite",
        )
    try:
        import psycopg  # noqa: F401, PLC0415 - only libraries on a server need it
    except ImportError as error:
        raise FeatureUnavailable(
            "a library on a PostgreSQL server needs psycopg",
            remedy="pip install 'audiosearch[postgresql]'",
        ) from error
    return url.set(drivername="postgresql+psycopg")


def shown(url: URL) -> str:
    """A server as people may see it: without the password."""
    return url.set(password=None, query={}).render_as_string(hide_password=True)


def own_name(note: str = "") -> str:
    """How the server's administrator sees this process."""
    return f"audiosearch {os.getpid()}@{socket.gethostname()[:30]}{note}"


def make_engine(url: URL, *, read_only: bool) -> Engine:
    """An engine whose transactions see one state from their beginning to their end.

    Connections that the server has closed meanwhile are made anew when they are next asked for.
    """
    options = "-c default_transaction_read_only=on" if read_only else ""
    given = url.query.get("options", "")
    return create_engine(
        url.difference_update_query(["options"]),
        isolation_level="REPEATABLE READ",
        pool_size=_POOL,
        max_overflow=_OVERFLOW,
        pool_pre_ping=True,
        connect_args={
            **LIVENESS,
            "application_name": own_name(),
            "options": f"{given} {options}".strip(),
        },
    )


def translate(error: BaseException, where: str) -> StoreError | None:
    """What a database error stands for in this package's tree; None: a mistake in a query."""
    import psycopg  # noqa: PLC0415

    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, psycopg.Error):
        return None
    reason = " ".join(str(cause).split())
    state = cause.sqlstate or ""
    if state in ("", "XX000") and os.strerror(errno.ENOSPC) in reason:
        state = "53100"  # so full that who connects cannot be served, which bears no state
    for states, kind, what, remedy in _MEANINGS:
        if state.startswith(states):
            return kind(f"{what}: {reason}", path=where, remedy=remedy)
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    if isinstance(cause, psycopg.DataError) and "NUL" in reason:
        return StoreError("a text with a NUL, which no server keeps", path=where)
    if lost or isinstance(cause, psycopg.OperationalError):
        return StoreError(
            f"the connection to the server failed: {reason}", path=where, remedy=AGAIN
        )
    return None


# Of https://www.postgresql.org/docs/current/errcodes-appendix.html, or how they begin.
_MEANINGS: Final[tuple[tuple[tuple[str, ...], type[StoreError], str, str], ...]] = (
    (("53100",), StorageFull, "the server's disk is full", f"free some space there, then {AGAIN}"),
    (
        ("42501", "25006"),
        StoreError,
        "this user may only read",
        "search needs no more; to write, ask the server's administrator for the right",
    ),
    (
        ("55P03", "40"),
        LibraryLocked,
        "another program is writing to the same rows",
        "wait, then try again",
    ),
    (
        ("XX001", "XX002"),
        LibraryCorrupt,
        "the server finds the database damaged",
        "restore a backup of the server's database",
    ),
    (
        ("28", "3D"),
        StoreError,
        "the server does not let this user in",
        "see [store] url, and PGPASSWORD or ~/.pgpass for the password",
    ),
    (("57P", "53"), StoreError, "the server is not there for us", AGAIN),
)


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise database errors inside as errors of this package; others pass."""
    import psycopg  # noqa: PLC0415

    try:
        yield
    except (psycopg.Error, DBAPIError) as error:
        known = translate(error, where)
        if known is None:
            raise
        raise known from error
    except UnicodeEncodeError as error:  # of what a shell hands over byte for byte
        raise QueryError(f"'{display_text(error.object)}' is no text in UTF-8") from error
    except DamagedRow as damage:
        raise library_corrupt(damage, where) from damage


def driver_url(url: URL) -> str:
    """A server as psycopg itself takes it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
