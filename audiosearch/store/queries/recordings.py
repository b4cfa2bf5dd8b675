"""Recordings: sounds by the hash of their audio packets.

The caller owns the transaction.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, exists, func, insert, select
from sqlalchemy.orm import Session

from audiosearch.store.queries import fulltext, generations
from audiosearch.store.queries._bulk import chunks, n_rows
from audiosearch.store.schema import (
    Caption,
    CaptionSource,
    FileState,
    Recording,
    SoundFile,
    WindowCaption,
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


def ensure_recordings(session: Session, sounds: Sequence[NewRecording]) -> dict[bytes, int]:
    """The ids of sounds by hash; new ones are written down."""
    wanted = {sound.audio_hash: sound for sound in sounds}
    ids: dict[bytes, int] = {}
    for some in chunks(list(wanted)):
        rows = session.execute(
            select(Recording.audio_hash, Recording.id).where(Recording.audio_hash.in_(some))
        )
        ids |= {row.audio_hash: row.id for row in rows}
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
    for chunk in chunks(orphans):
        session.execute(delete(Recording).where(Recording.id.in_(chunk)))
    unsaid = session.scalars(
        select(Caption.id).where(
            Caption.source == CaptionSource.AUTO,
            ~exists().where(WindowCaption.caption_id == Caption.id),
        )
    ).all()
    for chunk in chunks(unsaid):
        session.execute(delete(Caption).where(Caption.id.in_(chunk)))
    fulltext.remove_captions(session, unsaid)
    if unsaid:
        generations.captions_removed(session)
    if orphans:
        generations.windows_removed(session)
    return Purged(n_files=n_files, n_recordings=len(orphans), n_captions=len(unsaid))
