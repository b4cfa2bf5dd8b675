"""Which library a database file is: the file itself, and a random number that it was given.

A process that stays keeps a file open that may since have been moved, deleted or replaced: what it
read would be of one library, what it writes might go to another.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from audiosearch.errors import LibraryReplaced, StoreError
from audiosearch.store import sqlite

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

NAME: Final = "identity"  # of the row in `library_state` that holds the number

_QUERY: Final = f"SELECT value FROM library_state WHERE name = '{NAME}'"  # noqa: S608 - a literal
_REMEDY: Final = "nothing was written to the library that is there now; start the command again"


@dataclass(frozen=True)
class LibraryIdentity:
    """What no two libraries share.

    Attributes:
        device: that the file is on.
        inode: of the file; a copy of a library has another.
        number: random, given when the library was made; 0 where somebody has removed it.
    """

    device: int
    inode: int
    number: int

    def check_file(self, path: Path) -> os.stat_result | None:
        """See that `path` still leads to the file of this library, without opening it.

        Raises:
            LibraryReplaced: it does not.
        """
        try:
            status = os.stat(path)  # noqa: PTH116 - half the time of Path.stat, at each transaction
        except OSError as error:
            reason = error.strerror or str(error)
            raise replaced(path, f"it was moved or deleted ({reason})") from error
        if (status.st_dev, status.st_ino) != (self.device, self.inode):
            raise replaced(path, "another file has taken its place")
        return status


class ConnectionGuard:
    """See before each connection that it leads to the library, once it is known which.

    One that was opened into another library, whose log SQLite would take the old one's for, might
    write that into it when it is closed.
    """

    def __init__(self, path: Path, identity: LibraryIdentity | None = None) -> None:
        self.identity = identity
        self._path = path

    def __call__(self) -> None:
        """See to it.

        Raises:
            LibraryReplaced: another file stands there, or none.
        """
        if self.identity is not None:
            self.identity.check_file(self._path)


def check_log(path: Path) -> None:
    """See that what SQLite keeps beside a database is of the same library.

    It knows the log by its name alone, and would bring that of a library that was moved away, and
    that somebody still writes to, into the one that stands there now.

    Raises:
        StoreError: it is of another one.
    """
    log = path.with_name(f"{path.name}-wal")
    try:
        if log.stat().st_size == 0:
            return
        with closing(sqlite.connect_without_log(path)) as connection:
            alone = _number(connection)
        with closing(sqlite.connect(path, read_only=True)) as connection:
            together = _number(connection)
    except (OSError, sqlite3.Error):  # no log, or nothing of the library in the file as yet
        return
    if alone and together != alone:
        raise StoreError(
            f"{log.name} is of another library, that was here before",
            path=path,
            remedy=f"end the audiosearch that still uses that one, then delete {log}",
        )


class IdentityCheck:
    """See that a path still leads to a library, when a transaction begins and before it ends.

    One look at the file's entry and one at one row. Only where something wrote to the file itself,
    which SQLite does now and then, is it opened anew, since a library that was copied over this one
    has its entry, and the connections still have the old one's pages in memory.
    """

    def __init__(self, path: Path, identity: LibraryIdentity) -> None:
        self.identity = identity
        self._path = path
        self._written = _written(path, identity)

    def __call__(self, driver: Any) -> None:
        """See that the library is there, and that a connection of SQLite leads into it.

        Raises:
            LibraryReplaced: it is not, or does not.
            sqlite3.Error: what is there cannot be read.
        """
        self._compare({_number(driver)})

    def before_commit(self) -> None:
        """See that nothing has taken the library's place since the transaction began.

        Raises:
            LibraryReplaced: something has.
            sqlite3.Error: what is there cannot be read.
        """
        self._compare(set())

    def _compare(self, numbers: set[int]) -> None:
        written = _written(self._path, self.identity)
        if written != self._written:
            with closing(sqlite.connect(self._path, read_only=True)) as connection:
                numbers.add(_number(connection))
        if numbers - {self.identity.number}:
            raise replaced(self._path, "another library has taken its place")
        self._written = written


def _written(path: Path, identity: LibraryIdentity) -> tuple[int, int]:
    status = identity.check_file(path)
    assert status is not None  # of a file
    return status.st_mtime_ns, status.st_size


def identify(path: Path, driver: Any) -> LibraryIdentity:
    """The identity of a library that `driver` (a connection of SQLite) has just opened."""
    status = path.stat()
    return LibraryIdentity(device=status.st_dev, inode=status.st_ino, number=_number(driver))


def read_identity(path: Path, *, url: str = "") -> LibraryIdentity:
    """The identity of the library at `path`, or at `url`, opened for it; it is not made.

    Raises:
        StoreError: there is none, or it cannot be read.
    """
    if url:
        from audiosearch.store.postgresql.database import read_server_identity  # noqa: PLC0415

        return read_server_identity(url)
    see_that_it_is_there(path)
    with sqlite.translated(path), closing(sqlite.connect(path, read_only=True)) as connection:
        try:
            return identify(path, connection)
        except OSError as error:
            raise StoreError(error.strerror or str(error), path=path) from error


def see_that_it_is_there(path: Path) -> os.stat_result:
    """See that a library that there was is still there, or there again: a server makes none.

    Raises:
        StoreError: it is not.
    """
    reason = "an empty file is in its place"
    try:
        status = path.stat()
    except OSError as error:
        reason = error.strerror or str(error)
    else:
        if status.st_size:
            return status
    raise StoreError(
        f"the library is gone: {reason}",
        path=path,
        remedy="put it back, and it is answered for again; none is made in its place",
    )


def give_identity(session: Session) -> None:
    """Give a library a number that has lost its own; who has it open must open it anew."""
    import secrets  # noqa: PLC0415 - what only reads can do without

    from sqlalchemy import insert  # noqa: PLC0415

    from audiosearch.store.schema import LibraryState  # noqa: PLC0415

    session.execute(insert(LibraryState).values(name=NAME, value=secrets.randbits(62) + 1))


def replaced(path: Path, what: str) -> LibraryReplaced:
    """The error that says what has become of a library."""
    return LibraryReplaced(
        f"the library was replaced while it was in use: {what}", path=path, remedy=_REMEDY
    )


def _number(driver: Any) -> int:
    row = driver.execute(_QUERY).fetchone()
    return 0 if row is None else int(row[0])
