"""The library as one query sees it: one bundle's windows, within the query's filters.

The state is that of the session's transaction, whatever a writer does meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audiosearch._typing import Floats, Ids
from audiosearch.model.bundle import Bundle
from audiosearch.search.filters import Filters
from audiosearch.store.dialects import commit_token, nearest_windows
from audiosearch.store.queries import generations
from audiosearch.store.queries.bundles import find_bundle_id
from audiosearch.store.queries.scope import Scope, allowed_windows, count_unknown
from audiosearch.store.queries.search import (
    WindowCount,
    count_heard,
    count_windows,
    window_joints,
    window_places,
)
from audiosearch.store.vector_cache import VectorKind, grow_vectors, load_vectors
from audiosearch.store.vectors import VectorTable, unit_rows

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


class SnapshotCache:
    """What many queries need of a library, loaded when first needed and kept while it holds.

    That is the vectors of windows and captions, and which windows may answer.
    """

    def __init__(
        self, *, bundle: Bundle, cache_dir: Path | None, exact_below: int | None = None
    ) -> None:
        self._bundle = bundle
        self.exact_below = exact_below  # see `Database`
        self._cache_dir = cache_dir
        self._kept: dict[VectorKind, tuple[int, VectorTable]] = {}  # and the counter's value then
        self._n_windows: tuple[int, WindowCount] | None = None
        self._allowed: tuple[tuple[object, ...], Ids | None] | None = None
        self._n_unknown: tuple[tuple[object, ...], Mapping[str, int]] | None = None

    def load(self, session: Session, kind: VectorKind, *, bundle_id: int) -> VectorTable:
        """All vectors of a kind, silent windows left out, as of the session's state."""
        now, kept = generations.read_generation(session, kind.counter), self._kept.get(kind)
        if kept is None or kept[0] != now:
            table = None
            if kept is not None:
                changed, known = kept
                table = grow_vectors(
                    session, known, changed=changed, bundle_id=bundle_id, kind=kind
                )
            if table is None:
                table = self._load(session, kind, bundle_id=bundle_id)
            kept = self._kept[kind] = now, table
        return kept[1]

    def _load(self, session: Session, kind: VectorKind, *, bundle_id: int) -> VectorTable:
        table = load_vectors(
            session,
            bundle_id=bundle_id,
            fingerprint=self._bundle.fingerprint,
            kind=kind,
            cache_dir=self._cache_dir,
            in_parts=True,
        )
        if len(table):
            return table
        # The database cannot tell how long its rows would be.
        sizes = self._bundle
        dim = sizes.embedding_dim if kind is VectorKind.EMBEDDING else sizes.joint_dim
        return replace(table, matrix=np.zeros((0, dim), np.float32))

    def count(self, session: Session, *, bundle_id: int) -> int:
        """Windows of the bundle, silent ones included, as of the session's state."""
        counter = generations.WINDOWS
        now, kept = generations.read_generation(session, counter), self._n_windows
        if kept is None or kept[0] != now:
            grew = kept is not None and generations.only_grew_since(session, counter, kept[0])
            known = kept[1] if kept is not None and grew else None
            kept = self._n_windows = now, count_windows(session, bundle_id=bundle_id, known=known)
        return kept[1].n

    def allowed(self, session: Session, scope: Scope, *, bundle_id: int) -> Ids | None:
        """See `allowed_windows`; what the last query was allowed is kept until a commit."""
        now = (commit_token(session), scope, bundle_id)
        if self._allowed is None or self._allowed[0] != now:
            self._allowed = now, allowed_windows(session, scope, bundle_id=bundle_id)
        return self._allowed[1]

    def n_unknown(self, session: Session, scope: Scope) -> Mapping[str, int]:
        """See `count_unknown`; kept as `allowed` is."""
        now = (commit_token(session), scope)
        if self._n_unknown is None or self._n_unknown[0] != now:
            self._n_unknown = now, count_unknown(session, scope)
        return self._n_unknown[1]


@dataclass(frozen=True, kw_only=True)
class LibrarySnapshot:
    """What a query may answer with.

    Attributes:
        bundle_id: the bundle's id in the database.
        n_windows: its windows before filters, silent ones included.
        allowed: ids of windows that may answer, ascending; None = all that are not silent.
    """

    session: Session
    bundle: Bundle
    bundle_id: int
    scope: Scope
    n_windows: int
    allowed: Ids | None
    cache: SnapshotCache

    def vectors(self, kind: VectorKind) -> VectorTable:
        """Vectors of all windows of the bundle that are not silent, or captions; unfiltered."""
        return self.cache.load(self.session, kind, bundle_id=self.bundle_id)

    @property
    def is_indexed(self) -> bool:
        """Whether the database finds the nearest windows, and no table of them is loaded for it."""
        exact_below = self.cache.exact_below
        return exact_below is not None and self.n_windows >= exact_below

    def nearest(self, kind: VectorKind, vector: Floats, *, limit: int) -> list[int]:
        """Windows that may answer, most like a vector (D,) first; `limit` at most."""
        if not vector.any():
            return []
        if self.is_indexed:
            return nearest_windows(
                self.session,
                vector,
                column=kind.value,
                bundle_id=self.bundle_id,
                limit=limit,
                n_windows=self.n_windows,
                allowed=self.allowed,
            )
        table = self.vectors(kind)
        if not len(table):
            return []
        ids, _ = table.top_k(vector, limit, allowed=self.allowed)
        return [int(each) for each in ids]

    def joint_cosines(self, vector: Floats, window_ids: Ids) -> Floats:
        """Cosines (n,) of a text's vector (J,) with windows that are here, ids ascending."""
        if self.is_indexed:
            rows = unit_rows(window_joints(self.session, window_ids.tolist()))
        else:
            table = self.vectors(VectorKind.JOINT)
            rows = table.take(table.rows_of(window_ids))
        cosines: Floats = rows @ unit_rows(vector[None])[0]
        return cosines

    def recordings_of(self, window_ids: Sequence[int]) -> dict[int, int]:
        """The recordings of windows, by window."""
        found: dict[int, int] = {}
        if not self.is_indexed:
            table = self.vectors(self.any_kind)
            if len(table) and table.owners is not None:
                wanted = np.array(window_ids, np.int64)
                rows = np.minimum(np.searchsorted(table.ids, wanted), len(table) - 1)
                known = table.ids[rows] == wanted
                owners = table.owners[rows[known]].tolist()
                found = dict(zip(wanted[known].tolist(), owners, strict=True))
        rest = [each for each in window_ids if each not in found]
        spans = window_places(self.session, rest)
        return found | {each: span.recording_id for each, span in spans.items()}

    def has_fewer(self, n: int) -> bool:
        """Whether fewer than `n` windows may answer."""
        if self.allowed is None and self.is_indexed:
            return count_heard(self.session, bundle_id=self.bundle_id, up_to=n) < n
        return len(self.every_window()) < n

    @property
    def any_kind(self) -> VectorKind:
        """The kind of vector to take where any will do."""
        return VectorKind.JOINT if self.bundle.joint_dim else VectorKind.EMBEDDING

    @property
    def n_unknown(self) -> Mapping[str, int]:
        """Recordings that filters leave out for what is not known of them; see `count_unknown`."""
        return self.cache.n_unknown(self.session, self.scope)

    def every_window(self) -> Ids:
        """Ids of all windows that may answer, ascending."""
        return self.vectors(self.any_kind).ids if self.allowed is None else self.allowed


def open_snapshot(
    session: Session, filters: Filters, *, bundle: Bundle, cache: SnapshotCache
) -> LibrarySnapshot | None:
    """The library as a query with `filters` sees it; None where the bundle has no window in it.

    Raises:
        QueryError: a filter has no meaning in this library.
    """
    bundle_id = find_bundle_id(session, fingerprint=bundle.fingerprint)
    n_windows = 0 if bundle_id is None else cache.count(session, bundle_id=bundle_id)
    if bundle_id is None or n_windows == 0:
        return None
    scope = _scope(session, filters)
    return LibrarySnapshot(
        session=session,
        bundle=bundle,
        bundle_id=bundle_id,
        scope=scope,
        n_windows=n_windows,
        allowed=cache.allowed(session, scope, bundle_id=bundle_id),
        cache=cache,
    )


def _scope(session: Session, filters: Filters) -> Scope:
    if filters == Filters():
        return Scope()
    from audiosearch.search.scope import find_scope  # noqa: PLC0415 - needs SQLAlchemy

    return find_scope(session, filters)
