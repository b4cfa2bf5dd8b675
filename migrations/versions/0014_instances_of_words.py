"""Where each word stands in the texts, for the program's own ranking.

A view of the full text that is there: it holds nothing itself.
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table in ("caption", "file"):
            op.execute(
                f"CREATE VIRTUAL TABLE {table}_instance USING fts5vocab({table}_text, instance)"
            )
