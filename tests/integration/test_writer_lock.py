"""One writer at a time, and one that gives way to those who wait."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from audiosearch.errors import LibraryLocked
from audiosearch.store import lock as writer_lock
from audiosearch.store.lock import WriterLock

PATIENCE_S = 60.0
SHORT_S = 0.05


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_is_given_back_in_a_folder_that_was_made_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path, *, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    lock = WriterLock(tmp_path)
    lock.acquire()
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refused)  # rights do not hold for an administrator
        lock.release()
    with WriterLock(tmp_path):
        pass


class Waiting(threading.Thread):
    """Somebody who wants to write, and writes down when it was so."""

    def __init__(self, data_dir: Path, came: list[str], name: str) -> None:
        super().__init__(name=name)
        self._lock = WriterLock(data_dir, patience_s=SHORT_S)
        self._came = came

    def run(self) -> None:
        with self._lock:
            self._came.append(self.name)


def test_who_gives_way_sees_who_waits_and_comes_after_them(tmp_path: Path) -> None:
    came: list[str] = []
    holder = WriterLock(tmp_path, yields_to_waiters=True, patience_s=PATIENCE_S)
    with holder:
        assert not holder.has_waiters()
        assert holder.pid() == os.getpid()
        others = [Waiting(tmp_path, came, name) for name in ("one", "another")]
        for each in others:
            each.start()
        until(holder.has_waiters)
        # Longer than they would wait for one that does not give way.
        with pytest.raises(LibraryLocked):
            WriterLock(tmp_path, yields_to_waiters=True, patience_s=4 * SHORT_S).acquire()
        assert came == []
        assert all(each.is_alive() for each in others)
    with holder:
        assert came  # whoever stood first in line was first
    for each in others:
        each.join(PATIENCE_S)
    assert sorted(came) == ["another", "one"]
    with holder:
        assert not holder.has_waiters()


def test_who_does_not_give_way_is_not_waited_for(tmp_path: Path) -> None:
    with WriterLock(tmp_path), pytest.raises(LibraryLocked, match=f"pid {os.getpid()}"):
        WriterLock(tmp_path, patience_s=0.05).acquire()
    WriterLock(tmp_path).acquire()  # nothing of the line is left


def test_patience_with_one_that_gives_way_ends_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_lock, "TURN_S", 0.1)
    holder = WriterLock(tmp_path, yields_to_waiters=True)
    with holder:
        with pytest.raises(LibraryLocked, match=f"pid {os.getpid()}"):
            WriterLock(tmp_path, patience_s=0.05).acquire()
        assert not holder.has_waiters()


def test_who_has_no_patience_asks_nobody_to_give_way(tmp_path: Path) -> None:
    holder = WriterLock(tmp_path, yields_to_waiters=True)
    with holder:
        with pytest.raises(LibraryLocked):
            WriterLock(tmp_path, patience_s=0.0).acquire()
        assert not holder.has_waiters()


def test_those_who_give_way_do_not_wait_for_each_other(tmp_path: Path) -> None:
    with WriterLock(tmp_path, yields_to_waiters=True), pytest.raises(LibraryLocked):
        WriterLock(tmp_path, yields_to_waiters=True, patience_s=0.05).acquire()
