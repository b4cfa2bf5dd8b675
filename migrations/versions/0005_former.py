"""The sound that a file held before, until it is known whether the present one goes on from it."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sound_file", sa.Column("former_hash", sa.LargeBinary(32), nullable=True))
