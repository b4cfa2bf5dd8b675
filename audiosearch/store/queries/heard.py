"""What the library has heard of a file: its windows as one bundle encoded them, frames and all.

The caller owns the transaction; everything here only reads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from audiosearch._typing import Floats, Halves
from audiosearch.store.queries.roots import find_place
from audiosearch.store.schema import (
    Encoding,
    FileState,
    Recording,
    SoundFile,
    WindowFrames,
    WindowRow,
)


@dataclass(frozen=True)
class KnownFile:
    """A file of the library that is taken in.

    Attributes:
        size, mtime_ns: as it was when it was read; if they differ now, so may its sound.
    """

    recording_id: int
    duration_s: float
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class StoredWindow:
    """A window out of the store; what was encoded is None where it is silent."""

    start_s: float
    end_s: float
    silent: bool
    frames: Halves  # (T, D)
    embedding: Floats  # (E,)
    joint: Floats | None  # (J,)


def find_file(session: Session, path: bytes) -> KnownFile | None:
    """The file at an absolute path, if it is taken in; None otherwise."""
    place = find_place(session, path)
    if place is None:
        return None
    row = session.execute(
        select(SoundFile.recording_id, Recording.duration_s, SoundFile.size, SoundFile.mtime_ns)
        .join(Recording, Recording.id == SoundFile.recording_id)
        .where(
            SoundFile.root_id == place.root.root_id,
            SoundFile.path == place.relative,
            SoundFile.state == FileState.INDEXED,
        )
    ).first()
    if row is None or row.recording_id is None:
        return None
    return KnownFile(row.recording_id, row.duration_s, row.size, row.mtime_ns)


def stored_windows(
    session: Session, recording_id: int, *, bundle_id: int, dim: int, hop_s: float
) -> list[StoredWindow] | None:
    """All windows of a recording, in order; None where this bundle has not encoded all at this hop.

    Args:
        session: any session.
        recording_id: the sound.
        bundle_id: what encoded it.
        dim: size of a frame.
        hop_s: from window to window.
    """
    encoding = session.get(Encoding, (recording_id, bundle_id))
    if encoding is None or encoding.n_windows is None or encoding.hop_s != hop_s:
        return None
    rows = session.execute(
        select(
            WindowRow.start_s,
            WindowRow.end_s,
            WindowRow.silent,
            WindowFrames.frames,
            WindowRow.embedding,
            WindowRow.joint,
        )
        .join(WindowFrames, WindowFrames.window_id == WindowRow.id)
        .where(WindowRow.recording_id == recording_id, WindowRow.bundle_id == bundle_id)
        .order_by(WindowRow.position)
    )
    return [
        StoredWindow(
            start_s=row.start_s,
            end_s=row.end_s,
            silent=bool(row.silent),
            frames=np.frombuffer(row.frames, "<f2").reshape(-1, dim),
            embedding=_vector(row.embedding),
            joint=None if row.joint is None else _vector(row.joint),
        )
        for row in rows
    ]


def _vector(blob: bytes) -> Floats:
    return np.frombuffer(blob, "<f2").astype(np.float32)
