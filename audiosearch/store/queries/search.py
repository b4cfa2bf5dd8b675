"""What searching reads of windows and captions: places, frames, vectors, texts.

The caller owns the transaction. Everything here only reads; ids go in and out in bulk. Which
windows may answer is in `scope.py`; ranking is the business of `audiosearch.search`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from audiosearch._typing import Floats
from audiosearch.store.queries._bulk import chunks
from audiosearch.store.schema import (
    Caption,
    CaptionSource,
    CaptionTarget,
    Recording,
    WindowCaption,
    WindowRow,
)
from audiosearch.store.vectors import stack_blobs


@dataclass(frozen=True)
class WindowSpan:
    """Where in which recording a window is."""

    window_id: int
    recording_id: int
    start_s: float
    end_s: float
    duration_s: float  # of the recording


@dataclass(frozen=True)
class StoredText:
    """A caption and who wrote it."""

    caption_id: int
    text: str
    source: str


def count_windows(session: Session, *, bundle_id: int) -> int:
    """How many windows a bundle has encoded here, silent ones included."""
    wanted = select(func.count()).select_from(WindowRow).where(WindowRow.bundle_id == bundle_id)
    return session.scalar(wanted) or 0


def count_heard(session: Session, *, bundle_id: int, up_to: int) -> int:
    """How many windows of a bundle are not silent, counted no further than `up_to`."""
    heard = select(WindowRow.id).where(WindowRow.bundle_id == bundle_id, WindowRow.silent == 0)
    return session.scalar(select(func.count()).select_from(heard.limit(up_to).subquery())) or 0


def window_places(session: Session, window_ids: Sequence[int]) -> dict[int, WindowSpan]:
    """Where windows are, by id."""
    found: dict[int, WindowSpan] = {}
    for some in chunks(window_ids):
        rows = session.execute(
            select(
                WindowRow.id,
                WindowRow.recording_id,
                WindowRow.start_s,
                WindowRow.end_s,
                Recording.duration_s,
            )
            .join(Recording, Recording.id == WindowRow.recording_id)
            .where(WindowRow.id.in_(some))
        )
        found |= {row[0]: WindowSpan(*row) for row in rows}
    return found


def window_recordings(session: Session, window_ids: Sequence[int]) -> set[int]:
    """The recordings of windows."""
    found: set[int] = set()
    for some in chunks(window_ids):
        wanted = select(WindowRow.recording_id).where(WindowRow.id.in_(some)).distinct()
        found.update(session.connection().execute(wanted).scalars())
    return found


def recording_windows(
    session: Session, recording_ids: Sequence[int], *, bundle_id: int
) -> list[WindowSpan]:
    """The windows of recordings that a bundle has heard and that are not silent, in order."""
    found: list[WindowSpan] = []
    for some in chunks(recording_ids):
        rows = session.execute(
            select(
                WindowRow.id,
                WindowRow.recording_id,
                WindowRow.start_s,
                WindowRow.end_s,
                Recording.duration_s,
            )
            .join(Recording, Recording.id == WindowRow.recording_id)
            .where(
                WindowRow.recording_id.in_(some),
                WindowRow.bundle_id + 0 == bundle_id,
                WindowRow.silent == 0,
            )
            .order_by(WindowRow.recording_id, WindowRow.position)
        )
        found += [WindowSpan(*row) for row in rows]
    return found


def window_embeddings(session: Session, window_ids: Sequence[int]) -> Floats:
    """Embeddings (n, E) of windows, in the order asked for."""
    blobs: dict[int, bytes] = {}
    for some in chunks(window_ids):
        rows = session.execute(
            select(WindowRow.id, WindowRow.embedding).where(WindowRow.id.in_(some))
        )
        blobs |= {row.id: row.embedding for row in rows}
    return stack_blobs([blobs[each] for each in window_ids])


def window_joints(session: Session, window_ids: Sequence[int]) -> Floats:
    """Vectors (n, J) of windows in the joint space, in the order asked for; (0, 0) without one."""
    blobs: dict[int, bytes | None] = {}
    for some in chunks(window_ids):
        rows = session.execute(select(WindowRow.id, WindowRow.joint).where(WindowRow.id.in_(some)))
        blobs |= {row.id: row.joint for row in rows}
    joints = [blobs[each] for each in window_ids]
    return stack_blobs([joint for joint in joints if joint is not None])


def window_captions(session: Session, window_ids: Sequence[int]) -> dict[int, str]:
    """What is said of windows, by id; the model's own sentence where there are several."""
    found: dict[int, str] = {}
    own = Caption.source == CaptionSource.AUTO
    for some in chunks(window_ids):
        rows = session.execute(
            select(WindowCaption.window_id, Caption.text)
            .join(Caption, Caption.id == WindowCaption.caption_id)
            .where(WindowCaption.window_id.in_(some))
            .order_by(own.desc(), WindowCaption.cross_entropy.nulls_last(), Caption.id)
        )
        for row in rows:
            found.setdefault(row.window_id, row.text)
    return found


def windows_said(
    session: Session, caption_ids: Sequence[int], *, bundle_id: int
) -> dict[int, list[int]]:
    """By caption id, the windows of a bundle that it is said of, ascending."""
    found: dict[int, list[int]] = {}
    for some in chunks(caption_ids):
        rows = session.execute(
            select(WindowCaption.caption_id, WindowCaption.window_id)
            .join(WindowRow, WindowRow.id == WindowCaption.window_id)
            .where(
                WindowCaption.caption_id.in_(some),
                # Without "+ 0" the index on bundles is taken first, and all windows are walked.
                WindowRow.bundle_id + 0 == bundle_id,
                WindowRow.silent == 0,
            )
            .order_by(WindowCaption.window_id)
        )
        for row in rows:
            found.setdefault(row.caption_id, []).append(row.window_id)
        for caption_id, window_id in windows_given(session, some, bundle_id=bundle_id):
            found.setdefault(caption_id, []).append(window_id)
    return {each: sorted(set(window_ids)) for each, window_ids in found.items()}


def windows_given(
    session: Session, caption_ids: Sequence[int], *, bundle_id: int
) -> list[tuple[int, int]]:
    """(caption, window) where a person gave the caption to a stretch that the window overlaps."""
    found: list[tuple[int, int]] = []
    for some in chunks(caption_ids):
        rows = session.execute(
            select(CaptionTarget.caption_id, WindowRow.id)
            .join(WindowRow, WindowRow.recording_id == CaptionTarget.recording_id)
            .where(
                CaptionTarget.caption_id.in_(some),
                WindowRow.bundle_id + 0 == bundle_id,
                WindowRow.silent == 0,
                WindowRow.start_s < CaptionTarget.end_s,
                WindowRow.end_s > CaptionTarget.start_s,
            )
            .order_by(CaptionTarget.caption_id, WindowRow.id)
        )
        found += [(row[0], row[1]) for row in rows]
    return found


@dataclass(frozen=True)
class GivenSpan:
    """A stretch of a recording that a person gave a caption to."""

    recording_id: int
    start_s: float
    end_s: float
    duration_s: float  # of the recording


def given_spans(
    session: Session, caption_ids: Sequence[int], *, bundle_id: int
) -> list[tuple[GivenSpan, int]]:
    """Stretches that people gave captions to, each with the windows it meets, most in common first.

    Windows are those of the bundle that are not silent.
    """
    found: list[tuple[GivenSpan, int, float]] = []
    for some in chunks(caption_ids):
        rows = session.execute(
            select(
                CaptionTarget.recording_id,
                CaptionTarget.start_s,
                CaptionTarget.end_s,
                Recording.duration_s,
                WindowRow.id,
                WindowRow.start_s.label("from_s"),
                WindowRow.end_s.label("to_s"),
            )
            .join(WindowRow, WindowRow.recording_id == CaptionTarget.recording_id)
            .join(Recording, Recording.id == CaptionTarget.recording_id)
            .where(
                CaptionTarget.caption_id.in_(some),
                WindowRow.bundle_id + 0 == bundle_id,
                WindowRow.silent == 0,
                WindowRow.start_s < CaptionTarget.end_s,
                WindowRow.end_s > CaptionTarget.start_s,
            )
        )
        for row in rows:
            span = GivenSpan(row.recording_id, row.start_s, row.end_s, row.duration_s)
            common = min(row.end_s, row.to_s) - max(row.start_s, row.from_s)
            found.append((span, row.id, common))
    found.sort(key=lambda each: (each[0].recording_id, each[0].start_s, -each[2], each[1]))
    return [(span, window_id) for span, window_id, _ in found]


def newest_captions(session: Session, *, limit: int) -> list[StoredText]:
    """Captions, those of people before the model's own, the newest first; no labels."""
    own = Caption.source == CaptionSource.AUTO
    wanted = select(Caption.id, Caption.text, Caption.source).where(
        Caption.source != CaptionSource.LABEL
    )
    rows = session.execute(wanted.order_by(own, Caption.id.desc()).limit(limit))
    return [StoredText(row.id, row.text, str(row.source)) for row in rows]


def stored_texts(session: Session, caption_ids: Sequence[int]) -> list[StoredText]:
    """Captions by id, in the order asked for."""
    found: dict[int, StoredText] = {}
    for some in chunks(caption_ids):
        rows = session.execute(
            select(Caption.id, Caption.text, Caption.source).where(Caption.id.in_(some))
        )
        found |= {row.id: StoredText(row.id, row.text, str(row.source)) for row in rows}
    return [found[each] for each in caption_ids if each in found]


def captions_of_windows(session: Session, window_ids: Sequence[int]) -> list[StoredText]:
    """The captions said of windows, each once, in the order of the windows."""
    said: dict[int, list[int]] = {}
    for some in chunks(window_ids):
        rows = session.execute(
            select(WindowCaption.window_id, WindowCaption.caption_id)
            .where(WindowCaption.window_id.in_(some))
            .order_by(WindowCaption.caption_id)
        )
        for row in rows:
            said.setdefault(row.window_id, []).append(row.caption_id)
    ordered = dict.fromkeys(each for window in window_ids for each in said.get(window, ()))
    return stored_texts(session, list(ordered))
