"""What people wrote of sounds, listed with the files that hold them.

The caller owns the transaction; everything here only reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, func, or_, select, tuple_
from sqlalchemy.orm import Session

from audiosearch.store.names import normal_form
from audiosearch.store.queries._bulk import chunks
from audiosearch.store.queries.users import counts_for, own_users
from audiosearch.store.queries.waiting import sound_places
from audiosearch.store.schema import (
    AnnotatedSound,
    Annotation,
    AnnotationTag,
    Collection,
    CollectionItem,
    Tag,
)


@dataclass(frozen=True, kw_only=True)
class WrittenAnnotation:
    """What a person wrote of a stretch of a sound, in seconds; without `end_s` the whole of it.

    Attributes:
        path: absolute, of a file that holds the sound, or that held it last.
        here: whether a file of the library holds it now.
        duration_s: of the whole sound; None where the library does not have it.
        tags: as they were typed.
        rating: 1 to 5 stars.
        collections: names of those that it is in.
        rated_at, favourite_at, noted_at: Unix seconds; None where there is no such thing.
        user: whose it is; "" where it is everybody's.
        is_own: whether the session's user may change it: it is the user's, or everybody's.
    """

    annotation_id: int
    audio_hash: bytes
    path: bytes
    here: bool
    duration_s: float | None
    start_s: float
    end_s: float | None
    tags: tuple[str, ...]
    rating: int | None
    rated_at: float | None
    favourite_at: float | None
    note: str | None
    noted_at: float | None
    collections: tuple[str, ...]
    user: str
    is_own: bool

    @property
    def says_something(self) -> bool:
        """Whether there is anything in it."""
        marks = (self.rating, self.favourite_at, self.note)
        return bool(self.tags or self.collections) or any(each is not None for each in marks)


def annotation_ids(
    session: Session,
    *,
    hashes: Sequence[bytes] | None = None,
    tag: str | None = None,
    least_stars: int | None = None,
    favourite: bool = False,
    noted: bool = False,
    users: Sequence[str] | None = None,
) -> list[int]:
    """The ids of annotations that say something of what is given, of stretches of which all holds.

    Several users may have written it: ratings and favourites are those that count for the session's
    (`users.counts_for`), tags and notes anybody's.

    Args:
        session: any session.
        hashes: of these sounds; None: of any.
        tag: with this tag, in any spelling.
        least_stars: rated so high or higher.
        favourite: a favourite.
        noted: with a note.
        users: of these users; None: of any.
    """
    said: list[ColumnElement[bool]] = []
    if tag is not None:
        tagged = select(AnnotationTag.annotation_id).join(Tag, Tag.id == AnnotationTag.tag_id)
        said.append(Annotation.id.in_(tagged.where(Tag.name == normal_form(tag))))
    if least_stars is not None:
        counts = counts_for(own_users(session), Annotation.rating)
        said.append((Annotation.rating >= least_stars) & counts)
    if favourite:
        counts = counts_for(own_users(session), Annotation.favourite_at)
        said.append(Annotation.favourite_at.is_not(None) & counts)
    if noted:
        said.append(Annotation.note.is_not(None))
    wanted = select(Annotation.id).order_by(Annotation.id)
    if users is not None:
        wanted = wanted.where(Annotation.user_name.in_(users))
    if said:
        place = (Annotation.sound_id, Annotation.start_s, Annotation.end_s)
        places = [select(*place).where(each).correlate(None) for each in said]
        wanted = wanted.where(or_(*said), *(tuple_(*place).in_(each) for each in places))
    if hashes is None:
        return list(session.scalars(wanted))
    sound = AnnotatedSound.id == Annotation.sound_id
    return [
        each
        for some in chunks(hashes)
        for each in session.scalars(
            wanted.join(AnnotatedSound, sound).where(AnnotatedSound.audio_hash.in_(some))
        )
    ]


def written_annotations(session: Session, ids: Sequence[int]) -> list[WrittenAnnotation]:
    """Annotations in the order of their ids as given; ids that are none are left out.

    So is what others keep of a sound where it is nobody else's business: that it is in a collection
    of theirs.
    """
    own = own_users(session)
    found: dict[int, WrittenAnnotation] = {}
    for some in chunks(ids):
        rows = session.execute(
            select(Annotation, AnnotatedSound.audio_hash, AnnotatedSound.path)
            .join(AnnotatedSound, AnnotatedSound.id == Annotation.sound_id)
            .where(Annotation.id.in_(some))
        ).all()
        places = sound_places(session, sorted({row.audio_hash for row in rows}))
        tags, collections = _tags(session, some), _collections(session, some)
        for each, audio_hash, last_path in rows:
            place = places.get(audio_hash)
            found[each.id] = WrittenAnnotation(
                annotation_id=each.id,
                audio_hash=audio_hash,
                path=last_path if place is None else place.path,
                here=place is not None and place.here,
                duration_s=None if place is None else place.duration_s,
                start_s=each.start_s,
                end_s=each.end_s or None,
                tags=tuple(tags.get(each.id, ())),
                rating=each.rating,
                rated_at=each.rated_at,
                favourite_at=each.favourite_at,
                note=each.note,
                noted_at=each.noted_at,
                collections=tuple(collections.get(each.id, ())),
                user=each.user_name,
                is_own=each.user_name in own,
            )
    return [
        found[each]
        for each in ids
        if each in found and (found[each].is_own or found[each].says_something)
    ]


def annotations_of_sound(session: Session, audio_hash: bytes) -> list[WrittenAnnotation]:
    """What is written of a sound and of stretches of it: the whole first, and one's own."""
    rows = written_annotations(session, annotation_ids(session, hashes=[audio_hash]))
    own = own_users(session)
    return sorted(
        rows,
        key=lambda row: (
            row.start_s,
            row.end_s or 0.0,
            -own.index(row.user) if row.user in own else 1,
            row.user,
        ),
    )


def seen_annotations(session: Session, ids: Sequence[int]) -> list[WrittenAnnotation]:
    """For each of some annotations, all that the session's user sees of its stretch.

    Everybody's tags; the user's own rating, favourite and note, or that of everybody.
    """
    rows = written_annotations(session, ids)
    others = written_annotations(
        session, annotation_ids(session, hashes=sorted({each.audio_hash for each in rows}))
    )
    by_place: dict[tuple[bytes, float, float | None], list[WrittenAnnotation]] = {}
    for each in others:
        by_place.setdefault((each.audio_hash, each.start_s, each.end_s), []).append(each)
    own = own_users(session)
    return [
        merged(row, by_place.get((row.audio_hash, row.start_s, row.end_s), [row]), own=own)
        for row in rows
    ]


def merged(
    row: WrittenAnnotation, of_place: Sequence[WrittenAnnotation], *, own: Sequence[str]
) -> WrittenAnnotation:
    """`row` with what several users wrote of its stretch; of `own`, the last one's counts most."""
    if len(of_place) == 1:
        return row
    mine = sorted((each for each in of_place if each.user in own), key=lambda x: own.index(x.user))
    said = dict.fromkeys(tag for each in of_place for tag in each.tags)
    result = replace(
        row,
        tags=tuple(sorted({normal_form(tag): tag for tag in said}.values(), key=str.lower)),
        collections=tuple(dict.fromkeys(name for each in of_place for name in each.collections)),
    )
    for each in mine:
        if each.rating is not None:
            result = replace(result, rating=each.rating, rated_at=each.rated_at)
        if each.favourite_at is not None:
            result = replace(result, favourite_at=each.favourite_at)
        if each.note is not None:
            result = replace(result, note=each.note, noted_at=each.noted_at)
    return result


def _tags(session: Session, ids: Sequence[int]) -> dict[int, list[str]]:
    rows = session.execute(
        select(AnnotationTag.annotation_id, AnnotationTag.said)
        .where(AnnotationTag.annotation_id.in_(ids))
        .order_by(AnnotationTag.annotation_id, func.lower(AnnotationTag.said))
    )
    found: dict[int, list[str]] = {}
    for annotation_id, said in rows:
        found.setdefault(annotation_id, []).append(said)
    return found


def _collections(session: Session, ids: Sequence[int]) -> dict[int, list[str]]:
    rows = session.execute(
        select(CollectionItem.annotation_id, Collection.name)
        .join(Collection, Collection.id == CollectionItem.collection_id)
        .where(CollectionItem.annotation_id.in_(ids), Collection.user_name.in_(own_users(session)))
        .order_by(Collection.key)
    )
    found: dict[int, list[str]] = {}
    for annotation_id, name in rows:
        found.setdefault(annotation_id, []).append(name)
    return found


@dataclass(frozen=True)
class TagSummary:
    """A tag that people set, as it was typed last, and of how many stretches of sound."""

    name: str
    n_stretches: int


def summarise_tags(session: Session) -> list[TagSummary]:
    """All tags that people set, by name."""
    rows = session.execute(
        select(
            Tag.id,
            AnnotationTag.said,
            Annotation.sound_id,
            Annotation.start_s,
            Annotation.end_s,
        )
        .join(Tag, Tag.id == AnnotationTag.tag_id)
        .join(Annotation, Annotation.id == AnnotationTag.annotation_id)
        .order_by(Tag.name, AnnotationTag.added_at.desc(), AnnotationTag.annotation_id)
    ).all()
    spelled: dict[int, str] = {}
    for tag_id, said, *_ in rows:
        spelled.setdefault(tag_id, said)
    # Two users may have put one tag on one stretch.
    counts = Counter(tag_id for tag_id, *_ in {(row[0], *row[2:]) for row in rows})
    return [TagSummary(said, counts[tag_id]) for tag_id, said in spelled.items()]
