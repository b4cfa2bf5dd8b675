from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from audiosearch.errors import DecodeCode, DecodeError
from audiosearch.remote import fetched_files
from audiosearch.remote.fetched_cache import FetchedCache
from audiosearch.remote.fetched_files import (
    HeldFile,
    fetch,
    is_absent_remotely,
    is_gone_remotely,
    is_there_remotely,
    process_folder,
    remote_stat,
    sweep,
)
from tests.remote_stores import FlakyStore, flaky_store, raises

URL = b"flaky://box/a long name.wav"


@pytest.fixture
def store() -> Iterator[FlakyStore]:
    with flaky_store() as found:
        found.pipe(URL.decode(), b"12345")
        yield found


def nothing() -> None:
    """No reason to end it."""


def copies(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def failure(url: bytes = URL) -> DecodeError:
    with pytest.raises(DecodeError) as failed:
        fetch(url, check=nothing)
    return failed.value


def test_a_copy_has_the_name_size_and_time_and_is_private(store: FlakyStore) -> None:
    copy = fetch(URL, check=nothing)
    path = Path(os.fsdecode(copy.path))
    assert path.name == "a long name.wav"
    assert path.read_bytes() == b"12345"
    facts = path.stat()
    assert (facts.st_size, facts.st_mtime_ns) == (copy.stat.size, copy.stat.mtime_ns)
    assert copy.stat == remote_stat(URL)
    if os.name == "posix":
        assert stat.S_IMODE(facts.st_mode) == 0o600
        assert all(
            stat.S_IMODE(each.stat().st_mode) == 0o700
            for each in (path.parent, process_folder(), process_folder().parent)
        )
    copy.remove()
    assert not path.parent.exists()


def test_a_long_name_keeps_its_ending(store: FlakyStore) -> None:
    store.pipe(f"flaky://box/{'x' * 500}.wav", b"1")
    copy = fetch(b"flaky://box/" + b"x" * 500 + b".wav", check=nothing)
    assert copy.path.endswith(b"x.wav")
    copy.remove()


def test_nothing_is_left_of_a_copy_that_fails(store: FlakyStore) -> None:
    before = copies(process_folder())
    store.trouble.append(raises(ConnectionError("cut"), what="open"))
    assert failure().code is DecodeCode.AWAY
    assert copies(process_folder()) == before
    assert not any(process_folder().iterdir())


def test_what_is_not_there_what_is_refused_and_what_is_away(store: FlakyStore) -> None:
    assert failure(b"flaky://box/none.wav").code is DecodeCode.UNREADABLE
    assert is_gone_remotely(b"flaky://box/none.wav")
    assert not is_there_remotely(b"flaky://box/none.wav")
    assert is_there_remotely(URL)
    store.trouble.append(raises(PermissionError()))
    assert failure().code is DecodeCode.UNREADABLE
    assert not is_gone_remotely(URL)
    assert is_absent_remotely(b"flaky://box")
    store.trouble[:] = [raises(ConnectionError("cut"))]
    assert failure().code is DecodeCode.AWAY
    assert not is_gone_remotely(URL)
    with pytest.raises(DecodeError):
        is_there_remotely(URL)


def test_a_store_that_is_away_is_left_alone_for_a_while(
    store: FlakyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(fetched_files.time, "monotonic", lambda: now[0])
    store.trouble.append(raises(ConnectionError("cut")))
    for _ in range(3):
        failure()
    store.n_asked.clear()
    store.trouble.clear()
    assert failure().code is DecodeCode.AWAY
    assert store.n_asked == []
    now[0] += 31
    fetch(URL, check=nothing).remove()
    fetch(URL, check=nothing).remove()


def test_refusals_of_single_files_say_nothing_of_the_store(store: FlakyStore) -> None:
    store.pipe("flaky://box/other.wav", b"1")
    store.trouble.append(raises(PermissionError(), below="/box/other"))
    for _ in range(5):
        assert failure(b"flaky://box/other.wav").code is DecodeCode.UNREADABLE
    fetch(URL, check=nothing).remove()


def test_no_room_waits(store: FlakyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil._ntuple_diskusage(1 << 30, 1 << 30, 1000)
    monkeypatch.setattr(fetched_files.shutil, "disk_usage", lambda _: full)
    failed = failure()
    assert failed.code is DecodeCode.AWAY
    assert "room" in failed.reason
    assert failed.remedy is not None
    assert "TMPDIR" in failed.remedy


def test_a_copy_is_used_again_while_the_file_is_the_same(store: FlakyStore) -> None:
    held = HeldFile()
    first = held.of(URL)
    store.n_asked.clear()
    assert held.of(URL) is first
    assert not any(each.startswith("open") for each in store.n_asked)
    store.pipe(URL.decode(), b"54321")
    second = held.of(URL)
    assert Path(os.fsdecode(second.path)).read_bytes() == b"54321"
    assert not Path(os.fsdecode(first.path)).exists()
    held.let_go()
    assert not Path(os.fsdecode(second.path)).exists()


KILLED = """
import os, signal, sys
import fsspec
from tests.remote_stores import FlakyStore, flaky_store
from audiosearch.remote.fetched_files import fetch
with flaky_store() as store:
    store.pipe("flaky://box/a.wav", b"12345")
    print(os.fsdecode(fetch(b"flaky://box/a.wav", check=lambda: None).path), flush=True)
    if sys.argv[1] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("how", ["killed", "ended"])
def test_what_a_process_left_goes(how: str, tmp_path: Path) -> None:
    environ = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, how], env=environ, capture_output=True, check=False
    )
    left = Path(os.fsdecode(done.stdout.strip()))
    above = left.parents[2]
    assert above.parent == tmp_path, done.stderr
    assert left.exists() is (how == "killed")
    sweep(above)
    assert left.exists() is (how == "killed")  # it was made just now, and may be somebody's
    for lock in above.glob("*.lock"):
        os.utime(lock, (time.time() - 3600,) * 2)
    sweep(above)
    assert not any(above.iterdir())


def test_what_a_living_process_has_stays(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    with FileLock(tmp_path / "one.lock"):
        os.utime(tmp_path / "one.lock", (time.time() - 3600,) * 2)
        done: list[bool] = []
        thread = threading.Thread(target=lambda: (sweep(tmp_path), done.append(True)))
        thread.start()
        thread.join()
        assert done
        assert (tmp_path / "one").exists()
    assert tempfile.gettempdir()


def cached(cache: FetchedCache, url: bytes = URL) -> Path:
    return Path(os.fsdecode(cache.path_of(url, remote_stat(url))))


def test_what_is_played_is_fetched_once(store: FlakyStore, tmp_path: Path) -> None:
    cache = FetchedCache(tmp_path / "fetched")
    wanted = remote_stat(URL)
    store.n_asked.clear()
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(cache.path_of(URL, wanted))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert sum(each.startswith("open") for each in store.n_asked) == 1
    store.trouble.append(raises(ConnectionError("cut")))
    assert Path(os.fsdecode(cache.path_of(URL, wanted))).read_bytes() == b"12345"


def test_another_version_is_not_played(store: FlakyStore, tmp_path: Path) -> None:
    cache, wanted = FetchedCache(tmp_path / "fetched"), remote_stat(URL)
    store.pipe(URL.decode(), b"54321")
    with pytest.raises(DecodeError) as changed:
        cache.path_of(URL, wanted)
    assert changed.value.code is DecodeCode.CHANGED
    assert copies(tmp_path) == []


def test_what_was_used_longest_ago_goes_first(store: FlakyStore, tmp_path: Path) -> None:
    cache = FetchedCache(tmp_path / "fetched", max_bytes=12)
    paths = []
    for number in range(3):
        url = f"flaky://box/{number}.wav"
        store.pipe(url, b"12345")
        paths.append(cached(cache, url.encode()))
        os.utime(paths[-1].parent, (number, number))
        if number == 1:
            cached(cache, b"flaky://box/0.wav")  # used again
    assert [path.exists() for path in paths] == [True, False, True]
    store.pipe("flaky://box/large.wav", b"x" * 100)
    assert cached(cache, b"flaky://box/large.wav").exists()
    assert copies(tmp_path) == ["large.wav"]
