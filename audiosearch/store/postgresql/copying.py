"""A library copied from SQLite to a server: table by table, in steps, and compared at the end.

Rows keep their ids, so that what was copied tells where to go on. `library_state` comes last: until
then the copy has another number than the library, and says that it is unfinished.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Table, func, insert, select, text, tuple_
from sqlalchemy.orm import Session

from audiosearch.errors import StoreError
from audiosearch.store.database import Database
from audiosearch.store.dialects import upsert
from audiosearch.store.identity import NAME
from audiosearch.store.postgresql.nearest import ensure_indices
from audiosearch.store.queries import fulltext
from audiosearch.store.schema import Base, LibraryState

COPYING: Final = "copied_from"  # in `library_state` of an unfinished copy: the library's number
_ROWS: Final = 2000  # of a step
_FEWER: Final = {"window_frames": 100}  # whose rows are large

CopyProgress = Callable[[str, int, int], None]  # table, rows done, rows in all


@dataclass(frozen=True)
class CopiedTable:
    """A table that is the same in both.

    Attributes:
        n_rows: how many rows it has.
        n_new: of these, copied now; the others were there from before.
        digest: SHA-256 over all its rows, the same in both.
    """

    name: str
    n_rows: int
    n_new: int
    digest: str


def copy_library(source: Database, target: Database, *, tell: CopyProgress) -> list[CopiedTable]:
    """Copy all rows of `source` into `target`, which is empty or an unfinished copy of the same.

    Both are open for writing, so that nobody else alters them meanwhile. Killed at any moment, it
    goes on when it is called again.

    Raises:
        StoreError: the target is another library; a table differs after it was copied.
    """
    with source.reading() as session:
        number = _state(session).get(NAME, 0)
    _claim(target, number)
    tables = [table for table in Base.metadata.sorted_tables if table.name != "library_state"]
    n_new = {table.name: _copy_table(source, target, table, tell=tell) for table in tables}
    with target.session() as session:
        _advance_ids(session, tables)
        fulltext.rebuild(session)
    copied = [_compare(source, target, table, n_new=n_new[table.name]) for table in tables]
    with source.reading() as session:
        rows = _state(session)
    with target.session() as session:
        for name, value in rows.items():
            statement = upsert(session, LibraryState).values(name=name, value=value)
            session.execute(
                statement.on_conflict_do_update(index_elements=["name"], set_={"value": value})
            )
        session.execute(text("DELETE FROM library_state WHERE name = :name"), {"name": COPYING})
        if target.exact_below is not None:
            ensure_indices(session, at_least=target.exact_below)
    return copied


def _state(session: Session) -> dict[str, int]:
    rows = session.execute(select(LibraryState.name, LibraryState.value))
    return {row.name: row.value for row in rows}


def _claim(target: Database, number: int) -> None:
    """Write down of which library the target is to be a copy.

    Raises:
        StoreError: it is another library, or a copy of another one.
    """
    with target.session() as session:
        state = _state(session)
        if state.get(COPYING) == number:
            return
        tables = [table for table in Base.metadata.sorted_tables if table.name != "library_state"]
        filled = any(
            session.execute(select(text("1")).select_from(table).limit(1)).first()
            for table in tables
        )
        if filled or COPYING in state:
            is_same = state.get(NAME) == number
            raise StoreError(
                "it is copied already" if is_same else "there is another library already",
                path=target.shown,
                remedy="set [store] url to use it" if is_same else "give another database",
            )
        session.execute(insert(LibraryState).values(name=COPYING, value=number))


def _copy_table(source: Database, target: Database, table: Table, *, tell: CopyProgress) -> int:
    """Copy the rows beyond those that are there; returns how many."""
    size = _FEWER.get(table.name, _ROWS)
    key = list(table.primary_key.columns)
    with target.reading() as session:
        newest = select(*key).order_by(*(column.desc() for column in key)).limit(1)
        last: Sequence[Any] | None = session.execute(newest).first()
    with source.reading() as session:
        n_rows = _count(session, table)
        n_before = 0 if last is None else _count(session, table, up_to=last)
    n_done = n_before
    tell(table.name, n_done, n_rows)
    while True:
        with source.reading() as session:
            rows = _rows_after(session, table, last, size)
        if not rows:
            return n_done - n_before
        with target.session() as session:
            session.connection().execute(insert(table), [dict(row._mapping) for row in rows])
        last = tuple(rows[-1]._mapping[column] for column in key)
        n_done += len(rows)
        tell(table.name, n_done, n_rows)


def _count(session: Session, table: Table, *, up_to: Sequence[Any] | None = None) -> int:
    wanted = select(func.count()).select_from(table)
    if up_to is not None:
        wanted = wanted.where(tuple_(*table.primary_key.columns) <= tuple_(*up_to))
    return session.scalar(wanted) or 0


def _rows_after(
    session: Session, table: Table, last: Sequence[Any] | None, size: int
) -> Sequence[Any]:
    key = list(table.primary_key.columns)
    wanted = select(*table.columns).order_by(*key).limit(size)
    if last is not None:
        wanted = wanted.where(tuple_(*key) > tuple_(*last))
    return session.connection().execute(wanted).fetchall()


def _advance_ids(session: Session, tables: Sequence[Table]) -> None:
    """Have new rows be numbered after those that were copied."""
    for table in tables:
        if table.autoincrement_column is not None and "id" in table.columns:
            session.execute(
                text(
                    f"SELECT setval(pg_get_serial_sequence('\"{table.name}\"', 'id'),"  # noqa: S608 - our own names
                    f' coalesce((SELECT max(id) FROM "{table.name}"), 0) + 1, false)'
                )
            )


def _compare(source: Database, target: Database, table: Table, *, n_new: int) -> CopiedTable:
    """See that a table is the same in both.

    Raises:
        StoreError: it is not.
    """
    n_rows, digest = _digest(source, table)
    if (n_rows, digest) != (there := _digest(target, table)):
        raise StoreError(
            f"the table {table.name} is not the same after it was copied:"
            f" {n_rows} rows here, {there[0]} there",
            path=target.shown,
            remedy="the library was altered between two runs: begin anew with an empty database",
        )
    return CopiedTable(table.name, n_rows, n_new, digest)


def _digest(database: Database, table: Table) -> tuple[int, str]:
    digest, n_rows = hashlib.sha256(), 0
    for row in _all_rows(database, table):
        digest.update(row_bytes(row))
        n_rows += 1
    return n_rows, digest.hexdigest()


def _all_rows(database: Database, table: Table) -> Iterator[Sequence[Any]]:
    size = _FEWER.get(table.name, _ROWS)
    key = list(table.primary_key.columns)
    last: Sequence[Any] | None = None
    while True:
        with database.reading() as session:
            rows = _rows_after(session, table, last, size)
        if not rows:
            return
        yield from rows
        last = tuple(rows[-1]._mapping[column] for column in key)


def row_bytes(row: Sequence[Any]) -> bytes:
    """A row as bytes, each value with its kind and length, so that no two rows are alike."""
    parts: list[bytes] = []
    for value in row:
        kind, content = _value_bytes(value)
        parts.append(kind + struct.pack("<q", len(content)) + content)
    return b"".join(parts)


def _value_bytes(value: object) -> tuple[bytes, bytes]:
    if value is None:
        return b"n", b""
    if isinstance(value, bytes):
        return b"b", value
    if isinstance(value, str):
        return b"t", value.encode("utf-8", "surrogatepass")
    if isinstance(value, float):
        return b"f", struct.pack("<d", value)
    return b"i", str(int(value)).encode()  # type: ignore[call-overload]  # there is no other type
