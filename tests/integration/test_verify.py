"""`verify` names every breach of what must always hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from audiosearch.store.database import Database, open_database
from audiosearch.store.integrity.verify import BundleDims, verify
from tests.damage import damage
from tests.indexing_fakes import (
    EMBEDDING,
    FRAME_DIM,
    JOINT,
    FakeBundle,
    WaveReader,
    run_index,
    write_wav,
)

DIMS = BundleDims(embedding=EMBEDDING, joint=JOINT, frames=FRAME_DIM)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    for number in range(3):
        write_wav(tmp_path / "sounds" / f"{number}.wav", seconds=2, seed=number)
    with open_database(tmp_path / "library.sqlite3") as database:
        run_index(database, tmp_path / "sounds", open_reader=WaveReader)
        yield database


def blob(digits: str) -> str:
    return f"x'{digits}'"


def found(database: Database, dims: BundleDims | None = DIMS) -> list[str]:
    wanted = {} if dims is None else {FakeBundle().fingerprint: dims}
    return sorted({each.invariant for each in verify(database, dims=wanted)})


def test_a_sound_library_has_no_violation(database: Database) -> None:
    assert verify(database) == []
    assert verify(database, dims={FakeBundle().fingerprint: DIMS}) == []


@pytest.mark.parametrize(
    ("statement", "invariants"),
    [
        ("UPDATE sound_file SET state = 'lost' WHERE id = 1", ["files", "integrity"]),
        ("UPDATE sound_file SET error_code = 'x' WHERE id = 1", ["files", "integrity"]),
        ("UPDATE sound_file SET recording_id = NULL WHERE id = 1", ["files", "integrity"]),
        ("UPDATE sound_file SET recording_id = 99 WHERE id = 1", ["files", "integrity"]),
        ("UPDATE sound_file SET metadata_json = '' WHERE id = 1", ["metadata"]),
        ("UPDATE sound_file SET metadata_json = '[]' WHERE id = 1", ["metadata"]),
        (
            """UPDATE sound_file SET metadata_json = '{"title": "rain"}' WHERE id = 1""",
            ["metadata"],
        ),
        ("""UPDATE sound_file SET metadata_json = '{"a": [1]}' WHERE id = 1""", ["metadata"]),
        ("UPDATE sound_file SET metadata_json = x'7b7d' WHERE id = 1", ["metadata"]),
        (f"UPDATE sound_file SET metadata_json = '{'[' * 100_000}' WHERE id = 1", ["metadata"]),
        ("INSERT INTO tag (name) VALUES ('Rain')", ["tags"]),
        ("INSERT INTO tag (name) VALUES ('brücke')", ["tags"]),
        ("INSERT INTO tag (name) VALUES ('')", ["tags"]),
        ("INSERT INTO tag (name) VALUES (x'ff')", ["tags"]),
        ("UPDATE encoding SET n_windows = NULL WHERE recording_id = 2", ["files"]),
        ("UPDATE encoding SET n_windows = 9 WHERE recording_id = 2", ["encodings"]),
        ("UPDATE window SET position = 7 WHERE id = 3", ["encodings"]),
        ("UPDATE recording SET duration_s = 0 WHERE id = 1", ["encodings"]),
        ("UPDATE window SET end_s = start_s WHERE id = 2", ["windows"]),
        ("UPDATE window SET start_s = 0 WHERE id = 2", ["windows"]),
        ("UPDATE window SET start_s = 1e9, end_s = 2e9 WHERE id = 2", ["windows"]),
        ("UPDATE window_caption SET cross_entropy = 9e99 WHERE window_id = 1", ["windows"]),
        ("DELETE FROM encoding WHERE recording_id = 1", ["files", "windows"]),
        ("DELETE FROM window_frames WHERE window_id = 1", ["frames"]),
        ("DELETE FROM window WHERE id = 1", ["encodings", "integrity"]),
        ("UPDATE window_frames SET n_frames = 4 WHERE window_id = 1", ["frames"]),
        ("UPDATE window_frames SET frames = x'007e' WHERE window_id = 1", ["frames"]),
        ("UPDATE window SET embedding = x'00' WHERE id = 1", ["vectors"]),
        (f"UPDATE window SET embedding = {blob('00' * 22 + '007e')} WHERE id = 1", ["vectors"]),
        ("UPDATE window SET embedding = 'twenty-four characters!!' WHERE id = 1", ["vectors"]),
        ("UPDATE window SET joint = NULL WHERE id = 1", ["vectors"]),
        (f"UPDATE window SET joint = {blob('007c' + '00' * 14)} WHERE id = 1", ["vectors"]),
        ("DELETE FROM caption_text WHERE rowid = 1", ["full-text"]),
        ("INSERT INTO caption_text (rowid, text) VALUES (999, 'x')", ["full-text"]),
        ("DELETE FROM file_text WHERE rowid = 1", ["full-text"]),
        ("INSERT INTO file_text (rowid, name) VALUES (999, 'x')", ["full-text"]),
    ],
)
def test_each_breach_is_named(database: Database, statement: str, invariants: list[str]) -> None:
    damage(database, statement)
    assert found(database) == invariants


def test_sizes_are_held_to_the_bundle(database: Database) -> None:
    assert found(database, BundleDims(embedding=EMBEDDING + 1, joint=JOINT, frames=1)) == [
        "frames",
        "vectors",
    ]


def test_many_breaches_are_cut_short(database: Database, tmp_path: Path) -> None:
    for number in range(3, 30):
        write_wav(tmp_path / "sounds" / f"{number}.wav", seconds=1, seed=number)
    run_index(database, open_reader=WaveReader)
    damage(database, "DELETE FROM window_frames")
    assert len(verify(database)) == 20
