"""Systems' own folders are never entered; what holds no sound is counted by its ending."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from audiosearch.indexing import passed_over
from audiosearch.indexing.passed_over import (
    Exclusions,
    PassedOver,
    PassedOverTally,
    add_up,
    ending_of,
    is_system_folder,
)
from audiosearch.indexing.walk import is_relevant, walk
from audiosearch.watch.coverage import folders_below

SYSTEM_FOLDERS = [
    *("#recycle", "#Recycle", "@Recycle", "@Recently-Snapshot", "#snapshot", "@eaDir", "@tmp"),
    *("$RECYCLE.BIN", "$Recycle.Bin", "RECYCLER", "System Volume Information", "found.000"),
    *("FOUND.123", ".Trash-1000", ".Trashes", ".Trash", ".snapshot", ".snapshots", ".zfs"),
    *("lost+found", ".@__thumb", ".Spotlight-V100", ".fseventsd", ".stversions", ".timeshift"),
    *("~snapshot", "@GMT-2026.11.27-10.00.00", ".recycle", "Network Recycle Bin"),
]
OTHERS = [
    *("recycle", "snapshots", "#recycled", "Recycled", "found.00", "found.0000", "foundation.000"),
    *("Trash", "Trash-1000", "eaDir", "@home", "#1 hits", "System", "tmp", "@gmt-1"),
]


def tree(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def looked_at(root: Path, **options: object) -> tuple[list[bytes], PassedOver]:
    tally = PassedOverTally()
    found = walk(os.fsencode(root), on_problem=print, tally=tally, **options)  # type: ignore[arg-type]
    return [each.path for each in found], tally.total()


@pytest.mark.parametrize("name", SYSTEM_FOLDERS)
def test_systems_own_folders_are_never_looked_into(tmp_path: Path, name: str) -> None:
    assert is_system_folder(name.encode())
    tree(tmp_path, f"{name}/a.wav", f"{name}/note.txt", f"in/{name}/deep/b.wav")
    tree(tmp_path, "c.wav", "in/d.wav")
    found, counted = looked_at(tmp_path)  # whatever the settings exclude
    assert found == [b"c.wav", b"in/d.wav"]
    assert counted == PassedOver()
    for under in (name, f"in/{name}", f"in/{name}/deep", f"in/{name}/deep/b.wav"):
        assert looked_at(tmp_path, under=under.encode())[0] == []
    root, exclusions = os.fsencode(tmp_path), Exclusions(())
    for inner in (name, f"{name}/a.wav", f"in/{name}/deep/b.wav"):
        assert not is_relevant(root + b"/" + inner.encode(), root=root, exclusions=exclusions)
    assert is_relevant(root + b"/in/d.wav", root=root, exclusions=exclusions)
    watched = {os.fsdecode(each.path) for each in folders_below(root)}
    assert watched == {str(tmp_path), str(tmp_path / "in")}


@pytest.mark.parametrize("name", OTHERS)
def test_folders_that_people_name_alike_are(tmp_path: Path, name: str) -> None:
    tree(tmp_path, f"{name}/a.wav")
    assert looked_at(tmp_path)[0] == [f"{name}/a.wav".encode()]


def test_a_root_that_a_person_names_is_meant(tmp_path: Path) -> None:
    tree(tmp_path, "#recycle/a.wav", "#recycle/@Recycle/b.wav")
    assert looked_at(tmp_path / "#recycle")[0] == [b"a.wav"]


def test_endings() -> None:
    told = {
        b"a.TXT": ".txt",
        b"a.tar.gz": ".gz",
        b"a.mp3.part": ".part",
        b"README": "",
        b".bashrc": "",
        b"Mr. Smith at home": "",
        b"a.": "",
        b"a.\xff": "",
        "a.wäv".encode(): "",
        b"a.averyveryverylongone": "",
        b"a.sqlite3-wal": ".sqlite3-wal",
    }
    assert {name: ending_of(name) for name in told} == told


def test_what_holds_no_sound_is_counted(tmp_path: Path) -> None:
    tree(tmp_path, *(f"{n}.txt" for n in range(12)), "in/a.JPG", "in/b.jpg", "c.jpg", "LICENSE")
    tree(tmp_path, "a.wav", ".hidden", ".git/x.txt", "Thumbs.db", "desktop.ini", "in/Desktop.ini")
    found, counted = looked_at(tmp_path, exclude=(".*",))
    assert found == [b"a.wav"]
    assert counted == PassedOver(endings={".txt": 12, ".jpg": 3, "": 1})
    assert counted.n_files == 16


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_that_are_not_followed_are_counted(tmp_path: Path) -> None:
    tree(tmp_path, "root/a.wav", "other/b.wav", "other/c.txt")
    root = tmp_path / "root"
    (root / "more").symlink_to(tmp_path / "other")
    (root / "folder.wav").symlink_to(tmp_path / "other")
    (root / "b.wav").symlink_to(tmp_path / "other" / "b.wav")
    (root / "c.txt").symlink_to(tmp_path / "other" / "c.txt")
    (root / "nowhere").symlink_to(tmp_path / "gone")
    (root / "nowhere.wav").symlink_to(tmp_path / "gone.wav")
    (root / "circle").symlink_to(root / "circle")
    (root / "circle.wav").symlink_to(root / "circle.wav")
    found, counted = looked_at(root)
    assert found == [b"a.wav"]
    assert counted == PassedOver(endings={".txt": 1}, n_linked_files=1, n_linked_folders=2)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_that_are_followed_are_not(tmp_path: Path) -> None:
    tree(tmp_path, "root/a.wav", "other/b.wav", "other/c.txt")
    (tmp_path / "root" / "more").symlink_to(tmp_path / "other")
    found, counted = looked_at(tmp_path / "root", follow_symlinks=True)
    assert found == [b"a.wav", b"more/b.wav"]
    assert counted == PassedOver(endings={".txt": 1})


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX special files")
def test_pipes_do_not_count_as_links(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    assert looked_at(tmp_path) == ([], PassedOver())


def test_the_librarys_own_files_do_not_count(tmp_path: Path) -> None:
    tree(tmp_path, "data/library.sqlite3", "data/logs/watch.log", "data/mine.wav", "notes.txt")
    found, counted = looked_at(tmp_path, own=os.fsencode(tmp_path / "data"))
    assert found == [b"data/mine.wav"]
    assert counted == PassedOver(endings={".txt": 1})


def test_endings_without_number_take_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passed_over, "_MANY", 3)
    tree(tmp_path, *(f"a.{number:03}" for number in range(10)), "b.000")
    _, counted = looked_at(tmp_path)
    assert (len(counted.endings), counted.n_files) == (3, 11)


def test_several_walks_add_up() -> None:
    one = PassedOver(endings={".txt": 2, "": 1}, n_other=1, n_linked_files=1)
    two = PassedOver(endings={".txt": 3}, n_linked_folders=2)
    both = PassedOver(endings={".txt": 5, "": 1}, n_other=1, n_linked_files=1, n_linked_folders=2)
    assert add_up([one, two]) == both
