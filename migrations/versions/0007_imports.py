"""Which captions, and which stretches that they are for, came with which import of a file."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "caption_import",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("added_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_caption_import")),
        sa.UniqueConstraint("digest", name=op.f("uq_caption_import_digest")),
    )
    link("import_caption", "caption")
    link("import_target", "caption_target")


def link(table: str, to: str) -> None:
    column = to.removeprefix("caption_") + "_id"
    op.create_table(
        table,
        sa.Column("import_id", sa.Integer(), nullable=False),
        sa.Column(column, sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["caption_import.id"],
            name=op.f(f"fk_{table}_import_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            [column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("import_id", column, name=op.f(f"pk_{table}")),
    )
    op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)
