"""The folders that a user names: made absolute, indexed, forgotten, or walked for sound files."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from audiosearch.config import IndexConfig
from audiosearch.errors import AudiosearchError
from audiosearch.search.clip import absolute
from audiosearch.store.database import Database
from audiosearch.store.queries import roots
from audiosearch.store.queries.places import Place, join

log = logging.getLogger(__name__)


def places_to_index(database: Database, paths: Sequence[Path]) -> list[Place]:
    """Where to look for sounds: `paths`, which become roots; without any, all roots.

    Raises:
        AudiosearchError: a path is no folder; there are no roots yet.
    """
    places = add_roots(database, paths)
    if not paths:
        with database.reading() as session:
            places = [Place(root=root, under=b"") for root in roots.list_roots(session)]
    if not places:
        raise AudiosearchError(
            "no folder was ever indexed", remedy="give one: audiosearch index ~/sounds"
        )
    return places


def add_roots(database: Database, paths: Sequence[Path]) -> list[Place]:
    """Remember folders; see `Library.add_roots`."""
    folders = [absolute(path) for path in paths]
    for path in folders:
        if not os.path.isdir(path):  # noqa: PTH112  # bytes, which pathlib does not keep
            raise AudiosearchError(
                "no such folder", path=path, remedy="give folders: audiosearch index FOLDER"
            )
    with database.session() as session:
        return roots.add_roots(session, folders)


def confirm_missing(database: Database, folder: Path, *, config: IndexConfig) -> int:
    """Mark what is gone from a root as missing; see `Library.confirm_missing`."""
    from audiosearch.indexing.sync import settle_missing, take_in  # noqa: PLC0415

    path = absolute(folder)
    with database.reading() as session:
        root = next((each for each in roots.list_roots(session) if each.path == path), None)
    if root is None:
        raise AudiosearchError(
            "no folder of the library", path=path, remedy="audiosearch roots list"
        )
    scan = take_in(database, Place(root=root, under=b""), config=config)
    if scan.offline:
        raise AudiosearchError(
            "it is not there or empty, so nothing can be concluded about its files",
            path=path,
            remedy="if it is gone for good: audiosearch roots remove FOLDER",
        )
    return settle_missing(database, [scan], accept_missing=True).n_missing


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
    from audiosearch.indexing.scan import walk  # noqa: PLC0415 - queries need no scan

    root = absolute(place)
    found = walk(
        root,
        follow_symlinks=config.follow_symlinks,
        exclude=config.exclude,
        on_problem=lambda problem: log.warning("%s", problem.reason),
    )
    return [os.fsdecode(join(root, each.path)) for each in found]
