"""All that a library knows of one file and of its sound.

The caller owns the transaction; everything here only reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Row, func, literal, select
from sqlalchemy.orm import Session

from audiosearch.store.queries.file_list import file_tags
from audiosearch.store.queries.fulltext import values
from audiosearch.store.queries.places import RootPath, join
from audiosearch.store.queries.search import window_captions
from audiosearch.store.queries.users import own_users
from audiosearch.store.schema import (
    AnnotatedSound,
    Annotation,
    BundleRow,
    Caption,
    CaptionSource,
    CaptionTarget,
    Encoding,
    FileState,
    FileTag,
    LibraryRoot,
    Recording,
    RecordingTag,
    SoundFile,
    Tag,
    WindowRow,
)


@dataclass(frozen=True, kw_only=True)
class FileDetails:
    """What is known of a file itself.

    Attributes:
        root: the folder of the library that it lies in.
        checked_at: Unix seconds; when its content was last looked at.
        remark: what a person should know of its sound.
        metadata: each field with all its values.
        tags: names of those that its metadata gives.
    """

    file_id: int
    root: bytes
    state: FileState
    size: int
    mtime_ns: int
    checked_at: float
    error_code: str | None
    error_text: str | None
    remark: str | None
    metadata: Mapping[str, tuple[str, ...]]
    tags: tuple[str, ...]
    recording_id: int | None


@dataclass(frozen=True)
class SoundPath:
    """A file that holds a sound; its path is absolute."""

    file_id: int
    path: bytes
    state: FileState


@dataclass(frozen=True)
class PersonCaption:
    """A caption that a person gave to a stretch of a sound, as it was typed where that is kept."""

    start_s: float
    end_s: float
    text: str
    source: CaptionSource


@dataclass(frozen=True)
class BundleProgress:
    """How far a bundle has come with a sound; `n_windows` counts those stored."""

    bundle_id: int
    name: str
    version: str
    fingerprint: str
    complete: bool
    n_windows: int


@dataclass(frozen=True, kw_only=True)
class SoundDetails:
    """What is known of a sound, whichever file holds it.

    Attributes:
        duration_s: None where it was not heard to its end.
        peak_db: dBFS; None for digital silence.
        loudness_lufs: EBU R 128; None where it has none.
        tags: names of those that people set.
        bundles: what has encoded it, the newest last.
    """

    recording_id: int
    duration_s: float | None
    container: str
    codec: str
    sample_rate: int
    channels: int
    bit_depth: int | None
    peak_db: float | None
    loudness_lufs: float | None
    tags: tuple[str, ...]
    files: tuple[SoundPath, ...]
    captions: tuple[PersonCaption, ...]
    bundles: tuple[BundleProgress, ...]


@dataclass(frozen=True)
class WindowSaid:
    """A window of a sound, and the model's own sentence for it."""

    start_s: float
    end_s: float
    silent: bool
    caption: str | None


def file_details(session: Session, place: RootPath) -> FileDetails | None:
    """What is known of the file at a place; None where none is known there."""
    file = session.scalars(
        select(SoundFile).where(
            SoundFile.root_id == place.root.root_id, SoundFile.path == place.relative
        )
    ).first()
    if file is None:
        return None
    tags = file_tags(session, [file.id]).get(file.id, [])
    metadata: dict[str, tuple[str, ...]] = {}
    for field, value in values(file.metadata_json):
        metadata[field] = (*metadata.get(field, ()), value)
    return FileDetails(
        file_id=file.id,
        root=place.root.path,
        state=FileState(file.state),
        size=file.size,
        mtime_ns=file.mtime_ns,
        checked_at=file.checked_at,
        error_code=file.error_code,
        error_text=file.error_text,
        remark=file.remark,
        metadata=metadata,
        tags=tuple(sorted(name for name, is_own in tags if is_own)),
        recording_id=file.recording_id,
    )


def find_recording(session: Session, audio_hash: bytes) -> int | None:
    """The id of a sound by its hash; None where it is not known."""
    return session.scalar(select(Recording.id).where(Recording.audio_hash == audio_hash))


@dataclass(frozen=True)
class SoundForm:
    """What a sound is made of; `duration_s` is None where it was not heard to its end."""

    duration_s: float | None
    sample_rate: int
    channels: int


def sound_form(session: Session, recording_id: int) -> SoundForm:
    """Length, rate and channels of a sound."""
    sound = session.get_one(Recording, recording_id)
    return SoundForm(sound.duration_s or None, sound.sample_rate, sound.channels)


def sound_details(session: Session, recording_id: int) -> SoundDetails:
    """What is known of a sound."""
    sound = session.get_one(Recording, recording_id)
    files = _files(session, recording_id)
    tags = file_tags(session, [files[0].file_id]).get(files[0].file_id, []) if files else []
    return SoundDetails(
        recording_id=recording_id,
        duration_s=sound.duration_s or None,
        container=sound.container,
        codec=sound.codec,
        sample_rate=sound.sample_rate,
        channels=sound.channels,
        bit_depth=sound.bit_depth,
        peak_db=sound.peak_db,
        loudness_lufs=sound.loudness_lufs,
        tags=tuple(sorted(name for name, is_own in tags if not is_own)),
        files=files,
        captions=_captions(session, recording_id),
        bundles=_bundles(session, recording_id),
    )


@dataclass(frozen=True, kw_only=True)
class SoundBrief:
    """What a line of a list tells of a sound, beside what was found in it.

    Attributes:
        tags: names of those that the metadata of its files gives.
        tags_given: names of those that people set.
        rating, favourite: of the whole sound.
    """

    recording_id: int
    peak_db: float | None
    loudness_lufs: float | None
    tags: tuple[str, ...] = ()
    tags_given: tuple[str, ...] = ()
    rating: int | None = None
    favourite: bool = False


def sound_briefs(session: Session, recording_ids: Sequence[int]) -> list[SoundBrief]:
    """What is told of a few hundred sounds in a list, in the order of their ids.

    Ids that are none are left out.
    """
    of_files = (
        select(SoundFile.recording_id, Tag.name, literal(1).label("own"))
        .join(FileTag, FileTag.file_id == SoundFile.id)
        .join(Tag, Tag.id == FileTag.tag_id)
        .where(SoundFile.recording_id.in_(recording_ids))
    )
    by_people = (
        select(RecordingTag.recording_id, Tag.name, literal(0).label("own"))
        .join(Tag, Tag.id == RecordingTag.tag_id)
        .where(RecordingTag.recording_id.in_(recording_ids))
    )
    tags: dict[tuple[int | None, bool], set[str]] = {}
    for row in session.execute(of_files.union_all(by_people)):
        tags.setdefault((row[0], bool(row[2])), set()).add(row[1])
    own = own_users(session)
    whole = (
        (Annotation.sound_id == AnnotatedSound.id)
        & (Annotation.end_s == 0)
        & Annotation.user_name.in_(own)
    )
    rows = session.execute(
        select(
            Recording.id,
            Recording.peak_db,
            Recording.loudness_lufs,
            Annotation.rating,
            Annotation.favourite_at,
        )
        .outerjoin(AnnotatedSound, AnnotatedSound.audio_hash == Recording.audio_hash)
        .outerjoin(Annotation, whole)
        .where(Recording.id.in_(recording_ids))
        .order_by(Recording.id, Annotation.user_name)
    )
    sounds: dict[int, Row[int, float | None, float | None, int | None, float | None]] = {}
    ratings: dict[int, int] = {}
    favourites: set[int] = set()
    for each in rows:  # everybody's, then the user's own
        sounds[each.id] = each
        if each.rating is not None:
            ratings[each.id] = each.rating
        if each.favourite_at is not None:
            favourites.add(each.id)
    return [
        SoundBrief(
            recording_id=row.id,
            peak_db=row.peak_db,
            loudness_lufs=row.loudness_lufs,
            tags=tuple(sorted(tags.get((row.id, True), ()))),
            tags_given=tuple(sorted(tags.get((row.id, False), ()))),
            rating=ratings.get(row.id),
            favourite=row.id in favourites,
        )
        for row in sounds.values()
    ]


def _files(session: Session, recording_id: int) -> tuple[SoundPath, ...]:
    rows = session.execute(
        select(SoundFile.id, LibraryRoot.path.label("root"), SoundFile.path, SoundFile.state)
        .join(LibraryRoot, LibraryRoot.id == SoundFile.root_id)
        .where(SoundFile.recording_id == recording_id)
        .order_by(LibraryRoot.path, SoundFile.path)
    )
    return tuple(SoundPath(row.id, join(row.root, row.path), FileState(row.state)) for row in rows)


def _captions(session: Session, recording_id: int) -> tuple[PersonCaption, ...]:
    rows = session.execute(
        select(
            CaptionTarget.start_s,
            CaptionTarget.end_s,
            func.coalesce(CaptionTarget.said, Caption.text).label("text"),
            Caption.source,
        )
        .join(Caption, Caption.id == CaptionTarget.caption_id)
        .where(CaptionTarget.recording_id == recording_id)
        .order_by(CaptionTarget.start_s, CaptionTarget.end_s, CaptionTarget.id)
    )
    return tuple(
        PersonCaption(row.start_s, row.end_s, row.text, CaptionSource(row.source)) for row in rows
    )


def _bundles(session: Session, recording_id: int) -> tuple[BundleProgress, ...]:
    n_windows = (
        select(func.count())
        .where(
            WindowRow.recording_id == Encoding.recording_id,
            WindowRow.bundle_id == Encoding.bundle_id,
        )
        .scalar_subquery()
    )
    rows = session.execute(
        select(
            BundleRow.id,
            BundleRow.name,
            BundleRow.version,
            BundleRow.fingerprint,
            Encoding.n_windows.is_not(None).label("complete"),
            n_windows.label("n_windows"),
        )
        .join(Encoding, Encoding.bundle_id == BundleRow.id)
        .where(Encoding.recording_id == recording_id)
        .order_by(BundleRow.id)
    )
    return tuple(BundleProgress(*row) for row in rows)


def windows_said(session: Session, recording_id: int, *, bundle_id: int) -> list[WindowSaid]:
    """A bundle's windows of a sound, in order, with the model's own sentence for each."""
    rows = session.execute(
        select(WindowRow.id, WindowRow.start_s, WindowRow.end_s, WindowRow.silent)
        .where(WindowRow.recording_id == recording_id, WindowRow.bundle_id == bundle_id)
        .order_by(WindowRow.position)
    ).all()
    said = window_captions(session, [row.id for row in rows])
    return [WindowSaid(row.start_s, row.end_s, bool(row.silent), said.get(row.id)) for row in rows]
