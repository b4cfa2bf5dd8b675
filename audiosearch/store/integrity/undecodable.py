"""Texts whose bytes are no UTF-8, such as after a bit of the disk has turned: found, and mended.

SQLite keeps any bytes as text, and the driver refuses to read them: every question that comes upon
such a row fails. A server lets none in.
"""

# ruff: noqa: S608 - statements are put together from names of the schema
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import String, Table, text
from sqlalchemy.orm import Session

from audiosearch.store.dialects import is_sqlite, rebuild_indices
from audiosearch.store.schema import Base, CaptionSource
from audiosearch.store.sqlite import IS_UTF8, is_utf8


@dataclass(frozen=True)
class UndecodableText:
    """A text of a row, by the number that SQLite gives it."""

    table: str
    column: str
    row_id: int
    content: bytes

    @property
    def problem(self) -> str:
        """What is wrong, in words."""
        return f"row {self.row_id} of {self.table}: its {self.column} is no text in UTF-8"


def undecodable_texts(session: Session) -> Iterator[UndecodableText]:
    """All of them."""
    if not is_sqlite(session):
        return
    for table in Base.metadata.sorted_tables:
        columns = [column.name for column in table.columns if isinstance(column.type, String)]
        if not columns or not _has_row_ids(table):
            continue
        as_bytes = [
            f'CASE typeof("{column}") WHEN \'text\' THEN CAST("{column}" AS BLOB) END'
            for column in columns
        ]
        wanted = " OR ".join(f"NOT {IS_UTF8}({each})" for each in as_bytes)
        rows = session.connection().exec_driver_sql(
            f'SELECT rowid, {", ".join(as_bytes)} FROM "{table.name}" WHERE {wanted}'
        )
        for row_id, *contents in rows:
            for column, content in zip(columns, contents, strict=True):
                if not is_utf8(content):
                    yield UndecodableText(table.name, column, row_id, content)


def mend_undecodable(session: Session) -> int:
    """Put U+FFFD for what cannot be read, so that the rest stays; returns how many texts.

    A caption whose source cannot be read is taken for a person's, which nothing removes.
    """
    found = list(undecodable_texts(session))
    if not found:
        return 0
    connection = session.connection()
    rebuild_indices(session)  # an index that has the text of before would be found damaged
    connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
    try:
        for each in found:
            mended = each.content.decode("utf-8", "replace")
            if (each.table, each.column) == ("caption", "source"):
                mended = CaptionSource.USER.value
            connection.execute(
                text(f'UPDATE "{each.table}" SET "{each.column}" = :text WHERE rowid = :row'),
                {"text": mended, "row": each.row_id},
            )
    finally:
        connection.exec_driver_sql("PRAGMA ignore_check_constraints = OFF")
    return len(found)


def _has_row_ids(table: Table) -> bool:
    return bool(table.dialect_options["sqlite"].get("with_rowid", True))
