"""A library is known by a random number, so that another one in its place is noticed."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.get_bind().execute(
        sa.text(
            "INSERT INTO library_state (name, value) VALUES ('identity', :number)"
            " ON CONFLICT DO NOTHING"
        ),
        {"number": secrets.randbits(62) + 1},
    )
