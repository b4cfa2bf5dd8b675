"""What an administrator's statement can do to a library on a server, named and put right."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiosearch.config import StoreConfig
from audiosearch.store.database import open_database
from audiosearch.store.integrity.repair import repair
from audiosearch.store.integrity.verify import verify
from tests.postgres_server import PostgresServer
from tests.stored_vectors import fill, vectors

_HASH = "decode(repeat('ab', 32), 'hex')"
_WAITS = (
    "WITH s AS (INSERT INTO annotated_sound (audio_hash, path) VALUES ({hash}, '') RETURNING id)"
    " INSERT INTO {table} SELECT {values} FROM s"
)
# Statement, the kind of what is named then, and what a query tells after the repair.
DAMAGE = {
    "an index that is not valid": (
        "UPDATE pg_index SET indisvalid = false"
        " WHERE indexrelid = CAST('ix_frame_base_bundle_id' AS regclass)",
        "integrity",
        None,
    ),
    "no full text": ("DELETE FROM file_text", "full-text", "SELECT count(*) = 6 FROM file_text"),
    "metadata that is none": (
        "UPDATE sound_file SET metadata_json = '[1' WHERE id = 1",
        "metadata",
        "SELECT state = 'pending' FROM sound_file WHERE id = 1",
    ),
    "a vector of another size": (
        "UPDATE \"window\" SET joint = '[1, 2]' WHERE id = 3",
        "vectors",
        'SELECT count(*) = 5 FROM "window"',
    ),
    "no frames": (
        "DELETE FROM window_frames WHERE window_id = 4",
        "frames",
        'SELECT count(*) = 5 FROM "window"',
    ),
    "captions of stretches that are none": (
        "INSERT INTO caption_target (caption_id, recording_id, start_s, end_s, said)"
        " VALUES (1, 1, 0, 10, 'x'), (1, 1, 7, 2, 'y'), (1, 1, -1, 3, 'z'), (2, 1, 5, 5, 'x')",
        "captions",
        "SELECT string_agg(concat_ws(' ', caption_id, start_s, end_s, said), ', '"
        " ORDER BY caption_id) = '1 0 10 z, 2 0 10 x' FROM caption_target",
    ),
    "a caption that waits for a stretch that is none": (
        _WAITS.format(
            hash=_HASH,
            table="waiting_caption (caption_id, sound_id, start_s, end_s, said)",
            values="1, id, 5, 3, 'x'",
        ),
        "annotations",
        "SELECT start_s = 0 AND end_s = 3 FROM waiting_caption",
    ),
    "a hash that is none": (
        _WAITS.format(
            hash="decode('ab', 'hex')",
            table="annotation (sound_id, start_s, end_s, note, noted_at)",
            values="id, 0, 0, 'barks', 1",
        ),
        "annotations",
        "SELECT count(*) = 0 FROM annotated_sound",
    ),
    "a collection known by another name": (
        "INSERT INTO collection (name, key, created_at) VALUES ('Rain', 'snow', 1)",
        "annotations",
        "SELECT key = 'rain' FROM collection",
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_what_an_administrator_breaks_is_put_right(
    server: PostgresServer, name: str, url: str, tmp_path: Path, what: str
) -> None:
    statement, kind, after = DAMAGE[what]
    place, store = tmp_path / "data" / "library.sqlite3", StoreConfig(url=url)
    with open_database(place, store=store) as database:
        fill(database, vectors(6, 8), texts=True)
        assert verify(database) == []
    server.execute(statement, database=name)
    with open_database(place, store=store) as database:
        assert {each.invariant for each in verify(database)} == {kind}
        repair(database, dims={})
        assert verify(database) == []
    if after is not None:
        assert server.execute(after, database=name) == [(True,)]
