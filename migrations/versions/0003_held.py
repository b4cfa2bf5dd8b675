"""How many files a root had when too many of them were gone at once."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("library_root", sa.Column("held_known", sa.Integer(), nullable=True))
