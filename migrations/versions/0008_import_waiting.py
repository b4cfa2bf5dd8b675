"""Which captions of sounds that are not here now came with which import."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "import_waiting",
        sa.Column("import_id", sa.Integer(), nullable=False),
        sa.Column("waiting_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["caption_import.id"],
            name=op.f("fk_import_waiting_import_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["waiting_id"],
            ["waiting_caption.id"],
            name=op.f("fk_import_waiting_waiting_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("import_id", "waiting_id", name=op.f("pk_import_waiting")),
    )
    op.create_index(
        op.f("ix_import_waiting_waiting_id"), "import_waiting", ["waiting_id"], unique=False
    )
