"""Whole runs of `index` over a store: real fetching and decoding, a real database, a fake model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from audiosearch._urls import UrlPath
from audiosearch.config import IndexConfig
from audiosearch.errors import AudiosearchError, DecodeError, RemoteUnavailable
from audiosearch.indexing.types import IndexReport
from audiosearch.library.playable import find_playable
from audiosearch.library.roots import add_roots, places_to_index, remove_root
from audiosearch.remote.fetched_files import process_folder
from audiosearch.store.database import Database
from audiosearch.store.integrity.verify import verify
from audiosearch.store.queries.failed import failed_files
from audiosearch.store.queries.places import RootPath
from audiosearch.store.queries.roots import list_roots
from audiosearch.store.schema import Recording, SoundFile
from tests.indexing_fakes import DIMS, FakeModels, run_index, states, write_wav
from tests.remote_stores import FlakyStore, flaky_store, raises

FIELD = UrlPath("flaky://box/field")
CONFIG = IndexConfig()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FlakyStore]:
    """Four sounds of 2, 5, 1 and 1 windows, one of them twice, and what is no sound."""
    with flaky_store() as found:
        for name, seconds, seed in (
            ("a.wav", 1.5, 1),
            ("birds/b.wav", 3, 2),
            ("birds/copy of a.wav", 1.5, 1),
            ("c d#?@1-2.wav", 1, 3),
        ):
            put(found, f"field/{name}", tmp_path, seconds=seconds, seed=seed)
        found.pipe("flaky://box/field/notes.txt", b"no sound")
        found.pipe("flaky://box/field/types.ts", b"export const a = 1\n" * 40)
        put(found, "field2/other.wav", tmp_path, seed=9)
        yield found


def put(
    store: FlakyStore, name: str, tmp_path: Path, *, seconds: float = 1.0, seed: int = 0
) -> None:
    write_wav(tmp_path / "made.wav", seconds=seconds, seed=seed)
    store.pipe(f"flaky://box/{name}", (tmp_path / "made.wav").read_bytes())


def names(database: Database) -> dict[str, str]:
    return {os.fsdecode(path): state for path, state in states(database).items()}


def n_encoded(database: Database, *places: Path) -> tuple[IndexReport, int]:
    models = FakeModels()
    report = run_index(database, *places, models=models)
    return report, models.encoder.n_windows


def test_a_store_is_indexed_like_a_folder(
    database: Database, store: FlakyStore, tmp_path: Path
) -> None:
    report, n_windows = n_encoded(database, FIELD)
    assert (report.n_files, report.n_new, report.n_encoded, report.n_recognised) == (4, 4, 3, 1)
    assert (report.n_failed, report.offline) == (0, ())
    assert n_windows == 2 + 5 + 1
    assert dict(report.passed_over.endings) == {".txt": 1, ".ts": 1}
    assert names(database) == {
        "a.wav": "indexed",
        "birds/b.wav": "indexed",
        "birds/copy of a.wav": "indexed",
        "c d#?@1-2.wav": "indexed",
    }
    with database.reading() as session:
        assert [root.path for root in list_roots(session)] == [b"flaky://box/field"]
        from_store = set(session.scalars(select(Recording.audio_hash)))
    assert verify(database, dims=DIMS) == []
    assert not any(process_folder().iterdir())  # nothing stays here
    # The same sounds in a folder are the same recordings.
    write_wav(tmp_path / "here" / "a.wav", seconds=1.5, seed=1)
    report, n_windows = n_encoded(database, tmp_path / "here")
    assert (report.n_recognised, n_windows) == (1, 0)
    with database.reading() as session:
        assert set(session.scalars(select(Recording.audio_hash))) == from_store


def test_a_second_run_only_lists(database: Database, store: FlakyStore) -> None:
    run_index(database, FIELD)
    store.n_asked.clear()
    report, n_windows = n_encoded(database)
    assert (report.n_unchanged, n_windows) == (4, 0)
    assert {each.partition(" ")[0] for each in store.n_asked} <= {"ls", "info", "open"}
    assert not any(".wav" in each for each in store.n_asked)


def test_what_is_replaced_is_heard_anew(
    database: Database, store: FlakyStore, tmp_path: Path
) -> None:
    run_index(database, FIELD)
    put(store, "field/a.wav", tmp_path, seconds=1.5, seed=77)  # of the same size
    report, n_windows = n_encoded(database)
    assert (report.n_changed, report.n_encoded, n_windows) == (1, 1, 2)


def test_what_is_moved_is_recognised_and_what_is_deleted_is_missing(
    database: Database, store: FlakyStore
) -> None:
    run_index(database, FIELD)
    store.mv("flaky://box/field/birds/b.wav", "flaky://box/field/b moved.wav")
    store.rm("flaky://box/field/c d#?@1-2.wav")
    report, n_windows = n_encoded(database)
    assert (report.n_recognised, report.n_missing, n_windows) == (1, 2, 0)
    assert {name for name, state in names(database).items() if state == "missing"} == {
        "birds/b.wav",
        "c d#?@1-2.wav",
    }
    assert verify(database, dims=DIMS) == []


@pytest.mark.parametrize(
    "error", [ConnectionError("cut"), PermissionError("KEY hidden"), TimeoutError()]
)
def test_a_store_that_cannot_be_listed_loses_nothing(
    database: Database, store: FlakyStore, error: Exception
) -> None:
    run_index(database, FIELD)
    store.trouble.append(raises(error))
    report, _ = n_encoded(database)
    assert report.offline == (b"flaky://box/field",)
    assert set(names(database).values()) == {"indexed"}
    assert any("flaky://box/field" in problem for problem in report.problems)
    assert not any("hidden" in problem for problem in report.problems)


def test_a_store_of_which_half_cannot_be_listed_loses_nothing(
    database: Database, store: FlakyStore
) -> None:
    run_index(database, FIELD)
    store.trouble.append(raises(PermissionError(), what="ls", below="/box/field/birds"))
    report, _ = n_encoded(database)
    assert report.offline == (b"flaky://box/field",)
    assert set(names(database).values()) == {"indexed"}


def test_a_store_that_is_empty_now_loses_nothing(database: Database, store: FlakyStore) -> None:
    run_index(database, FIELD)
    store.rm("flaky://box/field", recursive=True)
    report, _ = n_encoded(database)
    assert report.offline == (b"flaky://box/field",)
    assert set(names(database).values()) == {"indexed"}


def test_what_cannot_be_fetched_waits_for_the_next_run(
    database: Database, store: FlakyStore
) -> None:
    store.trouble.append(raises(ConnectionError("cut"), what="open", below="/box/field/birds"))
    report, _ = n_encoded(database, FIELD)
    assert (report.n_encoded, report.n_failed, report.n_missing) == (2, 0, 0)
    assert report.offline == (b"flaky://box/field",)
    assert names(database)["birds/b.wav"] == "pending"
    store.trouble.clear()
    report, n_windows = n_encoded(database)
    assert (report.n_encoded, n_windows, report.offline) == (1, 5, ())
    assert set(names(database).values()) == {"indexed"}


def test_what_may_not_be_read_fails_alone(database: Database, store: FlakyStore) -> None:
    store.trouble.append(raises(PermissionError(), what="open", below="/box/field/birds/b"))
    report, _ = n_encoded(database, FIELD)
    assert (report.n_encoded, report.n_failed, report.offline) == (2, 1, ())
    with database.reading() as session:
        (failed,) = failed_files(session)
    assert (failed.error_code, failed.error_text) == ("unreadable", "access is refused")


def test_rights_that_end_in_mid_run_fail_nothing(database: Database, store: FlakyStore) -> None:
    def expire(what: str, path: str) -> None:
        if what == "open" or store.n_asked.count(f"open {path}") > 1:
            store.trouble[:] = [raises(PermissionError())]
            raise PermissionError

    store.trouble.append(expire)
    report, _ = n_encoded(database, FIELD)
    assert (report.n_failed, report.n_missing) == (0, 0)
    assert report.offline == (b"flaky://box/field",)
    assert set(names(database).values()) == {"pending"}


def test_what_goes_before_it_is_fetched_is_missing(database: Database, store: FlakyStore) -> None:
    def goes(what: str, path: str) -> None:
        if what == "open":
            store.trouble.clear()
            store.rm("flaky://box/field/birds/b.wav")

    store.trouble.append(goes)
    report, _ = n_encoded(database, FIELD)
    assert (report.n_failed, report.n_missing) == (0, 1)
    assert names(database)["birds/b.wav"] == "missing"


def test_what_is_no_sound_fails_with_its_url(database: Database, store: FlakyStore) -> None:
    store.pipe("flaky://box/field/broken.wav", b"RIFF nonsense")
    report, _ = n_encoded(database, FIELD)
    assert report.n_failed == 1
    with database.reading() as session:
        (failed,) = failed_files(session)
    assert failed.full_path == b"flaky://box/field/broken.wav"
    assert failed.error_code == "unsupported"


def test_names_that_no_path_keeps_are_told_and_passed_over(
    database: Database, store: FlakyStore, tmp_path: Path
) -> None:
    put(store, "field/up/../e.wav", tmp_path, seed=5)
    report, _ = n_encoded(database, FIELD)
    assert report.n_files == 4
    assert any("only dots" in problem for problem in report.problems)


def test_a_url_that_is_given_must_be_there_and_a_file_of_it_can_be(
    database: Database, store: FlakyStore
) -> None:
    with pytest.raises(RemoteUnavailable, match="nothing is there"):
        places_to_index(database, [UrlPath("flaky://box/typo")], config=CONFIG)
    file = UrlPath("flaky://box/field/birds/b.wav")
    with pytest.raises(AudiosearchError, match="index flaky://box/field/birds"):
        places_to_index(database, [file], config=CONFIG)
    with pytest.raises(AudiosearchError, match="no such folder"):
        add_roots(database, [file], config=CONFIG)
    with database.reading() as session:
        assert list_roots(session) == []
    (place,) = places_to_index(database, [FIELD], config=CONFIG)
    assert (place.path, place.relative) == (b"flaky://box/field", b"")
    found = places_to_index(database, [file], config=CONFIG)
    assert found == [RootPath(place.root, b"birds/b.wav")]
    assert places_to_index(database, [UrlPath("FLAKY://box/field/birds/")], config=CONFIG) == [
        RootPath(place.root, b"birds")
    ]


def test_a_part_of_a_store_is_looked_at_alone(database: Database, store: FlakyStore) -> None:
    run_index(database, FIELD)
    store.rm("flaky://box/field/a.wav")
    store.rm("flaky://box/field/birds/b.wav")
    report = run_index(database, FIELD / "birds")
    assert (report.n_files, report.n_missing) == (1, 1)
    assert names(database)["a.wav"] == "indexed"


def test_a_root_around_one_takes_its_files_over(database: Database, store: FlakyStore) -> None:
    run_index(database, FIELD / "birds")
    _, n_windows = n_encoded(database, UrlPath("flaky://box"))
    assert n_windows == 2  # c and other; the rest was heard
    assert names(database)["field/birds/b.wav"] == "indexed"
    with database.reading() as session:
        assert [root.path for root in list_roots(session)] == [b"flaky://box"]
    assert remove_root(database, UrlPath("flaky://box/")) == 5
    assert store.exists("flaky://box/field/a.wav")


def test_a_sound_is_played_from_a_copy(database: Database, store: FlakyStore) -> None:
    run_index(database, FIELD)
    with database.reading() as session:
        recording_id = session.scalar(
            select(SoundFile.recording_id).where(SoundFile.path == b"birds/b.wav")
        )
    assert recording_id is not None
    store.n_asked.clear()
    file = find_playable(database, recording_id, CONFIG)
    assert file is not None
    assert file.path == b"flaky://box/field/birds/b.wav"
    assert store.n_asked == []  # until it is played
    with file.open() as opened:
        content = opened.read()
    assert content == store.cat("flaky://box/field/birds/b.wav")
    assert file.stretch(0, 10).path.startswith(os.fsencode(database.data_dir / "fetched"))
    store.pipe("flaky://box/field/birds/b.wav", content[:-2])
    again = find_playable(database, recording_id, CONFIG)
    assert again is not None
    again.open().close()  # the copy is what the library has heard
    for copy in (database.data_dir / "fetched").glob("*/*.wav"):
        copy.unlink()
    with pytest.raises(DecodeError, match="has changed"):
        again.open()
