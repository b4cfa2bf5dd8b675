"""The library's database: opened, brought to the newest schema, and its transactions.

Whoever opens it for writing holds the writer lock until it is closed; readers are never blocked.
Every database error leaves as one of `audiosearch.errors`.
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from audiosearch._failpoints import failpoint
from audiosearch._resources import migrations_path
from audiosearch.config import StoreConfig
from audiosearch.errors import LibraryReplaced, SchemaTooNew, StoreError
from audiosearch.store import sqlite
from audiosearch.store.direct import DirectReader
from audiosearch.store.identity import (
    ConnectionGuard,
    IdentityCheck,
    LibraryIdentity,
    check_log,
    identify,
    replaced,
)
from audiosearch.store.lock import WriterLock, writer_pid
from audiosearch.store.private import keep_private

if TYPE_CHECKING:  # what only asks, does without; see `Database.asking`
    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.orm import Session

    from audiosearch.store.postgresql.changes import ChangeListener


_MANY_PIECES: Final = 6  # of the full text; a dozen commits leave so many, a few do not


class Database:
    """An open library; made by `open_database`. Safe to use from several threads.

    Attributes:
        exact_below: windows, of more the database's own index gives the nearest; None: it has none.
    """

    exact_below: int | None = None

    def __init__(
        self,
        *,
        path: Path,
        make_engine: Callable[[], Engine],
        guard: ConnectionGuard,
        lock: WriterLock | None,
        identity: LibraryIdentity,
    ) -> None:
        self.path = path
        self.identity = identity
        self._check = IdentityCheck(path, identity)
        self._make_engine = make_engine
        self._guard = guard
        self._made: Engine | None = None
        self._making = threading.Lock()
        self._readers: list[DirectReader] = []  # that nobody reads with at this moment
        self._lock = lock

    @property
    def _sqlite_engine(self) -> Engine:
        """Made when it is first needed: questions can do without."""
        with self._making:
            if self._made is None:
                from sqlalchemy import event  # noqa: PLC0415

                engine = self._make_engine()

                @event.listens_for(engine, "begin")  # after the one that begins
                def check(connection: Connection) -> None:
                    self._check(connection.connection.driver_connection)

                self._made = engine
            return self._made

    user: str = ""
    """In whose name its sessions write (`store.queries.users`)."""

    def _session_on(self, engine: Engine) -> Session:
        from sqlalchemy.orm import Session  # noqa: PLC0415 - see `asking`

        return Session(engine, autoflush=False, expire_on_commit=False, info={"user": self.user})

    @property
    def read_only(self) -> bool:
        """Whether this was opened for reading only."""
        return self._lock is None

    @property
    def file(self) -> Path | None:
        """SQLite's file; None where a server has the library."""
        return self.path

    @property
    def shown(self) -> str:
        """Where the library is, for people."""
        return str(self.path)

    @property
    def data_dir(self) -> Path:
        """The folder of what this machine keeps of the library."""
        return self.path.parent

    def size_bytes(self) -> int:
        """Bytes on disk."""
        return database_size(self.path)

    def stamp(self) -> object:
        """What stays the same while nobody writes; read without a transaction where that can be."""
        return tuple(map(_stamp, (self.path, self.path.with_name(f"{self.path.name}-wal"))))

    def change_listener(self) -> ChangeListener | None:
        """What is told of every change, so that nobody has to look at `stamp`; None: nothing is."""
        return None

    def writer_pid(self) -> int | None:
        """The process that writes to the library at this moment, 0 if it is not known which."""
        return writer_pid(self.data_dir)

    @property
    def vectors_dir(self) -> Path:
        """Where matrices derived from the database are cached."""
        return self.data_dir / "vectors"

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction, committed at the end of the block, rolled back on any error.

        On a library opened for reading only, the same as `reading`.

        Raises:
            LibraryReplaced: another file stands in this library's place, or none.
            StoreError: a write to a read-only library; locked for too long; full; damaged.
        """
        with sqlite.translated(self.path):
            engine = self._sqlite_engine
            if not self.read_only:
                engine = engine.execution_options(**sqlite.WRITE)
            with (
                self._session_on(engine) as session,
                session.begin(),
            ):
                session.connection()  # begins here, so that waiting for the lock happens here
                yield session
                failpoint("transaction.commit")
                if not self.read_only:
                    self._check.before_commit()
        failpoint("transaction.done")

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A reading transaction: one consistent state, whatever a writer does meanwhile.

        Raises:
            LibraryReplaced: another file stands in this library's place, or none.
            StoreError: the database is damaged or cannot be read.
        """
        with (
            sqlite.translated(self.path),
            self._session_on(self._sqlite_engine) as session,
        ):
            yield session

    @contextmanager
    def asking(self) -> Iterator[Session]:
        """As `reading`, for questions: SQLAlchemy is loaded only if more than `fetch` is used.

        Raises:
            LibraryReplaced: another file stands in this library's place, or none.
            StoreError: the database is damaged or cannot be read.
        """
        with sqlite.translated(self.path):
            try:
                reader = self._readers.pop()
            except IndexError:
                self._guard()
                reader = DirectReader(sqlite.connect_shared(self.path))
            try:
                with reader.transaction(self._check, user=self.user) as session:
                    yield session
            except BaseException:
                reader.close()
                raise
            self._readers.append(reader)

    @contextmanager
    def spare(self) -> Iterator[Session | None]:
        """A short writing transaction for what can be computed again, also for those who only read.

        None where it would have to wait, or nothing can be written: another process is writing to
        the library, or its folder is write-protected. A library opened for writing uses `session`.

        Raises:
            StoreError: the disk is full; damaged.
        """
        if not self.read_only:
            with self.session() as session:
                yield session
            return
        lock = WriterLock(self.path.parent, patience_s=0.0, make_folder=False)
        try:
            self.identity.check_file(self.path)
            lock.acquire()
        except StoreError:
            yield None
            return
        try:
            guard = ConnectionGuard(self.path, self.identity)
            own = Database(
                path=self.path,
                make_engine=lambda: sqlite.make_engine(
                    self.path, read_only=False, patience_s=0.0, guard=guard
                ),
                guard=guard,
                lock=lock,
                identity=self.identity,
            )
            try:
                with own.session() as session:
                    yield session
            finally:
                own.let_go()
        finally:
            lock.release()

    def is_current(self) -> bool:
        """Whether the file that was opened still stands where it stood; every transaction sees."""
        try:
            self.identity.check_file(self.path)
        except LibraryReplaced:
            return False
        return True

    def settle(self) -> None:
        """After much has come: put what questions read into the form that is read quickest."""
        from audiosearch.store.dialects import full_text  # noqa: PLC0415 - questions do without

        with self.session() as session:
            full_text(session).merge(at_least=_MANY_PIECES)

    def has_waiters(self) -> bool:
        """Whether somebody waits to write to this library, which is open for writing here."""
        return self._lock is not None and self._lock.has_waiters()

    def close(self) -> None:
        """Close all connections and give the writer lock back."""
        if not self.read_only:
            self._empty_log()
        self.let_go()
        if self._lock is not None:
            self._lock.release()

    def let_go(self) -> None:
        """Close all connections that nobody uses at this moment."""
        if self._made is not None:
            self._made.dispose()
        while self._readers:
            self._readers.pop().close()

    def _empty_log(self) -> None:
        """Leave all in the database's own file, if nobody reads it at this moment.

        While a daemon has the library open, SQLite would keep the last batches in the file beside
        it, and another database that is put in its place meanwhile would take them in. One that was
        put there already gets none of it: a connection from before writes to the file from before.
        """
        from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - who writes has it loaded

        with (
            suppress(StoreError, DBAPIError, sqlite3.Error),
            closing(self._sqlite_engine.raw_connection()) as connection,
        ):
            driver: Any = connection.driver_connection
            driver.execute("PRAGMA busy_timeout = 0")
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def open_database(
    path: Path,
    *,
    read_only: bool = False,
    yields_to_waiters: bool = False,
    patience_s: float = sqlite.BUSY_TIMEOUT_S,
    turn_s: float | None = None,
    scripts: Path | None = None,
    expected: LibraryIdentity | None = None,
    store: StoreConfig | None = None,
    user: str = "",
) -> Database:
    """Open the library at `path`, or on a server: migrate an older schema, make it where absent.

    Args:
        path: the SQLite file; its folder is the library's data folder.
        read_only: for commands that only look. An absent library is an error then. A schema that
            is behind is still migrated, for which the writer lock is taken for a moment.
        yields_to_waiters: whether it is closed within seconds once somebody waits
            (`Database.has_waiters`).
        patience_s: how long a transaction waits for another program's lock on the database.
        turn_s: how long another writer is waited for that gives way; None: a minute.
        scripts: the migrations, when not the program's own (tests).
        expected: the library that it must be; nothing is made, migrated or locked otherwise.
        store: where it names a server, this has the library; `path` then only says in which
            folder this machine keeps what it derives from it.
        user: in whose name its sessions write.

    Raises:
        LibraryReplaced: it is not the expected one.
        LibraryLocked: another process is writing to it; names its pid.
        SchemaTooNew: written by a later version; the file is left as it was.
        LibraryCorrupt: it is no SQLite database or damaged; the file is left as it was.
        StorageFull: no space for a migration or its backup.
        StoreError: there is none (read-only), it is not a library, or it cannot be opened.
    """
    scripts = migrations_path() if scripts is None else scripts
    if store is not None and store.url:
        from audiosearch.store.postgresql.database import open_server_database  # noqa: PLC0415

        server = open_server_database(
            path,
            store,
            read_only=read_only,
            yields_to_waiters=yields_to_waiters,
            turn_s=turn_s,
            scripts=scripts,
            expected=expected,
        )
        server.user = user
        return server
    if expected is not None:
        expected.check_file(path)
    elif read_only and not path.exists():
        raise StoreError(
            "there is no library yet", path=path, remedy="make one with: audiosearch index FOLDER"
        )
    lock = (
        None
        if read_only
        else WriterLock(
            path.parent,
            turn_s=turn_s,
            yields_to_waiters=yields_to_waiters,
            make_folder=expected is None,
        )
    )
    if lock is not None:
        lock.acquire()
    try:
        if lock is not None:
            keep_private(path.parent, thorough=False)  # `doctor` looks at all of it
        with sqlite.translated(path):
            if expected is not None:
                expected.check_file(path)  # another one may have come while the lock was waited for
            if _needs_migration(path, scripts=scripts):
                _migrate(path, scripts=scripts, locked=lock is not None)
            check_log(path)
            identity = _identify(path, read_only=read_only, expected=expected)
        guard = ConnectionGuard(path, identity)
        database = Database(
            path=path,
            make_engine=lambda: sqlite.make_engine(
                path, read_only=read_only, patience_s=patience_s, guard=guard
            ),
            guard=guard,
            lock=lock,
            identity=identity,
        )
        database.user = user
        return database
    except BaseException:
        if lock is not None:
            lock.release()
        raise


def _identify(path: Path, *, read_only: bool, expected: LibraryIdentity | None) -> LibraryIdentity:
    """The identity of the library at `path`, opened as it will be.

    Raises:
        LibraryReplaced: it is not the expected one.
    """
    with closing(sqlite.connect(path, read_only=read_only)) as connection:
        identity = identify(path, connection)
    if expected is not None and identity != expected:
        raise replaced(path, "another library has taken its place")
    return identity


def _needs_migration(path: Path, *, scripts: Path) -> bool:
    """Whether the schema is behind; looks without writing, so a refused file stays as it was."""
    if not path.exists() or path.stat().st_size == 0:
        return True
    revision, has_tables = sqlite.read_schema(path)
    return is_behind(revision, has_tables=has_tables, path=path, scripts=scripts)


def is_behind(revision: str | None, *, has_tables: bool, path: Path | str, scripts: Path) -> bool:
    """Whether a database of a revision, None for none, lacks any migration of `scripts`.

    Raises:
        SchemaTooNew: it is of a later version.
        StoreError: the database is another program's.
    """
    if revision is None and has_tables:
        raise StoreError("a database, but not an audiosearch library", path=path)
    known = known_revisions(scripts)
    if revision is not None and revision not in known:
        raise SchemaTooNew(
            f"written by a later version of audiosearch (schema {revision}, "
            f"this version knows up to {known[-1]})",
            path=path,
            remedy="upgrade audiosearch",
        )
    return revision != known[-1]


def _migrate(path: Path, *, scripts: Path, locked: bool) -> None:
    from audiosearch.store.migrations import migrate  # noqa: PLC0415 - loads Alembic: only when needed

    if locked:
        migrate(path, scripts=scripts)
        return
    with sqlite.or_copied(path, "an earlier version wrote it, and it cannot be brought up to date"):
        lock = WriterLock(path.parent)
        lock.acquire()
    try:
        migrate(path, scripts=scripts)
    finally:
        lock.release()


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        status = os.stat(path)  # noqa: PTH116 - half the time of Path.stat
    except OSError:
        return 0, 0, 0
    return status.st_ino, status.st_size, status.st_mtime_ns


def database_size(path: Path) -> int:
    """Bytes on disk of the database, its write-ahead log included."""
    files = (path, path.with_name(f"{path.name}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


_NAME = re.compile(r"(\d{4})_\w+\.py")


def known_revisions(scripts: Path) -> list[str]:
    """Revisions in `scripts` (the migrations folder), oldest first.

    Raises:
        StoreError: the folder holds none, so the installation is broken.
    """
    try:
        names = sorted(entry.name for entry in (scripts / "versions").iterdir())
    except OSError:
        names = []
    revisions = [match[1] for name in names if (match := _NAME.fullmatch(name))]
    if not revisions:
        raise StoreError(
            "the program's database migrations are missing",
            path=scripts,
            remedy="install audiosearch again",
        )
    return revisions
