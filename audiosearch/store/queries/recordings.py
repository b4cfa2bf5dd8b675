"""Recordings: sounds by the hash of their audio packets, their embedded metadata and tags.

The caller owns the transaction.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, exists, func, insert, select, update
from sqlalchemy.orm import Session

from audiosearch.store.queries import fulltext, state
from audiosearch.store.queries.chunks import chunks, n_rows
from audiosearch.store.schema import (
    Caption,
    CaptionSource,
    FileState,
    Recording,
    RecordingTag,
    SoundFile,
    Tag,
    WindowCaption,
)

# Embedded metadata that names kinds of sound; it becomes tags (`--tag`).
_TAG_KEYS = ("genre", "keywords", "ucs.category", "ucs.category_id", "ucs.subcategory")


@dataclass(frozen=True)
class NewRecording:
    """What demuxing a file tells about its sound."""

    audio_hash: bytes  # 32 bytes
    sample_rate: int  # Hz
    channels: int
    bit_depth: int | None
    codec: str
    container: str
    metadata: Mapping[str, str]


def ensure_recordings(session: Session, sounds: Sequence[NewRecording]) -> dict[bytes, int]:
    """The ids of sounds by hash; new ones are written down, embedded metadata brought up to date.

    Files of one recording may carry different metadata: the one that comes last is kept.
    """
    wanted = {sound.audio_hash: sound for sound in sounds}
    texts = {each: _metadata_json(sound.metadata) for each, sound in wanted.items()}
    ids: dict[bytes, int] = {}
    outdated: list[dict[str, object]] = []
    for some in chunks(list(wanted)):
        rows = session.execute(
            select(Recording.audio_hash, Recording.id, Recording.metadata_json).where(
                Recording.audio_hash.in_(some)
            )
        )
        for row in rows:
            ids[row.audio_hash] = row.id
            if row.metadata_json != texts[row.audio_hash]:
                outdated.append({"recording": row.id, "text": texts[row.audio_hash]})
    new = [sound for each, sound in wanted.items() if each not in ids]
    if new:
        # Ids by hand: one bulk insert. An id that a deleted recording had is free to be used again.
        first = (session.scalar(select(func.max(Recording.id))) or 0) + 1
        ids |= {sound.audio_hash: first + number for number, sound in enumerate(new)}
        session.connection().execute(
            insert(Recording), [_row(ids[s.audio_hash], s, texts[s.audio_hash]) for s in new]
        )
    if outdated:
        session.connection().execute(
            update(Recording)
            .where(Recording.id == bindparam("recording"))
            .values(metadata_json=bindparam("text")),
            outdated,
        )
    for each, sound in wanted.items():
        _add_tags(session, ids[each], sound.metadata)
    return ids


def _metadata_json(metadata: Mapping[str, str]) -> str:
    return json.dumps(dict(sorted(metadata.items())), ensure_ascii=False)


def _row(recording_id: int, sound: NewRecording, metadata_json: str) -> dict[str, object]:
    return {
        "id": recording_id,
        "audio_hash": sound.audio_hash,
        "duration_s": 0.0,
        "sample_rate": sound.sample_rate,
        "channels": sound.channels,
        "bit_depth": sound.bit_depth,
        "codec": sound.codec,
        "container": sound.container,
        "metadata_json": metadata_json,
        "added_at": time.time(),
    }


def _add_tags(session: Session, recording_id: int, metadata: Mapping[str, str]) -> None:
    """Tags that the metadata names; never removes one, since the user may have set it."""
    names = {
        part.strip().lower()
        for key in _TAG_KEYS
        for part in metadata.get(key, "").replace(";", ",").split(",")
        if part.strip()
    }
    for name in sorted(names):
        tag_id = session.scalar(select(Tag.id).where(Tag.name == name))
        if tag_id is None:
            tag = Tag(name=name)
            session.add(tag)
            session.flush()
            tag_id = tag.id
        if session.get(RecordingTag, (recording_id, tag_id)) is None:
            session.execute(insert(RecordingTag).values(recording_id=recording_id, tag_id=tag_id))


@dataclass(frozen=True)
class Purged:
    """How much a purge removed."""

    n_files: int
    n_recordings: int
    n_captions: int


def purge(session: Session, *, root_ids: Sequence[int] | None = None) -> Purged:
    """Delete what is gone for good: missing files, sounds without any file, their own captions.

    Args:
        session: a writing session.
        root_ids: missing files of these roots only; None: of all.
    """
    missing = SoundFile.state == FileState.MISSING
    if root_ids is not None:
        missing &= SoundFile.root_id.in_(root_ids)
    touched = session.scalars(select(SoundFile.recording_id).where(missing).distinct()).all()
    n_files = n_rows(session.connection().execute(delete(SoundFile).where(missing)))
    orphans = session.scalars(
        select(Recording.id).where(~exists().where(SoundFile.recording_id == Recording.id))
    ).all()
    for chunk in chunks(orphans):
        session.execute(delete(Recording).where(Recording.id.in_(chunk)))
    fulltext.refresh_recordings(session, {*orphans, *(each for each in touched if each)})
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
        state.captions_removed(session)
    if orphans:
        state.windows_removed(session)
    return Purged(n_files=n_files, n_recordings=len(orphans), n_captions=len(unsaid))
