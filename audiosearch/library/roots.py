"""The folders that a user names: made absolute, indexed, forgotten, or walked for sound files."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sqlalchemy.orm import Session

from audiosearch._urls import is_url, separator_of
from audiosearch.audio.clip import absolute
from audiosearch.config import IndexConfig
from audiosearch.errors import AudiosearchError, display_path
from audiosearch.store.database import Database
from audiosearch.store.queries import roots
from audiosearch.store.queries.places import SEPARATOR, RootPath, join, path_inside

log = logging.getLogger(__name__)

_PASSED_OVER: Final = (
    "passed over: a name that settings exclude, or in a recycle bin, a snapshot or another folder"
    " that systems keep for themselves"
)


def places_to_index(
    database: Database, paths: Sequence[Path], *, config: IndexConfig
) -> list[RootPath]:
    """Where to look for sounds: folders, which become roots, and files in them; or all roots.

    Raises:
        AudiosearchError: a path is not there; a file lies outside all roots, or would be passed
            over; there are no roots yet.
    """
    given = [absolute(path) for path in paths]
    files = [path for path in given if _is_file(path)]
    folders = [path for path in given if path not in files]
    _check_folders(folders)
    with database.session() as session:
        places = roots.add_roots(session, folders)
        _check_places(places, config=config)
        for file in files:
            if not any(path_inside(file, place.path) is not None for place in places):
                places.append(_place_of_file(session, file, config=config))
        if not given:
            places = [RootPath(root=root, relative=b"") for root in roots.list_roots(session)]
    if not places:
        raise AudiosearchError(
            "no folder was ever indexed", remedy="give one: audiosearch index ~/sounds"
        )
    return places


def _is_file(path: bytes) -> bool:
    """Whether this is a file, not a folder.

    Raises:
        AudiosearchError: nothing is at a URL, or its store cannot be reached.
    """
    if is_url(path):
        from audiosearch.indexing.remote_walk import is_remote_file  # noqa: PLC0415 - URLs alone

        return is_remote_file(path)
    return os.path.isfile(path)  # noqa: PTH113  # bytes


def _place_of_file(session: Session, file: bytes, *, config: IndexConfig) -> RootPath:
    from audiosearch.indexing.passed_over import Exclusions  # noqa: PLC0415 - queries need no scan
    from audiosearch.indexing.walk import is_named_alike, is_relevant  # noqa: PLC0415

    place = roots.find_place(session, file)
    if place is None:
        folder = display_path(file.rpartition(separator_of(file))[0])
        raise AudiosearchError(
            "in no folder of the library, and only folders are remembered",
            path=file,
            remedy=f"audiosearch index {folder}",
        )
    exclusions = Exclusions(config.exclude)
    if is_url(file):
        is_heard = not exclusions.excludes_path(place.relative)
    else:
        is_heard = is_relevant(file, root=place.root.path, exclusions=exclusions)
    if not is_heard or is_named_alike(file):
        raise AudiosearchError(
            f"{_PASSED_OVER}, or a link, or no sound file",
            path=file,
            remedy="audiosearch config show tells what is excluded",
        )
    if not config.follow_symlinks:
        _check_link(place)
    return place


def _check_places(places: Sequence[RootPath], *, config: IndexConfig) -> None:
    """Refuse folders that the next look at the root around them would pass over."""
    from audiosearch.indexing.passed_over import Exclusions  # noqa: PLC0415 - as above

    exclusions = Exclusions(config.exclude)
    for place in places:
        if not config.follow_symlinks:
            _check_link(place)
        if exclusions.excludes_path(place.relative):
            raise AudiosearchError(
                f"{_PASSED_OVER} of {display_path(place.root.path)}",
                path=place.path,
                remedy="audiosearch config show tells what is excluded",
            )


def _check_link(place: RootPath) -> None:
    """Refuse a folder that a link below its root leads to: links are passed over there."""
    path = place.root.path
    if is_url(path):
        return  # there are none
    for name in filter(None, place.relative.split(SEPARATOR)):
        path = os.path.join(path, name)  # noqa: PTH118  # bytes
        if os.path.islink(path):  # noqa: PTH114
            target = shlex.quote(display_path(os.path.realpath(place.path)))
            raise AudiosearchError(
                f"passed over: a link below {display_path(place.root.path)}",
                path=place.path,
                remedy=f"audiosearch index {target}",
            )


def add_roots(database: Database, paths: Sequence[Path], *, config: IndexConfig) -> list[RootPath]:
    """Remember folders; see `Library.add_roots`."""
    folders = [absolute(path) for path in paths]
    _check_folders(folders)
    with database.session() as session:
        places = roots.add_roots(session, folders)
        _check_places(places, config=config)
    return places


def _check_folders(paths: Sequence[bytes]) -> None:
    for path in paths:
        # What is at a URL, if anything, is no file: it is the same as a folder.
        is_folder = not _is_file(path) if is_url(path) else os.path.isdir(path)  # noqa: PTH112
        if not is_folder:
            raise AudiosearchError(
                "no such folder", path=path, remedy="give folders: audiosearch index FOLDER"
            )


def confirm_missing(database: Database, folder: Path, *, config: IndexConfig) -> int:
    """Mark what is gone from a root as missing; see `Library.confirm_missing`."""
    from audiosearch.indexing.scan import mark_missing, reconcile  # noqa: PLC0415

    path = absolute(folder)
    with database.reading() as session:
        root = next((each for each in roots.list_roots(session) if each.path == path), None)
    if root is None:
        raise AudiosearchError(
            "no folder of the library", path=path, remedy="audiosearch roots list"
        )
    scan = reconcile(database, RootPath(root=root, relative=b""), config=config)
    if scan.offline:
        raise AudiosearchError(
            "it is not there or empty, so nothing can be concluded about its files",
            path=path,
            remedy="if it is gone for good: audiosearch roots remove FOLDER",
        )
    return mark_missing(database, [scan], accept_missing=True).n_missing


def remove_root(database: Database, folder: Path) -> int:
    """Forget a folder and its files; see `Library.remove_root`."""
    path = absolute(folder)
    with database.session() as session:
        for root in roots.list_roots(session):
            if root.path == path:
                return roots.remove_root(session, root.root_id)
    raise AudiosearchError("no folder of the library", path=path, remedy="audiosearch roots list")


def sound_files(place: str, *, config: IndexConfig) -> list[str]:
    """The sound files below a folder, in the order of their paths, as indexing sees them."""
    from audiosearch.indexing.walk import walk  # noqa: PLC0415 - queries need no scan

    root = absolute(place)
    found = walk(
        root,
        follow_symlinks=config.follow_symlinks,
        exclude=config.exclude,
        on_problem=lambda problem: log.warning("%s", problem.reason),
    )
    return [os.fsdecode(join(root, each.path)) for each in found]
