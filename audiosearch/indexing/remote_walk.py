"""The sound files below a URL: listed at once and in order, as `walk` gives those of a folder."""

from __future__ import annotations

from collections.abc import Callable

from audiosearch._urls import SEPARATOR, is_plain
from audiosearch.errors import AudiosearchError, RemoteUnavailable
from audiosearch.indexing.passed_over import Exclusions, PassedOverTally
from audiosearch.indexing.walk import HEAD_BYTES, SHARED, Problem, begins_alike, has_audio_extension
from audiosearch.remote.object_store import ObjectStore, RemoteFile, RemoteStat
from audiosearch.store.queries.files import FileStat
from audiosearch.store.queries.places import RootPath, join


def list_remote(
    place: RootPath,
    *,
    exclusions: Exclusions,
    on_problem: Callable[[Problem], None],
    tally: PassedOverTally,
) -> list[FileStat] | None:
    """All sound files at a place below a URL, by their keys' bytes; None: there is nothing there.

    A listing is whole or none: what could not be listed must not look as if it were gone.

    Raises:
        RemoteUnavailable: the store cannot be reached, or refuses.
        AudiosearchError: what reaches it is not installed.
    """
    if exclusions.excludes_path(place.relative):
        return []
    store = ObjectStore(place.path)
    if place.relative and has_audio_extension(place.relative):
        try:
            return [_file_stat(place.relative, store.stat(place.path))]
        except FileNotFoundError:
            pass  # a folder may be called so
    look = _RemoteLook(place, store, exclusions, on_problem, tally)
    try:
        found = list(filter(None, map(look.at, store.files_below(look.enters))))
    except FileNotFoundError:
        return None
    return sorted(found) if look.n_files else None


class _RemoteLook:
    """What becomes of all that a listing holds."""

    def __init__(
        self,
        place: RootPath,
        store: ObjectStore,
        exclusions: Exclusions,
        on_problem: Callable[[Problem], None],
        tally: PassedOverTally,
    ) -> None:
        self.n_files = 0
        self._root = place.root.path
        self._prefix = place.relative + SEPARATOR if place.relative else b""
        self._store = store
        self._exclusions = exclusions
        self._on_problem = on_problem
        self._tally = tally

    def enters(self, key: bytes) -> bool:
        """Whether a folder is looked into."""
        if not is_plain(self._prefix + key):
            self._strange(self._prefix + key, "a part of its name is empty or only dots")
            return False
        return not self._exclusions.excludes_path(self._prefix + key)

    def at(self, listed: RemoteFile | bytes) -> FileStat | None:
        """The sound file that this is; None for what is passed over."""
        self.n_files += 1
        key = self._prefix + (listed if isinstance(listed, bytes) else listed.key)
        if has_audio_extension(key) and not is_plain(key):
            self._strange(key, "a part of its name is empty or only dots")
            return None
        if self._exclusions.excludes_path(key):
            return None
        if not has_audio_extension(key) or self._is_named_alike(key):
            self._tally.count_alike(key.rpartition(SEPARATOR)[2])
            return None
        if isinstance(listed, bytes):
            self._strange(key, "its store does not tell how long it is")
            return None
        return _file_stat(key, listed.stat)

    def _is_named_alike(self, key: bytes) -> bool:
        if not key.lower().endswith(SHARED):
            return False
        return begins_alike(self._store.head(join(self._root, key), HEAD_BYTES))

    def _strange(self, key: bytes, why: str) -> None:
        self._on_problem(Problem(join(self._root, key), f"passed over: {why}"))


def _file_stat(key: bytes, stat: RemoteStat) -> FileStat:
    return FileStat(key, stat.size, stat.mtime_ns, stat.version)


def remote_problem(error: AudiosearchError, place: RootPath) -> Problem:
    """Why a store could not be listed."""
    reason = error.reason if error.remedy is None else f"{error.reason} ({error.remedy})"
    return Problem(place.path, reason)


def is_remote_file(url: bytes) -> bool:
    """Whether a URL that a person gives is that of a sound file, rather than of a folder of such.

    Raises:
        AudiosearchError: there is nothing there, or what is there cannot be learnt.
    """
    store = ObjectStore(url)
    try:
        # A page of links calls itself a file.
        return store.is_file() and has_audio_extension(url)
    except FileNotFoundError:
        raise RemoteUnavailable(
            "nothing is there",
            path=url,
            remedy="give a folder: audiosearch index s3://bucket/folder",
        ) from None
