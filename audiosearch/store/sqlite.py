"""Everything that is SQLite's own: connections, pragmas, transactions, error codes, backup.

For PostgreSQL `store.postgresql` stands in its place, and `store.dialects` chooses. See https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#sqlite-transactions.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from audiosearch._files import make_private_file
from audiosearch.errors import (
    LibraryCorrupt,
    LibraryLocked,
    QueryError,
    StorageFull,
    StoreError,
    display_text,
)
from audiosearch.store.damaged import DamagedRow, library_corrupt
from audiosearch.store.direct import DirectSession, SharedConnection
from audiosearch.store.globs import folder_predicate, glob_predicate, parse_glob
from audiosearch.store.lock import COPY_REMEDY
from audiosearch.store.names import normal_form

if TYPE_CHECKING:  # what only asks, does without
    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.orm import Session

BUSY_TIMEOUT_S: Final = (
    60.0  # how long a writer waits for another program's lock before it gives up
)
_BUSY_MS: Final = 1000  # one wait inside SQLite; short, since Ctrl-C is only heard between two
_BESIDE: Final = ("-wal", "-shm", "-journal")  # endings of what SQLite puts beside a database
_LOW_SPACE: Final = 1 << 20  # bytes; an I/O error with less than this free is a full disk

NAME_GLOB: Final = "audiosearch_name_glob"  # (pattern, root, path below it) -> 0 or 1
FOLDER_GLOB: Final = "audiosearch_folder_glob"  # the same, for the folders that a file is in
TEXT_GLOB: Final = "audiosearch_text_glob"  # (pattern, text) -> 0 or 1
IS_UTF8: Final = "audiosearch_is_utf8"  # (blob) -> 0 or 1

WRITE: Final = {"audiosearch_write": True}  # execution option: begin as a writer

REBUILD_REMEDY: Final = (
    "`audiosearch verify` names the damage; restore a backup, or move the file away "
    "and run `audiosearch index` to build it anew"
)


def connect(
    path: Path,
    *,
    read_only: bool,
    make: bool = False,
    factory: type[sqlite3.Connection] = sqlite3.Connection,
) -> sqlite3.Connection:
    """A connection with this program's pragmas, in autocommit mode.

    Args:
        path: the database file.
        read_only: nothing can be written.
        make: an absent file is made, for its owner only; otherwise it is an error.
        factory: the connection's class.

    Raises:
        sqlite3.Error: as SQLite says; see `translate`.
        StoreError: no ordinary file is there, or the file system cannot hold a database that is
            read while written.
    """
    _check_kind(path)
    if make and not read_only:
        with suppress(FileExistsError):  # SQLite gives the files beside it the same permissions
            make_private_file(path)
    mode = "ro" if read_only else "rw"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_MS / 1000,
        isolation_level=None,
        check_same_thread=False,  # pools hand it from thread to thread, never share it
        factory=factory,
    )
    try:
        connection.create_function(NAME_GLOB, 3, _is_named, deterministic=True)
        connection.create_function(FOLDER_GLOB, 3, _is_below, deterministic=True)
        connection.create_function(TEXT_GLOB, 2, _is_text, deterministic=True)
        connection.create_function(IS_UTF8, 1, is_utf8, deterministic=True)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA trusted_schema = OFF")  # a doctored schema runs no functions
        connection.execute("PRAGMA cell_size_check = ON")  # notices damaged pages when read
        if not read_only:
            (journal,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            if journal != "wal":
                raise StoreError(
                    f"this file system allows no write-ahead log (it offers {journal!r})",
                    path=path,
                    remedy="put the library on a local disk with AUDIOSEARCH_DATA_DIR",
                )
            # Survives a crash of the program in full and a power cut without damage;
            # the batches of the last seconds before a power cut may have to be encoded again.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA journal_size_limit = {64 << 20}")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_shared(path: Path) -> SharedConnection:
    """A reading connection for `store.direct`; raises as `connect` does."""
    connection = connect(path, read_only=True, factory=SharedConnection)
    assert isinstance(connection, SharedConnection)
    return connection


def connect_without_log(path: Path) -> sqlite3.Connection:
    """A reading connection to what the database's own file holds, the log beside it left out.

    Raises:
        sqlite3.Error: as SQLite says, also where the file is written to meanwhile.
    """
    _check_kind(path)
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    return sqlite3.connect(uri, uri=True, isolation_level=None)


def _check_kind(path: Path) -> None:
    """See that SQLite would open files: a pipe would keep it waiting for ever, a device might.

    Raises:
        StoreError: something else is there.
    """
    for suffix in ("", *_BESIDE):
        try:
            mode = os.stat(f"{path}{suffix}").st_mode  # noqa: PTH116 - the faster one
        except OSError:  # absent, or SQLite says what is wrong
            continue
        if not stat.S_ISREG(mode):
            raise StoreError(
                "no ordinary file: a library cannot be kept in it",
                path=f"{path}{suffix}",
                remedy="move it away, or set another data_dir",
            )


def _is_named(pattern: bytes, root: bytes, path: bytes) -> bool:
    # Bytes, since a pattern may hold some that are no text, as a path may.
    return glob_predicate(pattern.decode("utf-8", "surrogateescape"))(root, path)


def _is_below(pattern: bytes, root: bytes, path: bytes) -> bool:
    return folder_predicate(pattern.decode("utf-8", "surrogateescape"))(root, path)


def is_utf8(content: bytes | None) -> bool:
    """Whether bytes are text; None is nothing that could be wrong."""
    try:
        if content is not None:
            content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _is_text(pattern: str, text: object) -> bool:
    return parse_glob(pattern).matches(normal_form(str(text)))


def make_engine(
    path: Path,
    *,
    read_only: bool,
    patience_s: float = BUSY_TIMEOUT_S,
    make: bool = False,
    guard: Callable[[], object] | None = None,
) -> Engine:
    """An engine whose transactions begin explicitly; those with option `WRITE` as writers.

    Python's sqlite3 begins and commits on its own, and around DDL in particular, so its logic is
    switched off. `BEGIN IMMEDIATE` where it will write, so that waiting for the lock happens there
    and nowhere else; `BEGIN` where it only reads. Write-ahead logging keeps readers from ever
    waiting for the writer.

    Args:
        path: the database file.
        read_only: connections that cannot write.
        patience_s: how long a writer waits for another program's lock.
        make: whether an absent file is made.
        guard: called before each connection, which is not made where it raises.
    """
    from sqlalchemy import create_engine, event  # noqa: PLC0415 - what only asks, does without
    from sqlalchemy.pool import QueuePool  # noqa: PLC0415

    def connected() -> sqlite3.Connection:
        if guard is not None:
            guard()
        return connect(path, read_only=read_only, make=make)

    engine = create_engine(
        "sqlite://",
        creator=connected,
        poolclass=QueuePool,
        pool_size=4,
        max_overflow=-1,  # decoding threads each ask for a moment
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        if connection.get_execution_options().get("audiosearch_write"):
            _begin_immediate(driver, patience_s=patience_s)
        else:
            driver.execute("BEGIN")

    return engine


def _begin_immediate(driver: Any, *, patience_s: float) -> None:
    """Take the write lock, trying again until `patience_s` is over."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            driver.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            if _primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise


_numbers: Final = itertools.count()


def commit_token(session: Session) -> tuple[object, int, int]:
    """Something that stays the same as long as nobody commits anything; to keep what was derived.

    It is of one connection: others have other marks for the same state.
    """
    number: object
    driver: Any
    if isinstance(session, DirectSession):
        number, driver = session.number, session.driver
    else:
        connection = session.connection().connection
        number = connection.info.setdefault("audiosearch_number", next(_numbers))
        driver = connection.driver_connection
    (version,) = driver.execute("PRAGMA data_version").fetchone()  # commits of others
    return number, version, driver.total_changes


def _primary_code(error: BaseException) -> int | None:
    """SQLite's primary result code of an error, None where it has none."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else int(code) & 0xFF


def _database_errors() -> tuple[type[Exception], ...]:
    """The errors of SQLite, and those that SQLAlchemy makes of them, if it is loaded."""
    wrapped = sys.modules.get("sqlalchemy.exc")
    return (sqlite3.Error,) if wrapped is None else (sqlite3.Error, wrapped.DBAPIError)


def translate(error: Exception, path: Path) -> StoreError | None:
    """What a database error stands for in this package's tree; None: a mistake in a query."""
    cause: BaseException | None = error
    if not isinstance(error, sqlite3.Error):
        cause = getattr(error, "orig", None)
    code = None if cause is None else _primary_code(cause)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return LibraryCorrupt(
            f"the library's database is damaged: {cause}", path=path, remedy=REBUILD_REMEDY
        )
    if str(cause).startswith("Could not decode to UTF-8"):  # the driver's own, without a code
        return library_corrupt(DamagedRow("a text that is no UTF-8"), path)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LibraryLocked(
            "another program holds the database's lock",
            path=path,
            remedy="close programs that have the file open, or wait, then try again",
        )
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _nearly_full(path)):
        return _full(path)
    if code in (
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_AUTH,
    ):
        remedy = None if os.access(path.parent, os.W_OK) else COPY_REMEDY
        return StoreError(str(cause), path=path, remedy=remedy)
    return None


def _full(path: Path) -> StorageFull:
    return StorageFull(
        "the disk that holds the library is full",
        path=path,
        remedy="free some space and run the command again; it goes on where it stopped",
    )


def _nearly_full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < _LOW_SPACE
    except OSError:
        return False


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise database errors inside as errors of this package; others pass."""
    try:
        yield
    except UnicodeEncodeError as error:  # of what a shell hands over byte for byte
        raise QueryError(f"'{display_text(error.object)}' is no text in UTF-8") from error
    except DamagedRow as damage:
        raise library_corrupt(damage, path) from damage
    except Exception as error:
        if not isinstance(error, _database_errors()):
            raise
        known = translate(error, path)
        if known is None:
            raise
        raise known from error


@contextmanager
def or_copied(path: Path, reason: str) -> Iterator[None]:
    """Say for what `reason` the folder must be written to, where that is why something fails."""
    try:
        yield
    except LibraryLocked:
        raise
    except StoreError as error:
        if os.access(path.parent, os.W_OK):
            raise
        raise StoreError(f"{reason} ({error.reason})", path=path, remedy=COPY_REMEDY) from error


def read_schema(path: Path) -> tuple[str | None, bool]:
    """Alembic's revision of a database and whether it has any table; never writes to it.

    Raises:
        sqlite3.Error: as SQLite says.
    """
    with closing(connect(path, read_only=True)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if "alembic_version" not in names:
            return None, bool(names)
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return (None if row is None else str(row[0])), True


def backup(source: Path, target: Path) -> None:
    """A copy of the database as of now, pages and log together, durable when this returns.

    Raises:
        sqlite3.Error: as SQLite says (a full disk, a damaged source).
    """
    target.unlink(missing_ok=True)
    make_private_file(target)
    try:
        with (
            closing(connect(source, read_only=True)) as reader,
            closing(sqlite3.connect(target)) as writer,
        ):
            reader.backup(writer)
            writer.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
    except BaseException:  # a full disk, say: what SQLite put beside it goes too
        for suffix in _BESIDE:
            target.with_name(f"{target.name}{suffix}").unlink(missing_ok=True)
        raise


def integrity_problems(connection: Connection) -> list[str]:
    """What SQLite's own check finds wrong: pages, indices, full text and foreign keys."""
    found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check(100)")]
    problems = [] if found == ["ok"] else found
    problems += [
        f"row {row[1]} of {row[0]} refers to a missing row of {row[2]}"
        for row in connection.exec_driver_sql("PRAGMA foreign_key_check")
    ]
    return problems
