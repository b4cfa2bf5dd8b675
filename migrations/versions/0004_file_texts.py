"""Metadata and the tags that it names belong to the file; full text is by file.

Until now the last file read spoke for all files of a recording: each gets its recording's texts,
and every file is read once more, undecoded, to get its own; one that is missing, when it is back.
Tags were never set by hand before, so those of recordings all go to files. Full text is filled anew
by the program after all migrations.
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "sound_file", sa.Column("metadata_json", sa.Text(), nullable=False, server_default="{}")
    )
    op.add_column("sound_file", sa.Column("remark", sa.Text(), nullable=True))
    op.add_column("caption", sa.Column("said", sa.Text(), nullable=True))
    op.add_column("caption_target", sa.Column("said", sa.Text(), nullable=True))
    make_file_tags()
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    if is_sqlite:  # elsewhere no library is older than this
        move_texts()
    with op.batch_alter_table("recording") as batch:
        batch.drop_column("metadata_json")
    op.execute("UPDATE sound_file SET state = 'pending' WHERE state = 'indexed'")
    # No file was last changed then, so that one which comes back is taken for another.
    op.execute("UPDATE sound_file SET ctime_ns = 0 WHERE state = 'missing'")
    if is_sqlite:
        make_full_text()


def make_file_tags() -> None:
    op.create_table(
        "file_tag",
        sa.Column("file_id", sa.Integer(), nullable=False),
        sa.Column("tag_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"], ["sound_file.id"], name=op.f("fk_file_tag_file_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tag_id"], ["tag.id"], name=op.f("fk_file_tag_tag_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("file_id", "tag_id", name=op.f("pk_file_tag")),
    )
    op.create_index(op.f("ix_file_tag_tag_id"), "file_tag", ["tag_id"], unique=False)
    op.execute(
        "INSERT INTO file_tag (file_id, tag_id) SELECT f.id, t.tag_id FROM recording_tag AS t"
        " JOIN sound_file AS f ON f.recording_id = t.recording_id"
    )
    op.execute("DELETE FROM recording_tag")


def move_texts() -> None:
    # Each field may have several values now.
    connection = op.get_bind()
    found = connection.exec_driver_sql(
        "SELECT f.id, r.metadata_json FROM sound_file AS f"
        " JOIN recording AS r ON r.id = f.recording_id WHERE r.metadata_json != '{}'"
    ).fetchall()
    moved = [(lists(old), n) for n, old in found]
    if moved:
        connection.exec_driver_sql("UPDATE sound_file SET metadata_json = ? WHERE id = ?", moved)


def lists(old: object) -> str:
    try:
        fields = json.loads(str(old))
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):  # damaged, which nothing ever looked for
        return "{}"
    texts = {key: [text] for key, text in fields.items() if isinstance(text, str)}
    return json.dumps(texts, ensure_ascii=False)


def make_full_text() -> None:
    # SQLite's FTS5. Marks are parts of letters in many scripts; words come in normal form.
    tokenizer = "porter unicode61 remove_diacritics 0 categories 'L* N* Co M*'"
    op.execute("DROP TABLE recording_text")
    op.execute("DROP TABLE caption_text")
    op.execute(f'CREATE VIRTUAL TABLE caption_text USING fts5(text, tokenize = "{tokenizer}")')
    op.execute(
        "CREATE VIRTUAL TABLE file_text USING"
        f' fts5(name, folders, tags, metadata, tokenize = "{tokenizer}")'
    )
    op.execute("CREATE VIRTUAL TABLE file_word USING fts5vocab(file_text, row)")
    op.execute("CREATE VIRTUAL TABLE caption_word USING fts5vocab(caption_text, row)")
