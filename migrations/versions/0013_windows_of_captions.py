"""The windows that a caption is said of are read from its index alone."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index(op.f("ix_window_caption_caption_id"), table_name="window_caption")
    op.create_index(
        op.f("ix_window_caption_caption_id_window_id"),
        "window_caption",
        ["caption_id", "window_id"],
        unique=False,
    )
