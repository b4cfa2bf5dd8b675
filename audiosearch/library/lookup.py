"""Files looked up by name, all that is known of one, and the matrices of the library's vectors.

The database is only read. No model is loaded: a file that is in no library is read through for what
it says of itself, and recognised by its sound if another file of the library has the same.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from audiosearch._urls import is_url
from audiosearch.audio.clip import absolute
from audiosearch.config import Config
from audiosearch.errors import BundleError, FeatureUnavailable, QueryError
from audiosearch.library.model_selection import find_model
from audiosearch.model.bundle import Bundle, listed_fingerprint
from audiosearch.search.filters import Filters
from audiosearch.search.order import check_sort, name_order
from audiosearch.search.scope import file_name, find_scope, unknown_tags
from audiosearch.search.spelling import near_words
from audiosearch.store.database import Database
from audiosearch.store.dialects import computed_scope
from audiosearch.store.globs import is_glob
from audiosearch.store.queries.bundles import find_bundle_id
from audiosearch.store.queries.file_details import (
    BundleProgress,
    FileDetails,
    SoundDetails,
    WindowSaid,
    file_details,
    find_recording,
    sound_details,
    windows_said,
)
from audiosearch.store.queries.file_list import (
    FileOrder,
    ListedFile,
    any_file,
    count_unknown_files,
    file_paths,
    find_file_ids,
    listed_files,
)
from audiosearch.store.queries.roots import find_place
from audiosearch.store.queries.scope import Scope, files_by_recording
from audiosearch.store.queries.search import WindowSpan, window_captions, window_places
from audiosearch.store.schema import FileState, Recording
from audiosearch.store.vector_cache import VectorKind, load_vectors
from audiosearch.store.vectors import VectorTable

if TYPE_CHECKING:
    from audiosearch.store.queries.annotation_list import WrittenAnnotation

_ANY_RATE = 32_000  # Hz; nothing is decoded


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Files found by name.

    Attributes:
        n_left_out: how many more were found than were asked for.
        meant: where none were found, near words by which some are.
        n_unknown: files left out since what a filter asks is not known of them, by what it is.
        unknown_tags: where none were found, tags that a filter asks for and that no sound has.
    """

    files: tuple[ListedFile, ...]
    n_left_out: int
    library_is_empty: bool
    meant: str | None
    n_unknown: Mapping[str, int]
    unknown_tags: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a file says of itself that is in no library.

    Attributes:
        metadata: each field with all its values.
        bit_depth: None for lossy codecs.
    """

    size: int
    mtime_ns: int
    container: str
    codec: str
    sample_rate: int
    channels: int
    bit_depth: int | None
    metadata: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class FileInfo:
    """All that is known of a file.

    Attributes:
        path: absolute, as the library has it where it does.
        file: None where the library does not know the file.
        changed: the file on the disk is another than the library knows.
        identity: of a file that the library does not know.
        sound: None where the library does not know the sound.
        told_by: whose windows these are: the current model where it has encoded the sound,
            otherwise the newest that has.
        is_current: whether that is the current model.
        annotations: what a person wrote of the sound and of stretches of it.
    """

    path: bytes
    file: FileDetails | None
    changed: bool
    identity: Identity | None
    sound: SoundDetails | None
    told_by: BundleProgress | None
    is_current: bool
    windows: tuple[WindowSaid, ...]
    annotations: tuple[WrittenAnnotation, ...] = ()


def list_files(
    database: Database,
    filters: Filters,
    *,
    name: str | None = None,
    states: Sequence[FileState] = (),
    limit: int | None = None,
    sort: str | None = None,
    reverse: bool = False,
) -> Listing:
    """The files of a name, within `filters` and in one of `states`, by path or as `sort` has it.

    Where no state is given, files in any, but for missing ones where tags are asked for or ruled
    out: what is not there carries none.

    Raises:
        QueryError: a filter or the order has no meaning here.
    """
    check_sort(sort)
    wanted = tuple(states) or tuple(
        state
        for state in FileState
        if state is not FileState.MISSING or not (filters.tags or filters.not_tags)
    )
    with database.reading() as session:
        scope = find_scope(session, filters)

        def named(name: str | None) -> list[int]:
            within = _named(session, scope, name)
            if sort != "name":
                order = FileOrder.PATH if sort is None else FileOrder(sort)
                return find_file_ids(session, within, states=wanted, order=order, reverse=reverse)
            paths = file_paths(session, find_file_ids(session, within, states=wanted))
            return sorted(paths, key=lambda each: name_order(paths[each]), reverse=reverse)

        ids = named(name)
        meant = None if ids or name is None or is_glob(name) else near_words(session, name)
        return Listing(
            files=tuple(listed_files(session, ids[:limit])),
            n_left_out=0 if limit is None else max(0, len(ids) - limit),
            library_is_empty=not ids and not any_file(session),
            meant=meant if meant is not None and named(meant) else None,
            n_unknown=count_unknown_files(session, _named(session, scope, name), states=wanted),
            unknown_tags=() if ids else unknown_tags(session, filters),
        )


def _named(session: Session, scope: Scope, name: str | None) -> Scope:
    """What is within `scope` and has a name."""
    if name is None:
        return scope
    return computed_scope(session, replace(scope, names=(*scope.names, (file_name(name),))))


def file_info(database: Database, config: Config, path: str) -> FileInfo:
    """All that is known of a file.

    Raises:
        QueryError: it is not in the library, and there is no such file either.
        DecodeError: it is not in the library, and cannot be read.
    """
    with database.reading() as session:
        found = _in_library(session, path)
        if found is not None:
            where, file = found
            return _told(session, config, where, file=file)
    where = absolute(path)
    identity, audio_hash = _read(where, config)
    with database.reading() as session:
        recording_id = find_recording(session, audio_hash)
        return _told(session, config, where, identity=identity, recording_id=recording_id)


def _in_library(session: Session, path: str) -> tuple[bytes, FileDetails] | None:
    # As the person wrote it first: a root may itself be a link to somewhere else.
    for where in (absolute(path), os.fsencode(os.path.realpath(os.path.expanduser(path)))):  # noqa: PTH111
        place = find_place(session, where)
        file = None if place is None else file_details(session, place)
        if file is not None:
            return where, file
    return None


def _told(
    session: Session,
    config: Config,
    path: bytes,
    *,
    file: FileDetails | None = None,
    identity: Identity | None = None,
    recording_id: int | None = None,
) -> FileInfo:
    if file is not None:
        recording_id = file.recording_id
    sound = None if recording_id is None else sound_details(session, recording_id)
    current = _current_fingerprint(config)
    bundles = () if sound is None else [each for each in sound.bundles if each.complete]
    told_by = max(
        bundles, key=lambda each: (each.fingerprint == current, each.bundle_id), default=None
    )
    windows: list[WindowSaid] = []
    if told_by is not None and recording_id is not None:
        windows = windows_said(session, recording_id, bundle_id=told_by.bundle_id)
    return FileInfo(
        path=path,
        file=file,
        changed=file is not None and _has_changed(path, file),
        identity=identity,
        sound=sound,
        told_by=told_by,
        is_current=told_by is not None and told_by.fingerprint == current,
        windows=tuple(windows),
        annotations=() if recording_id is None else tuple(_written(session, recording_id)),
    )


def _written(session: Session, recording_id: int) -> list[WrittenAnnotation]:
    from audiosearch.store.queries.annotation_list import (  # noqa: PLC0415 - no query needs it
        annotations_of_sound,
    )

    audio_hash = session.get_one(Recording, recording_id).audio_hash
    return annotations_of_sound(session, audio_hash)


def _current_fingerprint(config: Config) -> str | None:
    """Of the model that the settings name; None where it is not installed."""
    try:
        return listed_fingerprint(find_model(config, config.model.bundle))
    except BundleError:
        return None


def _has_changed(path: bytes, file: FileDetails) -> bool:
    """Whether there is another file now than the one that was looked at; not whether it is gone."""
    try:
        status = os.stat(path)  # noqa: PTH116  # bytes, which pathlib does not keep
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) != (file.size, file.mtime_ns)


def _read(path: bytes, config: Config) -> tuple[Identity, bytes]:
    """What a file says of itself, and the hash of its sound."""
    from audiosearch.audio.sandbox.client import Worker, WorkerLimits  # noqa: PLC0415 - seldom needed

    if not is_url(path) and not os.path.isfile(path):  # noqa: PTH113  # bytes
        what = "a folder" if os.path.isdir(path) else "no such file, here or in the library"  # noqa: PTH112
        raise QueryError(
            what, path=path, remedy="audiosearch files --in FOLDER lists what is in a folder"
        )
    with Worker(WorkerLimits.of(config.index)) as worker:
        opened = worker.open(path, sample_rate=_ANY_RATE)
        worker.skip()
    sound = opened.fingerprint
    identity = Identity(
        size=opened.size,
        mtime_ns=opened.mtime_ns,
        container=sound.container,
        codec=sound.codec,
        sample_rate=sound.sample_rate,
        channels=sound.channels,
        bit_depth=sound.bit_depth,
        metadata=opened.metadata,
    )
    return identity, sound.audio_hash


@dataclass(frozen=True)
class DescribedWindow:
    """A window, the first file that has it, and its caption; None where there is no such thing."""

    place: WindowSpan
    path: bytes | None
    caption: str | None


def library_vectors(database: Database, bundle: Bundle, kind: VectorKind) -> VectorTable | None:
    """What a bundle says of all windows that are not silent; None where it has heard none.

    Raises:
        FeatureUnavailable: the bundle gives no such vectors.
    """
    if kind is VectorKind.JOINT and not bundle.joint_dim:
        raise FeatureUnavailable(
            "this model has no space shared by text and sound", path=bundle.path
        )
    with database.reading() as session:
        bundle_id = find_bundle_id(session, fingerprint=bundle.fingerprint)
        if bundle_id is None:
            return None
        table = load_vectors(
            session,
            bundle_id=bundle_id,
            fingerprint=bundle.fingerprint,
            kind=kind,
            cache_dir=database.vectors_dir,
        )
    return table if len(table) else None


def described_windows(database: Database, window_ids: Sequence[int]) -> list[DescribedWindow]:
    """Windows in the order of their ids as given; ids that are none (any more) are left out."""
    with database.reading() as session:
        return _described(session, window_ids)


def _described(session: Session, window_ids: Sequence[int]) -> list[DescribedWindow]:
    places = window_places(session, window_ids)
    captions = window_captions(session, list(places))
    recordings = sorted({place.recording_id for place in places.values()})
    files = files_by_recording(session, recordings, Scope())
    paths = {recording_id: own[0].path for recording_id, own in files.items()}
    return [
        DescribedWindow(
            place=places[each],
            path=paths.get(places[each].recording_id),
            caption=captions.get(each),
        )
        for each in window_ids
        if each in places
    ]
