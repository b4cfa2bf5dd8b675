"""What of a library other users of the machine can read, hold or keep from working."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from audiosearch.errors import StoreError
from audiosearch.evaluation.work_folder import WorkFolder
from audiosearch.model.registry import remember_bundle
from audiosearch.server.address import listen, withdraw
from audiosearch.store.database import open_database
from audiosearch.store.file_cache import FileCache
from audiosearch.store.lock import WriterLock
from audiosearch.store.private import is_shared, keep_private, open_to_others
from audiosearch.store.queries import roots

pytestmark = pytest.mark.skipif(os.name == "nt", reason="users' folders are private there")
NOBODY = 65534
is_root = hasattr(os, "geteuid") and os.geteuid() == 0


def modes(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder.parent)): stat.S_IMODE(path.lstat().st_mode)
        for path in (folder, *folder.rglob("*"))
    }


def open_ones(folder: Path) -> dict[str, str]:
    return {name: oct(mode) for name, mode in modes(folder).items() if mode & 0o077}


@pytest.fixture(autouse=True)
def usual_mask() -> object:
    """The mask of most systems, under which all could be read by others."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_what_a_writer_makes_is_its_owners_alone(tmp_path: Path) -> None:
    data = tmp_path / "deep" / "data"
    with open_database(data / "library.sqlite3") as database:
        with database.session() as session:
            roots.add_root(session, b"/a")
        made = modes(data)
        assert {"data/library.sqlite3", "data/library.sqlite3-wal", "data/writer.lock"} <= set(made)
        assert open_ones(data) == {}


def test_folders_made_later_are_its_owners_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    FileCache(data / "views").keep("a", b"seen")
    WorkFolder(data / "evaluation").part("captions", "x")
    bundle = tmp_path / "bundle"
    remember_bundle(bundle, models=data / "more" / "models")
    assert {"data/views", "data/evaluation", "data/more", "data/more/models"} <= set(modes(data))
    assert open_ones(data) == {}


def test_a_library_that_was_open_is_closed_by_the_next_writer(tmp_path: Path) -> None:
    data = tmp_path / "data"
    open_database(data / "library.sqlite3").close()
    for name in ("vectors", "logs", "backups"):
        (data / name).mkdir()
        (data / name / "file").write_text("private")
    (data / "watch.json").write_text("{}")
    (data / "library.sqlite3.before-0004.backup").write_text("old")
    for path in (data, *data.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    assert len(list(open_to_others(data))) >= 10
    open_database(data / "library.sqlite3", read_only=True).close()
    assert open_ones(data)
    open_database(data / "library.sqlite3").close()
    assert open_ones(data) == {}
    assert keep_private(data) == []


def test_a_writer_looks_into_no_folder_that_others_cannot_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    open_database(data / "library.sqlite3").close()
    for number in range(50):
        FileCache(data / "views").keep(f"{number}", b"seen")
    copied = data / "views" / "copied with its rights"
    copied.write_text("private")
    copied.chmod(0o644)
    looked_at: list[Path] = []
    lstat = Path.lstat
    monkeypatch.setattr(Path, "lstat", lambda path: looked_at.append(path) or lstat(path))
    open_database(data / "library.sqlite3").close()
    assert data / "views" in looked_at
    assert [path for path in looked_at if path.parent == data / "views"] == []
    assert keep_private(data) == [copied]  # as `doctor` does


def test_a_folder_that_holds_more_is_left_open_and_what_is_the_librarys_closed(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    open_database(home / "library.sqlite3").close()
    (home / "holiday.wav").write_text("for all")
    (home / "elsewhere").write_text("for all")
    (home / "watch.nudge").symlink_to(home / "elsewhere")
    for path in (home, home / "library.sqlite3", home / "holiday.wav", home / "elsewhere"):
        path.chmod(0o755)
    changed = keep_private(home)
    assert changed == [home / "library.sqlite3"]
    assert set(open_ones(home)) - {"home/watch.nudge"} == {
        "home",
        "home/holiday.wav",
        "home/elsewhere",
    }
    assert is_shared(home)


@pytest.mark.skipif(not is_root or shutil.which("setpriv") is None, reason="acts as another user")
def test_another_user_reads_nothing_and_holds_no_lock(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    data = tmp_path / "data"
    open_database(data / "library.sqlite3").close()
    data.chmod(0o755)  # so that the files must guard themselves
    code = (
        "import fcntl, os, sys\n"
        "for name in sorted(os.listdir(sys.argv[1])):\n"
        "    try:\n"
        "        fd = os.open(os.path.join(sys.argv[1], name), os.O_RDONLY)\n"
        "        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB); print('opened', name)\n"
        "    except PermissionError: print('refused', name)\n"
    )
    done = subprocess.run(
        ["setpriv", f"--reuid={NOBODY}", "--clear-groups", "/usr/bin/python3", "-c", code, data],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "refused library.sqlite3" in done.stdout
    assert "refused writer.lock" in done.stdout
    assert "opened" not in done.stdout
    WriterLock(data).acquire()


def test_a_folder_made_by_another_user_keeps_no_socket_from_being_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = Path(tempfile.mkdtemp(dir="/tmp"))  # a short path, as sockets need
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    (temporary / f"audiosearch-{os.geteuid()}").symlink_to("/")  # as somebody may have put it there
    data = tmp_path / ("a long name " * 12)
    data.mkdir()
    listener, address = listen(data)
    place = Path(address.path)
    assert place.parent.parent == temporary
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    listener.close()
    withdraw(data, address)
    assert not place.parent.exists()
    shutil.rmtree(temporary)


def test_a_foreign_folder_of_answers_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "answers").symlink_to("/tmp")
    with pytest.raises(StoreError, match="not this user's folder"):
        listen(tmp_path)


def test_sockets_of_killed_processes_go(tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # a short path, as sockets need
    (folder / "answers").mkdir(mode=0o700)
    held: list[socket.socket] = []
    for name, listens, age_s in (("dead", False, 999), ("new", False, 0), ("heard", True, 999)):
        place = folder / "answers" / f"{name}.socket"
        held.append(socket.socket(socket.AF_UNIX))
        held[-1].bind(str(place))
        if listens:
            held[-1].listen()
        os.utime(place, (time.time() - age_s,) * 2)
    listener, address = listen(folder)
    left = {each.stem for each in (folder / "answers").glob("*.socket")}
    assert left == {"new", "heard", str(os.getpid())}
    for each in (*held, listener):
        each.close()
    withdraw(folder, address)
    shutil.rmtree(folder)
