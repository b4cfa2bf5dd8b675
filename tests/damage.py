"""A library damaged on purpose: rows changed behind everyone's back.

In: an open library and SQL statements. It knows nothing of what checks or repairs the damage.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

from audiosearch.store.database import Database


def damage(database: Database, *statements: str) -> None:
    """Change rows behind everyone's back, constraints off."""
    with closing(sqlite3.connect(database.path)) as connection, connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            assert connection.execute(statement).rowcount > 0, statement
