"""Whether every folder of a root is really watched.

A watcher may pass over folders in silence: when the system's limit on watches is reached, or when a
folder was made and filled before it was seen. Linux tells what is watched: `/proc/self/fdinfo` has
the inodes of each inotify descriptor (proc(5), https://man7.org/linux/man-pages/man5/proc.5.html),
whatever library holds it. They are compared by inode number alone, since the device number given
there is not that of `stat` on file systems with subvolumes. Elsewhere nothing can be told.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from audiosearch.indexing.passed_over import Exclusions
from audiosearch.store.queries.places import join

_FDINFO: Final = "/proc/self/fdinfo"
_WATCH = re.compile(r"^inotify wd:\S+ ino:([0-9a-f]+) ", re.MULTILINE)


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
    """The inodes that this process watches; None where the system does not tell."""
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
