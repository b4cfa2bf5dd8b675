"""Exact nearest windows: one matrix of a bundle's vectors, and the k best of a product with it.

In: a session. Out: `VectorTable`, ids beside unit rows in float32. Small libraries read their
vectors from the database each time; for larger ones the matrix is a file beside it, mapped into
memory, so that opening it costs nothing and processes share it. A file carries in its name the
counter of the state it was made from: it is never altered, only left behind by a newer one, so
readers need no lock. Exact search over a million rows of 256 takes well under a tenth of a second,
so there is no index structure here to be approximate.

Silent windows are left out. Knows nothing of what a vector means.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from audiosearch.store import faults
from audiosearch.store.blobs import Floats, stack_blobs
from audiosearch.store.queries import state
from audiosearch.store.schema import Window

Ids = NDArray[np.int64]

CACHED_FROM: Final = 5_000  # windows; fewer are read from the database in some 30 ms
_CHUNK: Final = 8192  # windows read at a time
_MAGIC: Final = 0x3156_4553_4155  # "AUSEV1", little-endian
_HEADER: Final = (
    6  # int64: magic, counter `windows`, counter `windows_removed`, n, dim, greatest id
)


class VectorKind(StrEnum):
    """Which vector of a window; the names of the columns."""

    EMBEDDING = "embedding"  # sound-to-sound likeness
    JOINT = "joint"  # the space that text maps to as well


@dataclass(frozen=True)
class VectorTable:
    """Vectors of windows.

    Attributes:
        ids: window ids (n,), ascending.
        matrix: (n, D) float32, rows of length 1 (or 0 where the vector was zero).
    """

    ids: Ids
    matrix: Floats

    def __len__(self) -> int:
        return len(self.ids)

    def similarities(self, queries: Floats) -> Floats:
        """Cosines of queries (Q, D) with all rows: (Q, n)."""
        product: Floats = unit_rows(queries) @ self.matrix.T
        return product

    def rows_of(self, window_ids: Ids) -> Ids:
        """Rows of those windows that are here, ascending."""
        wanted = np.unique(np.asarray(window_ids, np.int64))
        rows = np.searchsorted(self.ids, wanted)
        inside = rows < len(self.ids)
        rows, wanted = rows[inside], wanted[inside]
        present: Ids = rows[self.ids[rows] == wanted].astype(np.int64)
        return present

    def top_k(self, query: Floats, k: int, *, allowed: Ids | None = None) -> tuple[Ids, Floats]:
        """The `k` windows most like a query (D,), most like first; equals by id.

        Args:
            query: (D,), of any length.
            k: how many at most.
            allowed: ids that filters let through, applied before anything is ranked; None: all.

        Returns:
            ids (m,) and cosines (m,), m ≤ k.
        """
        rows = None if allowed is None else self.rows_of(allowed)
        n_rows = len(self.ids) if rows is None else len(rows)
        if n_rows == 0 or k <= 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        if rows is None:
            cosines = self.similarities(query[None])[0]
        elif n_rows * 4 < len(self.ids):
            cosines = self.matrix[rows] @ unit_rows(query[None])[0]
        else:  # gathering most of a large matrix costs more than multiplying all of it
            cosines = self.similarities(query[None])[0][rows]
        best = top_positions(cosines, k)
        ids = self.ids[best] if rows is None else self.ids[rows[best]]
        return np.asarray(ids), cosines[best]


def unit_rows(vectors: Floats) -> Floats:
    """Rows (n, D) scaled to length 1; zero rows stay zero."""
    vectors = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, np.where(lengths > 0, lengths, 1), dtype=np.float32)


def top_positions(values: Floats, k: int) -> NDArray[np.intp]:
    """Positions of the `k` greatest values, greatest first, equals by position."""
    k = min(k, len(values))
    if k <= 0:
        return np.zeros(0, np.intp)
    least = values[np.argpartition(values, len(values) - k)[len(values) - k]]
    # argpartition takes any of several equal values at the border: take the first ones instead.
    above = np.flatnonzero(values > least)
    border = np.flatnonzero(values == least)[: k - len(above)]
    chosen = np.concatenate([above, border])
    return chosen[np.lexsort((chosen, -values[chosen]))]


def load_vectors(
    session: Session,
    *,
    bundle_id: int,
    fingerprint: str,
    kind: VectorKind,
    cache_dir: Path | None,
    cached_from: int = CACHED_FROM,
) -> VectorTable:
    """All vectors of a bundle that are not of silent windows, as of the session's state.

    Args:
        session: any session.
        bundle_id: the bundle's id in the database.
        fingerprint: the bundle's; names the cache file.
        kind: which vector; windows that have none are left out.
        cache_dir: where matrices are kept (`Database.vectors_dir`); None: never on disk.
        cached_from: libraries of fewer windows are read from the database.
    """
    n_windows = session.scalar(
        select(func.count()).select_from(Window).where(Window.bundle_id == bundle_id)
    )
    if cache_dir is None or (n_windows or 0) < cached_from:
        return _in_memory(session, bundle_id=bundle_id, kind=kind)
    stem = f"{fingerprint[:16]}-{kind}"
    now = state.read_counter(session, state.WINDOWS)
    found = _open(cache_dir / f"{stem}-{now}.vectors")
    if found is not None and found.header.windows == now:
        return found.table
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        path = _build(session, cache_dir, stem=stem, bundle_id=bundle_id, kind=kind)
    except OSError:  # a full disk or a folder we may not write to: the cache is a convenience
        return _in_memory(session, bundle_id=bundle_id, kind=kind)
    made = _open(path)
    return _in_memory(session, bundle_id=bundle_id, kind=kind) if made is None else made.table


def _chunks(
    session: Session, *, bundle_id: int, kind: VectorKind, after_id: int = 0
) -> Iterator[tuple[Ids, Floats]]:
    """Ids and unit vectors from the database, by id, a bounded number at a time."""
    column = Window.joint if kind is VectorKind.JOINT else Window.embedding
    rows = session.execute(
        select(Window.id, column)
        .where(
            Window.bundle_id == bundle_id,
            Window.id > after_id,
            Window.silent == 0,
            column.is_not(None),
        )
        .order_by(Window.id)
        .execution_options(yield_per=_CHUNK)
    )
    for part in rows.partitions():
        ids = np.fromiter((row[0] for row in part), np.int64, len(part))
        yield ids, unit_rows(stack_blobs([row[1] or b"" for row in part]))


def _in_memory(session: Session, *, bundle_id: int, kind: VectorKind) -> VectorTable:
    chunks = list(_chunks(session, bundle_id=bundle_id, kind=kind))
    if not chunks:
        return VectorTable(ids=np.zeros(0, np.int64), matrix=np.zeros((0, 0), np.float32))
    return VectorTable(
        ids=np.concatenate([ids for ids, _ in chunks]),
        matrix=np.concatenate([vectors for _, vectors in chunks]),
    )


@dataclass(frozen=True)
class _Header:
    windows: int
    removed: int
    n: int
    dim: int

    @property
    def ids_at(self) -> int:
        return _HEADER * 8 + self.n * self.dim * 4


@dataclass(frozen=True)
class _CacheFile:
    header: _Header
    table: VectorTable


def _open(path: Path) -> _CacheFile | None:
    """A cache file mapped into memory; None where there is none, or none that is whole."""
    try:
        size = path.stat().st_size
        head = np.fromfile(path, "<i8", _HEADER)
    except OSError:  # absent, or swept away by another process
        return None
    if len(head) < _HEADER or head[0] != _MAGIC:
        return None
    header = _Header(windows=int(head[1]), removed=int(head[2]), n=int(head[3]), dim=int(head[4]))
    if header.n <= 0 or header.dim <= 0 or size != header.ids_at + header.n * 8:
        return None
    matrix = np.memmap(path, "<f4", "r", _HEADER * 8, (header.n, header.dim))
    ids = np.fromfile(path, "<i8", offset=header.ids_at)
    return _CacheFile(header, VectorTable(ids=ids, matrix=np.asarray(matrix)))


def _build(
    session: Session, cache_dir: Path, *, stem: str, bundle_id: int, kind: VectorKind
) -> Path:
    """Write the cache file of the session's state, starting from an older one where that holds."""
    now = state.read_counter(session, state.WINDOWS)
    removed = state.read_counter(session, state.WINDOWS_REMOVED)
    older = _newest_sound(cache_dir, stem, now=now, removed=removed)
    target = cache_dir / f"{stem}-{now}.vectors"
    handle, name = tempfile.mkstemp(dir=cache_dir, prefix=f"{stem}-", suffix=".unfinished")
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(bytes(_HEADER * 8))
            kept = None if older is None else older.table
            ids, dim = _write_rows(
                file, _chunks_from(session, kept, bundle_id=bundle_id, kind=kind)
            )
            file.write(ids.astype("<i8").tobytes())
            file.seek(0)
            file.write(np.array([_MAGIC, now, removed, len(ids), dim], "<i8").tobytes())
        faults.reach("vectors.replace")
        unfinished.replace(target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    _sweep(cache_dir, stem, now=now)
    return target


def _chunks_from(
    session: Session, kept: VectorTable | None, *, bundle_id: int, kind: VectorKind
) -> Iterator[tuple[Ids, Floats]]:
    """The rows of an older table, then those the database has beyond it."""
    last = 0
    if kept is not None:
        last = int(kept.ids[-1])
        for start in range(0, len(kept), _CHUNK):
            yield kept.ids[start : start + _CHUNK], kept.matrix[start : start + _CHUNK]
    yield from _chunks(session, bundle_id=bundle_id, kind=kind, after_id=last)


def _write_rows(file: BinaryIO, chunks: Iterator[tuple[Ids, Floats]]) -> tuple[Ids, int]:
    ids, dim = [np.zeros(0, np.int64)], 0
    for some, vectors in chunks:
        ids.append(some)
        dim = vectors.shape[1]
        file.write(np.ascontiguousarray(vectors, "<f4").tobytes())
    return np.concatenate(ids), dim


def _newest_sound(cache_dir: Path, stem: str, *, now: int, removed: int) -> _CacheFile | None:
    """The cache file to start from: not from after `now`, and no window was removed since."""
    files = [_open(path) for path in cache_dir.glob(f"{stem}-*.vectors")]
    sound = [
        file
        for file in files
        if file is not None and file.header.removed == removed and file.header.windows < now
    ]
    return max(sound, key=lambda file: file.header.windows, default=None)


def _sweep(cache_dir: Path, stem: str, *, now: int) -> None:
    """Remove what newer files replaced, and what a killed process left a day ago."""
    for path in cache_dir.glob(f"{stem}-*"):
        try:
            if path.suffix == ".unfinished":
                superseded = path.stat().st_mtime < time.time() - 86_400
            else:
                superseded = int(path.stem.rpartition("-")[2]) < now
            if superseded:
                path.unlink()
        except (OSError, ValueError):  # swept by another process, kept locked by one, or not ours
            continue
