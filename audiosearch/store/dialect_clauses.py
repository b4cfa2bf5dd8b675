"""Clauses that each database says in its own words, for statements that are otherwise the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Text, column, func, literal, select, table
from sqlalchemy import Integer as _Integer
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from audiosearch.store import fts5
from audiosearch.store.full_text import Match


class IsAmong(ColumnElement[bool]):
    """Whether a column is one of any number of ids, which no list of parameters would hold."""

    inherit_cache = False
    type = Boolean()

    def __init__(self, key: Any, ids: Sequence[int]) -> None:
        self.key_column = key
        self.ids = ids


class HasNameOf(ColumnElement[bool]):
    """Whether the full text of a file matches, in its names and folders or anywhere."""

    inherit_cache = False
    type = Boolean()

    def __init__(self, file_id: Any, match: Match, *, anywhere: bool = False) -> None:
        self.file_id = file_id
        self.words = match
        self.anywhere = anywhere


@compiles(IsAmong, "sqlite")
def _among_sqlite(element: IsAmong, compiler: SQLCompiler, **options: Any) -> str:
    ids = func.json_each(literal(str(list(element.ids))))
    within = element.key_column.in_(select(ids.table_valued(column("value", _Integer))))
    return compiler.process(within, **options)


@compiles(IsAmong, "postgresql")
def _among_postgresql(element: IsAmong, compiler: SQLCompiler, **options: Any) -> str:
    from sqlalchemy import BigInteger  # noqa: PLC0415
    from sqlalchemy.dialects.postgresql import ARRAY  # noqa: PLC0415

    ids = literal(list(element.ids), ARRAY(BigInteger))
    return compiler.process(element.key_column == func.any(ids), **options)


@compiles(HasNameOf, "sqlite")
def _named_sqlite(element: HasNameOf, compiler: SQLCompiler, **options: Any) -> str:
    texts = table("file_text", column("rowid", _Integer), column("file_text", Text))
    looked_for = (fts5.expression if element.anywhere else fts5.in_names)(element.words)
    found = select(texts.c.rowid).where(texts.c.file_text.op("MATCH")(looked_for))
    return compiler.process(element.file_id.in_(found), **options)


@compiles(HasNameOf, "postgresql")
def _named_postgresql(element: HasNameOf, compiler: SQLCompiler, **options: Any) -> str:
    from sqlalchemy import cast  # noqa: PLC0415
    from sqlalchemy.dialects.postgresql import TSQUERY  # noqa: PLC0415

    from audiosearch.store.postgresql import words  # noqa: PLC0415

    texts = table("file_text", column("id", _Integer), column("words", Text))
    looked_for = (words.expression if element.anywhere else words.in_names)(element.words)
    query = cast(literal(looked_for, Text), TSQUERY)
    found = select(texts.c.id).where(texts.c.words.op("@@")(query))
    return compiler.process(element.file_id.in_(found), **options)
