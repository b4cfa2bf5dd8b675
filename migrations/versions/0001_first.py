"""The first schema: files, recordings, windows, captions, tags, and full text.

A migration is history: it spells out what it does and imports nothing of the package, so that it
does the same in ten years.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        make_tables()
        make_full_text()
    else:
        op.execute("CREATE EXTENSION IF NOT EXISTS vector")
        make_tables()


class HalfVector(sa.types.UserDefinedType[bytes]):
    """pgvector's column of float16."""

    def get_col_spec(self, **_: object) -> str:  # noqa: D102
        return "halfvec"


VECTOR = sa.LargeBinary().with_variant(HalfVector(), "postgresql")


def make_tables() -> None:
    op.create_table(
        "bundle",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("added_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bundle")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_bundle_fingerprint")),
    )
    op.create_table(
        "caption",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("added_at", sa.Float(), nullable=False),
        sa.CheckConstraint("source IN ('auto', 'user', 'import')", name=op.f("ck_caption_source")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_caption")),
        sa.UniqueConstraint("text", name=op.f("uq_caption_text")),
    )
    op.create_table(
        "library_root",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.Column("added_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_library_root")),
        sa.UniqueConstraint("path", name=op.f("uq_library_root_path")),
    )
    op.create_table(
        "library_state",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_library_state")),
    )
    op.create_table(
        "recording",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("audio_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("duration_s", sa.Float(), nullable=False),
        sa.Column("sample_rate", sa.Integer(), nullable=False),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.Column("bit_depth", sa.Integer(), nullable=True),
        sa.Column("codec", sa.String(), nullable=False),
        sa.Column("container", sa.String(), nullable=False),
        sa.Column("peak_db", sa.Float(), nullable=True),
        sa.Column("loudness_lufs", sa.Float(), nullable=True),
        sa.Column("metadata_json", sa.Text(), nullable=False),
        sa.Column("added_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recording")),
        sa.UniqueConstraint("audio_hash", name=op.f("uq_recording_audio_hash")),
    )
    op.create_table(
        "tag",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tag")),
        sa.UniqueConstraint("name", name=op.f("uq_tag_name")),
    )
    op.create_table(
        "caption_scale",
        sa.Column("caption_id", sa.Integer(), nullable=False),
        sa.Column("bundle_id", sa.Integer(), nullable=False),
        sa.Column("minimum", sa.Float(), nullable=False),
        sa.Column("maximum", sa.Float(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
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
    op.create_table(
        "caption_vector",
        sa.Column("caption_id", sa.Integer(), nullable=False),
        sa.Column("bundle_id", sa.Integer(), nullable=False),
        sa.Column("joint", VECTOR, nullable=False),
        sa.ForeignKeyConstraint(
            ["bundle_id"],
            ["bundle.id"],
            name=op.f("fk_caption_vector_bundle_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["caption_id"],
            ["caption.id"],
            name=op.f("fk_caption_vector_caption_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("caption_id", "bundle_id", name=op.f("pk_caption_vector")),
    )
    op.create_table(
        "encoding",
        sa.Column("recording_id", sa.Integer(), nullable=False),
        sa.Column("bundle_id", sa.Integer(), nullable=False),
        sa.Column("hop_s", sa.Float(), nullable=False),
        sa.Column("n_windows", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["bundle_id"], ["bundle.id"], name=op.f("fk_encoding_bundle_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recording.id"],
            name=op.f("fk_encoding_recording_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("recording_id", "bundle_id", name=op.f("pk_encoding")),
    )
    op.create_table(
        "recording_tag",
        sa.Column("recording_id", sa.Integer(), nullable=False),
        sa.Column("tag_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recording.id"],
            name=op.f("fk_recording_tag_recording_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tag_id"], ["tag.id"], name=op.f("fk_recording_tag_tag_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("recording_id", "tag_id", name=op.f("pk_recording_tag")),
    )
    op.create_index(op.f("ix_recording_tag_tag_id"), "recording_tag", ["tag_id"], unique=False)
    op.create_table(
        "sound_file",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("root_id", sa.Integer(), nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.Column("display", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("mtime_ns", sa.Integer(), nullable=False),
        sa.Column("ctime_ns", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("recording_id", sa.Integer(), nullable=True),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("error_text", sa.Text(), nullable=True),
        sa.Column("checked_at", sa.Float(), nullable=False),
        sa.CheckConstraint(
            "(state = 'failed') = (error_code IS NOT NULL)", name=op.f("ck_sound_file_error")
        ),
        sa.CheckConstraint(
            "state != 'indexed' OR recording_id IS NOT NULL", name=op.f("ck_sound_file_recording")
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'indexed', 'failed', 'missing')", name=op.f("ck_sound_file_state")
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"], ["recording.id"], name=op.f("fk_sound_file_recording_id")
        ),
        sa.ForeignKeyConstraint(
            ["root_id"], ["library_root.id"], name=op.f("fk_sound_file_root_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sound_file")),
        sa.UniqueConstraint("root_id", "path", name=op.f("uq_sound_file_root_id_path")),
    )
    op.create_index(
        op.f("ix_sound_file_recording_id"), "sound_file", ["recording_id"], unique=False
    )
    op.create_index(op.f("ix_sound_file_state"), "sound_file", ["state"], unique=False)
    op.create_table(
        "window",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("recording_id", sa.Integer(), nullable=False),
        sa.Column("bundle_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("start_s", sa.Float(), nullable=False),
        sa.Column("end_s", sa.Float(), nullable=False),
        sa.Column("silent", sa.Integer(), nullable=False),
        sa.Column("embedding", VECTOR, nullable=False),
        sa.Column("joint", VECTOR, nullable=True),
        sa.ForeignKeyConstraint(
            ["bundle_id"], ["bundle.id"], name=op.f("fk_window_bundle_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recording.id"],
            name=op.f("fk_window_recording_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_window")),
        sa.UniqueConstraint(
            "recording_id",
            "bundle_id",
            "position",
            name=op.f("uq_window_recording_id_bundle_id_position"),
        ),
    )
    op.create_index(op.f("ix_window_bundle_id"), "window", ["bundle_id"], unique=False)
    op.create_table(
        "window_caption",
        sa.Column("window_id", sa.Integer(), nullable=False),
        sa.Column("caption_id", sa.Integer(), nullable=False),
        sa.Column("cross_entropy", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["caption_id"],
            ["caption.id"],
            name=op.f("fk_window_caption_caption_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["window_id"],
            ["window.id"],
            name=op.f("fk_window_caption_window_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("window_id", "caption_id", name=op.f("pk_window_caption")),
    )
    op.create_index(
        op.f("ix_window_caption_caption_id"), "window_caption", ["caption_id"], unique=False
    )
    op.create_table(
        "window_frames",
        sa.Column("window_id", sa.Integer(), nullable=False),
        sa.Column("n_frames", sa.Integer(), nullable=False),
        sa.Column("frames", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["window_id"],
            ["window.id"],
            name=op.f("fk_window_frames_window_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("window_id", name=op.f("pk_window_frames")),
    )


def make_full_text() -> None:
    # SQLite's FTS5; another database would bring its own full text here.
    tokenizer = "porter unicode61 remove_diacritics 2"
    op.execute(f"CREATE VIRTUAL TABLE caption_text USING fts5(text, tokenize = '{tokenizer}')")
    op.execute(
        "CREATE VIRTUAL TABLE recording_text USING "
        f"fts5(names, metadata, tags, tokenize = '{tokenizer}')"
    )
