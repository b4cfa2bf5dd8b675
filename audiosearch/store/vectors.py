"""Exact nearest rows: one matrix of vectors, and the k best of a product with it.

A million rows take a hundredth of a second by their coarse form, so no index need be approximate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from audiosearch._typing import Floats, Ids, Positions
from audiosearch.store.coarse import CoarseRows, coarse_rows, may_be_best
from audiosearch.store.damaged import DamagedRow

_FEW: Final = 50  # of so many rows one: a touched row of a map brings up to 127 others with it


@dataclass(frozen=True)
class VectorTable:
    """Vectors of windows, or of captions.

    Attributes:
        ids: window or caption ids (n,), ascending.
        matrix: (n, D) float32, rows of length 1 (or 0 where the vector was zero).
        coarse: the same roughly, for large tables; the best are found by it, and then computed.
        owners: (n,), the recordings of windows; of captions the same as `ids`. None: not known.
        added: the last rows, which came after `matrix` and `coarse` were made and are in neither:
            so no large matrix is copied for a few that come.
        read_rows: reads some rows of `matrix` by their places where it is mapped from a file, so
            that those around them are not brought into memory; None: there is nothing to gain.
    """

    ids: Ids
    matrix: Floats
    coarse: CoarseRows | None = None
    owners: Ids | None = None
    added: VectorTable | None = None
    read_rows: Callable[[Ids], Floats] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def grown(self, more: VectorTable) -> VectorTable:
        """The same with more rows behind its own, whose ids are all greater; both have owners."""
        if not len(more):
            return self
        assert self.owners is not None
        assert more.owners is not None
        added = more
        if self.added is not None:
            matrix = np.concatenate([self.added.matrix, more.matrix])
            ids = np.concatenate([self.added.ids, more.ids])
            added = VectorTable(ids=ids, matrix=matrix)
        if self.coarse is not None:
            added = replace(added, coarse=coarse_rows(added.matrix))
        return replace(
            self,
            ids=np.concatenate([self.ids, more.ids]),
            owners=np.concatenate([self.owners, more.owners]),
            added=added,
        )

    def blocks(self, rows: Ids | None = None) -> list[Floats]:
        """Some rows, or all where `rows` is None, as matrices (m, D) that follow one another."""
        if rows is not None:
            return [self.take(rows)]
        return [self.matrix] if self.added is None else [self.matrix, self.added.matrix]

    def take(self, rows: Ids) -> Floats:
        """Rows (m, D) by their places (m,)."""
        if self.added is None:
            return self._take_first(rows)
        n_first = len(self.matrix)
        is_first = rows < n_first
        found = np.empty((len(rows), self.matrix.shape[1]), np.float32)
        found[is_first] = self._take_first(rows[is_first])
        found[~is_first] = self.added.matrix[rows[~is_first] - n_first]
        return found

    def _take_first(self, rows: Ids) -> Floats:
        if self.read_rows is not None and len(rows) * _FEW < len(self.matrix):
            return self.read_rows(rows)
        return self.matrix[rows]

    def near(self, queries: Floats) -> tuple[Floats, Floats] | None:
        """See `CoarseRows.near`; None where rows have no coarse form."""
        if self.coarse is None:
            return None
        found = self.coarse.near(queries)
        more = None if self.added is None else self.added.near(queries)
        if more is None:
            return found
        return np.concatenate([found[0], more[0]]), np.concatenate([found[1], more[1]])

    def similarities(self, queries: Floats) -> Floats:
        """Cosines of queries (Q, D) with all rows: (Q, n)."""
        units = unit_rows(queries)
        products = [units @ block.T for block in self.blocks()]
        return products[0] if len(products) == 1 else np.concatenate(products, axis=1)

    def rows_of(self, some_ids: Ids) -> Ids:
        """Rows of those ids that are here, ascending."""
        wanted = np.asarray(some_ids, np.int64)
        if (wanted[1:] <= wanted[:-1]).any():  # mostly they come in order, a million of them too
            wanted = np.unique(wanted)
        rows = np.searchsorted(self.ids, wanted)
        inside = rows < len(self.ids)
        rows, wanted = rows[inside], wanted[inside]
        present: Ids = rows[self.ids[rows] == wanted].astype(np.int64)
        return present

    def top_k(self, query: Floats, k: int, *, allowed: Ids | None = None) -> tuple[Ids, Floats]:
        """The `k` most like a query (D,), most like first; equals by id.

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
        likely = self._likely(query, k, rows)
        if likely is not None:
            rows = likely
            cosines = self.take(rows) @ unit_rows(query[None])[0]
        elif rows is None:
            cosines = self.similarities(query[None])[0]
        elif n_rows * 4 < len(self.ids):
            cosines = self.take(rows) @ unit_rows(query[None])[0]
        else:  # gathering most of a large matrix costs more than multiplying all of it
            cosines = self.similarities(query[None])[0][rows]
        best = top_positions(cosines, k)
        ids = self.ids[best] if rows is None else self.ids[rows[best]]
        return np.asarray(ids), cosines[best]

    def _likely(self, query: Floats, k: int, rows: Ids | None) -> Ids | None:
        """Rows (m,) of `rows` that may be among the `k` best; None where telling is no gain."""
        n_rows = len(self.ids) if rows is None else len(rows)
        near = None if n_rows * 4 < len(self.ids) else self.near(unit_rows(query[None]))
        if near is None:
            return None
        cosines, margins = near
        if rows is None:
            likely = may_be_best(cosines, margins, k)
        else:
            likely = rows[may_be_best(cosines[rows], margins[rows], k)]
        return likely if len(likely) * 4 < n_rows else None


def nearest_ids(tables: Sequence[VectorTable], query: Floats, k: int) -> Ids:
    """Ids (m,) of the `k` rows of several tables most like a query (D,), as by `top_k`."""
    found = [table.top_k(query, k) for table in tables if len(table)]
    if not found:
        return np.zeros(0, np.int64)
    ids = np.concatenate([ids for ids, _ in found])
    cosines = np.concatenate([cosines for _, cosines in found])
    nearest: Ids = ids[np.lexsort((ids, -cosines))][:k]
    return nearest


def unit_rows(vectors: Floats) -> Floats:
    """Rows (n, D) scaled to length 1; zero rows stay zero."""
    vectors = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, np.where(lengths > 0, lengths, 1), dtype=np.float32)


def top_positions(values: Floats, k: int) -> Positions:
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


def to_blob(array: Floats) -> bytes:
    """The bytes of an array of any shape: little-endian float16, row-major, no header.

    Half precision costs cosine similarities less than 1e-3 and halves the library; everything is
    computed in float32 again.

    Raises:
        ValueError: a value is no finite float16 (NaN, infinite, beyond 65504).
    """
    with np.errstate(over="ignore"):
        half = np.asarray(array, dtype=np.float32).astype("<f2")
    if not np.isfinite(half).all():
        raise ValueError("a vector with values that are not finite")
    return half.tobytes()


def from_blob(blob: bytes, *, dim: int) -> Floats:
    """The array of a blob: (n, dim) float32, n following from its length.

    Raises:
        DamagedRow: the bytes are not those of such an array.
    """
    try:
        return np.frombuffer(blob, dtype="<f2").astype(np.float32).reshape(-1, dim)
    except (TypeError, ValueError) as error:  # SQLite keeps text in any column, too
        raise DamagedRow(f"a vector of another size than {dim}") from error


def stack_blobs(blobs: Sequence[bytes]) -> Floats:
    """Many vectors of one size as a matrix (n, dim) float32; (0, 0) for none.

    Raises:
        DamagedRow: they differ in size, or are none.
    """
    if not blobs:
        return np.zeros((0, 0), np.float32)
    size = len(blobs[0])
    if size < 2 or any(len(blob) != size or not isinstance(blob, bytes) for blob in blobs):
        raise DamagedRow("vectors of different sizes in one table")
    return from_blob(b"".join(blobs), dim=size // 2)
