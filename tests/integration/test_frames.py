"""Frames in a real library: packed with a base that follows what is stored, old ones readable."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select, text

from audiosearch._typing import Floats
from audiosearch.store.database import Database, open_database
from audiosearch.store.integrity.verify import verify
from audiosearch.store.queries import uncaptioned
from audiosearch.store.queries.frames import insert_frames, window_frames
from audiosearch.store.queries.windows import stored_windows
from audiosearch.store.schema import FrameBaseRow, WindowFrames
from tests.damage import damage
from tests.indexing_fakes import (
    FRAME_DIM,
    N_FRAMES,
    FakeEncoder,
    FakeModels,
    WaveReader,
    run_index,
    write_wav,
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    for number in range(3):
        write_wav(tmp_path / "sounds" / f"{number}.wav", seconds=2, seed=number)
    with open_database(tmp_path / "library.sqlite3") as database:
        run_index(database, tmp_path / "sounds", open_reader=WaveReader)
        yield database


def all_frames(database: Database) -> dict[int, Floats]:
    with database.reading() as session:
        ids = list(session.scalars(select(WindowFrames.window_id)))
        return dict(zip(ids, window_frames(session, ids, dim=FRAME_DIM), strict=True))


def n_bases(database: Database) -> int:
    with database.reading() as session:
        return len(session.scalars(select(FrameBaseRow.id)).all())


def test_frames_are_given_as_they_were_stored(tmp_path: Path):
    made: list[Floats] = []

    class Listening(FakeEncoder):
        def encode_many(self, waveforms):
            found = super().encode_many(waveforms)
            made.extend(each.frames for each in found)
            return found

    for number in range(4):
        write_wav(tmp_path / "sounds" / f"{number}.wav", seconds=5, seed=number)
    with open_database(tmp_path / "library.sqlite3") as database:
        models = FakeModels()
        models.encoder = Listening()
        run_index(database, tmp_path / "sounds", open_reader=WaveReader, models=models)
        stored = all_frames(database)
        assert len(stored) == len(made)
        kept = {each.round(2).tobytes() for each in stored.values()}
        assert len(kept) == len(stored)
        for frames in stored.values():
            assert min(np.abs(frames - each).max() for each in made) < 4e-3


def test_frames_of_an_older_library_are_read_as_before(database: Database):
    before = all_frames(database)
    with database.session() as session:  # as they were stored up to schema 0009
        for window_id, frames in before.items():
            session.execute(
                text(
                    "UPDATE window_frames SET frames = :frames, base_id = NULL"
                    " WHERE window_id = :window"
                ),
                {"frames": frames.astype("<f2").tobytes(), "window": window_id},
            )
        session.execute(text("DELETE FROM frame_base"))
    for window_id, frames in all_frames(database).items():
        np.testing.assert_allclose(frames, before[window_id], atol=4e-3)
    assert verify(database) == []
    with database.reading() as session:
        windows = stored_windows(session, 1, bundle_id=1, dim=FRAME_DIM, hop_s=0.5)
        uncaptioned.uncaptioned_windows(session, bundle_id=1, limit=3)
        assert windows is not None
        np.testing.assert_allclose(windows[0].frames, before[1], atol=4e-3)


def test_windows_of_both_kinds_stand_side_by_side(database: Database):
    before = all_frames(database)
    half = before[2].astype("<f2")
    damage(
        database,
        f"UPDATE window_frames SET frames = x'{half.tobytes().hex()}', base_id = NULL"
        " WHERE window_id = 2",
    )
    np.testing.assert_allclose(all_frames(database)[1], before[1])
    np.testing.assert_allclose(all_frames(database)[2], half.astype(np.float32))
    assert verify(database) == []


def test_a_base_grows_with_longer_windows_and_then_stays(database: Database):
    before = n_bases(database)
    generator = np.random.default_rng(0)
    damage(database, "DELETE FROM window_frames")
    long = {1: generator.standard_normal((4 * N_FRAMES, FRAME_DIM)).astype(np.float32)}
    with database.session() as session:
        insert_frames(session, long, bundle_id=1)
    grown = n_bases(database)
    assert grown == before + 1
    for _ in range(3):
        damage(database, "DELETE FROM window_frames")
        with database.session() as session:
            insert_frames(session, long, bundle_id=1)
    assert n_bases(database) == grown


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DELETE FROM frame_base", "base"),
        ("UPDATE frame_base SET frames = x'00'", "base"),
        ("UPDATE frame_base SET n_frames = 0", "base"),
        ("UPDATE window_frames SET base_id = 99 WHERE window_id = 1", "base"),
        ("UPDATE window_frames SET base_id = NULL WHERE window_id = 1", "bytes for"),
        ("UPDATE window_frames SET frames = substr(frames, 1, 20)", "do not hold"),
        ("UPDATE window_frames SET frames = 'text'", "cannot be unpacked"),
    ],
)
def test_damage_is_found_and_what_was_damaged_is_encoded_anew(
    database: Database, statement: str, told: str
):
    damage(database, statement)
    found = verify(database)
    assert {each.invariant for each in found} == {"frames"}
    assert all(told in each.detail and each.encoding is not None for each in found)
