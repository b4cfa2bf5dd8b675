"""What differs from database to database, for queries that are otherwise the same in all.

PostgreSQL's parts are imported where a session leads to one, never before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Boolean, ColumnElement, Text, column, func, literal, select, table, text
from sqlalchemy import Integer as _Integer
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler

from audiosearch._typing import Floats, Ids
from audiosearch.store import fts5, sqlite
from audiosearch.store.full_text import FullText, Match

if TYPE_CHECKING:
    from audiosearch.store.queries.scope import Scope


def is_sqlite(session: Session) -> bool:
    """Whether a session leads to SQLite."""
    return session.get_bind().dialect.name == "sqlite"


def full_text(session: Session) -> FullText:
    """The full text of a session's database."""
    if is_sqlite(session):
        return fts5.Fts5(session)
    from audiosearch.store.postgresql.words import TsVectorText  # noqa: PLC0415

    return TsVectorText(session)


def upsert(session: Session, into: Any) -> Any:
    """An INSERT that has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    if is_sqlite(session):
        return sqlite_dialect.insert(into)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415

    return postgresql.insert(into)


def commit_token(session: Session) -> tuple[object, ...]:
    """Something that stays the same as long as nobody commits anything; to keep what was derived.

    It is of one connection or server: others have other marks for the same state.
    """
    if is_sqlite(session):
        return sqlite.commit_token(session)
    from audiosearch.store.postgresql import engine  # noqa: PLC0415

    return engine.commit_token(session)


def computed_scope(session: Session, scope: Scope) -> Scope:
    """A scope that the database can answer alone.

    SQLite calls this program for globs; elsewhere the files that they mean are looked up here.
    """
    if is_sqlite(session):
        return scope
    from audiosearch.store.postgresql.globs import without_globs  # noqa: PLC0415

    return without_globs(session, scope)


def integrity_problems(session: Session) -> list[str]:
    """What the database's own check finds wrong with it."""
    if is_sqlite(session):
        return sqlite.integrity_problems(session.connection())
    from audiosearch.store.postgresql import integrity  # noqa: PLC0415

    return integrity.integrity_problems(session)


def rebuild_indices(session: Session) -> None:
    """Build all indices of the database anew, in this transaction."""
    if is_sqlite(session):
        session.execute(text("REINDEX"))
        return
    from audiosearch.store.postgresql import integrity  # noqa: PLC0415

    integrity.rebuild_indices(session)


def adapted(session: Session, check: str) -> str:
    """A statement of the checks of a library, written for SQLite, as a session takes it."""
    if is_sqlite(session):
        return check
    from audiosearch.store.postgresql import integrity  # noqa: PLC0415

    return integrity.adapted(check)


def nearest_windows(
    session: Session,
    vector: Floats,
    *,
    column: str,
    bundle_id: int,
    limit: int,
    n_windows: int,
    allowed: Ids | None,
) -> list[int]:
    """See `postgresql.nearest`; only where `Database.exact_below` says so."""
    from audiosearch.store.postgresql import nearest  # noqa: PLC0415

    return nearest.nearest_windows(
        session,
        vector,
        column=column,
        bundle_id=bundle_id,
        limit=limit,
        n_windows=n_windows,
        allowed=allowed,
    )


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
