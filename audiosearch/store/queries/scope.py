"""Which windows may answer a query: filters as SQL, and files that are there.

The caller owns the transaction; everything here only reads. In goes a `Scope`, out come window
ids. What filters a person may set, and in what words, is the business of `audiosearch.search`.
"""

# ruff: noqa: S608 - statements are put together from constants of this package, and ids
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from audiosearch._typing import Ids
from audiosearch.store.direct import fetch, in_list
from audiosearch.store.queries._bulk import chunks
from audiosearch.store.queries.places import join

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from audiosearch.store.queries.conditions import Condition
    from audiosearch.store.queries.file_names import FileName

# Not the bare column: SQLite would take its index first, and walk all files that are there.
_THERE: Final = "f.recording_id IS NOT NULL AND coalesce(f.state, '') IN ('indexed', 'pending')"
# Recordings without any file are told by counts, which indexes give; then those are looked at of
# which a file is away: few as a rule. To look for the file of each takes 12 times as long.
_HIDDEN: Final = (
    "SELECT 1 WHERE (SELECT count(*) FROM recording)"
    " > (SELECT count(DISTINCT recording_id) FROM sound_file)"
    " OR EXISTS (SELECT 1 FROM sound_file AS away WHERE away.state IN ('missing', 'failed')"
    " AND away.recording_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sound_file AS f"
    f" WHERE f.recording_id = away.recording_id AND {_THERE}))"
)
_FILES: Final = (
    "SELECT f.id, f.recording_id, root.path, f.path, f.mtime_ns, r.loudness_lufs"
    " FROM sound_file AS f JOIN library_root AS root ON root.id = f.root_id"
    f" JOIN recording AS r ON r.id = f.recording_id WHERE {_THERE}"
)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Which files and recordings may answer; all that is set must hold.

    Attributes:
        conditions: on the file or its recording.
        names: the file has one of each of these sets.
    """

    conditions: tuple[Condition, ...] = ()
    names: tuple[tuple[FileName, ...], ...] = ()

    @property
    def asks_recordings(self) -> bool:
        """Whether the conditions need the file's `Recording` joined."""
        return any(each.of_recording for each in self.conditions)


def allowed_windows(session: Session, scope: Scope, *, bundle_id: int) -> Ids | None:
    """Ids (n,) of the bundle's windows that may answer, ascending; None: all that are not silent.

    Those are the windows that are not silent, of recordings of which at least one file is there
    and within `scope`.
    """
    # Usually nothing is hidden: to know that is far cheaper than to list every window.
    if scope == Scope() and not fetch(session, _HIDDEN):
        return None
    from audiosearch.store.queries.filtered import filtered_windows  # noqa: PLC0415

    return filtered_windows(session, scope, bundle_id=bundle_id)


def count_unknown(session: Session, scope: Scope) -> dict[str, int]:
    """Recordings that are left out since nobody knows whether they are within, by what is unknown.

    Of those with a file that is there and within all the rest of `scope`.
    """
    if all(each.measure is None for each in scope.conditions):
        return {}
    from audiosearch.store.queries.filtered import filtered_unknown  # noqa: PLC0415

    return filtered_unknown(session, scope)


def among(window_ids: Sequence[int], allowed: Ids) -> list[int]:
    """Those of `window_ids` that are in `allowed` (ascending), in their order."""
    if not len(allowed):
        return []
    wanted = np.asarray(window_ids, np.int64)
    places = np.minimum(np.searchsorted(allowed, wanted), len(allowed) - 1)
    kept: list[int] = wanted[allowed[places] == wanted].tolist()
    return kept


@dataclass(frozen=True)
class ScopedFile:
    """A file that may answer; `path` is absolute."""

    file_id: int
    recording_id: int
    path: bytes
    mtime_ns: int
    loudness_lufs: float | None  # of the recording


def files_within(
    session: Session, recording_ids: Sequence[int], scope: Scope
) -> Iterator[ScopedFile]:
    """The files of recordings that are there and within `scope`."""
    for some in chunks(recording_ids):
        if scope == Scope():
            rows = fetch(session, f"{_FILES} AND f.recording_id IN ({in_list(some)})")
        else:
            from audiosearch.store.queries.filtered import filtered_files  # noqa: PLC0415

            rows = filtered_files(session, some, scope)
        for file_id, recording_id, root, path, mtime_ns, loudness in rows:
            yield ScopedFile(
                file_id=file_id,
                recording_id=recording_id,
                path=join(root, path),
                mtime_ns=mtime_ns,
                loudness_lufs=loudness,
            )


def files_by_recording(
    session: Session, recording_ids: Sequence[int], scope: Scope
) -> dict[int, list[ScopedFile]]:
    """The files of recordings that are there and within `scope`, each by its path's bytes."""
    found: dict[int, list[ScopedFile]] = {}
    for file in files_within(session, list(dict.fromkeys(recording_ids)), scope):
        found.setdefault(file.recording_id, []).append(file)
    for files in found.values():
        files.sort(key=lambda file: file.path)
    return found
