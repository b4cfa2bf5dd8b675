"""What can be wrong with a library on a server: types, checks and references are kept by it."""

from __future__ import annotations

import re
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

_OTHERS: Final = (
    (r"\browid\b", "id"),
    (r"typeof\(\w+\) = '\w+'", "true"),  # which a server sees to
    (r"length\((embedding|joint)\)", r"(2 * vector_dims(\1))"),
    (r"\bmax\(([fb])\.n_frames, 1\)", r"greatest(\1.n_frames, 1)"),
)
_BROKEN: Final = text(
    "SELECT 'the index ' || CAST(indexrelid AS regclass) || ' is not valid' FROM pg_index"
    " JOIN pg_class AS c ON c.oid = indrelid WHERE NOT indisvalid"
    " AND c.relnamespace = CAST(current_schema() AS regnamespace)"
    " UNION ALL"
    " SELECT 'the constraint ' || conname || ' is not enforced' FROM pg_constraint"
    " WHERE NOT convalidated AND connamespace = CAST(current_schema() AS regnamespace)"
)


def integrity_problems(session: Session) -> list[str]:
    """Indices that are not used and constraints that are not kept."""
    return [str(row[0]) for row in session.execute(_BROKEN)]


def rebuild_indices(session: Session) -> None:
    """Build all indices of the library anew; table by table, as a transaction allows."""
    tables = text(
        "SELECT CAST(CAST(oid AS regclass) AS text) FROM pg_class WHERE relkind = 'r'"
        " AND relnamespace = CAST(current_schema() AS regnamespace) ORDER BY relname"
    )
    for table in session.scalars(tables).all():
        session.execute(text(f"REINDEX TABLE {table}"))


def adapted(check: str) -> str:
    """A check written for SQLite, as PostgreSQL takes it."""
    for pattern, other in _OTHERS:
        check = re.sub(pattern, other, check)
    return check
