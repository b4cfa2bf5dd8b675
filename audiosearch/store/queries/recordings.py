"""Recordings: sounds by the hash of their audio packets, and how far a bundle has come with each.

The caller owns the transaction.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, exists, func, insert, select, update
from sqlalchemy.orm import Session

from audiosearch.store.queries import fulltext, state
from audiosearch.store.schema import (
    Bundle,
    Caption,
    CaptionSource,
    Encoding,
    FileState,
    Recording,
    RecordingTag,
    SoundFile,
    Tag,
    Window,
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


@dataclass(frozen=True)
class SoundFacts:
    """What only decoding all of it tells."""

    duration_s: float
    peak_db: float | None  # dBFS; None = digital silence
    loudness_lufs: float | None


@dataclass(frozen=True)
class Progress:
    """How far a bundle has come with a recording."""

    recording_id: int
    hop_s: float | None  # None: this bundle has not begun
    n_windows: int | None  # set when all are stored
    n_stored: int  # windows stored so far, positions 0 to n_stored - 1

    def complete(self, *, hop_s: float) -> bool:
        """Whether nothing is left to encode at this hop."""
        return self.n_windows is not None and self.hop_s == hop_s


def ensure_bundle(session: Session, *, name: str, version: str, fingerprint: str) -> int:
    """The id of a bundle, written down when it is new."""
    found = find_bundle_id(session, fingerprint=fingerprint)
    if found is not None:
        return found
    bundle = Bundle(name=name, version=version, fingerprint=fingerprint, added_at=time.time())
    session.add(bundle)
    session.flush()
    return bundle.id


def find_bundle_id(session: Session, *, fingerprint: str) -> int | None:
    """The id of a bundle that has encoded something here, or None."""
    return session.scalar(select(Bundle.id).where(Bundle.fingerprint == fingerprint))


def find_progress(session: Session, audio_hash: bytes, *, bundle_id: int) -> Progress | None:
    """What is stored of a sound for a bundle; None where the sound is not known."""
    row = session.execute(
        select(Recording.id, Encoding.hop_s, Encoding.n_windows)
        .outerjoin(
            Encoding, (Encoding.recording_id == Recording.id) & (Encoding.bundle_id == bundle_id)
        )
        .where(Recording.audio_hash == audio_hash)
    ).first()
    if row is None:
        return None
    n_stored = row.n_windows
    if n_stored is None:
        n_stored = session.scalar(
            select(func.count())
            .select_from(Window)
            .where(Window.recording_id == row.id, Window.bundle_id == bundle_id)
        )
    return Progress(
        recording_id=row.id, hop_s=row.hop_s, n_windows=row.n_windows, n_stored=n_stored or 0
    )


def ensure_recording(session: Session, new: NewRecording) -> int:
    """The id of a sound, written down when it is new; its embedded metadata is brought up to date.

    Files of one recording may carry different metadata: the one read last is kept.
    """
    text = json.dumps(dict(sorted(new.metadata.items())), ensure_ascii=False)
    row = session.execute(
        select(Recording.id, Recording.metadata_json).where(Recording.audio_hash == new.audio_hash)
    ).first()
    if row is None:
        # Not from the row's id: SQLite gives ids of deleted rows again, which is harmless here.
        recording = Recording(
            audio_hash=new.audio_hash,
            duration_s=0.0,
            sample_rate=new.sample_rate,
            channels=new.channels,
            bit_depth=new.bit_depth,
            codec=new.codec,
            container=new.container,
            metadata_json=text,
            added_at=time.time(),
        )
        session.add(recording)
        session.flush()
        recording_id = recording.id
    else:
        recording_id = row.id
        if row.metadata_json != text:
            session.execute(
                update(Recording).where(Recording.id == recording_id).values(metadata_json=text)
            )
    _add_tags(session, recording_id, new.metadata)
    return recording_id


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


def begin_encoding(session: Session, recording_id: int, *, bundle_id: int, hop_s: float) -> None:
    """Note that this bundle begins anew with a recording: its windows of other hops go."""
    n_gone = session.connection().execute(
        delete(Window).where(Window.recording_id == recording_id, Window.bundle_id == bundle_id)
    )
    if n_gone.rowcount:
        state.windows_removed(session)
    session.execute(
        delete(Encoding).where(
            Encoding.recording_id == recording_id, Encoding.bundle_id == bundle_id
        )
    )
    session.execute(
        insert(Encoding).values(
            recording_id=recording_id, bundle_id=bundle_id, hop_s=hop_s, n_windows=None
        )
    )


def complete_encoding(
    session: Session, recording_id: int, *, bundle_id: int, n_windows: int, facts: SoundFacts
) -> None:
    """Note that all windows of a recording are stored, and what decoding it told."""
    session.execute(
        update(Encoding)
        .where(Encoding.recording_id == recording_id, Encoding.bundle_id == bundle_id)
        .values(n_windows=n_windows)
    )
    session.execute(
        update(Recording)
        .where(Recording.id == recording_id)
        .values(
            duration_s=facts.duration_s,
            peak_db=facts.peak_db,
            loudness_lufs=facts.loudness_lufs,
        )
    )


def drop_unfinished(session: Session, recording_id: int, *, bundle_id: int) -> None:
    """Remove what is stored of a recording that could not be read to its end.

    With it goes the recording itself, if nothing else is known of it.
    """
    encoding = session.get(Encoding, (recording_id, bundle_id))
    if encoding is not None and encoding.n_windows is None:
        session.execute(
            delete(Window).where(Window.recording_id == recording_id, Window.bundle_id == bundle_id)
        )
        session.delete(encoding)
        session.flush()
        state.windows_removed(session)
    gone = session.connection().execute(
        delete(Recording).where(
            Recording.id == recording_id,
            ~exists().where(SoundFile.recording_id == Recording.id),
            ~exists().where(Encoding.recording_id == Recording.id),
        )
    )
    if gone.rowcount:
        fulltext.refresh_recordings(session, [recording_id])


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
    n_files = _deleted(session.connection().execute(delete(SoundFile).where(missing)).rowcount)
    orphans = session.scalars(
        select(Recording.id).where(~exists().where(SoundFile.recording_id == Recording.id))
    ).all()
    for chunk in _chunks(orphans):
        session.execute(delete(Recording).where(Recording.id.in_(chunk)))
    fulltext.refresh_recordings(session, {*orphans, *(each for each in touched if each)})
    unsaid = session.scalars(
        select(Caption.id).where(
            Caption.source == CaptionSource.AUTO,
            ~exists().where(WindowCaption.caption_id == Caption.id),
        )
    ).all()
    for chunk in _chunks(unsaid):
        session.execute(delete(Caption).where(Caption.id.in_(chunk)))
    fulltext.remove_captions(session, unsaid)
    if orphans:
        state.windows_removed(session)
    return Purged(n_files=n_files, n_recordings=len(orphans), n_captions=len(unsaid))


def _deleted(rowcount: int) -> int:
    return max(rowcount, 0)


def _chunks(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    return (ids[start : start + 500] for start in range(0, len(ids), 500))
