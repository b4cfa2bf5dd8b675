"""Where captions are said: the files and stretches that people gave them to, or the model's first.

The caller owns the transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from audiosearch.store.queries._bulk import chunks
from audiosearch.store.queries.places import join
from audiosearch.store.queries.search import window_captions
from audiosearch.store.schema import (
    CaptionTarget,
    FileState,
    LibraryRoot,
    SoundFile,
    WindowCaption,
    WindowRow,
)


@dataclass(frozen=True)
class CaptionPlace:
    """A stretch of sound that a caption is said of, in seconds."""

    path: bytes | None  # absolute, of a file that holds the sound; None: no file does any more
    start_s: float
    end_s: float
    typed: str | None = None  # as it was typed for this stretch; None: by the model, or not known


@dataclass(frozen=True)
class _CaptionStretch:
    caption_id: int
    recording_id: int
    start_s: float
    end_s: float
    typed: str | None = None


def caption_places(
    session: Session, caption_ids: Sequence[int]
) -> dict[int, tuple[CaptionPlace, ...]]:
    """By caption id, the stretches that people gave it to, in the order of giving.

    A caption that nobody gave to a sound has the first window that the model says it of and that
    a file still holds; none where there is no such window.
    """
    found: dict[int, tuple[CaptionPlace, ...]] = {}
    for some in chunks(caption_ids):
        given = _given(session, some)
        with_target = {each.caption_id for each in given}
        heard = _first_heard(session, [each for each in some if each not in with_target])
        paths = _paths(session, {each.recording_id for each in (*given, *heard)})
        for each in (*given, *heard):
            place = CaptionPlace(paths.get(each.recording_id), each.start_s, each.end_s, each.typed)
            found[each.caption_id] = (*found.get(each.caption_id, ()), place)
    return found


@dataclass(frozen=True)
class RecordingStretch:
    """Seconds of a recording; `end_s` None: all of it."""

    recording_id: int
    start_s: float
    end_s: float | None


def said_of_stretches(session: Session, stretches: Sequence[RecordingStretch]) -> list[str | None]:
    """What hits on these stretches would show: what is said of the window that has most of each.

    Of a whole recording, of the first that is heard; of several bundles, by the newest. None where
    no window is there, or nothing is said of it.
    """
    chosen = [_chief_window(session, each) for each in stretches]
    said = window_captions(session, sorted({each for each in chosen if each is not None}))
    return [None if each is None else said.get(each) for each in chosen]


def _chief_window(session: Session, stretch: RecordingStretch) -> int | None:
    start_s, end_s = stretch.start_s, stretch.end_s
    wanted = select(WindowRow.id, WindowRow.start_s, WindowRow.end_s).where(
        WindowRow.recording_id == stretch.recording_id, WindowRow.silent == 0
    )
    newest_first = wanted.order_by(WindowRow.bundle_id.desc(), WindowRow.position)
    if end_s is None:
        first: int | None = session.scalar(newest_first.limit(1))
        return first
    rows = session.execute(
        newest_first.where(WindowRow.start_s < end_s, WindowRow.end_s > start_s)
    ).all()
    shared = [min(row.end_s, end_s) - max(row.start_s, start_s) for row in rows]
    most: int | None = rows[shared.index(max(shared))].id if rows else None
    return most


def _given(session: Session, caption_ids: Sequence[int]) -> list[_CaptionStretch]:
    rows = session.execute(
        select(
            CaptionTarget.caption_id,
            CaptionTarget.recording_id,
            CaptionTarget.start_s,
            CaptionTarget.end_s,
            CaptionTarget.said,
        )
        .where(CaptionTarget.caption_id.in_(caption_ids))
        .order_by(CaptionTarget.id)
    )
    return [_CaptionStretch(*row) for row in rows]


def _first_heard(session: Session, caption_ids: Sequence[int]) -> list[_CaptionStretch]:
    first = (
        select(WindowCaption.caption_id, func.min(WindowCaption.window_id).label("window_id"))
        .join(WindowRow, WindowRow.id == WindowCaption.window_id)
        .where(
            WindowCaption.caption_id.in_(caption_ids),
            exists().where(
                SoundFile.recording_id == WindowRow.recording_id,
                SoundFile.state == FileState.INDEXED,
            ),
        )
        .group_by(WindowCaption.caption_id)
        .subquery()
    )
    rows = session.execute(
        select(first.c.caption_id, WindowRow.recording_id, WindowRow.start_s, WindowRow.end_s).join(
            first, first.c.window_id == WindowRow.id
        )
    )
    return [_CaptionStretch(*row) for row in rows]


def _paths(session: Session, recording_ids: Iterable[int]) -> dict[int, bytes]:
    """A file of each recording: one that is there before one that is missing, then by name."""
    found: dict[int, bytes] = {}
    for some in chunks(sorted(recording_ids)):
        rows = session.execute(
            select(SoundFile.recording_id, LibraryRoot.path.label("root"), SoundFile.path)
            .join(LibraryRoot, LibraryRoot.id == SoundFile.root_id)
            .where(SoundFile.recording_id.in_(some))
            .order_by(SoundFile.state != FileState.INDEXED, LibraryRoot.path, SoundFile.path)
        )
        for row in rows:
            if row.recording_id is not None:  # which its condition says, but no type does
                found.setdefault(row.recording_id, join(row.root, row.path))
    return found
