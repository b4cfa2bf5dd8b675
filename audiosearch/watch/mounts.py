"""File systems on which the system's own watching does not tell of every change.

What another computer writes to a network share raises no event here, nor does what happens behind a
FUSE file system. In: the text of `/proc/self/mountinfo` (proc(5)) and a folder. Out: why it cannot
be watched, or None. Where there is no such table (macOS, Windows) only what the path itself tells
is known, and `watch.polling = "always"` is the user's word.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audiosearch.store.queries.places import path_inside

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
    """Why changes below a folder (absolute, without links) raise no events; None if they do."""
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
