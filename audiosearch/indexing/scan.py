"""How what is on the disk differs from what the library knows.

`changes` compares two lists in the order of their paths' bytes, so a million files pass through
without being held. Files are told apart by size and both times; the content decides later, when a
file that differs is opened. Pure: knows neither disk (`walk`) nor database.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import NamedTuple, TypeVar

from audiosearch.store.queries.files import FileRow, FileStat
from audiosearch.store.schema import FileState


class ChangeKind(Enum):
    """What became of a path."""

    NEW = "new"
    CHANGED = "changed"  # differs in size or a time: to be opened
    RETURNED = "returned"  # was missing, is there again as it was
    UNCHANGED = "unchanged"
    GONE = "gone"  # known, not found


class Change(NamedTuple):
    """One path, compared; `found` is None where it is gone, `known` where it is new."""

    kind: ChangeKind
    found: FileStat | None
    known: FileRow | None


def changes(found: Iterable[FileStat], known: Iterable[FileRow]) -> Iterator[Change]:
    """Compare what is found with what is known, both in ascending order of their paths' bytes.

    A path that was missing and still is gives nothing.

    Raises:
        ValueError: a list is not in order.
    """
    left, right = _ascending(found), _ascending(known)
    here, there = next(left, None), next(right, None)
    while here is not None or there is not None:
        if there is None or (here is not None and here.path < there.path):
            yield Change(ChangeKind.NEW, here, None)
            here = next(left, None)
        elif here is None or there.path < here.path:
            if there.state != FileState.MISSING:
                yield Change(ChangeKind.GONE, None, there)
            there = next(right, None)
        else:
            yield Change(_compare(here, there), here, there)
            here, there = next(left, None), next(right, None)


Listed = TypeVar("Listed", FileStat, FileRow)


def _ascending(files: Iterable[Listed]) -> Iterator[Listed]:
    last: bytes | None = None
    for file in files:
        if last is not None and file.path <= last:
            raise ValueError(f"paths out of order: {file.path!r} after {last!r}")
        last = file.path
        yield file


def _compare(found: FileStat, known: FileRow) -> ChangeKind:
    if (found.size, found.mtime_ns, found.ctime_ns) != (known.size, known.mtime_ns, known.ctime_ns):
        return ChangeKind.CHANGED
    return ChangeKind.RETURNED if known.state == FileState.MISSING else ChangeKind.UNCHANGED
