"""Alembic's entry: run the migrations on the connection that the caller has begun.

`audiosearch.store.migrations` owns the transaction (SQLite's driver would otherwise commit each DDL
statement on its own) and passes its connection in the configuration's attributes.
"""

from contextlib import ExitStack

import sqlalchemy as sa
from alembic import context

from audiosearch.store.schema import Base

connection = context.config.attributes.get("connection")
if connection is None:
    raise RuntimeError(
        "migrations run through audiosearch.store.migrations, which owns the connection"
    )


def fit_postgresql(column: sa.Column[object], _table: object) -> None:
    """Have a new column hold and order what it would in SQLite: 64 bits, texts by their bytes."""
    if type(column.type) is sa.Integer:
        column.type = sa.BigInteger()
    elif type(column.type) in (sa.String, sa.Text):
        column.type = sa.Text(collation="C")


with ExitStack() as stack:
    if connection.dialect.name == "postgresql":
        sa.event.listen(sa.Column, "after_parent_attach", fit_postgresql)
        stack.callback(sa.event.remove, sa.Column, "after_parent_attach", fit_postgresql)
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        transactional_ddl=True,
        render_as_batch=connection.dialect.name == "sqlite",  # which builds a table anew
    )
    context.run_migrations()
