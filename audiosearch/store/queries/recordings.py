"""Recordings: sounds by the hash of their audio packets, and how they go again.

A recorder's file is indexed more than once while it grows: its unfinished recordings would be held
by no file. The caller owns the transaction.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from sqlalchemy import bindparam, delete, exists, func, insert, select, update
from sqlalchemy.orm import Session, aliased

from audiosearch.store.queries import generations
from audiosearch.store.queries._bulk import chunks, n_rows
from audiosearch.store.queries.annotate import move_annotations
from audiosearch.store.queries.captions import remove_captions
from audiosearch.store.schema import (
    AnnotatedSound,
    Annotation,
    Caption,
    CaptionSource,
    CaptionTarget,
    Encoding,
    FileState,
    Recording,
    RecordingTag,
    SoundFile,
    WindowCaption,
    WindowRow,
)
from audiosearch.store.vectors import stack_blobs

_ALIKE: Final = 0.99  # cosine of embeddings; an encoder that is done may shift its sound a little
_SOON_S: Final = 86_400.0  # a sound too short to be compared was unfinished if it went so soon
_IS_UNSAID: Final = (Caption.source == CaptionSource.AUTO) & ~exists().where(
    WindowCaption.caption_id == Caption.id
)


@dataclass(frozen=True)
class NewRecording:
    """What demuxing a file tells about its sound."""

    audio_hash: bytes  # 32 bytes
    sample_rate: int  # Hz
    channels: int
    bit_depth: int | None
    codec: str
    container: str


def recording_ids(session: Session, hashes: Sequence[bytes]) -> dict[bytes, int]:
    """The ids of sounds by hash; those that the library has."""
    ids: dict[bytes, int] = {}
    for some in chunks(hashes):
        rows = session.execute(
            select(Recording.audio_hash, Recording.id).where(Recording.audio_hash.in_(some))
        )
        ids |= {row.audio_hash: row.id for row in rows}
    return ids


def ensure_recordings(session: Session, sounds: Sequence[NewRecording]) -> dict[bytes, int]:
    """The ids of sounds by hash; new ones are written down."""
    wanted = {sound.audio_hash: sound for sound in sounds}
    ids = recording_ids(session, list(wanted))
    new = [sound for each, sound in wanted.items() if each not in ids]
    if new:
        # Ids by hand: one bulk insert. An id that a deleted recording had is free to be used again.
        first = (session.scalar(select(func.max(Recording.id))) or 0) + 1
        ids |= {sound.audio_hash: first + number for number, sound in enumerate(new)}
        session.connection().execute(
            insert(Recording), [_row(ids[sound.audio_hash], sound) for sound in new]
        )
        from audiosearch.store.queries import annotate, waiting  # noqa: PLC0415 - no query needs them

        annotate.attach_tags(session, [ids[sound.audio_hash] for sound in new])
        waiting.attach_captions(session, {each.audio_hash: ids[each.audio_hash] for each in new})
    return ids


def _row(recording_id: int, sound: NewRecording) -> dict[str, object]:
    return {
        "id": recording_id,
        "audio_hash": sound.audio_hash,
        "duration_s": 0.0,
        "sample_rate": sound.sample_rate,
        "channels": sound.channels,
        "bit_depth": sound.bit_depth,
        "codec": sound.codec,
        "container": sound.container,
        "added_at": time.time(),
    }


@dataclass(frozen=True)
class Purged:
    """How much a purge removed."""

    n_files: int
    n_recordings: int
    n_captions: int


def purge(session: Session, *, root_ids: Sequence[int] | None = None) -> Purged:
    """Delete what is gone for good: missing files, sounds without any file, their own captions.

    What people wrote of the sounds is kept, for when they are back.

    Args:
        session: a writing session.
        root_ids: missing files of these roots only; None: of all.
    """
    from audiosearch.store.queries import waiting  # noqa: PLC0415 - no query needs it

    missing = SoundFile.state == FileState.MISSING
    if root_ids is not None:
        missing &= SoundFile.root_id.in_(root_ids)
    paths = waiting.remember_paths(session)
    n_files = n_rows(session.connection().execute(delete(SoundFile).where(missing)))
    orphans = session.scalars(
        select(Recording.id).where(~exists().where(SoundFile.recording_id == Recording.id))
    ).all()
    waiting.keep_captions(session, orphans, paths=paths)
    _delete(session, orphans)
    unsaid = session.scalars(select(Caption.id).where(_IS_UNSAID)).all()
    remove_captions(session, unsaid)
    return Purged(n_files=n_files, n_recordings=len(orphans), n_captions=len(unsaid))


def _delete(session: Session, recording_ids: Sequence[int]) -> None:
    """Delete recordings with all that was heard of them."""
    for some in chunks(recording_ids):
        session.execute(delete(Recording).where(Recording.id.in_(some)))
    if recording_ids:
        generations.windows_removed(session)


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

    What people wrote of these goes over to the sound that goes on from it, where windows tell
    that it does. A former recording otherwise stays, since its content may come back or turn up
    elsewhere, and so does what people wrote of it.

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
            if _is_held(session, before.id) or not _goes_on(
                session, before, now, bundle_id=bundle_id
            ):
                continue
            if len(_stretches(session, before.id, bundle_id=bundle_id, limit=2)) > 1:
                _take_over(session, before, now)
            if _is_free(session, before.id):
                outgrown.append(before.id)
    for some in chunks(compared):
        session.execute(update(SoundFile).where(SoundFile.id.in_(some)).values(former_hash=None))
    said = _captions_of(session, outgrown)
    _delete(session, sorted(set(outgrown)))
    unsaid: list[int] = []
    for some in chunks(said):
        unsaid += session.scalars(select(Caption.id).where(Caption.id.in_(some), _IS_UNSAID))
    remove_captions(session, unsaid)


def _captions_of(session: Session, recording_ids: Sequence[int]) -> list[int]:
    """The captions that a model said of recordings."""
    said: set[int] = set()
    for some in chunks(recording_ids):
        said |= set(
            session.scalars(
                select(WindowCaption.caption_id)
                .join(WindowRow, WindowRow.id == WindowCaption.window_id)
                .where(WindowRow.recording_id.in_(some))
            )
        )
    return sorted(said)


def _take_over(session: Session, before: Recording, now: Recording) -> None:
    """Give a recording what people wrote of the one that it goes on from."""
    move_annotations(session, before.audio_hash, now.audio_hash)
    there = aliased(CaptionTarget)  # of what is there already the former keeps its own
    is_there = exists().where(
        there.recording_id == now.id,
        there.caption_id == CaptionTarget.caption_id,
        there.start_s == CaptionTarget.start_s,
        there.end_s == CaptionTarget.end_s,
    )
    session.connection().execute(
        update(CaptionTarget)
        .where(CaptionTarget.recording_id == before.id, ~is_there)
        .values(recording_id=now.id)
    )


def _is_held(session: Session, recording_id: int) -> bool:
    """Whether a file holds a recording, one that is missing now too."""
    return bool(session.scalar(select(exists().where(SoundFile.recording_id == recording_id))))


def _is_free(session: Session, recording_id: int) -> bool:
    """Whether no file holds a recording, and no person wrote anything of it or of a part of it."""
    annotated = (  # ratings, notes and the like, and items of collections, which are annotations
        exists()
        .where(Annotation.sound_id == AnnotatedSound.id)
        .where(AnnotatedSound.audio_hash == Recording.audio_hash)
        .where(Recording.id == recording_id)
    )
    return not session.scalar(
        select(
            exists().where(SoundFile.recording_id == recording_id)
            | exists().where(CaptionTarget.recording_id == recording_id)
            | exists().where(RecordingTag.recording_id == recording_id)
            | annotated
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
