"""What people wrote of sounds that are not in the library now, and where such sounds were last.

The caller owns the transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, delete, exists, insert, select, update
from sqlalchemy.orm import Session

from audiosearch.store.dialects import upsert
from audiosearch.store.queries._bulk import chunks
from audiosearch.store.queries.annotate import ensure_sounds
from audiosearch.store.queries.places import join
from audiosearch.store.schema import (
    AnnotatedSound,
    CaptionTarget,
    FileState,
    ImportedTarget,
    ImportedWaiting,
    LibraryRoot,
    Recording,
    SoundFile,
    WaitingCaption,
)


@dataclass(frozen=True)
class SoundPlace:
    """Where a sound is: a file that holds it, or that held it last."""

    path: bytes  # absolute; empty where no file was ever known
    here: bool  # whether a file of the library holds it now
    duration_s: float | None  # None where the library has not heard it


def sound_places(session: Session, hashes: Sequence[bytes]) -> dict[bytes, SoundPlace]:
    """By hash, where sounds are that the library holds: files that are there before missing ones.

    Sounds of which there is a recording, but no file, are left out, as unknown ones are.
    """
    found: dict[bytes, SoundPlace] = {}
    for some in chunks(hashes):
        rows = session.execute(
            select(
                Recording.audio_hash,
                Recording.duration_s,
                LibraryRoot.path.label("root"),
                SoundFile.path,
                SoundFile.state,
            )
            .join(SoundFile, SoundFile.recording_id == Recording.id)
            .join(LibraryRoot, LibraryRoot.id == SoundFile.root_id)
            .where(Recording.audio_hash.in_(some))
            .order_by(SoundFile.state == FileState.MISSING, LibraryRoot.path, SoundFile.path)
        )
        for row in rows:
            place = SoundPlace(
                join(row.root, row.path), row.state != FileState.MISSING, row.duration_s or None
            )
            found.setdefault(row.audio_hash, place)
    return found


def remember_paths(session: Session) -> dict[bytes, bytes]:
    """Called before files are forgotten: where the sounds are of which people wrote something.

    Returns:
        by hash, the paths of annotated sounds, and of those with captions.
    """
    known = {
        row.audio_hash: row.path
        for row in session.execute(select(AnnotatedSound.audio_hash, AnnotatedSound.path))
    }
    captioned = session.scalars(
        select(Recording.audio_hash).where(
            exists().where(CaptionTarget.recording_id == Recording.id)
        )
    )
    found: dict[bytes, bytes] = {}
    for audio_hash, place in sound_places(session, sorted({*known, *captioned})).items():
        found[audio_hash] = place.path
        if audio_hash in known and place.path != known[audio_hash]:
            session.execute(
                update(AnnotatedSound)
                .where(AnnotatedSound.audio_hash == audio_hash)
                .values(path=place.path)
            )
    return found


def keep_captions(
    session: Session, recording_ids: Sequence[int], *, paths: Mapping[bytes, bytes]
) -> None:
    """Called before recordings are deleted: keep the captions that people gave to them.

    `paths` tells where their sounds were last; see `remember_paths`.
    """
    for some in chunks(recording_ids):
        targets = session.execute(
            select(Recording.audio_hash, CaptionTarget)
            .join(Recording, Recording.id == CaptionTarget.recording_id)
            .where(CaptionTarget.recording_id.in_(some))
        ).all()
        sounds = ensure_sounds(
            session, {row.audio_hash: paths.get(row.audio_hash, b"") for row in targets}
        )
        rows = [
            {
                "caption_id": target.caption_id,
                "sound_id": sounds[audio_hash],
                "start_s": target.start_s,
                "end_s": target.end_s,
                "said": target.said,
            }
            for audio_hash, target in targets
        ]
        if rows:
            session.connection().execute(
                upsert(session, WaitingCaption).on_conflict_do_nothing(), rows
            )
            came_with = (
                select(ImportedTarget.import_id, WaitingCaption.id)
                .select_from(CaptionTarget)
                .join(ImportedTarget, ImportedTarget.target_id == CaptionTarget.id)
                .join(Recording, Recording.id == CaptionTarget.recording_id)
                .join(AnnotatedSound, AnnotatedSound.audio_hash == Recording.audio_hash)
                .join(WaitingCaption, _same_stretch() & _of_sound())
                .where(CaptionTarget.recording_id.in_(some))
            )
            session.execute(
                upsert(session, ImportedWaiting)
                .from_select(["import_id", "waiting_id"], came_with)
                .on_conflict_do_nothing()
            )


def attach_captions(session: Session, recordings: Mapping[bytes, int]) -> None:
    """Give recordings that are new here (id by hash) the captions that wait for them."""
    if session.scalar(select(WaitingCaption.id).limit(1)) is None:
        return
    for some in chunks(sorted(recordings)):
        waiting = session.execute(
            select(AnnotatedSound.audio_hash, WaitingCaption)
            .join(AnnotatedSound, AnnotatedSound.id == WaitingCaption.sound_id)
            .where(AnnotatedSound.audio_hash.in_(some))
            .order_by(WaitingCaption.id)
        ).all()
        rows = [
            {
                "caption_id": each.caption_id,
                "recording_id": recordings[audio_hash],
                "start_s": each.start_s,
                "end_s": each.end_s,
                "said": each.said,
            }
            for audio_hash, each in waiting
        ]
        if rows:
            session.connection().execute(insert(CaptionTarget), rows)
            done = [each.id for _, each in waiting]
            came_with = (
                select(ImportedWaiting.import_id, CaptionTarget.id)
                .select_from(WaitingCaption)
                .join(ImportedWaiting, ImportedWaiting.waiting_id == WaitingCaption.id)
                .join(AnnotatedSound, _of_sound())
                .join(Recording, Recording.audio_hash == AnnotatedSound.audio_hash)
                .join(CaptionTarget, _same_stretch() & (CaptionTarget.recording_id == Recording.id))
                .where(WaitingCaption.id.in_(done))
            )
            session.execute(
                upsert(session, ImportedTarget)
                .from_select(["import_id", "target_id"], came_with)
                .on_conflict_do_nothing()
            )
            session.execute(delete(WaitingCaption).where(WaitingCaption.id.in_(done)))


def _of_sound() -> ColumnElement[bool]:
    return WaitingCaption.sound_id == AnnotatedSound.id


def _same_stretch() -> ColumnElement[bool]:
    return and_(
        WaitingCaption.caption_id == CaptionTarget.caption_id,
        WaitingCaption.start_s == CaptionTarget.start_s,
        WaitingCaption.end_s == CaptionTarget.end_s,
    )
