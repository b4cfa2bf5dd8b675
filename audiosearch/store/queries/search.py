"""What searching reads: which windows may answer, their frames, and what to show of a hit.

The caller owns the transaction. Everything here only reads; ids go in and out in bulk. Ranking is
the business of `audiosearch.search`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Select, and_, exists, false, func, literal, or_, select
from sqlalchemy.orm import Session

from audiosearch.store.blobs import Floats, stack_blobs
from audiosearch.store.queries.places import SEPARATOR, Place, join
from audiosearch.store.schema import (
    Caption,
    CaptionSource,
    CaptionVector,
    FileState,
    LibraryRoot,
    Recording,
    RecordingTag,
    SoundFile,
    Tag,
    Window,
    WindowCaption,
    WindowFrames,
)

Ids = NDArray[np.int64]

_CHUNK = 500  # ids in one statement


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Which files and recordings may answer; all that is set must hold.

    Attributes:
        places: below one of these; None = anywhere, empty = nowhere.
        since: Unix seconds; only files modified at or after.
        formats: one of these, in lower case: a suffix, container or codec.
        min_duration_s, max_duration_s: of the recording, both included.
        tags: the recording has all of these.
    """

    places: tuple[Place, ...] | None = None
    since: float | None = None
    formats: tuple[str, ...] = ()
    min_duration_s: float | None = None
    max_duration_s: float | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class WindowPlace:
    """Where in which recording a window is."""

    window_id: int
    recording_id: int
    start_s: float
    end_s: float
    duration_s: float  # of the recording


@dataclass(frozen=True)
class StoredText:
    """A caption and who wrote it."""

    caption_id: int
    text: str
    source: str


@dataclass(frozen=True)
class CaptionVectors:
    """The captions that a bundle has given a place in its joint space.

    Attributes:
        ids: caption ids (n,), ascending.
        matrix: (n, J) float32.
    """

    ids: Ids
    matrix: Floats


def count_windows(session: Session, *, bundle_id: int) -> int:
    """How many windows a bundle has encoded here, silent ones included."""
    wanted = select(func.count()).select_from(Window).where(Window.bundle_id == bundle_id)
    return session.scalar(wanted) or 0


def allowed_windows(session: Session, scope: Scope, *, bundle_id: int) -> Ids | None:
    """Ids (n,) of the bundle's windows that may answer, ascending; None: all that are not silent.

    Those are the windows that are not silent, of recordings of which at least one file is there
    and within `scope`.
    """
    within = _recordings_within(scope)
    if scope == Scope():
        # Usually nothing is hidden: to know that is far cheaper than to list every window.
        hidden = select(Recording.id).where(Recording.id.not_in(within)).limit(1)
        if session.scalar(hidden) is None:
            return None
    wanted = select(Window.id).where(
        Window.bundle_id == bundle_id, Window.silent == 0, Window.recording_id.in_(within)
    )
    return np.fromiter(session.scalars(wanted.order_by(Window.id)), np.int64)


def _recordings_within(scope: Scope) -> Select[Any]:
    """Ids of recordings with a file that is there, as a subquery that runs once for all rows."""
    found = select(SoundFile.recording_id).where(
        SoundFile.recording_id.is_not(None), *_about_files(scope)
    )
    about_recordings = _about_recordings(scope)
    if about_recordings or scope.formats:
        found = found.join(Recording, Recording.id == SoundFile.recording_id)
    return found.where(*about_recordings)


def _about_files(scope: Scope) -> list[ColumnElement[bool]]:
    """Conditions on a file; those on its format need its `Recording` joined."""
    found: list[ColumnElement[bool]] = [SoundFile.state.in_([FileState.INDEXED, FileState.PENDING])]
    if scope.places is not None:
        found.append(or_(false(), *(_below(place) for place in scope.places)))
    if scope.since is not None:
        found.append(SoundFile.mtime_ns >= round(scope.since * 1e9))
    if scope.formats:
        found.append(or_(*(_is_format(name) for name in scope.formats)))
    return found


def _below(place: Place) -> ColumnElement[bool]:
    at_root = SoundFile.root_id == place.root.root_id
    if not place.under:
        return at_root
    # Every path that begins with the folder and a separator sorts before the next byte.
    first, last = place.under + SEPARATOR, place.under + bytes([SEPARATOR[0] + 1])
    inside = and_(SoundFile.path >= first, SoundFile.path < last)
    return and_(at_root, or_(SoundFile.path == place.under, inside))


def _is_format(name: str) -> ColumnElement[bool]:
    suffix = func.lower(SoundFile.display).endswith(f".{name}", autoescape=True)
    # FFmpeg's demuxers have names such as "mov,mp4,m4a".
    containers = literal(",").concat(Recording.container).concat(",")
    return or_(
        suffix,
        func.lower(containers).contains(f",{name},", autoescape=True),
        func.lower(Recording.codec) == name,
    )


def _about_recordings(scope: Scope) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if scope.min_duration_s is not None:
        found.append(Recording.duration_s >= scope.min_duration_s)
    if scope.max_duration_s is not None:
        found.append(Recording.duration_s <= scope.max_duration_s)
    found += [
        exists().where(
            RecordingTag.recording_id == Recording.id,
            RecordingTag.tag_id == Tag.id,
            Tag.name.in_([tag, tag.lower()]),
        )
        for tag in scope.tags
    ]
    return found


def window_places(session: Session, window_ids: Iterable[int]) -> dict[int, WindowPlace]:
    """Where windows are, by id."""
    found: dict[int, WindowPlace] = {}
    for some in _chunks(window_ids):
        rows = session.execute(
            select(
                Window.id,
                Window.recording_id,
                Window.start_s,
                Window.end_s,
                Recording.duration_s,
            )
            .join(Recording, Recording.id == Window.recording_id)
            .where(Window.id.in_(some))
        )
        found |= {row[0]: WindowPlace(*row) for row in rows}
    return found


def window_frames(
    session: Session, window_ids: Sequence[int], *, dim: int
) -> list[NDArray[np.float16]]:
    """The stored frames (T, D) of windows, in the order asked for.

    Raises:
        KeyError: a window has none.
    """
    blobs: dict[int, bytes] = {}
    for some in _chunks(window_ids):
        rows = session.execute(
            select(WindowFrames.window_id, WindowFrames.frames).where(
                WindowFrames.window_id.in_(some)
            )
        )
        blobs |= {row.window_id: row.frames for row in rows}
    return [np.frombuffer(blobs[each], dtype="<f2").reshape(-1, dim) for each in window_ids]


def window_embeddings(session: Session, window_ids: Sequence[int]) -> Floats:
    """Embeddings (n, E) of windows, in the order asked for."""
    blobs: dict[int, bytes] = {}
    for some in _chunks(window_ids):
        rows = session.execute(select(Window.id, Window.embedding).where(Window.id.in_(some)))
        blobs |= {row.id: row.embedding for row in rows}
    return stack_blobs([blobs[each] for each in window_ids])


def window_captions(session: Session, window_ids: Iterable[int]) -> dict[int, str]:
    """What is said of windows, by id; the model's own sentence where there are several."""
    found: dict[int, str] = {}
    own = Caption.source == CaptionSource.AUTO
    for some in _chunks(window_ids):
        rows = session.execute(
            select(WindowCaption.window_id, Caption.text)
            .join(Caption, Caption.id == WindowCaption.caption_id)
            .where(WindowCaption.window_id.in_(some))
            .order_by(own.desc(), WindowCaption.cross_entropy.nulls_last(), Caption.id)
        )
        for row in rows:
            found.setdefault(row.window_id, row.text)
    return found


def first_paths(session: Session, recording_ids: Iterable[int], scope: Scope) -> dict[int, bytes]:
    """The absolute path of a file of each recording: the first by its bytes, within `scope`."""
    found: dict[int, bytes] = {}
    for some in _chunks(recording_ids):
        rows = session.execute(
            select(SoundFile.recording_id, LibraryRoot.path.label("root"), SoundFile.path)
            .join(LibraryRoot, LibraryRoot.id == SoundFile.root_id)
            .join(Recording, Recording.id == SoundFile.recording_id)
            .where(SoundFile.recording_id.in_(some), *_about_files(scope))
        )
        for row in rows:
            path = join(row.root, row.path)
            found[row.recording_id] = min(path, found.get(row.recording_id, path))
    return found


def caption_vectors(session: Session, *, bundle_id: int) -> CaptionVectors:
    """All captions with a place in a bundle's joint space."""
    rows = session.execute(
        select(CaptionVector.caption_id, CaptionVector.joint)
        .where(CaptionVector.bundle_id == bundle_id)
        .order_by(CaptionVector.caption_id)
    ).all()
    ids = np.fromiter((caption_id for caption_id, _ in rows), np.int64, len(rows))
    return CaptionVectors(ids, stack_blobs([joint for _, joint in rows]))


def windows_said(
    session: Session, caption_ids: Sequence[int], *, bundle_id: int
) -> dict[int, list[int]]:
    """By caption id, the windows of a bundle that it is said of, ascending."""
    found: dict[int, list[int]] = {}
    for some in _chunks(caption_ids):
        rows = session.execute(
            select(WindowCaption.caption_id, WindowCaption.window_id)
            .join(Window, Window.id == WindowCaption.window_id)
            .where(
                WindowCaption.caption_id.in_(some),
                # Without "+ 0" the index on bundles is taken first, and all windows are walked.
                Window.bundle_id + 0 == bundle_id,
                Window.silent == 0,
            )
            .order_by(WindowCaption.window_id)
        )
        for row in rows:
            found.setdefault(row.caption_id, []).append(row.window_id)
    return found


def newest_captions(session: Session, *, limit: int) -> list[StoredText]:
    """Captions, those of people before the model's own, the newest first."""
    own = Caption.source == CaptionSource.AUTO
    wanted = select(Caption.id, Caption.text, Caption.source)
    rows = session.execute(wanted.order_by(own, Caption.id.desc()).limit(limit))
    return [StoredText(row.id, row.text, str(row.source)) for row in rows]


def stored_texts(session: Session, caption_ids: Sequence[int]) -> list[StoredText]:
    """Captions by id, in the order asked for."""
    found: dict[int, StoredText] = {}
    for some in _chunks(caption_ids):
        rows = session.execute(
            select(Caption.id, Caption.text, Caption.source).where(Caption.id.in_(some))
        )
        found |= {row.id: StoredText(row.id, row.text, str(row.source)) for row in rows}
    return [found[each] for each in caption_ids if each in found]


def captions_of_windows(session: Session, window_ids: Sequence[int]) -> list[StoredText]:
    """The captions said of windows, each once, in the order of the windows."""
    said: dict[int, list[int]] = {}
    for some in _chunks(window_ids):
        rows = session.execute(
            select(WindowCaption.window_id, WindowCaption.caption_id)
            .where(WindowCaption.window_id.in_(some))
            .order_by(WindowCaption.caption_id)
        )
        for row in rows:
            said.setdefault(row.window_id, []).append(row.caption_id)
    ordered = dict.fromkeys(each for window in window_ids for each in said.get(window, ()))
    return stored_texts(session, list(ordered))


def _chunks(ids: Iterable[int]) -> Iterator[list[int]]:
    every = [int(each) for each in ids]
    for start in range(0, len(every), _CHUNK):
        yield every[start : start + _CHUNK]
