"""What a person wrote of sounds: tags, ratings, favourites and notes, of a whole sound or a part.

Kept by the hash of the sound, so it stays when files move and recordings are deleted. The caller
owns the transaction; what is derived (`recording_tag`, full text) is brought in step by `settle`.
"""

from __future__ import annotations

import time
from collections.abc import Collection as Several
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, exists, func, insert, select, update
from sqlalchemy.orm import Session, aliased

from audiosearch.store.dialects import upsert
from audiosearch.store.names import normal_form
from audiosearch.store.queries import fulltext
from audiosearch.store.queries._bulk import chunks, n_rows
from audiosearch.store.queries.file_texts import ensure_tags
from audiosearch.store.queries.users import user_of
from audiosearch.store.schema import (
    AnnotatedSound,
    Annotation,
    AnnotationTag,
    CollectionItem,
    Recording,
    RecordingTag,
    SoundFile,
    Tag,
    WaitingCaption,
)

MOST_STARS = 5


@dataclass(frozen=True)
class SoundStretch:
    """A stretch of a sound, in seconds; without `end_s` the whole of it.

    `path` is where a file holds it, or held it last; it tells no stretches apart.
    """

    audio_hash: bytes
    path: bytes
    start_s: float = 0.0
    end_s: float | None = None

    @property
    def key(self) -> tuple[bytes, float, float]:
        """What tells it apart in the tables."""
        return (self.audio_hash, self.start_s, self.end_s or 0.0)


def ensure_sounds(session: Session, paths: Mapping[bytes, bytes]) -> dict[bytes, int]:
    """The ids of annotated sounds by hash; new ones are written down with their paths."""
    ids: dict[bytes, int] = {}
    for some in chunks(sorted(paths)):
        wanted = select(AnnotatedSound.audio_hash, AnnotatedSound.id).where(
            AnnotatedSound.audio_hash.in_(some)
        )
        known = {row.audio_hash: row.id for row in session.execute(wanted)}
        new = [{"audio_hash": each, "path": paths[each]} for each in some if each not in known]
        if new:
            session.connection().execute(insert(AnnotatedSound), new)
            known = {row.audio_hash: row.id for row in session.execute(wanted)}
        ids |= known
    return ids


def find_annotations(
    session: Session, stretches: Iterable[SoundStretch], *, user: str | None = None
) -> dict[tuple[bytes, float, float], int]:
    """The ids of what a user wrote of stretches, by their keys; those of which nothing is lack.

    Without `user`, it is the session's.
    """
    user = user_of(session) if user is None else user
    keys = {each.key for each in stretches}
    found: dict[tuple[bytes, float, float], int] = {}
    for some in chunks(sorted({audio_hash for audio_hash, _, _ in keys})):
        rows = session.execute(
            select(AnnotatedSound.audio_hash, Annotation.start_s, Annotation.end_s, Annotation.id)
            .join(AnnotatedSound, AnnotatedSound.id == Annotation.sound_id)
            .where(AnnotatedSound.audio_hash.in_(some), Annotation.user_name == user)
        )
        found |= {key: row.id for row in rows for key in [(row[0], row[1], row[2])] if key in keys}
    return found


def ensure_annotations(
    session: Session, stretches: Sequence[SoundStretch], *, user: str | None = None
) -> dict[tuple[bytes, float, float], int]:
    """The ids of a user's annotations of stretches, by their keys; new ones say nothing yet.

    Without `user`, it is the session's.
    """
    user = user_of(session) if user is None else user
    sounds = ensure_sounds(session, {each.audio_hash: each.path for each in stretches})
    found = find_annotations(session, stretches, user=user)
    new = {each.key: each for each in stretches if each.key not in found}
    if new:
        session.connection().execute(
            insert(Annotation),
            [
                {
                    "sound_id": sounds[audio_hash],
                    "start_s": start_s,
                    "end_s": end_s,
                    "user_name": user,
                }
                for audio_hash, start_s, end_s in new
            ],
        )
        found |= find_annotations(session, list(new.values()), user=user)
    return found


def add_tags(session: Session, tags: Iterable[tuple[int, str, float]]) -> int:
    """Put tags (annotation id, as typed, Unix seconds) on stretches; how many were not there.

    A tag that is there in another spelling is spelled as it was typed last.
    """
    typed = [(each, name, normal_form(name), at) for each, name, at in tags]
    ids = ensure_tags(session, sorted({form for _, _, form, _ in typed}))
    n_before = session.connection().execute(select(func.count()).select_from(AnnotationTag))
    before = int(n_before.scalar_one())
    rows = [
        {"annotation_id": each, "tag_id": ids[form], "said": name, "added_at": at}
        for each, name, form, at in typed
    ]
    if rows:
        statement = upsert(session, AnnotationTag)
        session.connection().execute(
            statement.on_conflict_do_update(
                index_elements=["annotation_id", "tag_id"],
                set_={"said": statement.excluded.said, "added_at": statement.excluded.added_at},
                where=statement.excluded.added_at > AnnotationTag.added_at,
            ),
            rows,
        )
    after = session.connection().execute(select(func.count()).select_from(AnnotationTag))
    return int(after.scalar_one()) - before


def remove_tags(session: Session, annotation_ids: Sequence[int], names: Sequence[str]) -> int:
    """Take tags, in any spelling, from stretches; returns how many there were."""
    forms = [normal_form(name) for name in names]
    tag_ids = select(Tag.id).where(Tag.name.in_(forms))
    return sum(
        n_rows(
            session.connection().execute(
                delete(AnnotationTag).where(
                    AnnotationTag.annotation_id.in_(some), AnnotationTag.tag_id.in_(tag_ids)
                )
            )
        )
        for some in chunks(annotation_ids)
    )


def tag_owners(session: Session, hashes: Several[bytes], tag: str) -> list[str]:
    """The users who put a tag, in any spelling, on sounds or parts of them; by name."""
    found: set[str] = set()
    for some in chunks(sorted(hashes)):
        found |= set(
            session.scalars(
                select(Annotation.user_name)
                .join(AnnotatedSound, AnnotatedSound.id == Annotation.sound_id)
                .join(AnnotationTag, AnnotationTag.annotation_id == Annotation.id)
                .join(Tag, Tag.id == AnnotationTag.tag_id)
                .where(AnnotatedSound.audio_hash.in_(some), Tag.name == normal_form(tag))
                .distinct()
            )
        )
    return sorted(found)


def set_rating(session: Session, annotation_ids: Sequence[int], stars: int | None) -> None:
    """Rate stretches with 1 to 5 stars; None takes the rating away."""
    when = None if stars is None else time.time()
    _set(session, annotation_ids, rating=stars, rated_at=when)


def set_favourite(session: Session, annotation_ids: Sequence[int], *, wanted: bool) -> None:
    """Make stretches favourites, or none any more."""
    _set(session, annotation_ids, favourite_at=time.time() if wanted else None)


def set_note(session: Session, annotation_ids: Sequence[int], note: str | None) -> None:
    """Write a note about stretches, in place of the one there is; None takes it away."""
    _set(session, annotation_ids, note=note, noted_at=None if note is None else time.time())


def _set(session: Session, annotation_ids: Sequence[int], **values: object) -> None:
    for some in chunks(annotation_ids):
        session.execute(update(Annotation).where(Annotation.id.in_(some)).values(**values))


def settle(session: Session, hashes: Several[bytes]) -> None:
    """Bring in step what is derived from what is written of sounds, and forget what says nothing.

    That is `recording_tag`, and the full text of the files that hold the sounds.
    """
    for some in chunks(sorted(hashes)):
        held = select(Recording.id).where(Recording.audio_hash.in_(some))
        session.execute(delete(RecordingTag).where(RecordingTag.recording_id.in_(held)))
        _derive_tags(session, session.scalars(held).all())
        files = session.scalars(select(SoundFile.id).where(SoundFile.recording_id.in_(held)))
        fulltext.refresh_files(session, files.all())
    _forget_empty(session)


def _derive_tags(session: Session, recording_ids: Sequence[int]) -> None:
    for some in chunks(recording_ids):
        tagged = (
            select(Recording.id, AnnotationTag.tag_id)
            .join(AnnotatedSound, AnnotatedSound.audio_hash == Recording.audio_hash)
            .join(Annotation, Annotation.sound_id == AnnotatedSound.id)
            .join(AnnotationTag, AnnotationTag.annotation_id == Annotation.id)
            .where(Recording.id.in_(some))
            .distinct()
        )
        session.connection().execute(
            upsert(session, RecordingTag)
            .from_select(["recording_id", "tag_id"], tagged)
            .on_conflict_do_nothing()
        )


def move_annotations(session: Session, before: bytes, now: bytes) -> None:
    """Give a sound what is written of another, which it begins with: times stay what they are.

    What is written of a stretch of which the new sound says something already stays where it is.
    """
    former = session.execute(
        select(AnnotatedSound.id, AnnotatedSound.path).where(AnnotatedSound.audio_hash == before)
    ).first()
    if former is None:
        return
    sound_id = ensure_sounds(session, {now: former.path})[now]
    there, moved = aliased(Annotation), aliased(Annotation)
    free = (
        select(moved.id)
        .where(moved.sound_id == former.id)
        .where(
            ~exists().where(
                there.sound_id == sound_id,
                there.start_s == moved.start_s,
                there.end_s == moved.end_s,
                there.user_name == moved.user_name,
            )
        )
    )
    ids = session.scalars(free).all()
    for some in chunks(ids):
        session.execute(update(Annotation).where(Annotation.id.in_(some)).values(sound_id=sound_id))
    settle(session, [before, now])


def _forget_empty(session: Session) -> None:
    session.execute(
        delete(Annotation).where(
            Annotation.rating.is_(None),
            Annotation.favourite_at.is_(None),
            Annotation.note.is_(None),
            ~exists().where(AnnotationTag.annotation_id == Annotation.id),
            ~exists().where(CollectionItem.annotation_id == Annotation.id),
        )
    )
    session.execute(
        delete(AnnotatedSound).where(
            ~exists().where(Annotation.sound_id == AnnotatedSound.id),
            ~exists().where(WaitingCaption.sound_id == AnnotatedSound.id),
        )
    )


def attach_tags(session: Session, recording_ids: Sequence[int]) -> None:
    """Give recordings that are new here the tags that their sounds already have."""
    if session.scalar(select(AnnotationTag.annotation_id).limit(1)) is not None:
        _derive_tags(session, recording_ids)


def mend_tags(session: Session) -> int:
    """Have all tags that people set be those that they typed; returns how many were not.

    So they survive a tag's row that is gone, or another normal form of a later version.
    """
    rows = session.execute(
        select(AnnotationTag.annotation_id, AnnotationTag.tag_id, AnnotationTag.said, Tag.name)
        .outerjoin(Tag, Tag.id == AnnotationTag.tag_id)
        .execution_options(yield_per=2000)
    )
    wrong = [
        (row.annotation_id, row.tag_id, row.said, form)
        for row in rows
        for form in [normal_form(row.said) if isinstance(row.said, str) else ""]
        if form != row.name or not form
    ]
    ids = ensure_tags(session, sorted({form for *_, form in wrong if form}))
    touched: set[int] = set()
    for annotation_id, tag_id, said, form in wrong:
        old = AnnotationTag.annotation_id == annotation_id, AnnotationTag.tag_id == tag_id
        when = session.scalar(select(AnnotationTag.added_at).where(*old))
        session.execute(delete(AnnotationTag).where(*old))
        recordings = (
            select(Recording.id)
            .join(AnnotatedSound, AnnotatedSound.audio_hash == Recording.audio_hash)
            .join(Annotation, Annotation.sound_id == AnnotatedSound.id)
            .where(Annotation.id == annotation_id)
        )
        session.execute(
            delete(RecordingTag).where(
                RecordingTag.recording_id.in_(recordings), RecordingTag.tag_id == tag_id
            )
        )
        touched |= set(session.scalars(recordings))
        if form:
            session.connection().execute(
                upsert(session, AnnotationTag)
                .values(annotation_id=annotation_id, tag_id=ids[form], said=said, added_at=when)
                .on_conflict_do_nothing()
            )
    _derive_tags(session, sorted(touched))
    return len(wrong)
