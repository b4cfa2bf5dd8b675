"""Where each word stands in the texts, for the program's own ranking; and a library's past states.

The first is a view of the full text that is there: it holds nothing itself.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "earlier_state",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("name", "value", name=op.f("pk_earlier_state")),
        sqlite_with_rowid=False,
    )
    op.execute("DELETE FROM library_state WHERE name IN ('windows_removed', 'captions_removed')")
    if op.get_bind().dialect.name == "sqlite":
        for table in ("caption", "file"):
            op.execute(
                f"CREATE VIRTUAL TABLE {table}_instance USING fts5vocab({table}_text, instance)"
            )
