"""What a path that something happened to means for the library.

In: paths as watchers tell them. Out: what each looks like, and whether it can matter: a folder, a
sound file, or a name behind which one of those may have been; nothing that indexing passes over.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from audiosearch.indexing.endings import has_audio_extension
from audiosearch.indexing.passed_over import Exclusions
from audiosearch.indexing.watch_settling import Facts
from audiosearch.store.queries.places import SEPARATOR, path_inside


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


def matters(path: bytes, *, root: bytes, exclusions: Exclusions) -> bool:
    """Whether something at this path can change what is known of a root."""
    inside = path_inside(path, root)
    if inside is None or exclusions.excludes_path(inside):
        return False
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return True  # it may have been a folder
    return stat.S_ISDIR(mode) or (stat.S_ISREG(mode) and has_audio_extension(path))


def outermost(paths: Iterable[bytes]) -> list[bytes]:
    """The paths that do not lie in another one of them, in ascending order."""
    kept: list[bytes] = []
    for path in sorted(paths, key=lambda each: each.split(SEPARATOR)):
        if not kept or path_inside(path, kept[-1]) is None:
            kept.append(path)
    return kept
