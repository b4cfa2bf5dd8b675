"""Sound files as they lie in folders: order, links, odd names, what is passed over."""

import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.indexing.walk import (
    Problem,
    is_absent_or_empty,
    listed_so,
    walk,
)


def names(root: Path, **options: object) -> list[bytes]:
    problems: list[Problem] = []
    found = [each.path for each in walk(os.fsencode(root), on_problem=problems.append, **options)]
    assert problems == []
    return found


def fill(root: Path, relative: Iterable[str]) -> None:
    for each in relative:
        (root / each).parent.mkdir(parents=True, exist_ok=True)
        (root / each).write_bytes(b"x")


def test_paths_come_in_the_order_of_their_bytes(tmp_path: Path) -> None:
    # "-" sorts before "/", "0" after it: a folder's contents do not follow its name
    fill(tmp_path, ["a/x.wav", "a-b/x.wav", "a0/x.wav", "a.wav", "a/b/x.wav", "a/b-c.wav", "z.wav"])
    found = names(tmp_path)
    assert found == sorted(found)
    assert len(found) == 7


@given(
    st.sets(st.lists(st.text("ab-0.", min_size=1, max_size=3), min_size=1, max_size=4).map(tuple))
)
def test_any_tree_comes_in_order(trees: set[tuple[str, ...]]) -> None:
    wanted = {"/".join([f"d{part}" for part in tree[:-1]] + [f"{tree[-1]}.wav"]) for tree in trees}
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), wanted)
        assert names(Path(folder)) == sorted(each.encode() for each in wanted)


def test_only_sound_files_count(tmp_path: Path) -> None:
    fill(tmp_path, ["a.WAV", "b.flac", "c.txt", "d.m3u", "wav", ".hidden.wav", "e.mp3.part"])
    assert names(tmp_path, exclude=(".*",)) == [b"a.WAV", b"b.flac"]


def test_excluded_folders_are_not_entered(tmp_path: Path) -> None:
    fill(tmp_path, ["__MACOSX/a.wav", ".git/b.wav", "c/d.wav"])
    assert names(tmp_path, exclude=(".*", "__MACOSX")) == [b"c/d.wav"]


def test_under_limits_the_walk(tmp_path: Path) -> None:
    fill(tmp_path, ["a/x.wav", "a/b/y.wav", "c/z.wav"])
    assert names(tmp_path, under=b"a") == [b"a/b/y.wav", b"a/x.wav"]
    assert names(tmp_path, under=b"a/x.wav") == [b"a/x.wav"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX names")
def test_names_may_be_any_bytes(tmp_path: Path) -> None:
    odd = [b"\xff\xfe.wav", b"line\nbreak.wav", "\u202ertl.wav".encode(), b"e\xcc\x81.wav"]
    for name in odd:
        (tmp_path / os.fsdecode(name)).write_bytes(b"x")
    assert names(tmp_path) == sorted(odd)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX special files")
def test_pipes_and_links_are_passed_over(tmp_path: Path) -> None:
    fill(tmp_path, ["real/a.wav"])
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "link.wav").symlink_to(tmp_path / "real" / "a.wav")
    (tmp_path / "folder").symlink_to(tmp_path / "real")
    assert names(tmp_path) == [b"real/a.wav"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_followed_links_end_even_in_a_loop(tmp_path: Path) -> None:
    fill(tmp_path, ["a/x.wav"])
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "self.wav").symlink_to(tmp_path / "self.wav")
    problems: list[Problem] = []
    found = list(walk(os.fsencode(tmp_path), follow_symlinks=True, on_problem=problems.append))
    assert [each.path for each in found] == [b"a/x.wav"]
    assert [each.path for each in problems] == [os.fsencode(tmp_path / "self.wav")]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read all")
def test_a_closed_folder_is_reported(tmp_path: Path) -> None:
    fill(tmp_path, ["open/a.wav", "closed/b.wav"])
    (tmp_path / "closed").chmod(0)
    problems: list[Problem] = []
    found = list(walk(os.fsencode(tmp_path), on_problem=problems.append))
    (tmp_path / "closed").chmod(0o700)
    assert [each.path for each in found] == [b"open/a.wav"]
    assert [each.path for each in problems] == [os.fsencode(tmp_path / "closed")]


def test_absent_and_empty_folders_tell_nothing(tmp_path: Path) -> None:
    assert is_absent_or_empty(os.fsencode(tmp_path / "no"))
    assert is_absent_or_empty(os.fsencode(tmp_path))
    fill(tmp_path, ["a.wav"])
    assert not is_absent_or_empty(os.fsencode(tmp_path))
    assert not is_absent_or_empty(os.fsencode(tmp_path / "a.wav"))


def test_a_name_of_another_case_is_not_listed_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a.wav").touch()
    path = os.fsencode(tmp_path)
    assert listed_so(path + b"/a.wav")
    assert listed_so(path + b"/b.wav")  # what is not there at all is told elsewhere
    assert listed_so(path + b"/1")
    monkeypatch.setattr(os.path, "samefile", lambda *_: True)  # as where case is ignored
    assert listed_so(path + b"/a.wav")
    assert not listed_so(path + b"/A.wav")
