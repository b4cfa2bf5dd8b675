"""A library on a PostgreSQL server: opened, brought to the newest schema, and its transactions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.engine.url import URL
from sqlalchemy.orm import Session

from audiosearch._failpoints import failpoint
from audiosearch.config import StoreConfig
from audiosearch.errors import LibraryReplaced, SchemaTooNew, StoreError
from audiosearch.store.database import Database
from audiosearch.store.identity import NAME, LibraryIdentity
from audiosearch.store.postgresql.changes import ChangeListener, announce, read_changes
from audiosearch.store.postgresql.engine import (
    make_engine,
    server_url,
    shown,
    translated,
)
from audiosearch.store.postgresql.lock import ServerLock, holder_pid
from audiosearch.store.postgresql.migrate import has_table, migrate_server, needs_migration


@dataclass(frozen=True)
class ServerIdentity(LibraryIdentity):
    """A library on a server is known by its number alone."""

    def check_file(self, path: Path) -> None:
        """Nothing: there is no file; every transaction asks for the number."""


class ServerDatabase(Database):
    """See `Database`."""

    def __init__(
        self,
        *,
        path: Path,
        url: URL,
        engine: Engine,
        lock: ServerLock | None,
        identity: LibraryIdentity,
        primary: URL,
        exact_below: int | None,
        revision: str,
    ) -> None:
        self.path = path
        self.identity = identity
        self._url = url
        self._primary = primary
        self._engine = engine
        self._server_lock = lock
        self._revision = revision
        self.exact_below = exact_below
        self._making = threading.Lock()
        self._listener: ChangeListener | None = None

    @property
    def read_only(self) -> bool:
        """See `Database`."""
        return self._server_lock is None

    @property
    def file(self) -> None:
        """See `Database`."""
        return

    @property
    def shown(self) -> str:
        """See `Database`."""
        return shown(self._url)

    def size_bytes(self) -> int:
        """See `Database`."""
        with self.reading() as session:
            return session.scalar(text("SELECT pg_database_size(current_database())")) or 0

    def stamp(self) -> object:
        """See `Database`."""
        with self.reading() as session:
            return read_changes(session)

    def change_listener(self) -> ChangeListener | None:
        """See `Database`; None where a replica is asked, which tells nothing."""
        if self._url != self._primary:
            return None
        with self._making:
            if self._listener is None:
                self._listener = ChangeListener(self._primary)
            return self._listener

    def writer_pid(self) -> int | None:
        """See `Database`; on whatever machine that process is."""
        with self.reading() as session:
            return holder_pid(session)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """See `Database`."""
        if self._server_lock is None:
            with self.reading() as session:
                yield session
            return
        with translated(self.shown):
            self._server_lock.check()
            with (
                self._session_on(self._engine) as session,
                session.begin(),
            ):
                self._see_that_it_is_the_same(session)
                yield session
                session.flush()  # or what waits for the commit is no change yet
                announce(session)
                failpoint("transaction.commit")
                self._server_lock.check()  # or another writes since, who got the lock
        failpoint("transaction.done")

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """See `Database`."""
        with (
            translated(self.shown),
            self._session_on(self._engine) as session,
        ):
            self._see_that_it_is_the_same(session)
            yield session

    @contextmanager
    def asking(self) -> Iterator[Session]:
        """See `Database`."""
        with self.reading() as session:
            yield session

    @contextmanager
    def spare(self) -> Iterator[Session | None]:
        """See `Database`; None for a user who may only read."""
        if self._server_lock is not None:
            with self.session() as session:
                yield session
            return
        lock = ServerLock(self._primary, patience_s=0.0)
        engine = make_engine(self._primary, read_only=False)
        own = ServerDatabase(
            path=self.path,
            url=self._primary,
            engine=engine,
            lock=lock,
            identity=self.identity,
            primary=self._primary,
            exact_below=self.exact_below,
            revision=self._revision,
        )
        try:
            try:
                with own.reading() as session:  # a replica's user may be another one
                    may_write = _may_write(session)
                if may_write:
                    lock.acquire()
            except StoreError:
                may_write = False
            if not may_write:
                yield None
                return
            try:
                with own.session() as session:
                    yield session
            finally:
                lock.release()
        finally:
            engine.dispose()

    def settle(self) -> None:
        """See `Database`: build what finds the nearest windows of a large library."""
        from audiosearch.store.postgresql.nearest import ensure_indices  # noqa: PLC0415

        with self.session() as session:
            ensure_indices(session, at_least=self.exact_below or 0)

    def is_current(self) -> bool:
        """See `Database`."""
        try:
            with self.reading():
                return True
        except LibraryReplaced:
            return False

    def has_waiters(self) -> bool:
        """See `Database`."""
        return self._server_lock is not None and self._server_lock.has_waiters()

    def close(self) -> None:
        """See `Database`."""
        if self._listener is not None:
            self._listener.close()
        self._engine.dispose()
        if self._server_lock is not None:
            self._server_lock.release()

    def _see_that_it_is_the_same(self, session: Session) -> None:
        number, revision = _facts(session.connection())
        if revision != self._revision:  # those who only read do not keep others from migrating
            raise SchemaTooNew(
                f"a later version of audiosearch migrated it meanwhile (schema {revision})",
                path=self.shown,
                remedy="upgrade audiosearch",
            )
        if number != self.identity.number:
            raise LibraryReplaced(
                "the library was replaced while it was in use: the server has another one",
                path=self.shown,
                remedy="nothing was written to it; start the command again",
            )


_FACTS = text(
    "SELECT (SELECT value FROM library_state WHERE name = :name),"
    " (SELECT version_num FROM alembic_version)"
)


def _facts(connection: Connection) -> tuple[int, str]:
    """A library's number, and its schema."""
    number, revision = connection.execute(_FACTS, {"name": NAME}).one()
    return number or 0, revision


def _may_write(session: Session) -> bool:
    return bool(session.scalar(text("SELECT has_table_privilege('library_state', 'UPDATE')")))


def open_server_database(
    path: Path,
    store: StoreConfig,
    *,
    read_only: bool,
    yields_to_waiters: bool,
    turn_s: float | None,
    scripts: Path,
    expected: LibraryIdentity | None,
) -> ServerDatabase:
    """Open the library on a server; see `open_database`.

    Args:
        path: a file in the folder of what this machine keeps of it: caches, its own status.
        store: the server, its replica, and from which size its index is used.
        read_only: for commands that only look. One that is not there is made, by a user who may.
        yields_to_waiters: see `open_database`.
        turn_s: see `open_database`.
        scripts: see `open_database`.
        expected: see `open_database`.
    """
    primary = server_url(store.url)
    url = server_url(store.replica) if read_only and store.replica else primary
    lock = None
    if not read_only:
        lock = ServerLock(primary, turn_s=turn_s, yields_to_waiters=yields_to_waiters)
        lock.acquire()
    engine = make_engine(url, read_only=read_only)
    try:
        with translated(shown(url)):
            if needs_migration(engine, url, scripts=scripts):
                if expected is not None:
                    raise StoreError("the library is gone", path=shown(url))
                _migrate(primary, scripts=scripts, locked=lock is not None)
            with engine.connect() as connection:
                number, revision = _facts(connection)
        identity = ServerIdentity(device=0, inode=0, number=number)
        if expected is not None and identity != expected:
            raise LibraryReplaced("another library has taken its place", path=shown(url))
    except BaseException:
        engine.dispose()
        if lock is not None:
            lock.release()
        raise
    return ServerDatabase(
        path=path,
        url=url,
        engine=engine,
        lock=lock,
        identity=identity,
        primary=primary,
        exact_below=store.exact_below,
        revision=revision,
    )


def read_server_identity(given: str) -> ServerIdentity:
    """The identity of the library on a server; it is not made.

    Raises:
        StoreError: there is none, or the server cannot be reached.
    """
    url = server_url(given)
    engine = make_engine(url, read_only=True)
    try:
        with translated(shown(url)), engine.connect() as connection:
            if not has_table(connection, "library_state"):
                raise StoreError(
                    "there is no library yet",
                    path=shown(url),
                    remedy="make one with: audiosearch index FOLDER",
                )
            number, _ = _facts(connection)
    finally:
        engine.dispose()
    return ServerIdentity(device=0, inode=0, number=number)


def _migrate(url: URL, *, scripts: Path, locked: bool) -> None:
    lock = None if locked else ServerLock(url)
    if lock is not None:
        lock.acquire()
    engine = make_engine(url, read_only=False)
    try:
        migrate_server(engine, scripts=scripts)
    finally:
        engine.dispose()
        if lock is not None:
            with suppress(StoreError):
                lock.release()
