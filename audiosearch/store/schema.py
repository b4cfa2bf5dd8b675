"""The library's tables; the migrations make them, and a test holds them to this description.

No `from __future__ import annotations`: to evaluate the strings is a third of the time to load it.
"""

from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Float,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy import Integer as _Integer
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedColumn, mapped_column

from audiosearch.store.halfvec import VECTOR

# Of 64 bits everywhere: SQLite's always are, and only an INTEGER is its row's number there.
Integer = BigInteger().with_variant(_Integer, "sqlite")


def _part_of(key: str, **kept: Any) -> MappedColumn[int]:
    """A column that refers to another table's; the row goes with the one that it refers to."""
    return mapped_column(ForeignKey(key, ondelete="CASCADE"), **kept)


class FileState(StrEnum):
    """Where a file stands; each file is in exactly one state."""

    PENDING = "pending"  # seen, not yet encoded by the current bundle
    INDEXED = "indexed"  # its recording is complete for the current bundle
    FAILED = "failed"  # could not be read; not tried again until it changes
    MISSING = "missing"  # was there, is not now; kept until purged


class CaptionSource(StrEnum):
    """Who wrote a caption."""

    AUTO = "auto"  # the bundle's decoder
    USER = "user"
    IMPORT = "import"
    LABEL = "label"  # a label put into a sentence; kept for its scale, never an answer


class Base(DeclarativeBase):
    """Names constraints by a rule, so that migrations can refer to them."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {int: Integer}
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class LibraryRoot(Base):
    """A folder that the user gave."""

    __tablename__ = "library_root"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    path: Mapped[bytes] = mapped_column(LargeBinary, unique=True)  # absolute
    added_at: Mapped[float] = mapped_column(Float)  # Unix seconds
    held_known: Mapped[int | None]  # files there were when too many were gone; None: nothing held


class Recording(Base):
    """The sound itself, known by its packets' hash: copied and re-tagged files share one."""

    __tablename__ = "recording"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    audio_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    duration_s: Mapped[float] = mapped_column(Float)  # 0 until the whole of it was decoded
    sample_rate: Mapped[int] = mapped_column(Integer)  # Hz, of the file
    channels: Mapped[int] = mapped_column(Integer)
    bit_depth: Mapped[int | None] = mapped_column(Integer)  # None for lossy codecs
    codec: Mapped[str] = mapped_column(String)  # FFmpeg's name: pcm_s16le, flac, vorbis, mp3 ...
    container: Mapped[str] = mapped_column(String)  # FFmpeg's demuxer name: wav, flac, ogg ...
    peak_db: Mapped[float | None] = mapped_column(Float)  # dBFS; None = digital silence
    loudness_lufs: Mapped[float | None] = mapped_column(Float)  # EBU R 128 integrated; None = gated
    added_at: Mapped[float] = mapped_column(Float)


class SoundFile(Base):
    """A path under a root, and what became of it. Bytes, since not every name is text."""

    __tablename__ = "sound_file"
    __table_args__ = (
        UniqueConstraint("root_id", "path"),
        CheckConstraint("state IN ('pending', 'indexed', 'failed', 'missing')", name="state"),
        CheckConstraint("(state = 'failed') = (error_code IS NOT NULL)", name="error"),
        CheckConstraint("state != 'indexed' OR recording_id IS NOT NULL", name="recording"),
        Index(None, "state"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    root_id: Mapped[int] = _part_of("library_root.id")
    path: Mapped[bytes] = mapped_column(LargeBinary)  # relative to the root
    display: Mapped[str] = mapped_column(Text)  # the same, for people
    size: Mapped[int] = mapped_column(Integer)  # bytes
    mtime_ns: Mapped[int] = mapped_column(Integer)
    ctime_ns: Mapped[int] = mapped_column(Integer)  # catches edits that restore size and mtime
    state: Mapped[FileState] = mapped_column(String)
    recording_id: Mapped[int | None] = mapped_column(ForeignKey("recording.id"), index=True)
    # The sound that it held before, while it is not known whether this one goes on from that.
    former_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    error_code: Mapped[str | None] = mapped_column(String)
    error_text: Mapped[str | None] = mapped_column(Text)
    checked_at: Mapped[float] = mapped_column(Float)  # last time its content was looked at
    metadata_json: Mapped[str] = mapped_column(Text, server_default="{}")  # field -> its values
    remark: Mapped[str | None] = mapped_column(Text)  # what a person should know of its sound


class BundleRow(Base):
    """One model version that has encoded something here."""

    __tablename__ = "bundle"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String)
    version: Mapped[str] = mapped_column(String)
    fingerprint: Mapped[str] = mapped_column(String, unique=True)  # SHA-256 over its file hashes
    added_at: Mapped[float] = mapped_column(Float)


class Encoding(Base):
    """How far a bundle has come with a recording; `n_windows` is set when all are stored."""

    __tablename__ = "encoding"

    recording_id: Mapped[int] = _part_of("recording.id", primary_key=True)
    bundle_id: Mapped[int] = _part_of("bundle.id", primary_key=True)
    hop_s: Mapped[float] = mapped_column(Float)
    n_windows: Mapped[int | None] = mapped_column(Integer)


class WindowRow(Base):
    """A stretch of a recording as one bundle encoded it; vectors are little-endian float16.

    Rows of different bundles live side by side and never mix in one ranking.
    """

    __tablename__ = "window"
    __table_args__ = (UniqueConstraint("recording_id", "bundle_id", "position"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    recording_id: Mapped[int] = _part_of("recording.id")
    bundle_id: Mapped[int] = _part_of("bundle.id", index=True)
    position: Mapped[int] = mapped_column(Integer)  # 0, 1, 2 ... within the recording
    start_s: Mapped[float] = mapped_column(Float)
    end_s: Mapped[float] = mapped_column(Float)
    silent: Mapped[bool] = mapped_column(Integer)
    embedding: Mapped[bytes] = mapped_column(VECTOR)  # (E,) float16
    joint: Mapped[bytes | None] = mapped_column(VECTOR)  # (J,) float16


class WindowFrames(Base):
    """The decoder's memory of a window; a table of its own, so that scans of vectors skip it."""

    __tablename__ = "window_frames"

    window_id: Mapped[int] = _part_of("window.id", primary_key=True)
    n_frames: Mapped[int] = mapped_column(Integer)
    frames: Mapped[bytes] = mapped_column(LargeBinary)  # packed, or (T, D) float16 without a base
    base_id: Mapped[int | None] = mapped_column(Integer)


class FrameBaseRow(Base):
    """What nearly all frames of a bundle have in common; never changed, since frames rest on it."""

    __tablename__ = "frame_base"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    bundle_id: Mapped[int] = _part_of("bundle.id", index=True)
    n_frames: Mapped[int] = mapped_column(Integer)
    frames: Mapped[bytes] = mapped_column(LargeBinary)  # (n_frames, D) float32


class Caption(Base):
    """A sentence, once for each distinct normalised text."""

    __tablename__ = "caption"
    __table_args__ = (
        CheckConstraint("source IN ('auto', 'user', 'import', 'label')", name="source"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    text: Mapped[str] = mapped_column(Text, unique=True)  # normalised
    said: Mapped[str | None] = mapped_column(Text)  # as a person typed it last; None: nobody did
    source: Mapped[CaptionSource] = mapped_column(String)
    added_at: Mapped[float] = mapped_column(Float)


class WindowCaption(Base):
    """A caption said of a window, with its cross-entropies where a bundle computed them."""

    __tablename__ = "window_caption"
    __table_args__ = (Index(None, "caption_id", "window_id"),)

    window_id: Mapped[int] = _part_of("window.id", primary_key=True)
    caption_id: Mapped[int] = _part_of("caption.id", primary_key=True)
    cross_entropy: Mapped[float | None] = mapped_column(Float)  # nats a word, given the sound


class CaptionVector(Base):
    """A caption in a bundle's joint space."""

    __tablename__ = "caption_vector"

    caption_id: Mapped[int] = _part_of("caption.id", primary_key=True)
    bundle_id: Mapped[int] = _part_of("bundle.id", primary_key=True)
    joint: Mapped[bytes] = mapped_column(VECTOR)  # (J,) float16


class WindowSampleKey(Base):
    """The lot of a window that is not silent: those with the least make a uniform sample.

    The lot is a hash of what the window is, so windows that come and go leave the others in place.
    """

    __tablename__ = "window_draw"
    __table_args__ = (Index(None, "bundle_id", "draw"),)

    window_id: Mapped[int] = _part_of("window.id", primary_key=True)
    bundle_id: Mapped[int] = _part_of("bundle.id")
    draw: Mapped[int] = mapped_column(BigInteger)  # 63 bits


class CaptionTarget(Base):
    """A stretch of a recording that a person's caption is for; outlives windows and bundles."""

    __tablename__ = "caption_target"
    __table_args__ = (UniqueConstraint("caption_id", "recording_id", "start_s", "end_s"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    caption_id: Mapped[int] = _part_of("caption.id")
    recording_id: Mapped[int] = _part_of("recording.id", index=True)
    start_s: Mapped[float] = mapped_column(Float)
    end_s: Mapped[float] = mapped_column(Float)
    said: Mapped[str | None] = mapped_column(Text)  # as it was typed; None: not known any more


class CaptionImport(Base):
    """A file of captions that was taken in; imported again, the same file is the same import."""

    __tablename__ = "caption_import"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    source: Mapped[str] = mapped_column(Text)  # the file's path, for people
    kind: Mapped[str] = mapped_column(String)  # captions, table, raven, audacity ...
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)  # of all that it says
    added_at: Mapped[float] = mapped_column(Float)


class ImportedCaption(Base):
    """A caption that is there since an import brought it; several may have."""

    __tablename__ = "import_caption"

    import_id: Mapped[int] = _part_of("caption_import.id", primary_key=True)
    caption_id: Mapped[int] = _part_of("caption.id", primary_key=True, index=True)


class ImportedTarget(Base):
    """A stretch that has a caption since an import gave it; several may have."""

    __tablename__ = "import_target"

    import_id: Mapped[int] = _part_of("caption_import.id", primary_key=True)
    target_id: Mapped[int] = _part_of("caption_target.id", primary_key=True, index=True)


class CaptionScale(Base):
    """Statistics of a caption's cross-entropy over `n` windows of the library.

    `sample` tells which windows: a scale of another sample than today's is out of date. What was
    computed for each window is kept, so that a sample that has changed a little costs little.
    """

    __tablename__ = "caption_scale"

    caption_id: Mapped[int] = _part_of("caption.id", primary_key=True)
    bundle_id: Mapped[int] = _part_of("bundle.id", primary_key=True)
    sample: Mapped[int] = mapped_column(BigInteger)  # hash of the draws of its windows
    n: Mapped[int] = mapped_column(Integer)
    minimum: Mapped[float] = mapped_column(Float)  # nats a word, as all below
    maximum: Mapped[float] = mapped_column(Float)
    mean: Mapped[float] = mapped_column(Float)
    deviation: Mapped[float] = mapped_column(Float)  # with divisor n
    draws: Mapped[bytes | None] = mapped_column(LargeBinary)  # (n,) int64; None for large samples
    losses: Mapped[bytes | None] = mapped_column(LargeBinary)  # (n,) float32, in that order


class Tag(Base):
    """A word that a person puts on recordings, or a file's metadata on the file."""

    __tablename__ = "tag"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)  # in normal form, see `names`


class RecordingTag(Base):
    """Which recordings carry a tag that a person set on them or on a part of them.

    Derived from `annotation_tag`, for the recordings that are here; kept in step with it.
    """

    __tablename__ = "recording_tag"

    recording_id: Mapped[int] = _part_of("recording.id", primary_key=True)
    tag_id: Mapped[int] = _part_of("tag.id", primary_key=True, index=True)


class FileTag(Base):
    """Which files carry a tag that their own metadata names; derived, and replaced with it."""

    __tablename__ = "file_tag"

    file_id: Mapped[int] = _part_of("sound_file.id", primary_key=True)
    tag_id: Mapped[int] = _part_of("tag.id", primary_key=True, index=True)


class LibraryState(Base):
    """Named counters: `windows` grows with every change to the set of windows."""

    __tablename__ = "library_state"

    name: Mapped[str] = mapped_column(String, primary_key=True)
    value: Mapped[int] = mapped_column(Integer)


class EarlierState(Base):
    """Values that a counter of `LibraryState` had; rows have only come since each of them."""

    __tablename__ = "earlier_state"
    __table_args__ = ({"sqlite_with_rowid": False},)

    name: Mapped[str] = mapped_column(String, primary_key=True)
    value: Mapped[int] = mapped_column(Integer, primary_key=True)


class AnnotatedSound(Base):
    """A sound of which a person wrote something, known by its hash: it outlives its recording."""

    __tablename__ = "annotated_sound"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    audio_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    path: Mapped[bytes] = mapped_column(LargeBinary)  # absolute; where a file held it last


class Annotation(Base):
    """What a person says of a stretch of a sound; from 0 to 0 stands for the whole of it."""

    __tablename__ = "annotation"
    __table_args__ = (
        UniqueConstraint("sound_id", "start_s", "end_s", "user_name"),
        CheckConstraint(
            "(start_s = 0 AND end_s = 0) OR (start_s >= 0 AND end_s > start_s)", name="stretch"
        ),
        CheckConstraint("rating BETWEEN 1 AND 5", name="rating"),
        CheckConstraint("(rating IS NULL) = (rated_at IS NULL)", name="rated"),
        CheckConstraint("(note IS NULL) = (noted_at IS NULL)", name="noted"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    sound_id: Mapped[int] = _part_of("annotated_sound.id")
    start_s: Mapped[float] = mapped_column(Float)
    end_s: Mapped[float] = mapped_column(Float)
    rating: Mapped[int | None] = mapped_column(Integer)  # stars
    rated_at: Mapped[float | None] = mapped_column(Float)  # Unix seconds, as all below
    favourite_at: Mapped[float | None] = mapped_column(Float)  # None: no favourite
    note: Mapped[str | None] = mapped_column(Text)
    noted_at: Mapped[float | None] = mapped_column(Float)
    user_name: Mapped[str] = mapped_column(Text, server_default="")  # whose it is; "": everybody's


class AnnotationTag(Base):
    """A tag that a person put on a stretch of a sound."""

    __tablename__ = "annotation_tag"

    annotation_id: Mapped[int] = _part_of("annotation.id", primary_key=True)
    tag_id: Mapped[int] = _part_of("tag.id", primary_key=True, index=True)
    said: Mapped[str] = mapped_column(Text)  # as it was typed
    added_at: Mapped[float] = mapped_column(Float)


class Collection(Base):
    """A named list of stretches of sound."""

    __tablename__ = "collection"
    __table_args__ = (UniqueConstraint("key", "user_name"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(Text)  # as it was typed
    key: Mapped[str] = mapped_column(Text)  # in normal form, see `names`
    created_at: Mapped[float] = mapped_column(Float)
    user_name: Mapped[str] = mapped_column(Text, server_default="")  # whose it is; "": everybody's


class CollectionItem(Base):
    """A stretch of sound in a collection; in the order of the ids."""

    __tablename__ = "collection_item"
    __table_args__ = (UniqueConstraint("collection_id", "annotation_id"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    collection_id: Mapped[int] = _part_of("collection.id")
    annotation_id: Mapped[int] = _part_of("annotation.id", index=True)
    added_at: Mapped[float] = mapped_column(Float)


class SavedSearch(Base):
    """A question that a person gave a name."""

    __tablename__ = "saved_search"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(Text)  # as it was typed
    key: Mapped[str] = mapped_column(Text, unique=True)  # in normal form, see `names`
    arguments_json: Mapped[str] = mapped_column(Text)  # of the command: a list of texts
    saved_at: Mapped[float] = mapped_column(Float)


class WaitingCaption(Base):
    """A person's caption of a sound that the library does not hold now; given to it when it does.

    Never of a sound that has a recording: there it is a `caption_target`.
    """

    __tablename__ = "waiting_caption"
    __table_args__ = (UniqueConstraint("caption_id", "sound_id", "start_s", "end_s"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    caption_id: Mapped[int] = _part_of("caption.id")
    sound_id: Mapped[int] = _part_of("annotated_sound.id", index=True)
    start_s: Mapped[float] = mapped_column(Float)
    end_s: Mapped[float] = mapped_column(Float)
    said: Mapped[str | None] = mapped_column(Text)  # as it was typed


class ImportedWaiting(Base):
    """A waiting caption that an import gave, as `ImportedTarget` says it of those that are here."""

    __tablename__ = "import_waiting"

    import_id: Mapped[int] = _part_of("caption_import.id", primary_key=True)
    waiting_id: Mapped[int] = _part_of("waiting_caption.id", primary_key=True, index=True)
