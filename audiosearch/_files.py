"""Files that are either whole or not there: written beside their place, and renamed into it.

Nothing is forced to the disk: after a power cut the old content may be back.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

PRIVATE_FILE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700
SUFFIX = ".unfinished"  # of the name under which it is written; a killed process leaves it behind


@contextmanager
def atomic_path(target: Path, *, shared: bool = False) -> Iterator[Path]:
    """A path beside `target` to write to; what is there at the end takes the target's place.

    After an error it is removed, and the old content stays. The name is the same each time, so
    that what a killed process left is written over; with `shared`, for files that several
    processes or threads may write at once, each has its own.

    Raises:
        OSError: it cannot be renamed, or what was left cannot be removed.
    """
    import secrets  # noqa: PLC0415 - with hashing, which what only reads can do without

    own = f".{os.getpid()}-{secrets.token_hex(4)}" if shared else ""
    unfinished = target.with_name(f"{target.name}{own}{SUFFIX}")
    unfinished.unlink(missing_ok=True)
    try:
        yield unfinished
        unfinished.replace(target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_write(target: Path, *, shared: bool = False, mode: int = 0o666) -> Iterator[BinaryIO]:
    """A file to write into, which takes the place of `target` at the end; see `atomic_path`.

    `mode` are its permissions, less what the process's mask takes away.

    Raises:
        OSError: it cannot be written.
    """
    with atomic_path(target, shared=shared) as unfinished:
        # O_EXCL: nobody else's file, and no link that somebody has put there, is written to.
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(unfinished, flags, mode), "w+b") as file:
            yield file


def make_private_file(path: Path) -> None:
    """Make an empty file that nobody but its owner can open, for a library that opens it by name.

    Raises:
        FileExistsError: something is there already.
        OSError: it cannot be made.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, PRIVATE_FILE))


def make_private_folder(folder: Path) -> None:
    """Make a folder that nobody but its owner can enter, and such ones above it where none are.

    One that is there stays as it is.

    Raises:
        OSError: it cannot be made.
    """
    try:
        folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    except FileNotFoundError:
        if folder.parent == folder:
            raise
        make_private_folder(folder.parent)  # `parents=True` would make these as the mask has it
        folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)


def read_bounded(path: Path, most: int) -> bytes:
    """The content of a file of at most `most` bytes; a device or pipe without end is no danger.

    Raises:
        OSError: it cannot be read, or has more.
    """
    with path.open("rb") as file:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            content = file.read(most + 1)
        else:  # a device gives what it has at each reading
            content = b""
            while len(content) <= most and (part := file.read(min(1 << 20, most + 1))):
                content += part
    if len(content) > most:
        raise OSError(errno.EFBIG, f"more than {most:,} bytes are there", str(path))
    return content
