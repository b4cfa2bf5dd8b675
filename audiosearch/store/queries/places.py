"""Where in the library: a root, and what lies under it. Paths are bytes; knows no table."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from audiosearch._urls import separator_of

SEPARATOR: Final = os.fsencode(os.sep)


@dataclass(frozen=True)
class Root:
    """A folder of the library; `path` is absolute, or a URL."""

    root_id: int
    path: bytes


@dataclass(frozen=True)
class RootPath:
    """A folder or file to index: a root and a path under it (empty: all of it)."""

    root: Root
    relative: bytes

    @property
    def path(self) -> bytes:
        """The absolute path."""
        return join(self.root.path, self.relative) if self.relative else self.root.path


def join(folder: bytes, path: bytes) -> bytes:
    """`path` in `folder`, which may be the file system's root, or a URL."""
    separator = separator_of(folder)
    return folder + path if folder.endswith(separator) else folder + separator + path


def path_inside(path: bytes, folder: bytes) -> bytes | None:
    """`path` relative to `folder` (empty for the folder itself), or None where it is not in it."""
    if path == folder:
        return b""
    prefix = join(folder, b"")
    return path[len(prefix) :] if path.startswith(prefix) else None
