"""Files written in one piece: whole, or as they were."""

from __future__ import annotations

import os
import stat
import sys
import threading
from pathlib import Path

import pytest

from audiosearch._files import SUFFIX, atomic_path, atomic_write

SHARED = pytest.mark.parametrize("shared", [False, True])


@SHARED
def test_the_new_content_takes_the_place_of_the_old(tmp_path: Path, shared: bool) -> None:
    target = tmp_path / "a.b.json"
    for content in (b"old", b"newer\n"):
        with atomic_write(target, shared=shared) as file:
            file.write(content)
            if content != b"old":
                assert target.read_bytes() == b"old"
        assert target.read_bytes() == content
    assert list(tmp_path.iterdir()) == [target]


@SHARED
def test_after_an_error_the_old_content_stays_and_nothing_else(
    tmp_path: Path, shared: bool
) -> None:
    target = tmp_path / "a"
    target.write_bytes(b"old")

    def interrupted() -> None:
        with atomic_write(target, shared=shared) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_what_a_killed_process_left_is_written_over(tmp_path: Path) -> None:
    left = tmp_path / f"a{SUFFIX}"
    left.write_bytes(b"longer than what is new")
    with atomic_write(tmp_path / "a") as file:
        file.write(b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert not left.exists()


def test_several_may_write_one_file_at_once(tmp_path: Path) -> None:
    target = tmp_path / "a"
    both_write = threading.Barrier(2)

    def write(content: bytes) -> None:
        with atomic_write(target, shared=True) as file:
            file.write(content)
            both_write.wait(20)

    others = threading.Thread(target=write, args=(b"x" * 1000,))
    others.start()
    write(b"y" * 1000)
    others.join()
    assert target.read_bytes() in (b"x" * 1000, b"y" * 1000)
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(sys.platform == "win32", reason="has no such permissions")
def test_permissions_are_those_asked_for_less_the_mask(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with atomic_write(tmp_path / "own", mode=0o600), atomic_write(tmp_path / "open"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "own").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "open").stat().st_mode) == 0o644


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_a_link_in_its_way_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"kept")
    (tmp_path / f"a{SUFFIX}").symlink_to(other)
    with atomic_write(tmp_path / "a") as file:
        file.write(b"new")
    assert other.read_bytes() == b"kept"
    assert not (tmp_path / "a").is_symlink()


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "no" / "a"):
        pass


def test_other_programs_may_write_to_the_path(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a") as unfinished:
        unfinished.write_text("by name")
    assert (tmp_path / "a").read_text() == "by name"
