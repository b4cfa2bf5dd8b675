"""What people write of sounds, and collections, belong to users of a name, or to everybody ('')."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

KEYS = {
    "annotation": ("sound_id", "start_s", "end_s"),
    "collection": ("key",),
}


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        rebuild_annotations()
        rebuild_collections()
        return
    for table, columns in KEYS.items():
        op.add_column(table, owner())
        op.drop_constraint(op.f(f"uq_{table}_{'_'.join(columns)}"), table)
        op.create_unique_constraint(unique_name(table), table, unique_columns(table))


def owner() -> sa.Column[str]:
    return sa.Column("user_name", sa.Text(), nullable=False, server_default="")


def unique_columns(table: str) -> list[str]:
    return [*KEYS[table], "user_name"]


def unique_name(table: str) -> str:
    return op.f(f"uq_{table}_{'_'.join(unique_columns(table))}")


def rebuild_annotations() -> None:
    columns = (
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sound_id", sa.Integer(), nullable=False),
        sa.Column("start_s", sa.Float(), nullable=False),
        sa.Column("end_s", sa.Float(), nullable=False),
        sa.Column("rating", sa.Integer(), nullable=True),
        sa.Column("rated_at", sa.Float(), nullable=True),
        sa.Column("favourite_at", sa.Float(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("noted_at", sa.Float(), nullable=True),
    )
    rebuild(
        "annotation",
        columns,
        sa.CheckConstraint(
            "(start_s = 0 AND end_s = 0) OR (start_s >= 0 AND end_s > start_s)",
            name=op.f("ck_annotation_stretch"),
        ),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name=op.f("ck_annotation_rating")),
        sa.CheckConstraint(
            "(rating IS NULL) = (rated_at IS NULL)", name=op.f("ck_annotation_rated")
        ),
        sa.CheckConstraint("(note IS NULL) = (noted_at IS NULL)", name=op.f("ck_annotation_noted")),
        sa.ForeignKeyConstraint(
            ["sound_id"],
            ["annotated_sound.id"],
            name=op.f("fk_annotation_sound_id"),
            ondelete="CASCADE",
        ),
    )


def rebuild_collections() -> None:
    columns = (
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
    )
    rebuild("collection", columns)


def rebuild(table: str, columns: tuple[sa.Column, ...], *constraints: sa.Constraint) -> None:
    """A table of SQLite with another unique key; what refers to it goes by its name."""
    new = f"{table}_new"
    op.create_table(
        new,
        *columns,
        owner(),
        *constraints,
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint(*unique_columns(table), name=unique_name(table)),
    )
    names = ", ".join(column.name for column in columns)
    op.execute(f"INSERT INTO {new} ({names}) SELECT {names} FROM {table}")  # noqa: S608
    op.drop_table(table)
    op.rename_table(new, table)
