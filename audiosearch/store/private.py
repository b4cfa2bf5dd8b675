"""What of a data folder others may look into, and an end to that: a library is private.

The folder itself is closed only where nothing but the library is in it: it may be somebody's home.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from audiosearch._files import PRIVATE_FILE, PRIVATE_FOLDER

# Names of what the program itself puts into a data folder.
_FOLDERS: Final = (
    "answers",
    "backups",
    "cache",
    "evaluation",
    "fetched",
    "logs",
    "vectors",
    "views",
)
_FILES: Final = (
    "library.sqlite3",
    "library.sqlite3-*",
    "library.sqlite3.*",
    "writer.*",
    "indexer.*",
    "answers.*",
    "server.*",
    "watch.json*",
    "watch.nudge",
)
# What may lie there as well, and is nobody's but the library's owner's.
_HARMLESS: Final = ("models", "downloads", "exports", "config.toml", ".*", "tmp*", "etilqs_*")


def open_to_others(data_dir: Path, *, thorough: bool = True) -> Iterator[Path]:
    """What other users of this machine may read or alter of a library, the folder first.

    Nothing where there are no such rights (Windows, whose user folders are private), and nothing
    of another owner, whose it is to change. Unless it is to be thorough, folders that others cannot
    enter are not looked into, where pictures of sounds lie by the thousand.
    """
    if not hasattr(os, "geteuid"):
        return
    try:
        with os.scandir(data_dir) as entries:
            names = sorted(entry.name for entry in entries)
    except OSError:  # no folder, or not ours to look into
        return
    if all(_is_known(name) for name in names) and _is_open(data_dir):
        yield data_dir
    for name in names:
        path = data_dir / name
        if _matches(name, _FILES) and _is_open(path):
            yield path
        elif name in _FOLDERS and not path.is_symlink() and (thorough or _is_open(path)):
            yield from _open_below(path)


def keep_private(data_dir: Path, *, thorough: bool = True) -> list[Path]:
    """Close a library to others; what was changed. See `open_to_others`."""
    changed = []
    for path in list(open_to_others(data_dir, thorough=thorough)):
        is_folder = path.is_dir()
        try:
            # By name: opening SQLite's file and closing it again would drop this process's locks.
            path.chmod(PRIVATE_FOLDER if is_folder else PRIVATE_FILE)
        except OSError:  # of a file system without rights, or gone by now
            continue
        if not _is_open(path):
            changed.append(path)
    return changed


def is_shared(data_dir: Path) -> bool:
    """Whether there is more in the folder than a library, so that it is not closed as a whole."""
    try:
        return not all(_is_known(name) for name in os.listdir(data_dir))  # noqa: PTH208
    except OSError:
        return False


def _open_below(folder: Path) -> Iterator[Path]:
    for path in (folder, *folder.rglob("*")):
        if _is_open(path):
            yield path


def _is_open(path: Path) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    return (
        status.st_uid == os.geteuid()
        and (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode))
        and bool(status.st_mode & 0o077)
    )


def _is_known(name: str) -> bool:
    return name in _FOLDERS or _matches(name, _FILES) or _matches(name, _HARMLESS)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
