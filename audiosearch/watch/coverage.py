"""What of a root the system really watches, and where it cannot tell of every change.

Read off Linux's `/proc/self/fdinfo` and `/proc/self/mountinfo` (proc(5),
https://man7.org/linux/man-pages/man5/proc.5.html); elsewhere nothing can be told.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audiosearch.indexing.passed_over import Exclusions
from audiosearch.store.queries.places import join, path_inside

_FDINFO: Final = "/proc/self/fdinfo"
_WATCH = re.compile(r"^inotify wd:\S+ ino:([0-9a-f]+) ", re.MULTILINE)
_MOUNTINFO: Final = "/proc/self/mountinfo"
_NETWORK: Final = frozenset(
    {
        *(b"nfs", b"nfs4", b"cifs", b"smb3", b"smbfs", b"ncpfs", b"afs", b"coda", b"davfs"),
        *(b"ceph", b"lustre", b"gfs2", b"ocfs2", b"glusterfs", b"beegfs", b"gpfs", b"pvfs2"),
        *(b"9p", b"virtiofs", b"vboxsf", b"prl_fs", b"vmhgfs"),  # shares of a virtual machine
    }
)
_FUSE: Final = (b"fuse", b"fuse.")  # fuseblk is left out: only this computer writes to that disk
_ESCAPED = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True)
class Folder:
    """A folder that there is: its absolute path and its inode number."""

    path: bytes
    inode: int


@dataclass(frozen=True)
class Coverage:
    """How many folders there are, and which of them are not watched."""

    n_folders: int
    unwatched: tuple[bytes, ...]

    @property
    def n_watched(self) -> int:
        """How many are watched."""
        return self.n_folders - len(self.unwatched)


def coverage(folders: Iterable[Folder], watched: frozenset[int]) -> Coverage:
    """Compare the folders that there are with the inodes that are watched."""
    n_folders = 0
    unwatched: list[bytes] = []
    for folder in folders:
        n_folders += 1
        if folder.inode not in watched:
            unwatched.append(folder.path)
    return Coverage(n_folders=n_folders, unwatched=tuple(unwatched))


def folders_below(root: bytes, *, exclude: Sequence[str] = ()) -> Iterator[Folder]:
    """A folder and all below it that indexing would enter; not those that cannot be read.

    Links are not followed, since watchers do not follow them either.
    """
    exclusions = Exclusions(exclude)
    try:
        first = Folder(root, os.stat(root).st_ino)  # noqa: PTH116  # bytes
    except OSError:
        return
    stack, seen = [first], {first.inode}
    while stack:
        folder = stack.pop()
        try:
            with os.scandir(folder.path) as entries:
                inner = [each for each in entries if each.is_dir(follow_symlinks=False)]
                for entry in inner:
                    inode = entry.stat(follow_symlinks=False).st_ino
                    if inode not in seen and not exclusions.excludes_folder(entry.name):
                        seen.add(inode)
                        stack.append(Folder(join(folder.path, entry.name), inode))
        except OSError:  # gone, or closed to us: there is nothing in it that we could index
            continue
        yield folder


def watched_inodes(fdinfo: str = _FDINFO) -> frozenset[int] | None:
    """The inodes that this process watches; None where the system does not tell.

    `fdinfo` has those of each inotify descriptor, whatever library holds it. By inode number
    alone: the device given there is not that of `stat` on file systems with subvolumes.
    """
    try:
        descriptors = os.listdir(fdinfo)  # noqa: PTH208  # names only
    except OSError:
        return None
    inodes: set[int] = set()
    for descriptor in descriptors:
        try:
            with open(f"{fdinfo}/{descriptor}", encoding="ascii") as file:  # noqa: PTH123
                text = file.read()
        except OSError:  # closed meanwhile
            continue
        inodes |= {int(match, 16) for match in _WATCH.findall(text)}
    return frozenset(inodes)


@dataclass(frozen=True)
class Mount:
    """A mounted file system: where, and of what kind."""

    path: bytes
    kind: bytes


def parse_mounts(table: bytes) -> list[Mount]:
    """The mounts of a `mountinfo` table, in its order: a later one lies over an earlier one."""
    mounts: list[Mount] = []
    for line in table.splitlines():
        before, dash, after = line.partition(b" - ")
        fields, kinds = before.split(b" "), after.split(b" ")
        if dash and len(fields) > 4 and kinds[0]:
            path = _ESCAPED.sub(lambda match: bytes([int(match[1], 8)]), fields[4])
            mounts.append(Mount(path, kinds[0]))
    return mounts


def reason_to_poll(folder: bytes, mounts: list[Mount]) -> str | None:
    """Why changes below a folder (absolute, without links) raise no events; None if they do.

    What another computer writes to a network share raises none here, nor does what happens behind
    a FUSE file system. Where no mounts are known (macOS, Windows) only the path itself tells, and
    `watch.polling = "always"` is the user's word.
    """
    if os.name == "nt" and folder.startswith(b"\\\\"):
        return "a network share"
    holding = [mount for mount in mounts if path_inside(folder, mount.path) is not None]
    # The longest path is the nearest; of several at one place the last one is on top.
    nearest = max(holding, key=lambda mount: len(mount.path), default=None)
    on_top = [mount for mount in holding if nearest is not None and mount.path == nearest.path][-1:]
    inner = [mount for mount in mounts if path_inside(mount.path, folder) not in (None, b"")]
    for mount in (*on_top, *inner):
        kind = mount.kind.decode("ascii", "replace")
        if mount.kind in _NETWORK:
            return f"a network file system ({kind})"
        if mount.kind == _FUSE[0] or mount.kind.startswith(_FUSE[1]):
            return f"a FUSE file system ({kind})"
    return None


def read_mounts(table: Path = Path(_MOUNTINFO)) -> list[Mount]:
    """What is mounted now; nothing where the system has no such table."""
    try:
        return parse_mounts(table.read_bytes())
    except OSError:
        return []
