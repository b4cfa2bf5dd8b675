"""Frames are stored packed, as what they have beyond a base; those stored before stay as they are.

A base is a table of its bundle's: the least values that its frames have, place by place.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "frame_base",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("bundle_id", sa.Integer(), nullable=False),
        sa.Column("n_frames", sa.Integer(), nullable=False),
        sa.Column("frames", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["bundle_id"],
            ["bundle.id"],
            name=op.f("fk_frame_base_bundle_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_frame_base")),
    )
    op.create_index(op.f("ix_frame_base_bundle_id"), "frame_base", ["bundle_id"], unique=False)
    op.add_column("window_frames", sa.Column("base_id", sa.Integer(), nullable=True))
