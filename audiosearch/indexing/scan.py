"""Bring the library's list of files in step with the disk."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar

from audiosearch._failpoints import failpoint
from audiosearch._urls import is_url, separator_of
from audiosearch.config import IndexConfig
from audiosearch.errors import AudiosearchError
from audiosearch.indexing.passed_over import NOTHING, Exclusions, PassedOver, PassedOverTally
from audiosearch.indexing.types import DeletionGuard
from audiosearch.indexing.walk import Problem, is_absent_or_empty, listed_so, walk
from audiosearch.store.database import Database
from audiosearch.store.queries import files, roots
from audiosearch.store.queries.files import FileRow, FileStat
from audiosearch.store.queries.pending import PendingFile
from audiosearch.store.queries.places import RootPath, join, path_inside
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

    So a million files pass through without being held. Files are told apart by size and both
    times; the content decides later, when a file that differs is opened. A path that was missing
    and still is gives nothing.

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


_CHUNK = 2000  # changes written in one transaction
_RECENT_S: Final = 300.0  # a new file that was written to so lately may still grow
_MANY_RECENT: Final = 10_000  # files at once: more than any recorder writes to


@dataclass(frozen=True)
class ScanRules:
    """How a walk looks at places.

    Attributes:
        observed: something happened to these very paths, so that one which is not there is gone;
            whether too much is gone is judged against its whole root. Otherwise a place that is
            not there is offline.
        rest_s: files written to less than so many seconds ago are left for later.
        longer_s: the same for single files, by absolute path: those that are known to grow.
    """

    observed: bool = False
    rest_s: float = 0.0
    longer_s: Mapping[bytes, float] = field(default_factory=lambda: MappingProxyType({}))

    def too_fresh(self, found: FileStat, *, root: bytes, now_ns: int) -> bool:
        """Whether a file may still be written to; times in the future tell nothing."""
        rest_s = self.rest_s
        if self.longer_s:
            rest_s = self.longer_s.get(join(root, found.path), rest_s)
        rest_ns = round(rest_s * 1e9)
        return any(0 <= now_ns - written < rest_ns for written in (found.mtime_ns, found.ctime_ns))


@dataclass(frozen=True)
class PlaceScan:
    """What a walk over one place found."""

    place: RootPath
    offline: bool
    n_found: int = 0
    n_new: int = 0
    n_changed: int = 0
    n_unchanged: int = 0
    n_known: int = 0  # files that were there at the last look
    gone: tuple[int, ...] = ()  # ids of files that were known and not found
    excused: frozenset[int] = frozenset()  # of these, what is passed over by now
    problems: tuple[Problem, ...] = ()
    fresh: tuple[bytes, ...] = ()  # absolute paths of files left for later
    recent: tuple[bytes, ...] = ()  # absolute paths of files to be read that may still grow
    passed_over: PassedOver = NOTHING


def reconcile(
    database: Database,
    place: RootPath,
    *,
    config: IndexConfig,
    rules: ScanRules = ScanRules(),  # frozen
    stop: threading.Event | None = None,
) -> PlaceScan:
    """Walk over a place and write down what is new, changed or there again.

    Of a place that is absent or empty (an unmounted drive) nothing is concluded. What is gone is
    marked at the end of the run (`mark_missing`), when moved files were recognised by their sound.

    Args:
        database: the library.
        place: where to look.
        config: what the walk passes over.
        rules: how it looks.
        stop: ends the walk when it is set; what it found by then is good.
    """
    looked = _Looked(place, rules, Exclusions(config.exclude))
    is_remote = is_url(place.root.path)
    found: Iterable[FileStat] | None = None
    if is_remote:
        found = _found_remotely(place, config=config, looked=looked)
    elif not _is_away(place, rules):
        found = _found(place, config=config, rules=rules, looked=looked, database=database)
    if found is None:
        return PlaceScan(place=place, offline=True, problems=tuple(looked.problems))
    with database.reading() as session:
        known = files.known_files(
            session,
            place.root.root_id,
            under=place.relative,
            separator=separator_of(place.root.path),
        )
        for change in changes(found, known):
            if stop is not None and stop.is_set():
                break
            if change.kind is ChangeKind.GONE:
                looked.gone_from(change)
            elif looked.is_taken(change) and change.kind is not ChangeKind.UNCHANGED:
                looked.waiting.append(change)
                if len(looked.waiting) == _CHUNK:
                    _write(database, place, looked.waiting)
                    looked.waiting.clear()
    _write(database, place, looked.waiting)
    scan = looked.scan()
    if scan.gone and not is_remote and _is_away(place, rules):  # it went while it was looked at
        return replace(scan, offline=True, gone=())
    return scan


def _is_away(place: RootPath, rules: ScanRules) -> bool:
    return is_absent_or_empty(place.root.path) or (
        not rules.observed and is_absent_or_empty(place.path)
    )


class _Looked:
    """What a walk has met so far."""

    def __init__(self, place: RootPath, rules: ScanRules, exclusions: Exclusions) -> None:
        self.problems: list[Problem] = []
        self.tally = PassedOverTally()
        self.waiting: list[Change] = []  # to be written down
        self._place = place
        self._rules = rules
        self._exclusions = exclusions
        self._counts = dict.fromkeys(ChangeKind, 0)
        self._n_known = 0
        self._gone: list[int] = []
        self._excused: set[int] = set()
        self._fresh: list[bytes] = []
        self._recent: list[bytes] = []

    def gone_from(self, change: Change) -> None:
        """A file that was known and is not found."""
        known = change.known
        if known is None:
            return
        if self._exclusions.excludes_path(known.path):
            self._excused.add(known.file_id)
            self._gone.append(known.file_id)
            return
        self._n_known += 1
        if not _unseen(known.path, self._place.root.path, self.problems):
            self._gone.append(known.file_id)

    def is_taken(self, change: Change) -> bool:
        """Count a file that is there; whether it is not left for later."""
        _, found, known = change
        if known is not None and known.state != FileState.MISSING:
            self._n_known += 1
        if found is not None and change.kind is not ChangeKind.UNCHANGED:
            root, now_ns = self._place.root.path, time.time_ns()
            if self._rules.too_fresh(found, root=root, now_ns=now_ns):
                self._fresh.append(join(root, found.path))
                return False
            if _may_grow(change.kind, found, now_ns) and len(self._recent) < _MANY_RECENT:
                self._recent.append(join(root, found.path))
        self._counts[change.kind] += 1
        return True

    def scan(self) -> PlaceScan:
        """All of it."""
        counts = self._counts
        return PlaceScan(
            place=self._place,
            offline=False,
            n_found=sum(counts.values()),
            n_new=counts[ChangeKind.NEW],
            n_changed=counts[ChangeKind.CHANGED],
            n_unchanged=counts[ChangeKind.UNCHANGED] + counts[ChangeKind.RETURNED],
            n_known=self._n_known,
            gone=tuple(self._gone),
            excused=frozenset(self._excused),
            problems=tuple(self.problems),
            fresh=tuple(self._fresh),
            recent=tuple(self._recent),
            passed_over=self.tally.total(),
        )


def _found_remotely(
    place: RootPath, *, config: IndexConfig, looked: _Looked
) -> list[FileStat] | None:
    """What is below a URL; None where nothing is, or the store does not answer."""
    from audiosearch.indexing.remote_walk import list_remote, remote_problem  # noqa: PLC0415 - URLs

    try:
        return list_remote(
            place,
            exclusions=Exclusions(config.exclude),
            on_problem=looked.problems.append,
            tally=looked.tally,
        )
    except AudiosearchError as error:
        looked.problems.append(remote_problem(error, place))
        return None


def _found(
    place: RootPath, *, config: IndexConfig, rules: ScanRules, looked: _Looked, database: Database
) -> Iterable[FileStat]:
    if rules.observed and place.relative and not listed_so(place.path):
        return ()  # it goes by another name now
    return walk(
        place.root.path,
        under=place.relative,
        follow_symlinks=config.follow_symlinks,
        exclude=config.exclude,
        on_problem=looked.problems.append,
        tally=looked.tally,
        own=os.fsencode(database.data_dir),
    )


def _may_grow(kind: ChangeKind, found: FileStat, now_ns: int) -> bool:
    """Whether a file that is to be read may be written to again soon: it just was, or has been."""
    if kind is ChangeKind.NEW:
        return now_ns - found.mtime_ns < _RECENT_S * 1e9
    return kind is ChangeKind.CHANGED


def _unseen(path: bytes, root: bytes, problems: Sequence[Problem]) -> bool:
    """Whether a path lies where the walk could not look, so that it may well be there."""
    return any(
        not inside or path_inside(path, inside) is not None
        for problem in problems
        if (inside := path_inside(problem.path, root)) is not None
    )


def _write(database: Database, place: RootPath, waiting: Sequence[Change]) -> None:
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
        failpoint("scan.commit")
    failpoint("scan.done")


def with_vanished(scans: Sequence[PlaceScan], vanished: Sequence[PendingFile]) -> list[PlaceScan]:
    """The walks, as if files that were gone when they were to be read had not been found."""
    joined, rest = [], list(vanished)
    for scan in scans:
        here = {file.file_id for file in rest if _covers(scan.place, file)}
        rest = [file for file in rest if file.file_id not in here]
        gone = tuple(dict.fromkeys((*scan.gone, *sorted(here))))
        n_known = max(scan.n_known, scan.n_found) if here else scan.n_known
        joined.append(replace(scan, gone=gone, n_known=n_known))
    return joined


def _covers(place: RootPath, file: PendingFile) -> bool:
    return file.root_id == place.root.root_id and (
        not place.relative or path_inside(file.path, place.relative) is not None
    )


@dataclass(frozen=True)
class MissingMarked:
    """What became of files that were not found."""

    n_missing: int
    guarded: tuple[DeletionGuard, ...]


def mark_missing(
    database: Database,
    scans: Sequence[PlaceScan],
    *,
    accept_missing: bool,
    rules: ScanRules = ScanRules(),  # frozen
) -> MissingMarked:
    """Mark files as missing that a walk did not find; their rows are kept.

    Where more than half of a place is gone at once, nothing is marked: that is rarely what a person
    meant. What the walk passes over by now (excluded, or in a recycle bin) never counts as a loss.

    Where too many were gone, the next walks over that root are judged against the files that it
    had then: new files must not outvote those that a person has not been asked about.

    Args:
        database: the library.
        scans: the walks of this run, whose files have been read since.
        accept_missing: mark them even where more than half of a place is gone.
        rules: how the walks looked.
    """
    n_missing, guarded = 0, []
    for scan in _by_root(database, scans) if rules.observed else scans:
        root_id, whole = scan.place.root.root_id, not scan.place.relative and not rules.observed
        before = _known_when_held(database, root_id) if whole else None
        if not scan.gone and before is None:
            continue
        n_known = scan.n_known if before is None else min(scan.n_known, before)
        with database.session() as session:
            marked = list(scan.gone)
            lost = files.lost_files(session, [each for each in marked if each not in scan.excused])
            too_many = not accept_missing and 2 * len(lost) > n_known
            if too_many:
                guarded.append(DeletionGuard(scan.place.path, n_lost=len(lost), n_known=n_known))
                kept = set(lost)
                marked = [file_id for file_id in marked if file_id not in kept]
            if whole or too_many:
                roots.set_guard_baseline(session, root_id, n_known if too_many else None)
            files.set_missing(session, marked)
            failpoint("missing.commit")
        n_missing += len(marked)
    return MissingMarked(n_missing=n_missing, guarded=tuple(guarded))


def _known_when_held(database: Database, root_id: int) -> int | None:
    with database.reading() as session:
        return roots.guard_baseline(session, root_id)


def _by_root(database: Database, scans: Sequence[PlaceScan]) -> list[PlaceScan]:
    """The walks over single paths as one of each root, beside all that is known of that root."""
    gone: dict[int, list[int]] = {}
    excused = frozenset(each for scan in scans for each in scan.excused)
    root_of = {scan.place.root.root_id: scan.place.root for scan in scans}
    for scan in scans:
        gone.setdefault(scan.place.root.root_id, []).extend(scan.gone)
    with database.reading() as session:
        return [
            PlaceScan(
                place=RootPath(root=root, relative=b""),
                offline=False,
                n_known=files.count_there(session, root_id) - len(excused & set(gone[root_id])),
                gone=tuple(dict.fromkeys(gone[root_id])),
                excused=excused & set(gone[root_id]),
            )
            for root_id, root in root_of.items()
        ]
