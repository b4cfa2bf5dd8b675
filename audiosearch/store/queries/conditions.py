"""What may be asked of a file or its recording, each as a frozen value that gives its SQL.

To add one, write a class here and name it in `audiosearch.search.scope`. `Recording` is joined from
outside: where a file was never heard, all its columns are NULL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sqlalchemy import ColumnElement, and_, false, func, literal, or_, select, true
from sqlalchemy.sql.selectable import TableValuedAlias

from audiosearch.store.dialect_clauses import IsAmong
from audiosearch.store.names import normal_form
from audiosearch.store.queries.file_names import is_in
from audiosearch.store.queries.places import RootPath
from audiosearch.store.queries.users import counts_for
from audiosearch.store.schema import (
    AnnotatedSound,
    Annotation,
    CollectionItem,
    FileTag,
    LibraryRoot,
    Recording,
    RecordingTag,
    SoundFile,
    Tag,
)


@dataclass(frozen=True)
class Condition:
    """Something that a file must meet; equal ones mean the same.

    Attributes:
        of_recording: whether `clause` asks the file's `Recording`, which must then be joined.
    """

    of_recording: ClassVar[bool] = False

    @property
    def measure(self) -> str | None:
        """For a property that is not known of every sound: what it is called."""
        return None

    def clause(self) -> ColumnElement[bool]:
        """Whether a file meets it; never NULL for a file that does."""
        raise NotImplementedError

    def is_unknown(self) -> ColumnElement[bool]:
        """Whether a file does not meet it since nobody knows; only where there is a `measure`."""
        return false()


@dataclass(frozen=True)
class InPlaces(Condition):
    """Below one of some folders, or one of some files; `globs` are of folders or files too."""

    places: tuple[RootPath, ...]
    globs: tuple[str, ...] = ()

    def clause(self) -> ColumnElement[bool]:
        """See `Condition`."""
        return or_(is_in(self.places), *map(_is_below, self.globs))


def _is_below(glob: str) -> ColumnElement[bool]:
    paths = select(LibraryRoot.path).where(LibraryRoot.id == SoundFile.root_id)
    root = paths.correlate(SoundFile).scalar_subquery()
    pattern = glob.encode("utf-8", "surrogateescape")
    return func.audiosearch_folder_glob(pattern, root, SoundFile.path) == 1


@dataclass(frozen=True)
class ModifiedSince(Condition):
    """Changed at that time or later."""

    since: float  # Unix seconds

    def clause(self) -> ColumnElement[bool]:
        """See `Condition`."""
        return SoundFile.mtime_ns >= round(self.since * 1e9)


@dataclass(frozen=True)
class OfFormat(Condition):
    """Of one of some formats, in lower case: a suffix, container or codec."""

    of_recording: ClassVar[bool] = True
    formats: tuple[str, ...]

    def clause(self) -> ColumnElement[bool]:
        """See `Condition`."""
        return or_(*map(_is_format, self.formats))


def _is_format(name: str) -> ColumnElement[bool]:
    suffix = func.lower(SoundFile.display).endswith(f".{name}", autoescape=True)
    # FFmpeg's demuxers have names such as "mov,mp4,m4a".
    containers = literal(",").concat(Recording.container).concat(",")
    return or_(
        suffix,
        func.lower(containers).contains(f",{name},", autoescape=True),
        func.lower(Recording.codec) == name,
    )


@dataclass(frozen=True)
class HasTag(Condition):
    """The file's own metadata names a tag, or a person set it on the file's recording."""

    tag: str

    def clause(self) -> ColumnElement[bool]:
        """See `Condition`."""
        tag = select(Tag.id).where(Tag.name == normal_form(self.tag))
        return or_(
            SoundFile.id.in_(select(FileTag.file_id).where(FileTag.tag_id.in_(tag))),
            SoundFile.recording_id.in_(
                select(RecordingTag.recording_id).where(RecordingTag.tag_id.in_(tag))
            ),
        )


def _is_annotated(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a person wrote something of a file's sound, or a part of it, that fulfils these."""
    return SoundFile.recording_id.in_(
        select(Recording.id)
        .join(AnnotatedSound, AnnotatedSound.audio_hash == Recording.audio_hash)
        .join(Annotation, Annotation.sound_id == AnnotatedSound.id)
        .where(*conditions)
    )


@dataclass(frozen=True)
class Rated(Condition):
    """One of some users gave it, or a part of it, stars within limits, both included.

    None: no limit.
    """

    low: float | None
    high: float | None
    users: tuple[str, ...]

    def clause(self) -> ColumnElement[bool]:
        """See `Condition`."""
        within: list[ColumnElement[bool]] = [Annotation.rating.is_not(None)]
        if self.low is not None:
            within.append(Annotation.rating >= self.low)
        if self.high is not None:
            within.append(Annotation.rating <= self.high)
        return _is_annotated(counts_for(self.users, Annotation.rating), *within)


@dataclass(frozen=True)
class IsFavourite(Condition):
    """It, or a part of it, is a favourite of one of some users."""

    users: tuple[str, ...]

    def clause(self) -> ColumnElement[bool]:
        """See `Condition`."""
        counts = counts_for(self.users, Annotation.favourite_at)
        return _is_annotated(counts, Annotation.favourite_at.is_not(None))


@dataclass(frozen=True)
class InCollection(Condition):
    """It, or a part of it, is in a collection."""

    collection_id: int

    def clause(self) -> ColumnElement[bool]:
        """See `Condition`."""
        items = select(CollectionItem.annotation_id)
        return _is_annotated(
            Annotation.id.in_(items.where(CollectionItem.collection_id == self.collection_id))
        )


# Fields of metadata that hold a CatID of the Universal Category System.
CATEGORY_IDS = ("category_id", "categoryid", "catid")


@dataclass(frozen=True)
class OfUcsCategory(Condition):
    """The file's name or metadata gives it a CatID that one of some globs means."""

    globs: tuple[str, ...]

    def clause(self) -> ColumnElement[bool]:
        """See `Condition`."""
        fields = func.json_each(SoundFile.metadata_json).table_valued("key", "value", name="field")
        values = _elements(fields)
        name = func.lower(fields.c.key)
        ids = or_(
            *(
                or_(name == each, name.endswith(f".{each}", autoescape=True))
                for each in CATEGORY_IDS
            )
        )
        meant = or_(*(func.audiosearch_text_glob(glob, values.c.value) == 1 for glob in self.globs))
        is_given = func.trim(values.c.value) != ""  # of a field that is empty nothing is known
        found = select(literal(1)).select_from(fields).join(values, true())
        found = found.where(ids, meant, is_given)
        # Few files have such a field, and a look for its name is cheaper than to take JSON apart.
        likely = or_(*(SoundFile.metadata_json.icontains(each) for each in CATEGORY_IDS))
        return and_(likely, found.exists())


def _elements(fields: TableValuedAlias) -> TableValuedAlias:
    return func.json_each(fields.c.value).table_valued("value", name="element")


@dataclass(frozen=True)
class Within(Condition):
    """A number that is known of the recording lies within limits, both included; None: no limit.

    A digital silence is quieter than any number of decibels.
    """

    of_recording: ClassVar[bool] = True
    column: str  # of `Recording`
    low: float | None
    high: float | None

    @property
    def measure(self) -> str | None:
        """See `Condition`."""
        return _MEASURES.get(self.column)

    def clause(self) -> ColumnElement[bool]:
        """See `Condition`."""
        value = self._value
        known: list[ColumnElement[bool]] = [value.is_not(None)]
        if self.low is not None:
            known.append(value >= self.low)
        if self.high is not None:
            known.append(value <= self.high)
        inside = and_(*known)
        if self.column in _LEVELS and self.low is None:
            inside = or_(inside, and_(value.is_(None), _is_silence()))
        return func.coalesce(inside, false())

    def is_unknown(self) -> ColumnElement[bool]:
        """See `Condition`."""
        unknown = self._value.is_(None)
        if self.column in _LEVELS:
            return and_(unknown, ~func.coalesce(_is_silence(), false()))
        return unknown

    @property
    def _value(self) -> ColumnElement[float | None]:
        found: ColumnElement[float | None] = getattr(Recording, self.column)
        # Until a recording was decoded to its end, its length is stored as 0.
        return func.nullif(found, 0) if self.column == "duration_s" else found


_MEASURES = {
    "duration_s": "length",
    "sample_rate": "sample rate",
    "channels": "number of channels",
    "bit_depth": "bit depth",
    "loudness_lufs": "loudness",
    "peak_db": "peak",
}
_LEVELS = frozenset(("loudness_lufs", "peak_db"))


def _is_silence() -> ColumnElement[bool]:
    """Whether the recording was decoded to its end and all of it is zero."""
    return and_(Recording.duration_s > 0, Recording.peak_db.is_(None))


@dataclass(frozen=True)
class AmongFiles(Condition):
    """One of some files, or below one of some roots; known by their ids."""

    root_ids: tuple[int, ...]
    file_ids: tuple[int, ...]

    def clause(self) -> ColumnElement[bool]:
        """See `Condition`."""
        return or_(SoundFile.root_id.in_(self.root_ids), IsAmong(SoundFile.id, self.file_ids))


@dataclass(frozen=True)
class AnyCondition(Condition):
    """A file that meets any of some conditions, none of which asks its recording."""

    conditions: tuple[Condition, ...]

    def clause(self) -> ColumnElement[bool]:
        """See `Condition`."""
        return or_(false(), *clauses(self.conditions))


@dataclass(frozen=True)
class Without(Condition):
    """A file that does not meet another condition."""

    of_recording: ClassVar[bool] = True  # as the other may
    condition: Condition

    def clause(self) -> ColumnElement[bool]:
        """See `Condition`."""
        # A file without a recording meets none that asks one, and NULL would leave it out here.
        return ~func.coalesce(self.condition.clause(), false())


def clauses(conditions: Sequence[Condition]) -> list[ColumnElement[bool]]:
    """All of them, as SQL."""
    return [each.clause() for each in conditions]
