"""What must always hold of what people wrote, and how it is mended: nothing of it is let go.

What cannot be kept as it is (a stretch that is none, a tag without its word) is kept for the whole
sound, or in the words that were typed.
"""

# ruff: noqa: S608 - statements are put together from constants of this file
from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import case, delete, select, text, update
from sqlalchemy.orm import Session

from audiosearch.store.dialects import adapted
from audiosearch.store.names import normal_form
from audiosearch.store.queries import annotate, waiting
from audiosearch.store.queries._bulk import n_rows
from audiosearch.store.queries.annotate import SoundStretch
from audiosearch.store.queries.collections import arguments_of
from audiosearch.store.queries.users import EVERYBODY
from audiosearch.store.schema import (
    CaptionTarget,
    Collection,
    Recording,
    SavedSearch,
    WaitingCaption,
)

_STRETCH: Final = "((start_s = 0 AND end_s = 0) OR (start_s >= 0 AND end_s > start_s))"
_PART: Final = "(start_s >= 0 AND end_s > start_s)"
_RATING: Final = (
    "(rating IS NULL AND rated_at IS NULL OR rating IN (1, 2, 3, 4, 5) AND"
    " typeof(rating) = 'integer' AND typeof(rated_at) = 'real')"
)
_NOTE: Final = (
    "(note IS NULL AND noted_at IS NULL OR typeof(note) = 'text' AND typeof(noted_at) = 'real')"
)
_HASH: Final = "(typeof(audio_hash) = 'blob' AND length(audio_hash) = 32)"
# (recording, tag) as what people wrote has them
_DERIVED: Final = (
    "SELECT r.id, t.tag_id FROM annotation_tag AS t"
    " JOIN annotation AS a ON a.id = t.annotation_id"
    " JOIN annotated_sound AS s ON s.id = a.sound_id"
    " JOIN recording AS r ON r.audio_hash = s.audio_hash"
)
_QUERIES: Final = (
    "SELECT 'annotation ' || id || ' is of ' || start_s || ' to ' || end_s || ' s'"
    f" FROM annotation WHERE NOT {_STRETCH}",
    "SELECT 'annotation ' || id || ' has the rating ' || coalesce(CAST(rating AS text), '-')"
    f" FROM annotation WHERE NOT {_RATING}",
    f"SELECT 'annotation ' || id || ' has a broken note' FROM annotation WHERE NOT {_NOTE}",
    f"SELECT 'sound ' || id || ' has no hash of a sound' FROM annotated_sound WHERE NOT {_HASH}",
    "SELECT 'recording ' || recording_id || ' has tag ' || tag_id || ', which nobody set' FROM"
    f" (SELECT recording_id, tag_id FROM recording_tag EXCEPT {_DERIVED}) AS x",
    "SELECT 'recording ' || id || ' lacks tag ' || tag_id || ', which somebody set' FROM"
    f" ({_DERIVED} EXCEPT SELECT recording_id, tag_id FROM recording_tag) AS x",
    "SELECT 'caption ' || caption_id || ' waits for ' || start_s || ' to ' || end_s || ' s'"
    f" FROM waiting_caption WHERE NOT {_PART}",
    "SELECT 'caption ' || w.caption_id || ' waits for a sound that is here' FROM waiting_caption"
    " AS w JOIN annotated_sound AS s ON s.id = w.sound_id"
    " JOIN recording AS r ON r.audio_hash = s.audio_hash",
)


def annotation_problems(session: Session) -> Iterator[str]:
    """Everything that is wrong with what people wrote, in words."""
    for query in _QUERIES:
        yield from (str(row[0]) for row in session.execute(text(adapted(session, query))))
    rows = session.execute(
        text(
            "SELECT t.annotation_id, t.said, g.name FROM annotation_tag AS t"
            " LEFT JOIN tag AS g ON g.id = t.tag_id"
        ).execution_options(yield_per=2000)
    )
    for annotation_id, said, name in rows:
        if not isinstance(said, str) or not name or normal_form(said) != name:
            yield f"annotation {annotation_id} has the tag {name!r}, typed as {said!r}"
    for kind, table in (("collection", Collection), ("saved search", SavedSearch)):
        for row in session.execute(select(table.id, table.name, table.key)):
            if not isinstance(row.name, str) or _key(row.name) != row.key or not row.key:
                yield f"{kind} {row.id}, {row.name!r}, is known as {row.key!r}"
    for search in session.scalars(select(SavedSearch)):
        if arguments_of(search.arguments_json) is None:
            yield f"saved search {search.id} is no question"


def _key(name: object) -> str:
    return normal_form(name) if isinstance(name, str) else ""


def mend_annotations(session: Session) -> int:
    """Put right what `annotation_problems` names; returns how many rows could not be kept.

    Called before rows that refer to nothing are dropped.
    """
    now = {"now": time.time()}
    for column, rule in (("rating", _RATING), ("note", _NOTE)):
        when = "rated_at" if column == "rating" else "noted_at"
        fits = "rating IN (1, 2, 3, 4, 5)" if column == "rating" else "typeof(note) = 'text'"
        session.execute(
            text(
                adapted(
                    session,
                    f"UPDATE annotation SET {column} = CASE WHEN {fits} THEN {column} END,"
                    f" {when} = CASE WHEN {fits} THEN :now END WHERE NOT {rule}",
                )
            ),
            now,
        )
    _mend_stretches(session)
    mend_parts(session, WaitingCaption, of=WaitingCaption.sound_id, duration_s=WaitingCaption.end_s)
    without_hash = adapted(session, f"DELETE FROM annotated_sound WHERE NOT {_HASH}")
    n_gone = n_rows(session.connection().execute(text(without_hash)))
    annotate.mend_tags(session)
    _mend_names(session)
    _mend_searches(session)
    return n_gone


def _mend_stretches(session: Session) -> None:
    """What is said of stretches that are none is said of the whole sound."""
    wrong = session.execute(
        text(f"SELECT id, sound_id, note FROM annotation WHERE NOT {_STRETCH}")
    ).all()
    for each in wrong:
        row = {"old": each.id, "sound": each.sound_id}
        whole = session.scalar(
            text(
                "SELECT id FROM annotation WHERE sound_id = :sound AND start_s = 0 AND end_s = 0"
                " AND user_name = (SELECT user_name FROM annotation WHERE id = :old)"
            ),
            row,
        )
        if whole is None:
            session.execute(
                text("UPDATE annotation SET start_s = 0, end_s = 0 WHERE id = :old"), row
            )
            continue
        row["whole"] = whole
        for table in ("annotation_tag", "collection_item"):
            session.execute(
                text(
                    f"UPDATE OR IGNORE {table} SET annotation_id = :whole"
                    " WHERE annotation_id = :old"
                ),
                row,
            )
            session.execute(text(f"DELETE FROM {table} WHERE annotation_id = :old"), row)
        session.execute(
            text(
                "UPDATE annotation SET rating = coalesce(annotation.rating, o.rating),"
                " rated_at = coalesce(annotation.rated_at, o.rated_at),"
                " favourite_at = coalesce(annotation.favourite_at, o.favourite_at),"
                " note = coalesce(annotation.note || char(10) || o.note, annotation.note, o.note),"
                " noted_at = coalesce(annotation.noted_at, o.noted_at)"
                " FROM annotation AS o WHERE annotation.id = :whole AND o.id = :old"
            ),
            row,
        )
        session.execute(text("DELETE FROM annotation WHERE id = :old"), row)


def mend_parts(
    session: Session,
    table: type[CaptionTarget] | type[WaitingCaption],
    *,
    of: Any,
    duration_s: Any,
) -> None:
    """What is a caption of a stretch that is none becomes one of the whole sound, said once.

    `of` is the column that names the sound, `duration_s` what is taken for its length.
    """
    is_length = duration_s.between(1, 1e9)  # and no text, in a damaged file
    end_s = case((is_length, duration_s), else_=1.0).label("whole_s")
    wrong = select(table.id, table.caption_id, of.label("sound"), end_s).where(
        ~((table.start_s >= 0) & (table.end_s > table.start_s))
    )
    for row in session.execute(wrong.order_by(table.id)).all():
        whole = (table.caption_id == row.caption_id, of == row.sound, table.start_s == 0)
        session.execute(delete(table).where(*whole, table.end_s == row.whole_s))
        mended = update(table).where(table.id == row.id)
        session.execute(mended.values(start_s=0.0, end_s=row.whole_s))


def _mend_names(session: Session) -> None:
    named: tuple[Sequence[Collection] | Sequence[SavedSearch], ...] = (
        session.scalars(select(Collection).order_by(Collection.id)).all(),
        session.scalars(select(SavedSearch).order_by(SavedSearch.id)).all(),
    )
    for what, rows in zip(("collection", "search"), named, strict=True):
        used = {row.key for row in rows if row.key and _key(row.name) == row.key}
        for row in rows:
            if row.key and _key(row.name) == row.key:
                continue
            name = row.name if _key(row.name) else f"{what} {row.id}"
            number = 2
            while _key(name) in used:
                name, number = f"{row.name} ({number})", number + 1
            row.name, row.key = name, _key(name)
            used.add(row.key)
        session.flush()


def _mend_searches(session: Session) -> None:
    """A question that cannot be read is kept as the words that it has."""
    for row in session.scalars(select(SavedSearch)):
        if arguments_of(row.arguments_json) is None:
            words = str(row.arguments_json).encode("utf-8", "replace").decode()
            row.arguments_json = json.dumps(["find", words], ensure_ascii=False)
    session.flush()


def derive_again(session: Session) -> None:
    """Bring in step what is derived; tags on recordings that nobody is known to have set are kept.

    Called when all that refers to nothing has gone.
    """
    strange = session.execute(
        text(
            "SELECT r.audio_hash, g.name FROM (SELECT recording_id, tag_id FROM recording_tag"
            f" EXCEPT {_DERIVED}) AS x JOIN recording AS r ON r.id = x.recording_id"
            " JOIN tag AS g ON g.id = x.tag_id WHERE g.name != ''"
        )
    ).all()
    places = waiting.sound_places(session, sorted({row.audio_hash for row in strange}))
    stretches = [
        SoundStretch(row.audio_hash, b"" if place is None else place.path)
        for row in strange
        for place in [places.get(row.audio_hash)]
    ]
    ids = annotate.ensure_annotations(session, stretches, user=EVERYBODY)
    annotate.add_tags(
        session,
        [
            (ids[each.key], row.name, time.time())
            for each, row in zip(stretches, strange, strict=True)
        ],
    )
    session.execute(text("DELETE FROM recording_tag"))
    session.execute(
        text(
            "INSERT INTO recording_tag (recording_id, tag_id)"
            f" SELECT DISTINCT id, tag_id FROM ({_DERIVED}) AS x"
        )
    )
    found = session.execute(
        select(Recording.audio_hash, Recording.id).where(
            text(
                "audio_hash IN (SELECT audio_hash FROM annotated_sound AS s"
                " JOIN waiting_caption AS w ON w.sound_id = s.id)"
            )
        )
    )
    waiting.attach_captions(session, {row.audio_hash: row.id for row in found})
