"""Alembic's entry: run the migrations on the connection that the caller has begun.

`audiosearch.store.migrations` owns the transaction (SQLite's driver would otherwise commit each DDL
statement on its own) and passes its connection in the configuration's attributes.
"""

from alembic import context

from audiosearch.store.schema import Base

connection = context.config.attributes.get("connection")
if connection is None:
    raise RuntimeError(
        "migrations run through audiosearch.store.migrations, which owns the connection"
    )
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    transactional_ddl=True,
    render_as_batch=True,  # SQLite alters a table by building it anew
)
context.run_migrations()
