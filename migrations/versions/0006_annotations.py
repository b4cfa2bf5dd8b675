"""What people write of sounds, by the hash of the sound, and full text with their notes.

Tags that were set on recordings become annotations. Full text is filled anew by the program after
all migrations.
"""

import os
import time

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_sounds()
    make_annotations()
    make_collections()
    make_waiting()
    if op.get_bind().dialect.name == "sqlite":
        move_tags()
        make_full_text()
    else:
        make_words()


def make_full_text() -> None:
    # SQLite's FTS5; as before, with a column for notes.
    tokenizer = "porter unicode61 remove_diacritics 0 categories 'L* N* Co M*'"
    op.execute("DROP TABLE file_word")
    op.execute("DROP TABLE file_text")
    op.execute(
        "CREATE VIRTUAL TABLE file_text USING"
        f' fts5(name, folders, tags, metadata, notes, tokenize = "{tokenizer}")'
    )
    op.execute("CREATE VIRTUAL TABLE file_word USING fts5vocab(file_text, row)")


def make_words() -> None:
    # PostgreSQL's: the words as the program makes them, see `audiosearch.store.postgresql`.
    texts = {
        "caption_text": ["text"],
        "file_text": ["name", "folders", "tags", "metadata", "notes"],
    }
    for table, columns in texts.items():
        op.create_table(
            table,
            sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
            *(sa.Column(column, sa.Text(), nullable=False) for column in columns),
            sa.Column("n_words", sa.Integer(), nullable=False),
            sa.Column("words", TSVECTOR(), nullable=False),
            sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        )
        op.create_index(op.f(f"ix_{table}_words"), table, ["words"], postgresql_using="gin")


def refers(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}"), ondelete="CASCADE"
    )


def make_sounds() -> None:
    op.create_table(
        "annotated_sound",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("audio_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_annotated_sound")),
        sa.UniqueConstraint("audio_hash", name=op.f("uq_annotated_sound_audio_hash")),
    )


def make_annotations() -> None:
    op.create_table(
        "annotation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sound_id", sa.Integer(), nullable=False),
        sa.Column("start_s", sa.Float(), nullable=False),
        sa.Column("end_s", sa.Float(), nullable=False),
        sa.Column("rating", sa.Integer(), nullable=True),
        sa.Column("rated_at", sa.Float(), nullable=True),
        sa.Column("favourite_at", sa.Float(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("noted_at", sa.Float(), nullable=True),
        sa.CheckConstraint(
            "(start_s = 0 AND end_s = 0) OR (start_s >= 0 AND end_s > start_s)",
            name=op.f("ck_annotation_stretch"),
        ),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name=op.f("ck_annotation_rating")),
        sa.CheckConstraint(
            "(rating IS NULL) = (rated_at IS NULL)", name=op.f("ck_annotation_rated")
        ),
        sa.CheckConstraint("(note IS NULL) = (noted_at IS NULL)", name=op.f("ck_annotation_noted")),
        refers("annotation", "sound_id", "annotated_sound"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_annotation")),
        sa.UniqueConstraint(
            "sound_id", "start_s", "end_s", name=op.f("uq_annotation_sound_id_start_s_end_s")
        ),
    )
    op.create_table(
        "annotation_tag",
        sa.Column("annotation_id", sa.Integer(), nullable=False),
        sa.Column("tag_id", sa.Integer(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("added_at", sa.Float(), nullable=False),
        refers("annotation_tag", "annotation_id", "annotation"),
        refers("annotation_tag", "tag_id", "tag"),
        sa.PrimaryKeyConstraint("annotation_id", "tag_id", name=op.f("pk_annotation_tag")),
    )
    op.create_index(op.f("ix_annotation_tag_tag_id"), "annotation_tag", ["tag_id"], unique=False)


def make_collections() -> None:
    op.create_table(
        "collection",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collection")),
        sa.UniqueConstraint("key", name=op.f("uq_collection_key")),
    )
    op.create_table(
        "collection_item",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("collection_id", sa.Integer(), nullable=False),
        sa.Column("annotation_id", sa.Integer(), nullable=False),
        sa.Column("added_at", sa.Float(), nullable=False),
        refers("collection_item", "collection_id", "collection"),
        refers("collection_item", "annotation_id", "annotation"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collection_item")),
        sa.UniqueConstraint(
            "collection_id",
            "annotation_id",
            name=op.f("uq_collection_item_collection_id_annotation_id"),
        ),
    )
    op.create_index(
        op.f("ix_collection_item_annotation_id"), "collection_item", ["annotation_id"], unique=False
    )
    op.create_table(
        "saved_search",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("arguments_json", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_search")),
        sa.UniqueConstraint("key", name=op.f("uq_saved_search_key")),
    )


def make_waiting() -> None:
    op.create_table(
        "waiting_caption",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("caption_id", sa.Integer(), nullable=False),
        sa.Column("sound_id", sa.Integer(), nullable=False),
        sa.Column("start_s", sa.Float(), nullable=False),
        sa.Column("end_s", sa.Float(), nullable=False),
        sa.Column("said", sa.Text(), nullable=True),
        refers("waiting_caption", "caption_id", "caption"),
        refers("waiting_caption", "sound_id", "annotated_sound"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waiting_caption")),
        sa.UniqueConstraint(
            "caption_id",
            "sound_id",
            "start_s",
            "end_s",
            name=op.f("uq_waiting_caption_caption_id_sound_id_start_s_end_s"),
        ),
    )
    op.create_index(
        op.f("ix_waiting_caption_sound_id"), "waiting_caption", ["sound_id"], unique=False
    )


def move_tags() -> None:
    connection = op.get_bind()
    tagged = connection.exec_driver_sql(
        "SELECT r.id, r.audio_hash FROM recording AS r"
        " WHERE r.id IN (SELECT recording_id FROM recording_tag) ORDER BY r.id"
    ).fetchall()
    for recording_id, audio_hash in tagged:
        file = connection.exec_driver_sql(
            "SELECT l.path, f.path FROM sound_file AS f JOIN library_root AS l ON l.id = f.root_id"
            " WHERE f.recording_id = ? ORDER BY f.state != 'indexed', l.path, f.path LIMIT 1",
            (recording_id,),
        ).first()
        path = b"" if file is None else os.path.join(*file)  # noqa: PTH118 - bytes
        connection.exec_driver_sql(
            "INSERT INTO annotated_sound (id, audio_hash, path) VALUES (?, ?, ?)",
            (recording_id, audio_hash, path),
        )
        connection.exec_driver_sql(
            "INSERT INTO annotation (id, sound_id, start_s, end_s) VALUES (?, ?, 0, 0)",
            (recording_id, recording_id),
        )
        connection.exec_driver_sql(
            "INSERT INTO annotation_tag (annotation_id, tag_id, said, added_at)"
            " SELECT t.recording_id, t.tag_id, g.name, ? FROM recording_tag AS t"
            " JOIN tag AS g ON g.id = t.tag_id WHERE t.recording_id = ?",
            (time.time(), recording_id),
        )
