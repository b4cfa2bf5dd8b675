"""Bring the library's list of files in step with the disk.

`take_in` writes down what a walk finds; `settle_missing` marks what is gone, at the end of a run,
when moved files have been recognised by their sound. A vanished file's row is kept. Where a whole
place is absent or empty (an unmounted drive), or more than half of it is gone at once, nothing is
marked: that is rarely what a person meant. Opens no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audiosearch.config import IndexConfig
from audiosearch.indexing.interfaces import HeldBack
from audiosearch.indexing.scan import (
    Change,
    ChangeKind,
    Problem,
    changes,
    is_absent_or_empty,
    walk,
)
from audiosearch.store import faults
from audiosearch.store.database import Database
from audiosearch.store.queries import files, fulltext
from audiosearch.store.queries.places import Place, path_inside
from audiosearch.store.schema import FileState

_CHUNK = 2000  # changes written in one transaction


@dataclass(frozen=True)
class PlaceScan:
    """What a walk over one place found."""

    place: Place
    offline: bool
    n_found: int = 0
    n_new: int = 0
    n_changed: int = 0
    n_unchanged: int = 0
    n_known: int = 0  # files that were there at the last look
    gone: tuple[int, ...] = ()  # ids of files that were known and not found
    problems: tuple[Problem, ...] = ()


def take_in(database: Database, place: Place, *, config: IndexConfig) -> PlaceScan:
    """Walk over a place and write down what is new, changed or there again."""
    if is_absent_or_empty(place.root.path) or is_absent_or_empty(place.path):
        return PlaceScan(place=place, offline=True)
    problems: list[Problem] = []
    counts = dict.fromkeys(ChangeKind, 0)
    gone: list[int] = []
    waiting: list[Change] = []
    n_known = 0
    found = walk(
        place.root.path,
        under=place.under,
        follow_symlinks=config.follow_symlinks,
        exclude=config.exclude,
        on_problem=problems.append,
    )
    with database.reading() as session:
        known = files.known_files(session, place.root.root_id, under=place.under)
        for change in changes(found, known):
            there = change.known
            if there is not None and there.state != FileState.MISSING:
                n_known += 1
            if change.kind is ChangeKind.GONE and there is not None:
                if not _unseen(there.path, place.root.path, problems):
                    gone.append(there.file_id)
                continue
            counts[change.kind] += 1
            if change.kind is not ChangeKind.UNCHANGED:
                waiting.append(change)
                if len(waiting) == _CHUNK:
                    _write(database, place, waiting)
                    waiting.clear()
    _write(database, place, waiting)
    return PlaceScan(
        place=place,
        offline=False,
        n_found=sum(counts.values()),
        n_new=counts[ChangeKind.NEW],
        n_changed=counts[ChangeKind.CHANGED],
        n_unchanged=counts[ChangeKind.UNCHANGED] + counts[ChangeKind.RETURNED],
        n_known=n_known,
        gone=tuple(gone),
        problems=tuple(problems),
    )


def _unseen(path: bytes, root: bytes, problems: Sequence[Problem]) -> bool:
    """Whether a path lies where the walk could not look, so that it may well be there."""
    return any(
        not inside or path_inside(path, inside) is not None
        for problem in problems
        if (inside := path_inside(problem.path, root)) is not None
    )


def _write(database: Database, place: Place, waiting: Sequence[Change]) -> None:
    if not waiting:
        return
    with database.session() as session:
        files.add_files(
            session,
            place.root.root_id,
            [each.found for each in waiting if each.kind is ChangeKind.NEW and each.found],
        )
        files.set_pending(
            session,
            [
                (each.known.file_id, each.found)
                for each in waiting
                if each.kind is ChangeKind.CHANGED and each.known and each.found
            ],
        )
        files.set_returned(
            session,
            [
                each.known.file_id
                for each in waiting
                if each.kind is ChangeKind.RETURNED and each.known
            ],
        )
        faults.reach("scan.commit")
    faults.reach("scan.done")


@dataclass(frozen=True)
class Settled:
    """What became of files that were not found."""

    n_missing: int
    held: tuple[HeldBack, ...]


def settle_missing(
    database: Database, scans: Sequence[PlaceScan], *, accept_missing: bool
) -> Settled:
    """Mark files as missing that a walk did not find.

    Args:
        database: the library.
        scans: the walks of this run, whose files have been read since.
        accept_missing: mark them even where more than half of a place is gone.
    """
    n_missing, held = 0, []
    for scan in scans:
        if not scan.gone:
            continue
        with database.session() as session:
            marked = list(scan.gone)
            lost = files.lost_files(session, marked)
            if not accept_missing and 2 * len(lost) > scan.n_known:
                held.append(HeldBack(scan.place.path, n_lost=len(lost), n_known=scan.n_known))
                kept = set(lost)
                marked = [file_id for file_id in marked if file_id not in kept]
            files.set_missing(session, marked)
            fulltext.refresh_recordings(session, files.recordings_of(session, marked))
            faults.reach("missing.commit")
        n_missing += len(marked)
    return Settled(n_missing=n_missing, held=tuple(held))
