"""Where an export is written: whole files only, nothing there is lost, and no sound is ever hit."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from audiosearch._files import atomic_path, atomic_write
from audiosearch._wording import counted
from audiosearch.errors import AudiosearchError, QueryError


def check_targets(targets: Sequence[Path], *, sounds: Iterable[bytes], force: bool) -> None:
    """Nothing is there that would be lost, before the first is written.

    Raises:
        QueryError: a file is there and `force` is not given, or it is one of the sounds themselves.
    """
    there = [each for each in targets if os.path.lexists(each)]
    if not there:
        return
    known = {_identity(path) for path in sounds} - {None}
    for target in there:
        if target.is_dir():
            raise QueryError("a folder, not a file", path=target, remedy="give another --to")
        if _identity(os.fsencode(target)) in known:
            raise QueryError(
                "is one of the sounds themselves, which are never written to",
                path=target,
                remedy="give another --to",
            )
    if not force:
        more = f", and {counted(len(there) - 1, 'more file')}" if len(there) > 1 else ""
        raise QueryError(f"is there already{more}", path=there[0], remedy="--force writes over it")


def _identity(path: bytes) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116  # bytes, which pathlib does not keep
    except OSError:
        return None
    return status.st_dev, status.st_ino


def make_folder(folder: Path) -> None:
    """A folder to write to, made where it is not there.

    Raises:
        AudiosearchError: it cannot be made.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Says of an error of the system's which file could not be written.

    Raises:
        AudiosearchError: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise AudiosearchError(f"cannot be written: {reason}", path=target) from error


def save(target: Path, content: bytes) -> None:
    """Write a file, whole or not at all.

    Raises:
        AudiosearchError: it cannot be written.
    """
    with writing(target), atomic_write(target) as file:
        file.write(content)


@contextmanager
def saving(target: Path) -> Iterator[Path]:
    """A path to write to, which becomes `target` at the end; after an error nothing is there.

    Raises:
        AudiosearchError: it cannot be written.
    """
    with writing(target), atomic_path(target) as unfinished:
        yield unfinished
