"""Vector tables out of the database, and for larger libraries out of files beside it.

A file carries in its name the generation that it was made from: it is never altered, only left
behind by a newer one, so readers need no lock and processes share its pages.
"""

# ruff: noqa: S608 - statements are put together from constants of this package, and ids
from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np

from audiosearch._failpoints import failpoint
from audiosearch._files import PRIVATE_FILE, SUFFIX, atomic_write, make_private_folder
from audiosearch._typing import Floats, Ids
from audiosearch.store import identity
from audiosearch.store.damaged import DamagedRow
from audiosearch.store.dialects import vector_blobs, vector_column
from audiosearch.store.direct import fetch, fetch_parts, fetch_value, in_list
from audiosearch.store.queries import generations
from audiosearch.store.vector_file import (
    DamagedVectors,
    VectorFile,
    VectorFileHead,
    begin_vectors,
    finish_vectors,
    open_vectors,
    time_to_write,
)
from audiosearch.store.vectors import VectorTable, stack_blobs, unit_rows

VectorRows = tuple[Ids, Ids, Floats]  # ids (n,), owners (n,), unit vectors (n, D)

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

CACHED_FROM: Final = 5_000  # rows; fewer are read from the database in some 30 ms
# Rows that a table may have beyond its file: a cold question reads them from the database. With one
# more a file is written anew, which takes two seconds for a million rows.
_MOST_ADDED: Final = CACHED_FROM
_ADDED_SHARE: Final = 64  # or one for so many in the file
_CHUNK: Final = 8192  # rows read at a time
_N_COMPARED: Final = 32  # ids of a cached table that are looked up each time it is opened

log = logging.getLogger(__name__)


class VectorKind(StrEnum):
    """Which vectors; names the cache file."""

    EMBEDDING = "embedding"  # of windows: sound-to-sound likeness
    JOINT = "joint"  # of windows: the space that text maps to as well
    CAPTION = "caption"  # of captions, in that space

    @property
    def counter(self) -> str:
        """The counter (`store.queries.generations`) of any change."""
        return generations.CAPTIONS if self is VectorKind.CAPTION else generations.WINDOWS


@dataclass(frozen=True)
class _Rows:
    """The rows of one table in the database, as one session sees them."""

    session: Session
    bundle_id: int
    kind: VectorKind

    @property
    def changed(self) -> int:
        """What the counter of any change says."""
        return generations.read_generation(self.session, self.kind.counter)

    def only_grew_since(self, changed: int) -> bool:
        """Whether the counter said so once, and nothing was removed since."""
        return generations.only_grew_since(self.session, self.kind.counter, changed)

    @property
    def library(self) -> int:
        """The number of the library."""
        return generations.read_generation(self.session, identity.NAME)

    def count(self, *, up_to: int | None = None, after: int = 0) -> int:
        """How many rows there are, for windows with those that have no vector.

        Only ids to `up_to`, and those after `after`.
        """
        wanted = f"SELECT count(*) FROM {self._table} WHERE bundle_id = :bundle"
        given = {"bundle": self.bundle_id}
        if after:
            wanted, given = f"{wanted} AND {self._key} > :after", given | {"after": after}
        if up_to is not None:
            wanted, given = f"{wanted} AND {self._key} <= :up_to", given | {"up_to": up_to}
        return int(fetch_value(self.session, wanted, **given))

    @property
    def _table(self) -> str:
        return "caption_vector" if self.kind is VectorKind.CAPTION else '"window"'

    @property
    def _owner(self) -> str:
        return "caption_id" if self.kind is VectorKind.CAPTION else "recording_id"

    @property
    def _key(self) -> str:
        return "caption_id" if self.kind is VectorKind.CAPTION else "id"

    @property
    def _column(self) -> str:
        return "embedding" if self.kind is VectorKind.EMBEDDING else "joint"

    def chunks(self, *, after_id: int = 0) -> Iterator[VectorRows]:
        """Ids, owners and unit vectors from the database, by id, a bounded number at a time."""
        column = self._column
        is_heard = f" AND silent = 0 AND {column} IS NOT NULL"  # silence is like nothing
        parts = fetch_parts(
            self.session,
            f"SELECT {self._key}, {self._owner}, {vector_column(self.session, column)}"
            f" FROM {self._table}"
            f" WHERE bundle_id = :bundle AND {self._key} > :after"
            f"{'' if self.kind is VectorKind.CAPTION else is_heard} ORDER BY {self._key}",
            _CHUNK,
            bundle=self.bundle_id,
            after=after_id,
        )
        for part in parts:
            ids = np.fromiter((row[0] for row in part), np.int64, len(part))
            owners = np.fromiter((row[1] for row in part), np.int64, len(part))
            blobs = vector_blobs(self.session, [row[2] for row in part])
            yield ids, owners, unit_rows(stack_blobs([blob or b"" for blob in blobs]))

    def have(self, ids: Ids) -> bool:
        """Whether the database has these rows."""
        is_heard = "" if self.kind is VectorKind.CAPTION else " AND silent = 0"
        wanted = (
            f"SELECT {self._key} FROM {self._table} WHERE bundle_id = :bundle{is_heard}"
            f" AND {self._key} IN ({in_list(ids.tolist())})"
        )
        return len(fetch(self.session, wanted, bundle=self.bundle_id)) == len(ids)

    def goes_on_from(self, kept: VectorTable) -> bool:
        """Whether new rows, if none were removed, all come after those of an older table.

        New windows have new ids. Captions may be old when they get their vectors.
        """
        if self.kind is not VectorKind.CAPTION:
            return True
        return self.count(up_to=int(kept.ids[-1])) == len(kept)


def load_vectors(
    session: Session,
    *,
    bundle_id: int,
    fingerprint: str,
    kind: VectorKind,
    cache_dir: Path | None,
    cached_from: int = CACHED_FROM,
    in_parts: bool = False,
) -> VectorTable:
    """All vectors of a kind that a bundle gave, silent windows left out.

    Args:
        session: any session; the table is as of its state.
        bundle_id: the bundle's id in the database.
        fingerprint: the bundle's; names the cache file.
        kind: which vectors; windows that have none are left out.
        cache_dir: where matrices are kept (`Database.vectors_dir`); None: never on disk.
        cached_from: tables of fewer rows are read from the database.
        in_parts: the table may have rows that were `added` to an older file.
    """
    rows = _Rows(session, bundle_id, kind)
    if cache_dir is None or rows.count() < cached_from:
        return _in_memory(rows)
    stem = _stem(fingerprint, kind)
    now = rows.changed
    found = _open(_path(cache_dir, stem, now), rows)
    if found is not None and found.head.changed == now:
        return found.table
    try:
        older = _older_grown(rows, cache_dir, stem, now=now) if in_parts else None
        if older is not None:
            return older
        make_private_folder(cache_dir)
        path = _build(rows, cache_dir, stem=stem)
    except OSError:  # a full disk or a folder we may not write to: the cache is a convenience
        return _in_memory(rows)
    made = _open(path, rows)
    return _in_memory(rows) if made is None else made.table


def grow_vectors(
    session: Session, table: VectorTable, *, changed: int, bundle_id: int, kind: VectorKind
) -> VectorTable | None:
    """A table of an earlier state with what has come since; None where it is to be loaded anew.

    `changed` is what the kind's counter said in that state.
    """
    rows = _Rows(session, bundle_id, kind)
    if not len(table) or table.owners is None:
        return None
    if not (rows.only_grew_since(changed) and rows.goes_on_from(table)):
        return None
    n_added = 0 if table.added is None else len(table.added)
    n_added += rows.count(after=int(table.ids[-1]))
    if n_added > max(_MOST_ADDED, len(table.matrix) // _ADDED_SHARE):
        return None
    return table.grown(_in_memory(rows, after_id=int(table.ids[-1])))


def _older_grown(rows: _Rows, cache_dir: Path, stem: str, *, now: int) -> VectorTable | None:
    """The newest file of a state from before `now` with what has come since."""
    older = _newest_sound(rows, cache_dir, stem, now=now, whole=False)
    if older is None:
        return None
    return grow_vectors(
        rows.session,
        older.table,
        changed=older.head.changed,
        bundle_id=rows.bundle_id,
        kind=rows.kind,
    )


def _in_memory(rows: _Rows, *, after_id: int = 0) -> VectorTable:
    chunks = list(rows.chunks(after_id=after_id))
    if not chunks:
        return VectorTable(ids=np.zeros(0, np.int64), matrix=np.zeros((0, 0), np.float32))
    return VectorTable(
        ids=np.concatenate([ids for ids, _, _ in chunks]),
        matrix=np.concatenate([vectors for _, _, vectors in chunks]),
        owners=np.concatenate([owners for _, owners, _ in chunks]),
    )


def _open(path: Path, rows: _Rows, *, whole: bool = False) -> VectorFile | None:
    """A cache file of this library mapped into memory; None where there is none that is sound."""
    try:
        file = open_vectors(path, whole=whole)
        if file is not None and not _is_of(file, rows):
            raise DamagedVectors("it is of another library")
    except DamagedVectors as damage:
        log.warning("%s: a damaged cache of vectors is made anew: %s", path, damage)
        discard(path)
        return None
    return file


def _is_of(file: VectorFile, rows: _Rows) -> bool:
    """Whether a file was made from this library, as far as a look at some of its rows tells."""
    ids = file.table.ids
    some = _some_places(len(ids))
    is_newest = file.head.changed == rows.changed  # an older one may have what is removed by now
    return file.head.library == rows.library and (not is_newest or rows.have(ids[some]))


def _some_places(n: int) -> list[int]:
    """Places of some of n rows, the first and the last among them."""
    # Not `np.unique`, which loads masked arrays: 8 ms of each cold `find`.
    return sorted({place * (n - 1) // (_N_COMPARED - 1) for place in range(_N_COMPARED)})


def discard(path: Path) -> None:
    """Remove a file that is of no use; one that cannot be is written over by the next."""
    with suppress(OSError):
        path.unlink()


def _build(rows: _Rows, cache_dir: Path, *, stem: str) -> Path:
    """Write the cache file of the session's state, starting from an older one where that holds."""
    now = rows.changed
    older = _newest_sound(rows, cache_dir, stem, now=now, whole=True)
    kept = older.table if older is not None and rows.goes_on_from(older.table) else None
    target = _path(cache_dir, stem, now)
    with atomic_write(target, shared=True, mode=PRIVATE_FILE) as file:
        begin_vectors(file)
        ids, owners, dim = _write_rows(file, _chunks_from(rows, kept))
        head = VectorFileHead(
            library=rows.library,
            changed=now,
            n=len(ids),
            dim=dim,
            written_s=time_to_write(),
        )
        finish_vectors(file, head, ids, owners)
        failpoint("vectors.replace")
    _sweep(cache_dir, stem, now=now)
    return target


def _chunks_from(rows: _Rows, kept: VectorTable | None) -> Iterator[VectorRows]:
    """The rows of an older table, then those the database has beyond it."""
    last = 0
    if kept is not None:
        assert kept.owners is not None  # of a file
        last = int(kept.ids[-1])
        for start in range(0, len(kept), _CHUNK):
            some = slice(start, start + _CHUNK)
            yield kept.ids[some], kept.owners[some], kept.matrix[some]
    yield from rows.chunks(after_id=last)


def _write_rows(file: BinaryIO, chunks: Iterator[VectorRows]) -> tuple[Ids, Ids, int]:
    ids, owners, dim = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0
    for some, of, vectors in chunks:
        ids.append(some)
        owners.append(of)
        dim = vectors.shape[1]
        file.write(np.ascontiguousarray(vectors, "<f4").tobytes())
    return np.concatenate(ids), np.concatenate(owners), dim


def _newest_sound(
    rows: _Rows, cache_dir: Path, stem: str, *, now: int, whole: bool
) -> VectorFile | None:
    """The cache file to start from: of a state before `now` since which rows have only come.

    Checked as a `whole` where it is copied, since what is copied is never checked again.
    """
    for path in _paths(cache_dir, stem, up_to=now - 1):
        file = _open(path, rows, whole=whole)
        if file is not None and rows.only_grew_since(file.head.changed):
            return file
    return None


def _paths(cache_dir: Path, stem: str, *, up_to: int) -> list[Path]:
    """The cache files of generations up to one, the newest first."""
    paths = [each for each in cache_dir.glob(f"{stem}-*.vectors") if _generation(each) <= up_to]
    return sorted(paths, key=_generation, reverse=True)


def _stem(fingerprint: str, kind: VectorKind) -> str:
    return f"{fingerprint[:16]}-{kind}"


def _path(cache_dir: Path, stem: str, generation: int) -> Path:
    return cache_dir / f"{stem}-{generation}.vectors"


def _generation(path: Path) -> int:
    number = path.stem.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def _sweep(cache_dir: Path, stem: str, *, now: int) -> None:
    """Remove what newer files replaced, and what a killed process left a day ago."""
    for path in cache_dir.glob(f"{stem}-*"):
        try:
            if path.suffix == SUFFIX:
                superseded = path.stat().st_mtime < time.time() - 86_400
            else:
                superseded = int(path.stem.rpartition("-")[2]) < now
            if superseded:
                path.unlink()
        except (OSError, ValueError):  # swept by another process, kept locked by one, or not ours
            continue


def damaged_caches(cache_dir: Path) -> Iterator[tuple[Path, str]]:
    """Cache files of which any byte is not what was written, and what is wrong with each."""
    for path in sorted(cache_dir.glob("*.vectors")):
        try:
            open_vectors(path, whole=True)
        except DamagedVectors as damage:
            yield path, str(damage)


def foreign_caches(session: Session, cache_dir: Path) -> Iterator[tuple[Path, str]]:
    """Cache files that are used in the library's present state and have other rows than it has."""
    for bundle_id, fingerprint in fetch(session, "SELECT id, fingerprint FROM bundle"):
        for kind in VectorKind:
            rows = _Rows(session, bundle_id, kind)
            for path in _paths(cache_dir, _stem(fingerprint, kind), up_to=rows.changed):
                # The first `damaged_caches` tells; the other is of rows of another size, which
                # `verify` tells by itself.
                with suppress(DamagedVectors, DamagedRow):
                    file = open_vectors(path)
                    if file is not None and _is_used(file, rows) and not _agrees(file, rows):
                        yield path, "its rows are not those of the database"


def _is_used(file: VectorFile, rows: _Rows) -> bool:
    """Whether a file is of the present state, or of one to which rows were only added."""
    return file.head.changed == rows.changed or rows.only_grew_since(file.head.changed)


def _agrees(file: VectorFile, rows: _Rows) -> bool:
    """Whether the database has the rows of a file, and none beside them in that state."""
    at, table, is_newest = 0, file.table, file.head.changed == rows.changed
    if not is_newest and not rows.goes_on_from(table):
        return True  # nobody goes on from it
    for ids, owners, vectors in rows.chunks():
        n = len(ids) if is_newest else min(len(ids), len(table) - at)
        part = slice(at, at + n)
        if not (np.array_equal(table.ids[part], ids[:n]) and table.owners is not None):
            return False
        if not np.array_equal(table.owners[part], owners[:n]):
            return False
        if not np.allclose(table.matrix[part], vectors[:n], atol=1e-5):
            return False
        at += n
        if n < len(ids):
            break
    return at == len(table)
