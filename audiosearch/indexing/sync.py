"""Bring the library's list of files in step with the disk.

`take_in` writes down what a walk finds; `settle_missing` marks what is gone, at the end of a run,
when moved files have been recognised by their sound. A vanished file's row is kept. Where a whole
place is absent or empty (an unmounted drive), or more than half of it is gone at once, nothing is
marked: that is rarely what a person meant. `ScanRules` tell how a daemon looks: at single paths,
and not at files that are still being written. Opens no file.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audiosearch.config import IndexConfig
from audiosearch.indexing.interfaces import HeldBack
from audiosearch.indexing.scan import Change, ChangeKind, changes
from audiosearch.indexing.walk import Problem, is_absent_or_empty, listed_so, walk
from audiosearch.store import faults
from audiosearch.store.database import Database
from audiosearch.store.queries import files, roots
from audiosearch.store.queries.files import Found
from audiosearch.store.queries.places import Place, join, path_inside
from audiosearch.store.schema import FileState

_CHUNK = 2000  # changes written in one transaction


@dataclass(frozen=True)
class ScanRules:
    """How a walk looks at places.

    Attributes:
        observed: something happened to these very paths, so that one which is not there is gone;
            whether too much is gone is judged against its whole root. Otherwise a place that is
            not there is offline.
        rest_s: files written to less than so many seconds ago are left for later.
    """

    observed: bool = False
    rest_s: float = 0.0

    def too_fresh(self, found: Found, *, now_ns: int) -> bool:
        """Whether a file may still be written to; times in the future tell nothing."""
        rest_ns = round(self.rest_s * 1e9)
        return any(0 <= now_ns - written < rest_ns for written in (found.mtime_ns, found.ctime_ns))


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
    fresh: tuple[bytes, ...] = ()  # absolute paths of files left for later


def take_in(
    database: Database,
    place: Place,
    *,
    config: IndexConfig,
    rules: ScanRules = ScanRules(),  # frozen
    stop: threading.Event | None = None,
) -> PlaceScan:
    """Walk over a place and write down what is new, changed or there again.

    Args:
        database: the library.
        place: where to look.
        config: what the walk passes over.
        rules: how it looks.
        stop: ends the walk when it is set; what it found by then is good.
    """
    if is_absent_or_empty(place.root.path) or (
        not rules.observed and is_absent_or_empty(place.path)
    ):
        return PlaceScan(place=place, offline=True)
    problems: list[Problem] = []
    counts = dict.fromkeys(ChangeKind, 0)
    gone: list[int] = []
    waiting: list[Change] = []
    fresh: list[bytes] = []
    n_known = 0
    found = _found(place, config=config, rules=rules, problems=problems)
    with database.reading() as session:
        known = files.known_files(session, place.root.root_id, under=place.under)
        for change in changes(found, known):
            if stop is not None and stop.is_set():
                break
            there = change.known
            if there is not None and there.state != FileState.MISSING:
                n_known += 1
            if change.kind is ChangeKind.GONE and there is not None:
                if not _unseen(there.path, place.root.path, problems):
                    gone.append(there.file_id)
                continue
            if _left_for_later(change, rules):
                fresh.append(join(place.root.path, change.found.path if change.found else b""))
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
        fresh=tuple(fresh),
    )


def _found(
    place: Place, *, config: IndexConfig, rules: ScanRules, problems: list[Problem]
) -> Iterable[Found]:
    if rules.observed and place.under and not listed_so(place.path):
        return ()  # it goes by another name now
    return walk(
        place.root.path,
        under=place.under,
        follow_symlinks=config.follow_symlinks,
        exclude=config.exclude,
        on_problem=problems.append,
    )


def _left_for_later(change: Change, rules: ScanRules) -> bool:
    return (
        change.found is not None
        and change.kind is not ChangeKind.UNCHANGED
        and rules.too_fresh(change.found, now_ns=time.time_ns())
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
    database: Database,
    scans: Sequence[PlaceScan],
    *,
    accept_missing: bool,
    rules: ScanRules = ScanRules(),  # frozen
) -> Settled:
    """Mark files as missing that a walk did not find.

    Where too many were gone, the next walks over that root are judged against the files that it
    had then: new files must not outvote those that a person has not been asked about.

    Args:
        database: the library.
        scans: the walks of this run, whose files have been read since.
        accept_missing: mark them even where more than half of a place is gone.
        rules: how the walks looked.
    """
    n_missing, held = 0, []
    for scan in _by_root(database, scans) if rules.observed else scans:
        root_id, whole = scan.place.root.root_id, not scan.place.under and not rules.observed
        before = _known_when_held(database, root_id) if whole else None
        if not scan.gone and before is None:
            continue
        n_known = scan.n_known if before is None else min(scan.n_known, before)
        with database.session() as session:
            marked = list(scan.gone)
            lost = files.lost_files(session, marked)
            too_many = not accept_missing and 2 * len(lost) > n_known
            if too_many:
                held.append(HeldBack(scan.place.path, n_lost=len(lost), n_known=n_known))
                kept = set(lost)
                marked = [file_id for file_id in marked if file_id not in kept]
            if whole or too_many:
                roots.set_held(session, root_id, n_known if too_many else None)
            files.set_missing(session, marked)
            faults.reach("missing.commit")
        n_missing += len(marked)
    return Settled(n_missing=n_missing, held=tuple(held))


def _known_when_held(database: Database, root_id: int) -> int | None:
    with database.reading() as session:
        return roots.held_known(session, root_id)


def _by_root(database: Database, scans: Sequence[PlaceScan]) -> list[PlaceScan]:
    """The walks over single paths as one of each root, beside all that is known of that root."""
    gone: dict[int, list[int]] = {}
    root_of = {scan.place.root.root_id: scan.place.root for scan in scans}
    for scan in scans:
        gone.setdefault(scan.place.root.root_id, []).extend(scan.gone)
    with database.reading() as session:
        return [
            PlaceScan(
                place=Place(root=root, under=b""),
                offline=False,
                n_known=files.count_there(session, root_id),
                gone=tuple(dict.fromkeys(gone[root_id])),
            )
            for root_id, root in root_of.items()
        ]
