"""The sounds of a library with the files that hold them, for those who look for duplicates.

The caller owns the transaction; everything here only reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from audiosearch._typing import Floats, Ids
from audiosearch.store.queries.conditions import clauses
from audiosearch.store.queries.file_names import is_named
from audiosearch.store.queries.places import join
from audiosearch.store.queries.scope import Scope
from audiosearch.store.schema import FileState, LibraryRoot, Recording, SoundFile, WindowRow
from audiosearch.store.vectors import VectorTable


@dataclass(frozen=True)
class HeldSound:
    """A sound and the files that hold it now, by path.

    Attributes:
        form: codec, container, sampling rate, channels and bits; of equal form are equal encodings.
        paths: absolute; never empty.
        sizes: bytes, of each file.
    """

    recording_id: int
    duration_s: float
    form: tuple[str, str, int, int, int | None]
    paths: tuple[bytes, ...]
    sizes: tuple[int, ...]


def held_sounds(session: Session, scope: Scope) -> list[HeldSound]:
    """All sounds that files within `scope` hold, with these files; the shortest first."""
    rows = session.execute(
        select(
            Recording.id,
            Recording.duration_s,
            Recording.codec,
            Recording.container,
            Recording.sample_rate,
            Recording.channels,
            Recording.bit_depth,
            LibraryRoot.path.label("root"),
            SoundFile.path,
            SoundFile.size,
        )
        .join(SoundFile, SoundFile.recording_id == Recording.id)
        .join(LibraryRoot, LibraryRoot.id == SoundFile.root_id)
        .where(
            SoundFile.state == FileState.INDEXED,
            *clauses(scope.conditions),
            *(is_named(names) for names in scope.names),
        )
        .order_by(Recording.duration_s, Recording.id, LibraryRoot.path, SoundFile.path)
    )
    found: dict[int, HeldSound] = {}
    for row in rows:
        path = join(row.root, row.path)
        known = found.get(row.id)
        found[row.id] = HeldSound(
            recording_id=row.id,
            duration_s=row.duration_s,
            form=(row.codec, row.container, row.sample_rate, row.channels, row.bit_depth),
            paths=(path,) if known is None else (*known.paths, path),
            sizes=(row.size,) if known is None else (*known.sizes, row.size),
        )
    return list(found.values())


def recording_vectors(
    session: Session, recording_ids: Sequence[int], table: VectorTable, *, bundle_id: int
) -> tuple[Ids, Floats]:
    """One vector for each recording that has any: the mean of its windows'.

    Returns:
        ids of recordings (n,), in the order asked for, and unit rows (n, D) float32.
    """
    windows = session.connection().execute(
        select(WindowRow.id, WindowRow.recording_id)
        .where(WindowRow.bundle_id == bundle_id, WindowRow.silent == 0)
        .order_by(WindowRow.id)
    )
    pairs = np.array([tuple(row) for row in windows], np.int64).reshape(-1, 2)
    wanted = np.asarray(recording_ids, np.int64)
    order = np.argsort(wanted)
    here = np.isin(pairs[:, 0], table.ids) & np.isin(pairs[:, 1], wanted)
    pairs = pairs[here]
    rows = table.rows_of(pairs[:, 0])
    slots = order[np.searchsorted(wanted[order], pairs[:, 1])]
    sums = np.zeros((len(wanted), table.matrix.shape[1]), np.float32)
    for start in range(0, len(rows), 8192):
        np.add.at(sums, slots[start : start + 8192], table.matrix[rows[start : start + 8192]])
    lengths = np.linalg.norm(sums, axis=1)
    kept = lengths > 0
    return wanted[kept], sums[kept] / lengths[kept, None]
