"""A disk that is really full: a small file system of its own, mounted for the test (root only).

Elsewhere `test_database.py` shows the same with a limit on the database's pages.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiosearch.config import Config, ModelConfig
from audiosearch.errors import StorageFull, StoreError
from audiosearch.library import open_library
from audiosearch.store.database import open_database
from audiosearch.store.queries import roots
from tests.e2e.command import Command
from tests.integration.test_migrations import (
    NEXT,
    NOW,
    make_old_library,
    newer_scripts,
    revision,
)
from tests.sounds import noise, write_audio

pytestmark = pytest.mark.slow


__all__ = ["newer_scripts"]  # a fixture


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Eight megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root may mount a small disk, on Linux")
    mounting = ["mount", "-t", "tmpfs", "-o", "size=8m", "audiosearch-test", str(place)]
    if subprocess.run(mounting, capture_output=True, check=False).returncode != 0:
        pytest.skip("nothing can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place: Path, *, leaving: int) -> Path:
    """A file that takes all the room but `leaving` bytes."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        file.truncate(max(0, file.tell() - leaving))
    return filler


def test_a_disk_that_is_full_at_the_very_end_takes_no_report_away(
    tmp_path: Path,
    toy_bundle: Path,
    sound_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = Config(
        data_dir=tmp_path / "data",
        config_file=tmp_path / "none.toml",
        model=ModelConfig(bundle=str(toy_bundle), device="cpu", threads=1),
    )
    with open_library(config, writable=True) as library:

        def full() -> None:
            raise StorageFull("the disk is full", path=tmp_path)

        monkeypatch.setattr(library.database, "settle", full)
        assert library.index([sound_folder]).n_files
    assert "the full text is not merged" in caplog.text


def test_indexing_stops_with_a_clear_word_and_goes_on_when_there_is_room(
    small_disk: Path, toy_bundle: Path, sound_folder: Path
) -> None:
    command = Command(
        data_dir=small_disk / "data",
        bundle=str(toy_bundle),
        environ={"AUDIOSEARCH_INDEX_BATCH_WINDOWS": "4"},
    )
    assert command("index", sound_folder).status == 0
    for number in range(4):
        write_audio(sound_folder / f"long-{number}.wav", noise(seconds=60.0, seed=number))
    filler = fill(small_disk, leaving=40_000)
    stopped = command("index")
    assert stopped.status == 2
    assert "the disk that holds the library is full" in stopped.err
    assert "goes on where it stopped" in stopped.err
    assert "Traceback" not in stopped.err
    assert command("verify").status == 0
    assert len(command("find", "a bell", "--json", "--min-score", "0").rows) >= 3
    filler.unlink()
    assert command("index").status == 0
    assert command("verify").status == 0
    assert command("index", "--json").rows[0]["windows_encoded"] == 0
    assert command("status", "--json").rows[0]["files"]["indexed"] == 7


def test_without_room_for_a_copy_nothing_is_migrated(small_disk: Path, newer_scripts: Path) -> None:
    path = small_disk / "library.sqlite3"
    make_old_library(path)
    filler = fill(small_disk, leaving=path.stat().st_size // 2)
    with pytest.raises(StorageFull, match="full"):
        open_database(path, scripts=newer_scripts)
    assert revision(path) == NOW
    assert list(small_disk.glob("*.backup*")) == []
    filler.unlink()
    open_database(path, scripts=newer_scripts).close()
    assert revision(path) == NEXT
    assert len(list(small_disk.glob("*.backup"))) == 1


@pytest.mark.parametrize("with_log", [True, False])
def test_an_old_library_that_cannot_be_written_to_says_where_it_can(
    tmp_path: Path, small_disk: Path, newer_scripts: Path, with_log: bool
) -> None:
    """SQLite reads a library without its log only where it can make one."""
    made, path = tmp_path / "library.sqlite3", small_disk / "library.sqlite3"
    make_old_library(made)
    with contextlib.closing(sqlite3.connect(made)) as other:
        other.execute("SELECT count(*) FROM library_root").fetchone()  # as long as it is open
        for suffix in ("", "-wal", "-shm") if with_log else ("",):
            shutil.copyfile(f"{made}{suffix}", f"{path}{suffix}")
    remounting = ["mount", "-o", "remount,ro", str(small_disk)]
    if subprocess.run(remounting, capture_output=True, check=False).returncode != 0:
        pytest.skip("nothing can be mounted for reading only here")
    with pytest.raises(StoreError) as caught:
        open_database(path, read_only=True, scripts=newer_scripts)
    assert caught.value.path == str(path)
    assert ("brought up to date" in caught.value.reason) == with_log
    assert "AUDIOSEARCH_DATA_DIR" in (caught.value.remedy or "")


def test_room_for_the_copy_but_not_for_the_migration(small_disk: Path, newer_scripts: Path) -> None:
    """The copy is there, the library is what it was; once more, when there is room."""
    path = small_disk / "library.sqlite3"
    make_old_library(path)
    filler = fill(small_disk, leaving=path.stat().st_size + 40_000)
    with pytest.raises(StorageFull, match="full"):
        open_database(path, scripts=newer_scripts)
    assert revision(path) == NOW
    filler.unlink()
    with open_database(path, scripts=newer_scripts) as database, database.reading() as session:
        assert [root.path for root in roots.list_roots(session)] == [b"/precious"]
    assert revision(path) == NEXT
