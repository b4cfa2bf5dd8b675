"""What files say of themselves: embedded metadata, and the tags that it names.

Both belong to the file, not to its sound: copies of one recording may be titled and tagged apart.
They are derived, so they are replaced whole when a file is read again; what people set themselves
is elsewhere (`recording_tag`). The caller owns the transaction, and refreshes the full text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, bindparam, delete, insert, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from audiosearch.store.names import normal_form
from audiosearch.store.queries._bulk import chunks
from audiosearch.store.schema import FileTag, RecordingTag, SoundFile, Tag


@dataclass(frozen=True)
class FileTexts:
    """What a file says of itself.

    Attributes:
        metadata: each field with its values.
        tags: words of it that name kinds of sound, in any spelling.
    """

    file_id: int
    metadata: Mapping[str, Sequence[str]]
    tags: Sequence[str]


def set_texts(session: Session, texts: Sequence[FileTexts]) -> None:
    """Replace what files say of themselves; those that say the same as before are passed over."""
    by_id = {each.file_id: each for each in texts}
    changed = {
        each.file_id: each
        for some in chunks(list(by_id))
        for each in _changed(session, [by_id[file_id] for file_id in some])
    }
    if not changed:
        return
    session.connection().execute(
        update(SoundFile)
        .where(SoundFile.id == bindparam("file"))
        .values(metadata_json=bindparam("text")),
        [{"file": each.file_id, "text": _json(each.metadata)} for each in changed.values()],
    )
    _set_tags(session, {each.file_id: _names(each.tags) for each in changed.values()})


def _changed(session: Session, texts: Sequence[FileTexts]) -> list[FileTexts]:
    ids = [each.file_id for each in texts]
    stored = {
        row.id: row.metadata_json
        for row in session.execute(
            select(SoundFile.id, SoundFile.metadata_json).where(SoundFile.id.in_(ids))
        )
    }
    tags: dict[int, set[str]] = {}
    rows = session.execute(
        select(FileTag.file_id, Tag.name)
        .join(Tag, Tag.id == FileTag.tag_id)
        .where(FileTag.file_id.in_(ids))
    )
    for file_id, name in rows:
        tags.setdefault(file_id, set()).add(name)
    return [
        each
        for each in texts
        if stored.get(each.file_id) != _json(each.metadata)
        or tags.get(each.file_id, set()) != _names(each.tags)
    ]


def _json(metadata: Mapping[str, Sequence[str]]) -> str:
    return json.dumps(
        {field: list(values) for field, values in sorted(metadata.items())}, ensure_ascii=False
    )


def _names(tags: Iterable[str]) -> set[str]:
    return {name for tag in tags if (name := normal_form(tag))}


def _set_tags(session: Session, tags: Mapping[int, set[str]]) -> None:
    for some in chunks(list(tags)):
        session.execute(delete(FileTag).where(FileTag.file_id.in_(some)))
    ids = ensure_tags(session, sorted(set().union(*tags.values())))
    rows = [
        {"file_id": file_id, "tag_id": ids[name]}
        for file_id, names in tags.items()
        for name in sorted(names)
    ]
    if rows:
        session.connection().execute(insert(FileTag), rows)


def is_metadata(stored: object) -> bool:
    """Whether a stored value has the form of metadata: each field with a list of texts."""
    try:
        fields = json.loads(stored) if isinstance(stored, str) else None
    except (ValueError, RecursionError):
        return False
    return isinstance(fields, dict) and all(
        isinstance(values, list) and all(isinstance(value, str) for value in values)
        for values in fields.values()
    )


def strange_tags(session: Session) -> dict[int, object]:
    """Tags by id whose names are not in normal form, or empty."""
    rows = session.execute(select(Tag.id, Tag.name))
    return {row.id: row.name for row in rows if not row.name or _tag_name(row.name) != row.name}


def _tag_name(stored: object) -> str:
    return normal_form(stored) if isinstance(stored, str) else ""


def normalise_tags(session: Session) -> int:
    """Give all tags names in normal form, two that are one then become one; returns how many."""
    names = {tag_id: _tag_name(stored) for tag_id, stored in strange_tags(session).items()}
    ids = ensure_tags(session, sorted(set(names.values()) - {""}))
    for tag_id, name in names.items():
        for table, key in ((FileTag, FileTag.file_id), (RecordingTag, RecordingTag.recording_id)):
            if name:
                carriers = _carriers(session, key, table.tag_id == tag_id)
                new = carriers - _carriers(session, key, table.tag_id == ids[name])
                rows = [{key.key: each, "tag_id": ids[name]} for each in sorted(new)]
                if rows:
                    session.connection().execute(insert(table), rows)
            session.execute(delete(table).where(table.tag_id == tag_id))
        session.execute(delete(Tag).where(Tag.id == tag_id))
    return len(names)


def _carriers(
    session: Session, key: InstrumentedAttribute[int], has_tag: ColumnElement[bool]
) -> set[int]:
    return set(session.scalars(select(key).where(has_tag)))


def ensure_tags(session: Session, names: Sequence[str]) -> dict[str, int]:
    """The ids of tags by their names, which are in normal form; new ones are written down."""
    ids = _tag_ids(session, names)
    new = [{"name": name} for name in names if name not in ids]
    if new:
        session.connection().execute(insert(Tag), new)
        ids |= _tag_ids(session, [row["name"] for row in new])
    return ids


def _tag_ids(session: Session, names: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in chunks(names):
        rows = session.execute(select(Tag.name, Tag.id).where(Tag.name.in_(some)))
        found |= {row.name: row.id for row in rows}
    return found
