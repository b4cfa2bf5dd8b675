"""Long recordings are encoded by stretches, with the same rows as window by window."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from audiosearch._typing import Floats
from audiosearch.model.bundle import FrameGrid
from audiosearch.store.database import Database, open_database
from audiosearch.store.integrity.verify import verify
from audiosearch.store.queries.frames import window_frames
from audiosearch.store.schema import WindowFrames, WindowRow
from tests.indexing_fakes import (
    FRAME_DIM,
    RATE,
    FakeBundle,
    FakeModels,
    WaveReader,
    run_index,
    write_wav,
)

GRID = FrameGrid(samples=RATE // 10, halo=2)


def rows(database: Database) -> list[tuple[object, ...]]:
    with database.reading() as session:
        found = session.execute(
            select(
                WindowRow.recording_id,
                WindowRow.position,
                WindowRow.start_s,
                WindowRow.end_s,
                WindowRow.embedding,
                WindowRow.joint,
            ).order_by(WindowRow.recording_id, WindowRow.position)
        )
        return [tuple(row) for row in found]


def all_frames(database: Database) -> Floats:
    with database.reading() as session:
        ids = session.scalars(
            select(WindowFrames.window_id)
            .join(WindowRow, WindowRow.id == WindowFrames.window_id)
            .order_by(WindowRow.recording_id, WindowRow.position)
        ).all()
        return np.stack(window_frames(session, ids, dim=FRAME_DIM))


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    for number, seconds in enumerate((0.5, 1.0, 2.3, 12.0, 30.2)):
        write_wav(tmp_path / "sounds" / f"{number}.wav", seconds=seconds, seed=number)
    return tmp_path / "sounds"


def indexed(
    folder: Path, sounds: Path, *, exact_windows: bool = False, **settings: object
) -> tuple[Database, FakeModels]:
    models = FakeModels()
    database = open_database(folder / "library.sqlite3")
    run_index(
        database,
        sounds,
        models=models,
        bundle=FakeBundle(grid=GRID),
        open_reader=WaveReader,
        exact_windows=exact_windows,
        **settings,
    )
    return database, models


def test_rows_are_those_of_windows_that_are_encoded_alone(tmp_path: Path, sounds: Path):
    one, alone = indexed(tmp_path / "a", sounds, exact_windows=True)
    other, shared = indexed(tmp_path / "b", sounds)
    assert alone.encoder.stretches == []
    assert sum(shared.encoder.stretches) + sum(shared.encoder.batches) == len(rows(other))
    assert sum(shared.encoder.batches) == 2  # recordings of one window each
    assert rows(one) == rows(other)
    np.testing.assert_allclose(all_frames(one), all_frames(other), atol=4e-3)
    assert verify(other) == []
    one.close()
    other.close()


@pytest.mark.parametrize("batch_windows", [1, 3, 16, 100])
def test_stretches_are_not_cut_without_need(tmp_path: Path, sounds: Path, batch_windows: int):
    database, models = indexed(tmp_path / "a", sounds, batch_windows=batch_windows)
    assert verify(database) == []
    assert sum(models.encoder.stretches) + 2 == len(rows(database))
    if batch_windows >= 16:
        assert max(models.encoder.stretches) == 16
        assert len(models.encoder.stretches) <= 8
    database.close()


def test_windows_side_by_side_have_nothing_to_share(tmp_path: Path, sounds: Path):
    database, models = indexed(tmp_path / "a", sounds, hop=1.0)
    assert models.encoder.stretches == []
    database.close()


def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path, sounds: Path):
    whole, _ = indexed(tmp_path / "a", sounds)
    models, stop = FakeModels(), threading.Event()
    with open_database(tmp_path / "b" / "library.sqlite3") as database:
        encode = models.encoder.encode_parts

        def stopping(sounds):  # in the middle of the longest
            found = encode(sounds)
            if models.encoder.n_windows > 40:
                stop.set()
            return found

        models.encoder.encode_parts = stopping
        settings = {
            "models": models,
            "bundle": FakeBundle(grid=GRID),
            "open_reader": WaveReader,
            "exact_windows": False,
        }
        assert run_index(database, sounds, stop=stop, **settings).interrupted
        n_before = len(rows(database))
        assert 0 < n_before < len(rows(whole))
        models.encoder.encode_parts = encode
        run_index(database, sounds, **settings)
        assert rows(database) == rows(whole)
        assert verify(database) == []
    whole.close()
