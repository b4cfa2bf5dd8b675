"""Files that have grown: what was heard of them while they were unfinished goes again.

A recorder's file is indexed more than once; its unfinished recordings would be held by no file.
The caller owns the transaction.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from sqlalchemy import bindparam, delete, exists, select, update
from sqlalchemy.orm import Session, aliased

from audiosearch.store.queries import fulltext, generations
from audiosearch.store.queries._bulk import chunks
from audiosearch.store.schema import (
    Caption,
    CaptionSource,
    CaptionTarget,
    Encoding,
    Recording,
    RecordingTag,
    SoundFile,
    WindowCaption,
    WindowRow,
)
from audiosearch.store.vectors import stack_blobs

_ALIKE: Final = 0.99  # cosine of embeddings; an encoder that is done may shift its sound a little
_SOON_S: Final = 86_400.0  # a sound too short to be compared was unfinished if it went so soon


def remember_former(session: Session, taken_up: Mapping[int, int | None]) -> list[int]:
    """Called before files (id) take up other recordings (id; None: none): remember what they hold.

    Only recordings that some bundle has heard to their end are remembered. Returned are the others,
    which the files have only begun with and now leave.
    """
    begun: list[int] = []
    former: list[dict[str, object]] = []
    for some in chunks(sorted(taken_up)):
        complete = exists().where(
            Encoding.recording_id == Recording.id, Encoding.n_windows.is_not(None)
        )
        rows = session.execute(
            select(SoundFile.id, Recording.id.label("held"), Recording.audio_hash, complete)
            .join(Recording, Recording.id == SoundFile.recording_id)
            .where(SoundFile.id.in_(some))
        )
        for file_id, held, audio_hash, is_complete in rows:
            if held == taken_up[file_id]:
                continue
            if is_complete:
                former.append({"file": file_id, "hash": audio_hash})
            else:
                begun.append(held)
    if former:
        session.connection().execute(
            update(SoundFile)
            .where(SoundFile.id == bindparam("file"))
            .values(former_hash=bindparam("hash")),
            former,
        )
    return begun


def drop_outgrown(session: Session, file_ids: Sequence[int], *, bundle_id: int) -> None:
    """Called when files' recordings are complete: delete those before that these go on from.

    A former recording otherwise stays, since its content may come back or turn up elsewhere, and
    so does what people wrote of it.

    Kept is whatever a file holds, missing ones too, and whatever a person wrote of.
    """
    outgrown: list[int] = []
    compared: list[int] = []
    held, former = aliased(Recording), aliased(Recording)
    for some in chunks(sorted(file_ids)):
        rows = session.execute(
            select(SoundFile.id, held, former)
            .join(held, held.id == SoundFile.recording_id)
            .join(former, former.audio_hash == SoundFile.former_hash)
            .where(SoundFile.id.in_(some))
        )
        for file_id, now, before in rows:
            compared.append(file_id)
            if _is_free(session, before.id) and _goes_on(session, before, now, bundle_id=bundle_id):
                outgrown.append(before.id)
    for some in chunks(compared):
        session.execute(update(SoundFile).where(SoundFile.id.in_(some)).values(former_hash=None))
    _delete(session, sorted(set(outgrown)))


def _is_free(session: Session, recording_id: int) -> bool:
    """Whether no file holds a recording, and no person wrote anything of it."""
    return not session.scalar(
        select(
            exists().where(SoundFile.recording_id == recording_id)
            | exists().where(CaptionTarget.recording_id == recording_id)
            | exists().where(RecordingTag.recording_id == recording_id)
        )
    )


class _EncodedStretch(NamedTuple):
    """A window of a recording."""

    position: int
    start_s: float
    end_s: float
    silent: bool
    embedding: bytes


def _goes_on(session: Session, before: Recording, now: Recording, *, bundle_id: int) -> bool:
    """Whether `now` begins with all of `before`, as far as their windows tell.

    The last window of the shorter one may hold less than the same window of the longer one does.
    One of a single window has only its age to tell by.
    """
    same_form = (before.codec, before.sample_rate, before.channels) == (
        now.codec,
        now.sample_rate,
        now.channels,
    )
    if before.id == now.id or not same_form or before.duration_s >= now.duration_s:
        return False
    first = _stretches(session, before.id, bundle_id=bundle_id)[:-1]
    if not first:
        return time.time() - before.added_at < _SOON_S
    begins = _stretches(session, now.id, bundle_id=bundle_id, limit=len(first))
    return len(begins) == len(first) and all(map(_alike, first, begins))


def _stretches(
    session: Session, recording_id: int, *, bundle_id: int, limit: int | None = None
) -> list[_EncodedStretch]:
    rows = session.execute(
        select(
            WindowRow.position,
            WindowRow.start_s,
            WindowRow.end_s,
            WindowRow.silent,
            WindowRow.embedding,
        )
        .where(WindowRow.recording_id == recording_id, WindowRow.bundle_id == bundle_id)
        .order_by(WindowRow.position)
        .limit(limit)
    )
    return [_EncodedStretch(*row) for row in rows]


def _alike(one: _EncodedStretch, other: _EncodedStretch) -> bool:
    if one[:4] != other[:4]:
        return False
    if one.embedding == other.embedding:
        return True
    left, right = stack_blobs([one.embedding, other.embedding])
    length = float(np.linalg.norm(left) * np.linalg.norm(right))
    return length > 0 and float(left @ right) >= _ALIKE * length


def _delete(session: Session, recording_ids: Sequence[int]) -> None:
    """Delete recordings with all that was heard of them, and what was said of nothing else."""
    if not recording_ids:
        return
    said: set[int] = set()
    for some in chunks(recording_ids):
        said |= set(
            session.scalars(
                select(WindowCaption.caption_id)
                .join(WindowRow, WindowRow.id == WindowCaption.window_id)
                .where(WindowRow.recording_id.in_(some))
            )
        )
        session.execute(delete(Recording).where(Recording.id.in_(some)))
    generations.windows_removed(session)
    unsaid: list[int] = []
    for some in chunks(sorted(said)):
        unsaid += session.scalars(
            select(Caption.id).where(
                Caption.id.in_(some),
                Caption.source == CaptionSource.AUTO,
                ~exists().where(WindowCaption.caption_id == Caption.id),
            )
        )
    for some in chunks(unsaid):
        session.execute(delete(Caption).where(Caption.id.in_(some)))
    if unsaid:
        fulltext.remove_captions(session, unsaid)
        generations.captions_removed(session)
