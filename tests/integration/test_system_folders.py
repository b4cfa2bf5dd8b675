"""Recycle bins and snapshots: never indexed, and what was indexed of them goes without a fuss."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from audiosearch.config import IndexConfig
from audiosearch.errors import AudiosearchError
from audiosearch.library.roots import add_roots, places_to_index
from audiosearch.store.database import Database
from audiosearch.store.queries import roots
from audiosearch.store.schema import FileState, SoundFile
from tests.indexing_fakes import WaveReader, run_index, states, write_wav


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    folder = tmp_path / "sounds"
    for seed in range(4):
        write_wav(folder / f"{seed}.wav", seed=seed)
    return folder


def run(database: Database, *folders: Path, **settings: object):
    return run_index(database, *folders, open_reader=WaveReader, **settings)


def indexed_before(database: Database, sounds: Path, *paths: str) -> None:
    """As an earlier version left them: files of a recycle bin that are in the library."""
    run(database, sounds)
    with database.session() as session:
        [recording_id] = session.scalars(
            select(SoundFile.recording_id).where(SoundFile.display == "0.wav")
        )
        for path in paths:
            write_wav(sounds / path, seed=0)
            found = (sounds / path).stat()
            session.execute(
                insert(SoundFile).values(
                    root_id=1,
                    path=os.fsencode(path),
                    display=path,
                    size=found.st_size,
                    mtime_ns=found.st_mtime_ns,
                    ctime_ns=found.st_ctime_ns,
                    state=FileState.INDEXED,
                    recording_id=recording_id,
                    checked_at=0.0,
                )
            )


def test_what_is_thrown_away_is_missing(database: Database, sounds: Path) -> None:
    run(database, sounds)
    (sounds / "#recycle").mkdir()
    (sounds / "0.wav").rename(sounds / "#recycle" / "0.wav")
    report = run(database)
    assert (report.n_new, report.n_missing) == (0, 1)
    assert states(database) == {
        "0.wav": "missing",
        **{f"{n}.wav": "indexed" for n in (1, 2, 3)},
    }


def test_what_was_indexed_of_a_bin_is_missing_however_much(
    database: Database, sounds: Path
) -> None:
    bins = [f"@Recycle/{number}.wav" for number in range(9)]
    indexed_before(database, sounds, *bins, "in/$RECYCLE.BIN/S-1-5/x.wav")
    (sounds / "0.wav").unlink()  # its sound is in the bin alone now
    report = run(database)
    assert (report.guarded, report.n_missing) == ((), 11)
    there = {name for name, state in states(database).items() if state == "indexed"}
    assert there == {"1.wav", "2.wav", "3.wav"}
    assert run(database).n_missing == 0


def test_a_real_loss_is_still_held_back(database: Database, sounds: Path) -> None:
    bins = [f"@Recycle/{number}.wav" for number in range(9)]
    indexed_before(database, sounds, *bins)
    for name in ("1.wav", "2.wav", "3.wav"):  # three of four, however many lie in the bin
        (sounds / name).unlink()
    report = run(database)
    assert [(each.n_lost, each.n_known) for each in report.guarded] == [(3, 4)]
    assert report.n_missing == 9
    there = {name for name, state in states(database).items() if state == "indexed"}
    assert there == {"0.wav", "1.wav", "2.wav", "3.wav"}


def test_what_settings_exclude_from_now_on_is_no_loss(database: Database, sounds: Path) -> None:
    for number in range(9):
        write_wav(sounds / "drafts" / f"{number}.wav", seed=10 + number)
    run(database, sounds)
    report = run(database, exclude=["drafts"])
    assert (report.guarded, report.n_missing) == ((), 9)


def test_files_and_folders_in_a_bin_are_refused(database: Database, sounds: Path) -> None:
    run(database, sounds)
    write_wav(sounds / "#recycle" / "old" / "x.wav", seed=9)
    config = IndexConfig()
    for path in ("#recycle/old/x.wav", "#recycle", "#recycle/old"):
        with pytest.raises(AudiosearchError, match="in a recycle bin"):
            places_to_index(database, [sounds / path], config=config)
    with pytest.raises(AudiosearchError, match="in a recycle bin"):
        add_roots(database, [sounds / "#recycle"], config=config)
    assert len(states(database)) == 4


def test_a_bin_that_a_person_names_is_a_root(
    database: Database, sounds: Path, tmp_path: Path
) -> None:
    write_wav(sounds / "#recycle" / "x.wav", seed=9)
    [place] = places_to_index(database, [sounds / "#recycle"], config=IndexConfig())
    assert place.relative == b""
    assert run(database, sounds / "#recycle").n_encoded == 1
    assert states(database) == {"x.wav": "indexed"}
    run(database, sounds)  # the folder around it takes it over, and passes it over
    assert states(database)["#recycle/x.wav"] == "missing"
    with database.reading() as session:
        assert [each.path for each in roots.list_roots(session)] == [os.fsencode(sounds)]


def test_what_is_passed_over_is_in_the_report(database: Database, sounds: Path) -> None:
    (sounds / "notes.txt").write_text("x")
    (sounds / "0.JPG").write_text("x")
    write_wav(sounds / "#recycle" / "x.wav", seed=9)
    other = sounds.parent / "other"
    write_wav(other / "y.wav", seed=8)
    (other / "list.txt").write_text("x")
    report = run(database, sounds, other)
    assert dict(report.passed_over.endings) == {".txt": 2, ".jpg": 1}
