"""What paths that watchers tell of look like now, and which of them lie in others."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from audiosearch.store.queries.places import SEPARATOR, path_inside
from audiosearch.watch.debounce import Facts


def look(path: bytes) -> Facts | None:
    """What a path looks like now; None where nothing is there, or nothing that can be read."""
    try:
        facts = os.lstat(path)
    except OSError:
        return None
    if stat.S_ISDIR(facts.st_mode):
        return Facts(is_folder=True, size=0, mtime_ns=0, ctime_ns=0)  # its contents tell for it
    return Facts(
        is_folder=False, size=facts.st_size, mtime_ns=facts.st_mtime_ns, ctime_ns=facts.st_ctime_ns
    )


def outermost(paths: Iterable[bytes]) -> list[bytes]:
    """The paths that do not lie in another one of them, in ascending order."""
    kept: list[bytes] = []
    for path in sorted(paths, key=lambda each: each.split(SEPARATOR)):
        if not kept or path_inside(path, kept[-1]) is None:
            kept.append(path)
    return kept
