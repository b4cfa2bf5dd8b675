"""Which folders are watched, and which cannot be: compared as plain values, then for real."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from audiosearch.watch.coverage import (
    Coverage,
    Folder,
    Mount,
    coverage,
    folders_below,
    parse_mounts,
    read_mounts,
    reason_to_poll,
    watched_inodes,
)
from audiosearch.watch.events import FolderWatch, Inbox

TABLE = rb"""22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:26 / /mnt/my\040share rw shared:5 - cifs //nas/sounds rw
31 22 0:27 / /mnt/over rw shared:6 - nfs4 nas:/x rw
32 31 0:28 / /mnt/over rw - tmpfs tmpfs rw
33 22 0:29 / /home/u/remote rw - fuse.sshfs u@host: rw
34 22 8:1 / /media/disk rw - fuseblk /dev/sda1 rw
broken line
"""


def test_folders_that_are_not_watched_are_named():
    folders = [Folder(b"/r", 1), Folder(b"/r/a", 2), Folder(b"/r/b", 3)]
    found = coverage(folders, frozenset({1, 3, 99}))
    assert found == Coverage(n_folders=3, unwatched=(b"/r/a",))
    assert found.n_watched == 2


def test_folders_are_those_that_indexing_enters(tmp_path: Path):
    for name in ("a/b", ".hidden/x", "c"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "file.wav").touch()
    root = os.fsencode(tmp_path)
    found = {folder.path: folder.inode for folder in folders_below(root, exclude=(".*",))}
    assert set(found) == {root, root + b"/a", root + b"/a/b", root + b"/c"}
    assert found[root + b"/c"] == (tmp_path / "c").stat().st_ino
    assert list(folders_below(root + b"/none")) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is watched")
def test_the_system_tells_what_is_watched(tmp_path: Path):
    (tmp_path / "a").mkdir()
    before = watched_inodes()
    assert before is not None
    root = os.fsencode(tmp_path)
    with FolderWatch(Inbox()) as folders:
        folders.watch(root)
        assert coverage(folders_below(root), watched_inodes() or frozenset()).unwatched == ()
        assert folders.alive(root)
        folders.unwatch(root)
        assert not folders.alive(root)
    found = coverage(folders_below(root), watched_inodes() or frozenset())
    assert found.n_watched == 0


def test_nothing_is_told_where_there_is_no_such_table(tmp_path: Path):
    assert watched_inodes(str(tmp_path / "none")) is None


def test_mounts_are_read_with_their_escapes():
    mounts = parse_mounts(TABLE)
    assert len(mounts) == 6
    assert mounts[1] == Mount(b"/mnt/my share", b"cifs")


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        (b"/home/u/sounds", None),
        (b"/mnt/my share/fx", "a network file system (cifs)"),
        (b"/mnt/my sharex", None),
        (b"/mnt/over/x", None),  # a local file system lies over the network's
        (b"/home/u/remote", "a FUSE file system (fuse.sshfs)"),
        (b"/home/u", "a FUSE file system (fuse.sshfs)"),  # in it
        (b"/media/disk/fx", None),
    ],
)
def test_folders_that_tell_nothing_of_changes_are_known(folder: bytes, reason: str | None):
    assert reason_to_poll(folder, parse_mounts(TABLE)) == reason


def test_without_a_table_of_mounts_nothing_speaks_against_watching(tmp_path: Path):
    assert read_mounts(tmp_path / "none") == []
    assert reason_to_poll(b"/x", []) is None
