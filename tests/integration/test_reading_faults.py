"""What happens to a run when files misbehave while they are read; readers are scripted."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiosearch.errors import DecodeCode, DecodeError
from audiosearch.indexing import walk as walk_module
from audiosearch.indexing.types import NoProgress
from audiosearch.store.database import Database, open_database
from audiosearch.store.queries.failed import failed_files
from audiosearch.store.queries.status import library_status
from tests.indexing_fakes import FakeModels, WaveOpened, WaveReader, run_index, states, write_wav


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    folder = tmp_path / "sounds"
    write_wav(folder / "a.wav", seconds=6, seed=1)
    write_wav(folder / "b.wav", seconds=2, seed=2)
    return folder


class ScriptedReader(WaveReader):
    """Calls `on_block(name, number)` before each second of sound of a file."""

    def __init__(self, on_block: Callable[[str, int], None]) -> None:
        super().__init__()
        self._on_block = on_block
        self._name = ""

    def open(self, path: bytes, *, sample_rate: int) -> WaveOpened:
        self._name = Path(path.decode()).name
        return super().open(path, sample_rate=sample_rate)

    def blocks(self) -> Iterator[np.ndarray]:
        for number, block in enumerate(super().blocks()):
            self._on_block(self._name, number)
            yield block


def run(database: Database, sounds: Path, on_block: Callable[[str, int], None], **settings: object):
    return run_index(
        database, sounds, open_reader=lambda: ScriptedReader(on_block), batch_windows=2, **settings
    )


def test_a_file_that_breaks_in_its_middle_leaves_nothing_behind(
    database: Database, sounds: Path
) -> None:
    def break_a(name: str, number: int) -> None:
        if name == "a.wav" and number == 4:
            raise DecodeError("a broken packet", code=DecodeCode.DAMAGED)

    report = run(database, sounds, break_a)
    assert (report.n_encoded, report.n_failed) == (1, 1)
    assert states(database) == {"a.wav": "failed", "b.wav": "indexed"}
    with database.reading() as session:
        assert library_status(session).n_recordings == 1
        [failed] = failed_files(session)
    assert (failed.error_code, failed.error_text) == ("damaged", "a broken packet")


def test_a_file_that_changes_once_is_read_again(database: Database, sounds: Path) -> None:
    seen: list[int] = []

    def change_once(name: str, number: int) -> None:
        if name == "a.wav" and number == 5:
            seen.append(number)
            if len(seen) == 1:
                write_wav(sounds / "a.wav", seconds=6, seed=77)
                raise DecodeError("changed while it was read", code=DecodeCode.CHANGED)

    report = run(database, sounds, change_once)
    assert (report.n_encoded, report.n_failed, report.n_unsettled) == (2, 0, 0)
    assert set(states(database).values()) == {"indexed"}
    assert run(database, sounds, change_once).n_windows == 0


def test_a_file_that_keeps_changing_waits_for_the_next_run(
    database: Database, sounds: Path
) -> None:
    def keep_changing(name: str, number: int) -> None:
        if name == "a.wav" and number == 5:
            raise DecodeError("changed while it was read", code=DecodeCode.CHANGED)

    report = run(database, sounds, keep_changing)
    assert (report.n_encoded, report.n_failed, report.n_unsettled) == (1, 0, 1)
    assert states(database) == {"a.wav": "pending", "b.wav": "indexed"}
    assert run(database, sounds, lambda *_: None).n_encoded == 1


def test_a_file_deleted_while_it_is_read_is_missing(database: Database, sounds: Path) -> None:
    def delete(name: str, number: int) -> None:
        if name == "a.wav" and number == 3:
            (sounds / "a.wav").unlink()
            raise DecodeError("no such file", code=DecodeCode.UNREADABLE)

    report = run(database, sounds, delete)
    assert (report.n_encoded, report.n_failed, report.n_missing) == (1, 0, 1)
    assert states(database) == {"a.wav": "missing", "b.wav": "indexed"}


@pytest.mark.parametrize("code", [DecodeCode.UNREADABLE, DecodeCode.DAMAGED, DecodeCode.CHANGED])
@pytest.mark.parametrize("left", ["nothing", "an empty folder"])
def test_a_folder_that_goes_away_while_it_is_read(
    database: Database, sounds: Path, code: DecodeCode, left: str
) -> None:
    """No file is blamed or missing, in whatever way reading failed; what was heard is kept."""
    for number in range(8):
        write_wav(sounds / f"c{number}.wav", seconds=2, seed=10 + number)
    away = sounds.with_name("away")

    def unmount(name: str, number: int) -> None:
        if name == "a.wav" and number == 5:
            sounds.rename(away)
            if left == "an empty folder":
                sounds.mkdir()
            raise DecodeError("stale file handle", code=code)

    warnings: list[str] = []
    report = run(database, sounds, unmount, progress=Warned(warnings))
    assert (report.n_missing, report.n_failed, report.n_encoded) == (0, 0, 0)
    assert set(states(database).values()) == {"pending"}
    assert report.offline == (os.fsencode(sounds),)
    assert [each for each in warnings if "it went away while it was read" in each]
    heard = report.n_windows
    assert heard > 0
    # It comes back: what had been heard is not heard again.
    if left == "an empty folder":
        sounds.rmdir()
    away.rename(sounds)
    again = run(database, sounds, lambda *_: None)
    assert set(states(database).values()) == {"indexed"}
    assert heard + again.n_windows == 11 + 9 * 3


class Warned(NoProgress):
    def __init__(self, warnings: list[str]) -> None:
        self.warn = warnings.append  # type: ignore[method-assign]


def test_a_folder_that_goes_away_while_it_is_listed(
    database: Database, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Less than half was left to be listed: without another look, that would be missing."""
    for number in range(2):
        write_wav(sounds / "z" / f"{number}.wav", seconds=1, seed=number)
    run(database, sounds, lambda *_: None)
    listed = walk_module._list

    def unmount(folder: bytes, *arguments: Any) -> Any:
        if folder.endswith(b"/z"):
            sounds.rename(sounds.with_name("away"))
        return listed(folder, *arguments)

    monkeypatch.setattr(walk_module, "_list", unmount)
    report = run(database, sounds, lambda *_: None)
    assert (report.n_missing, report.guarded, report.offline) == (0, (), (os.fsencode(sounds),))
    assert set(states(database).values()) == {"indexed"}


def test_most_of_a_folder_that_goes_while_it_is_read_is_held(
    database: Database, sounds: Path
) -> None:
    """A share in a subfolder is unmounted: the rest of the root is there."""
    for number in range(8):
        write_wav(sounds / "share" / f"{number}.wav", seconds=1, seed=20 + number)

    def unmount(name: str, number: int) -> None:
        if name == "a.wav" and number == 0:
            shutil.rmtree(sounds / "share")

    report = run(database, sounds, unmount)
    assert report.n_missing == 0
    [held] = report.guarded
    assert (held.n_lost, held.n_known) == (8, 10)
    assert sorted(states(database).values()) == ["indexed"] * 2 + ["pending"] * 8
    again = run(database, sounds, lambda *_: None, accept_missing=True)
    assert again.n_missing == 8


@pytest.mark.parametrize("code", [DecodeCode.DAMAGED, DecodeCode.CHANGED])
def test_the_twin_of_a_file_that_failed_is_read_itself(
    database: Database, sounds: Path, code: DecodeCode
) -> None:
    (sounds / "twin.wav").write_bytes((sounds / "a.wav").read_bytes())
    first = threading.Lock()

    def fail_first(name: str, number: int) -> None:
        if name in ("a.wav", "twin.wav") and number == 5 and first.acquire(blocking=False):
            raise DecodeError("no luck", code=code)

    report = run(database, sounds, fail_first, workers=2)
    n_failed = 1 if code is DecodeCode.DAMAGED else 0
    assert report.n_failed == n_failed
    assert sorted(states(database).values()).count("indexed") == 3 - n_failed
    with database.reading() as session:
        assert library_status(session).n_recordings == 2


def test_windows_of_overwritten_content_are_never_built_on(
    database: Database, sounds: Path
) -> None:
    """A run dies while `a.wav` is overwritten; later its old content appears under another name."""
    original = (sounds / "a.wav").read_bytes()

    def overwrite_and_die(name: str, number: int) -> None:
        if name == "a.wav" and number == 4:
            write_wav(sounds / "a.wav", seconds=6, seed=99)
            raise RuntimeError("as good as a kill: the reader is gone")

    with pytest.raises(RuntimeError):
        run(database, sounds, overwrite_and_die)
    (sounds / "old.wav").write_bytes(original)
    models = FakeModels()
    run(database, sounds, lambda *_: None, models=models)
    assert models.encoder.n_windows >= 2 * 11  # both whole, nothing of the first attempt kept
    assert set(states(database).values()) == {"indexed"}


def test_an_unexpected_error_of_a_reader_ends_the_run(database: Database, sounds: Path) -> None:
    def fail(name: str, number: int) -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        run(database, sounds, fail, workers=2)
    assert set(states(database).values()) == {"pending"}


def test_searching_goes_on_while_indexing_writes(database: Database, sounds: Path) -> None:
    counts: list[int] = []

    def look(*_: object) -> None:
        with (
            open_database(database.path, read_only=True) as other,
            other.reading() as session,
        ):
            status = library_status(session)
            counts.append(sum(bundle.n_windows for bundle in status.bundles))

    run(database, sounds, look)
    assert counts == sorted(counts)
    assert counts[-1] > 0
