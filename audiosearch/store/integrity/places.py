"""Do files lie where the library has them? Looks at the disk, at folders that are there now.

A process that wrote with another library's numbers, as a daemon once could, leaves rows under
roots in which their files never were: size and times tell a file that has moved from such a one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from audiosearch._urls import is_plain, is_url
from audiosearch.errors import display_path
from audiosearch.store.queries._bulk import chunks, n_rows
from audiosearch.store.queries.places import Root, join, path_inside
from audiosearch.store.queries.roots import list_roots
from audiosearch.store.schema import FileState, SoundFile

_PARENT = os.fsencode(os.pardir)
_HERE = os.fsencode(os.curdir)


@dataclass(frozen=True)
class AbsentFile:
    """A file that is not where its row says; `problem`: why it never can have been, or None."""

    file_id: int
    shown: str
    problem: str | None


def absent_files(session: Session) -> Iterator[AbsentFile]:
    """Files that are not called missing, and are not there though the folder of their root is."""
    roots = {each.root_id: each for each in list_roots(session)}
    online = [root for root in roots.values() if _is_online(root)]
    rows = session.execute(
        select(
            SoundFile.id,
            SoundFile.root_id,
            SoundFile.path,
            SoundFile.size,
            SoundFile.mtime_ns,
            SoundFile.ctime_ns,
        )
        .where(SoundFile.state != FileState.MISSING)
        .execution_options(yield_per=2000)
    )
    for file_id, root_id, path, *facts in rows:
        root = roots.get(root_id)
        if root is None or not isinstance(path, bytes):  # other checks tell of these
            continue
        shown = display_path(join(root.path, path))
        if not (is_plain(path) if is_url(root.path) else _is_below(path)):
            yield AbsentFile(file_id, shown, f"leads out of its root {display_path(root.path)}")
        elif root in online and _facts(join(root.path, path)) is None:
            yield AbsentFile(file_id, shown, _elsewhere(root, path, facts, online=online))


def root_problems(session: Session) -> Iterator[str]:
    """Roots that no command would have made."""
    roots = list_roots(session)
    for root in roots:
        shown = display_path(root.path)
        if not is_url(root.path) and not os.path.isabs(root.path):  # noqa: PTH117 - bytes, which pathlib does not keep
            yield f"root {root.root_id}, {shown}, is no absolute path"
        for other in roots:
            if other is not root and path_inside(root.path, other.path) is not None:
                yield f"root {root.root_id}, {shown}, lies in root {other.root_id}"


def forget_misplaced(session: Session) -> int:
    """Call the files missing that cannot have been where their rows say; returns how many."""
    wrong = [each.file_id for each in absent_files(session) if each.problem is not None]
    missing = update(SoundFile).values(state=FileState.MISSING, error_code=None, error_text=None)
    return sum(
        n_rows(session.connection().execute(missing.where(SoundFile.id.in_(some))))
        for some in chunks(wrong)
    )


def _is_online(root: Root) -> bool:
    if is_url(root.path):
        return False  # no network is used to verify a library
    try:
        with os.scandir(root.path) as entries:
            return next(entries, None) is not None  # an empty folder may be a drive that is away
    except OSError:
        return False


def _is_below(path: bytes) -> bool:
    parts = path.replace(os.fsencode(os.altsep or os.sep), os.fsencode(os.sep)).split(
        os.fsencode(os.sep)
    )
    return b"\0" not in path and not {b"", _HERE, _PARENT} & set(parts)


def _facts(path: bytes) -> list[int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - bytes
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _elsewhere(root: Root, path: bytes, facts: list[int], *, online: Sequence[Root]) -> str | None:
    """Where the very file of a row lies that was never moved: to move it sets its last time."""
    for other in online:
        if other is not root and _facts(join(other.path, path)) == facts:
            return (
                f"was never below {display_path(root.path)}: it lies in {display_path(other.path)}"
            )
    return None
