"""The real daemon, whose library is moved, deleted or replaced by another while it runs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.e2e.command import Command
from tests.e2e.watched import FILES, PATIENCE_S, Watch, rows
from tests.sounds import noise, write_audio

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="an open file cannot be replaced there"),
]


@pytest.fixture
def other(quick: Command, tmp_path: Path) -> Command:
    """Another library with other sounds, ready to be put in the place of the first."""
    folder = tmp_path / "others"
    folder.mkdir()
    for name in ("a.wav", "b.wav", "low-high.wav"):
        write_audio(folder / name, noise(seconds=1.0, seed=len(name)))
    command = Command(tmp_path / "other-data", bundle=quick.bundle, environ=quick.environ)
    assert command("index", folder).status == 0
    return command


def ended(watch: Watch) -> str:
    """What the daemon said when it ended by itself, as it must, with status 2."""
    _, err = watch.process.communicate(timeout=PATIENCE_S)
    assert watch.process.returncode == 2, err
    assert "the library was replaced while it was in use" in err
    assert "Traceback" not in err
    return err


def exchange_folders(mine: Path, other: Path) -> None:
    mine.rename(mine.with_name("away"))
    other.rename(mine)


def put_file(mine: Path, other: Path) -> None:
    (other / "library.sqlite3").replace(mine / "library.sqlite3")


def copy_over(mine: Path, other: Path) -> None:
    shutil.copyfile(other / "library.sqlite3", mine / "library.sqlite3")


@pytest.mark.parametrize("change", [exchange_folders, put_file, copy_over])
def test_another_library_in_its_place_is_left_alone(
    watch: Watch, other: Command, sound_folder: Path, change: object
) -> None:
    assert callable(change)
    watch.until(watch.is_idle)
    before = rows(other, FILES)
    change(watch.command.data_dir, other.data_dir)
    write_audio(sound_folder / "new.wav", noise(seconds=1.0, seed=9))
    ended(watch)
    command = watch.command
    assert rows(command, FILES) == before
    verified = command("verify")
    assert (verified.status, verified.text) == (0, "")
    again = Watch(command)  # with the library that is there now, beside no other daemon
    try:
        again.until(lambda: (told := again.told()) and told["activity"] == "idle")
        assert rows(command, FILES) == before
        assert again.end()[0] == 0
    finally:
        again.kill()


def test_a_library_that_is_deleted_is_not_made_anew(watch: Watch, sound_folder: Path) -> None:
    watch.until(watch.is_idle)
    command = watch.command
    shutil.rmtree(command.data_dir)
    write_audio(sound_folder / "new.wav", noise(seconds=1.0, seed=9))
    ended(watch)
    assert not (command.data_dir / "library.sqlite3").exists()


def test_a_daemon_does_not_begin_where_a_library_is_gone(watch: Watch) -> None:
    watch.until(watch.is_idle)
    command = watch.command
    for file in command.data_dir.glob("library.sqlite3*"):
        file.unlink()
    ended(watch)
    answer = command("watch")
    assert (answer.status, "the library is gone" in answer.err) == (2, True)
    assert not list(command.data_dir.glob("library.sqlite3"))


def test_a_question_meets_the_library_that_is_there(watch: Watch, other: Command) -> None:
    command = watch.command
    asked = ("find", "a bell", "--min-score", "0", "--json")
    assert {Path(row["path"]).name for row in command(*asked).rows} >= {"hiss.ogg"}
    watch.until(watch.is_idle)
    exchange_folders(command.data_dir, other.data_dir)
    answer = command(*asked)
    assert {Path(row["path"]).name for row in answer.rows} <= {"a.wav", "b.wav", "low-high.wav"}
    assert answer.rows
    ended(watch)


def test_without_a_place_for_its_socket_it_watches_all_the_same(
    quick: Command, sound_folder: Path, tmp_path: Path
) -> None:
    """As when another user has made the folders in which it would be."""
    assert quick("roots", "add", sound_folder).status == 0
    (quick.data_dir / "answers").symlink_to(tmp_path)
    watch = Watch(quick)
    try:
        watch.until_rows([(3,)], "SELECT count(*) FROM encoding WHERE n_windows IS NOT NULL")
        answer = quick("find", "a bell", "--min-score", "0", "--json", "-v")
        assert (answer.status, "without the daemon" in answer.err) == (0, True)
        status, err = watch.end()
        assert (status, "commands have to answer questions themselves" in err) == (0, True)
    finally:
        watch.kill()


def test_all_that_a_daemon_writes_is_its_owners_alone(watch: Watch) -> None:
    watch.until(watch.is_idle)
    assert watch.command("find", "a bell").status in (0, 1)
    data = watch.command.data_dir
    made = {str(path.relative_to(data)) for path in data.rglob("*")}
    assert {"watch.json", "logs/watch.log", "answers/address.json", "library.sqlite3"} <= made
    assert [str(path) for path in (data, *data.rglob("*")) if path.lstat().st_mode & 0o077] == []
