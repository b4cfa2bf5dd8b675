"""What differs from database to database, for queries that are otherwise the same in all.

PostgreSQL's parts are imported where a session leads to one, never before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from audiosearch._typing import Floats, Ids
from audiosearch.store import fts5, sqlite
from audiosearch.store.direct import DirectSession
from audiosearch.store.full_text import FullText

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from audiosearch.store.queries.scope import Scope


def is_sqlite(session: Session) -> bool:
    """Whether a session leads to SQLite."""
    return isinstance(session, DirectSession) or session.get_bind().dialect.name == "sqlite"


def full_text(session: Session) -> FullText:
    """The full text of a session's database."""
    if is_sqlite(session):
        return fts5.Fts5(session)
    from audiosearch.store.postgresql.words import TsVectorText  # noqa: PLC0415

    return TsVectorText(session)


def upsert(session: Session, into: Any) -> Any:
    """An INSERT that has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    from sqlalchemy.dialects import sqlite as sqlite_dialect  # noqa: PLC0415 - see `store.direct`

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
    from audiosearch.store.postgresql import changes  # noqa: PLC0415

    return changes.commit_token(session)


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
        session.connection().exec_driver_sql("REINDEX")
        return
    from audiosearch.store.postgresql import integrity  # noqa: PLC0415

    integrity.rebuild_indices(session)


def adapted(session: Session, check: str) -> str:
    """A statement of the checks of a library, written for SQLite, as a session takes it."""
    if is_sqlite(session):
        return check
    from audiosearch.store.postgresql import integrity  # noqa: PLC0415

    return integrity.adapted(check)


def vector_column(session: Session, column: str) -> str:
    """A column of vectors in a SELECT whose rows go to `vector_blobs`."""
    return column if is_sqlite(session) else f"halfvec_send({column})"


def vector_blobs(session: Session, stored: Sequence[bytes | None]) -> Sequence[bytes | None]:
    """What a `vector_column` gave as blobs of float16, as `vectors.to_blob` makes them."""
    if is_sqlite(session):
        return stored
    from audiosearch.store.halfvec import sent_blob  # noqa: PLC0415

    return [None if each is None else sent_blob(each) for each in stored]


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
