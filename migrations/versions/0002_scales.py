"""Scales of captions: windows draw lots, losses are kept; captions for stretches of sound.

Scales were never written before, so their table is made anew and nothing is carried over. Each
window that is not silent gets the lot that it would draw today.
"""

import hashlib
import struct

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_scales()
    make_targets()
    make_lots()
    if op.get_bind().dialect.name == "sqlite":
        draw_lots()
        allow_labels()
    else:  # where no library is older than this
        op.drop_constraint(op.f("ck_caption_source"), "caption")
        op.create_check_constraint(
            op.f("ck_caption_source"), "caption", "source IN ('auto', 'user', 'import', 'label')"
        )


def make_scales() -> None:
    op.drop_table("caption_scale")
    op.create_table(
        "caption_scale",
        sa.Column("caption_id", sa.Integer(), nullable=False),
        sa.Column("bundle_id", sa.Integer(), nullable=False),
        sa.Column("sample", sa.BigInteger(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("minimum", sa.Float(), nullable=False),
        sa.Column("maximum", sa.Float(), nullable=False),
        sa.Column("mean", sa.Float(), nullable=False),
        sa.Column("deviation", sa.Float(), nullable=False),
        sa.Column("draws", sa.LargeBinary(), nullable=True),
        sa.Column("losses", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["bundle_id"],
            ["bundle.id"],
            name=op.f("fk_caption_scale_bundle_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["caption_id"],
            ["caption.id"],
            name=op.f("fk_caption_scale_caption_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("caption_id", "bundle_id", name=op.f("pk_caption_scale")),
    )


def make_targets() -> None:
    op.create_table(
        "caption_target",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("caption_id", sa.Integer(), nullable=False),
        sa.Column("recording_id", sa.Integer(), nullable=False),
        sa.Column("start_s", sa.Float(), nullable=False),
        sa.Column("end_s", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["caption_id"],
            ["caption.id"],
            name=op.f("fk_caption_target_caption_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recording.id"],
            name=op.f("fk_caption_target_recording_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_caption_target")),
        sa.UniqueConstraint(
            "caption_id",
            "recording_id",
            "start_s",
            "end_s",
            name=op.f("uq_caption_target_caption_id_recording_id_start_s_end_s"),
        ),
    )
    op.create_index(
        op.f("ix_caption_target_recording_id"), "caption_target", ["recording_id"], unique=False
    )


def make_lots() -> None:
    op.create_table(
        "window_draw",
        sa.Column("window_id", sa.Integer(), nullable=False),
        sa.Column("bundle_id", sa.Integer(), nullable=False),
        sa.Column("draw", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["bundle_id"], ["bundle.id"], name=op.f("fk_window_draw_bundle_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["window_id"], ["window.id"], name=op.f("fk_window_draw_window_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("window_id", name=op.f("pk_window_draw")),
    )
    op.create_index(
        op.f("ix_window_draw_bundle_id_draw"), "window_draw", ["bundle_id", "draw"], unique=False
    )


def draw_lots() -> None:
    connection = op.get_bind()
    found = connection.exec_driver_sql(
        "SELECT w.id, w.bundle_id, r.audio_hash, b.fingerprint, w.position, w.start_s, w.end_s"
        " FROM window AS w JOIN recording AS r ON r.id = w.recording_id"
        " JOIN bundle AS b ON b.id = w.bundle_id WHERE NOT w.silent"
    )
    while some := found.fetchmany(5000):
        connection.exec_driver_sql(
            "INSERT INTO window_draw (window_id, bundle_id, draw) VALUES (?, ?, ?)",
            [(row[0], row[1], lot(*row[2:])) for row in some],
        )


def lot(audio_hash: bytes, fingerprint: str, position: int, start_s: float, end_s: float) -> int:
    place = struct.pack("<qdd", position, start_s, end_s)
    identity = audio_hash + fingerprint.encode() + place
    return int.from_bytes(hashlib.blake2b(identity, digest_size=8).digest(), "little") >> 1


def allow_labels() -> None:
    # SQLite cannot alter a check: the table is built anew. Foreign keys are off and go by name.
    op.create_table(
        "caption_new",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("added_at", sa.Float(), nullable=False),
        sa.CheckConstraint(
            "source IN ('auto', 'user', 'import', 'label')", name=op.f("ck_caption_source")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_caption")),
        sa.UniqueConstraint("text", name=op.f("uq_caption_text")),
    )
    op.execute(
        "INSERT INTO caption_new (id, text, source, added_at)"
        " SELECT id, text, source, added_at FROM caption"
    )
    op.drop_table("caption")
    op.rename_table("caption_new", "caption")
