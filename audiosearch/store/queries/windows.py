"""Windows: stretches of recordings with their vectors and frames. Core statements, in bulk.

The caller owns the transaction. Reading for search is in `queries/search.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from audiosearch._typing import Floats
from audiosearch.store.packed_frames import checked_frames
from audiosearch.store.queries import generations
from audiosearch.store.queries._bulk import chunks
from audiosearch.store.queries.frames import insert_frames, unpacked
from audiosearch.store.queries.roots import find_place
from audiosearch.store.sampling import sample_key
from audiosearch.store.schema import (
    BundleRow,
    Encoding,
    FileState,
    Recording,
    SoundFile,
    WindowFrames,
    WindowRow,
    WindowSampleKey,
)
from audiosearch.store.vectors import stack_blobs, to_blob


@dataclass(frozen=True)
class NewWindow:
    """A window as encoded, its vectors already blobs (`new_window`)."""

    recording_id: int
    position: int
    start_s: float
    end_s: float
    silent: bool
    embedding: bytes
    joint: bytes | None
    frames: Floats  # (T, D)


def new_window(
    *,
    recording_id: int,
    position: int,
    start_s: float,
    end_s: float,
    silent: bool,
    frames: Floats,
    embedding: Floats,
    joint: Floats | None,
) -> NewWindow:
    """A window out of frames (T, D), embedding (E,) and joint (J,) or None.

    Raises:
        ValueError: a value is not finite, or too large for float16.
    """
    return NewWindow(
        recording_id=recording_id,
        position=position,
        start_s=start_s,
        end_s=end_s,
        silent=silent,
        embedding=to_blob(embedding),
        joint=None if joint is None else to_blob(joint),
        frames=checked_frames(frames),
    )


def insert_windows(session: Session, *batches: Sequence[NewWindow], bundle_id: int) -> list[int]:
    """Store windows with their frames; returns their ids, in order, which only ever grow.

    What frames are packed by is found batch by batch, whatever else is stored with them.
    """
    windows = [window for batch in batches for window in batch]
    if not windows:
        return []
    # Ids by hand: one bulk insert for each table, and the frames know theirs.
    first = (session.scalar(select(func.max(WindowRow.id))) or 0) + 1
    ids = list(range(first, first + len(windows)))
    connection = session.connection()
    connection.execute(
        insert(WindowRow),
        [
            {
                "id": window_id,
                "recording_id": each.recording_id,
                "bundle_id": bundle_id,
                "position": each.position,
                "start_s": each.start_s,
                "end_s": each.end_s,
                "silent": int(each.silent),
                "embedding": each.embedding,
                "joint": each.joint,
            }
            for window_id, each in zip(ids, windows, strict=True)
        ],
    )
    following = iter(ids)
    frames = [{next(following): each.frames for each in batch} for batch in batches]
    insert_frames(session, *frames, bundle_id=bundle_id)
    _draw_lots(session, dict(zip(ids, windows, strict=True)), bundle_id=bundle_id)
    generations.windows_added(session)
    return ids


def _draw_lots(session: Session, stored: Mapping[int, NewWindow], *, bundle_id: int) -> None:
    """Write down the lots of the windows in which something is heard."""
    heard = {window_id: each for window_id, each in stored.items() if not each.silent}
    if not heard:
        return
    fingerprint = session.scalars(
        select(BundleRow.fingerprint).where(BundleRow.id == bundle_id)
    ).one()
    hashes: dict[int, bytes] = {}
    for some in chunks(sorted({each.recording_id for each in heard.values()})):
        rows = session.execute(
            select(Recording.id, Recording.audio_hash).where(Recording.id.in_(some))
        )
        hashes |= {row.id: row.audio_hash for row in rows}
    session.connection().execute(
        insert(WindowSampleKey),
        [
            {
                "window_id": window_id,
                "bundle_id": bundle_id,
                "draw": sample_key(
                    audio_hash=hashes[each.recording_id],
                    fingerprint=fingerprint,
                    position=each.position,
                    start_s=each.start_s,
                    end_s=each.end_s,
                ),
            }
            for window_id, each in heard.items()
        ],
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
    frames: Floats  # (T, D)
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
            WindowFrames.n_frames,
            WindowFrames.frames,
            WindowFrames.base_id,
            WindowRow.embedding,
            WindowRow.joint,
        )
        .join(WindowFrames, WindowFrames.window_id == WindowRow.id)
        .where(WindowRow.recording_id == recording_id, WindowRow.bundle_id == bundle_id)
        .order_by(WindowRow.position)
    ).all()
    packed = [(row.n_frames, row.frames, row.base_id) for row in rows]
    return [
        StoredWindow(
            start_s=row.start_s,
            end_s=row.end_s,
            silent=bool(row.silent),
            frames=frames,
            embedding=_vector(row.embedding),
            joint=None if row.joint is None else _vector(row.joint),
        )
        for row, frames in zip(rows, unpacked(session, packed, dim=dim), strict=True)
    ]


def _vector(blob: bytes) -> Floats:
    vector: Floats = stack_blobs([blob])[0]
    return vector
