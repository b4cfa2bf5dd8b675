"""Nearest windows by the server: pgvector's HNSW index, and exactly where few windows may answer.

The planner rather sorts all that a filter lets through than walk the index, which would otherwise
give up before it has found enough; see https://github.com/pgvector/pgvector#iterative-index-scans.
"""

from __future__ import annotations

import logging
import math
from typing import Final

import numpy as np
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from audiosearch._typing import Floats, Ids
from audiosearch.store.halfvec import halfvec_text
from audiosearch.store.schema import BundleRow, WindowRow
from audiosearch.store.vectors import to_blob

log = logging.getLogger(__name__)

_FEW: Final = 10_000  # windows that may answer; so many are compared one by one
_SQUARE: Final = 10_000  # and more of many windows: as many as the root of so many times these
_OPTIONS: Final = ("m=24", "ef_construction=256")  # of the index
_LEAST_TRIED, _MOST_TRIED = 400, 1000  # ef_search; pgvector takes 1000 at most
# Rows read beyond those that are wanted, of so many that may answer; of ten times those, four times
# as many. See docs/postgresql.md.
_MORE, _OF, _GROWTH = 1800, 100_000, 0.63
_SCAN_MEMORY: Final = 64  # times work_mem, beyond which a walk would end early
# An index is built in memory, many times as fast as beyond it: so much for the links of a window
# (m=24), beside its vector.
_LINK_BYTES: Final = 1200
_LEAST_MEMORY_MB: Final = 512  # which any server has
_UNUSED: Final = text(
    "SELECT relname FROM pg_class WHERE relkind = 'i' AND pg_table_is_visible(oid)"
    " AND relname ~ '^nearest_embedding_[0-9]+_[0-9]+$'"
)
_NO_ROOM: Final = ("53100", "53200")  # disk full, out of memory; either of them for /dev/shm


def nearest_windows(
    session: Session,
    vector: Floats,
    *,
    column: str,
    bundle_id: int,
    limit: int,
    n_windows: int,
    allowed: Ids | None,
) -> list[int]:
    """Ids of the windows most like a vector (D,), most like first; silent ones are left out.

    Args:
        session: any session; settings are those of its transaction alone.
        vector: of any length but zero.
        column: `joint` or `embedding`.
        bundle_id: windows of this bundle only.
        limit: how many at most.
        n_windows: of the bundle, before filters.
        allowed: ids that filters let through; None: all.
    """
    unit = np.asarray(vector, np.float32) / np.linalg.norm(vector)
    wanted = f"CAST(:vector AS halfvec({len(unit)}))"
    distance = f"CAST({column} AS halfvec({len(unit)})) <=> {wanted}"
    # Numbers of our own, written out: only so the planner sees that the index is meant.
    is_meant = f"bundle_id = {int(bundle_id)} AND silent = 0 AND {column} IS NOT NULL"
    parameters: dict[str, object] = {"vector": halfvec_text(to_blob(unit)), "limit": limit}
    if allowed is not None:
        parameters["ids"] = allowed.tolist()
    if allowed is not None and is_few(len(allowed), n_windows):
        statement = (
            f"WITH few AS MATERIALIZED (SELECT id, {distance} AS distance"  # noqa: S608
            f' FROM "window" WHERE id = ANY(:ids) AND {is_meant})'
            " SELECT id FROM few ORDER BY distance, id LIMIT :limit"
        )
    else:
        share = 1.0 if allowed is None else max(len(allowed) / max(1, n_windows), 1e-3)
        tried = min(_MOST_TRIED, max(_LEAST_TRIED, round(4 * limit / share)))
        n_allowed = n_windows if allowed is None else len(allowed)
        parameters["more"] = limit + rows_beyond(n_allowed)
        session.execute(text(f"SET LOCAL hnsw.ef_search = {tried}"))
        session.execute(text("SET LOCAL hnsw.iterative_scan = relaxed_order"))
        session.execute(text("SET LOCAL hnsw.max_scan_tuples = 10000000"))
        session.execute(text(f"SET LOCAL hnsw.scan_mem_multiplier = {_SCAN_MEMORY}"))
        session.execute(text("SET LOCAL enable_sort = off"))
        within = "" if allowed is None else " AND id = ANY(:ids)"
        # Rows come roughly in order. `+ 0`, or the planner takes them as sorted and reads no more
        # of them than the limit.
        statement = (
            f"WITH near AS MATERIALIZED (SELECT id, {distance} AS distance"  # noqa: S608
            f' FROM "window" WHERE {is_meant}{within} ORDER BY {distance} LIMIT :more)'
            " SELECT id FROM near ORDER BY distance + 0, id LIMIT :limit"
        )
    found = session.connection().execute(text(statement), parameters).scalars().all()
    session.execute(text("SET LOCAL enable_sort = on"))
    return [int(each) for each in found]


def rows_beyond(n_allowed: int) -> int:
    """How many rows of the index are read beyond those that are wanted, to find nearly all."""
    grown: float = max(1.0, n_allowed / _OF) ** _GROWTH
    return round(_MORE * grown)


def is_few(n_allowed: int, n_windows: int) -> bool:
    """Whether windows that filters let through are sooner compared than found by the index.

    To compare takes as long as they are many; the index is walked the longer the fewer they are,
    since what they are not is read too. Of a million windows, a tenth took .39 s and 3.3 s.
    """
    return n_allowed <= _FEW or n_allowed**2 <= _SQUARE * n_windows


def ensure_indices(session: Session, *, at_least: int) -> list[str]:
    """Build the indices that are missing for bundles of so many windows; their names.

    Of the vectors that texts are compared with; what is asked for by its sound is compared with all
    windows. One that an earlier version built with other settings is built anew, and those of
    embeddings are dropped, which no question used.
    """
    made: list[str] = []
    for name in session.scalars(_UNUSED).all():
        session.execute(text(f"DROP INDEX {name}"))
    counts = session.execute(
        select(WindowRow.bundle_id, func.count()).group_by(WindowRow.bundle_id)
    ).all()
    for bundle_id, n_windows in counts:
        if n_windows < at_least or session.get(BundleRow, bundle_id) is None:
            continue
        is_meant = f"bundle_id = {int(bundle_id)} AND silent = 0 AND joint IS NOT NULL"
        size = session.scalar(
            text(f'SELECT vector_dims(joint) FROM "window" WHERE {is_meant} LIMIT 1')  # noqa: S608
        )
        name = f"nearest_joint_{bundle_id}_{size}"
        if size is None or _stands(session, name):
            continue
        session.execute(text(f"DROP INDEX IF EXISTS {name}"))
        allow_memory(session, build_memory_mb(n_windows, int(size)))
        _build(
            session,
            f'CREATE INDEX {name} ON "window"'
            f" USING hnsw (CAST(joint AS halfvec({size})) halfvec_cosine_ops)"
            f" WITH ({', '.join(_OPTIONS)}) WHERE {is_meant}",
        )
        made.append(name)
    return made


def _build(session: Session, statement: str) -> None:
    """Create an index, by several processes of the server where it has the memory for that.

    They share it in /dev/shm, which is small in containers; one process alone uses its own memory.
    """
    try:
        with session.begin_nested():
            session.execute(text(statement))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) not in _NO_ROOM:
            raise
        log.info("the index is built by one process of the server: %s", error.orig)
        session.execute(text("SET LOCAL max_parallel_maintenance_workers = 0"))
        session.execute(text(statement))


def allow_memory(session: Session, wanted_mb: int) -> None:
    """So much memory to build an index in this transaction, as far as the server's settings let.

    That is half of what they say is there for caches, or `maintenance_work_mem` where it is more;
    not more than is wanted, since several processes reserve all of it before they begin.
    """
    size = "pg_size_bytes(current_setting('{}')) / 1048576".format
    given, cached = session.execute(
        text(f"SELECT {size('maintenance_work_mem')}, {size('effective_cache_size')}")
    ).one()
    allowed = min(wanted_mb, max(given, _LEAST_MEMORY_MB, cached // 2))
    session.execute(text(f"SET LOCAL maintenance_work_mem = '{allowed}MB'"))


def build_memory_mb(n_windows: int, dim: int) -> int:
    """MiB in which an index of so many windows is built."""
    return max(64, math.ceil(n_windows * (2 * dim + _LINK_BYTES) / 2**20))


def _stands(session: Session, name: str) -> bool:
    """Whether there is an index of that name with the settings of today."""
    options = session.scalar(
        text("SELECT reloptions FROM pg_class WHERE oid = to_regclass(:name)"), {"name": name}
    )
    return options is not None and set(options) == set(_OPTIONS)
