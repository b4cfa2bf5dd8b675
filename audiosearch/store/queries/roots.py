"""Roots: the folders that the user gave.

A root inside another would list each file twice, so one is never kept: a folder under a known root
is covered by it, and a new root takes over the files of those beneath it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from audiosearch._urls import separator_of
from audiosearch.errors import display_path
from audiosearch.store.queries import fulltext
from audiosearch.store.queries.places import Root, RootPath, path_inside
from audiosearch.store.schema import FileState, LibraryRoot, SoundFile


def list_roots(session: Session) -> list[Root]:
    """All roots, by path."""
    rows = session.execute(select(LibraryRoot.id, LibraryRoot.path).order_by(LibraryRoot.path))
    return [Root(root_id=row.id, path=row.path) for row in rows]


def find_place(session: Session, path: bytes) -> RootPath | None:
    """The root that holds an absolute path, and where under it; None where none does."""
    for root in list_roots(session):
        under = path_inside(path, root.path)
        if under is not None:
            return RootPath(root=root, relative=under)
    return None


def guard_baseline(session: Session, root_id: int) -> int | None:
    """How many files a root had when too many of them were gone at once; None: nothing is held."""
    return session.scalar(select(LibraryRoot.held_known).where(LibraryRoot.id == root_id))


def set_guard_baseline(session: Session, root_id: int, n_known: int | None) -> None:
    """Remember how many files a root had, or that nothing is held any more."""
    session.execute(update(LibraryRoot).where(LibraryRoot.id == root_id).values(held_known=n_known))


def add_root(session: Session, path: bytes) -> RootPath:
    """Remember a folder (absolute path), unless a root covers it already.

    Roots inside the new one are merged into it: their files keep their rows and recordings.
    """
    place = find_place(session, path)
    if place is not None:
        return place
    inner = [
        (root, inside)
        for root in list_roots(session)
        if (inside := path_inside(root.path, path)) is not None
    ]
    root = LibraryRoot(path=path, added_at=time.time())
    session.add(root)
    session.flush()
    for old, prefix in inner:
        _take_over(session, new_root_id=root.id, old=old, prefix=prefix)
    return RootPath(root=Root(root_id=root.id, path=path), relative=b"")


def add_roots(session: Session, paths: Sequence[bytes]) -> list[RootPath]:
    """Remember several folders (absolute paths); the places that cover them, none twice."""
    for path in paths:
        add_root(session, path)
    outermost = [
        path
        for path in dict.fromkeys(paths)
        if not any(other != path and path_inside(path, other) is not None for other in paths)
    ]
    found = [find_place(session, path) for path in outermost]  # only now do the roots stand
    return [place for place in found if place is not None]


def _take_over(session: Session, *, new_root_id: int, old: Root, prefix: bytes) -> None:
    rows = session.execute(
        select(SoundFile.id, SoundFile.path).where(SoundFile.root_id == old.root_id)
    )
    moved = [
        {"file": row.id, "path": path, "display": display_path(path)}
        for row in rows
        for path in [prefix + separator_of(old.path) + row.path]
    ]
    if moved:
        session.connection().execute(
            update(SoundFile)
            .where(SoundFile.id == bindparam("file"))
            .values(root_id=new_root_id, path=bindparam("path"), display=bindparam("display")),
            moved,
        )
        fulltext.refresh_files(session, [row["file"] for row in moved])
    session.execute(delete(LibraryRoot).where(LibraryRoot.id == old.root_id))


def remove_root(session: Session, root_id: int) -> int:
    """Forget a root and its files' rows; returns how many there were.

    Recordings stay, with all that was computed, until they are purged: adding the root again costs
    no encoding.
    """
    from audiosearch.store.queries.waiting import remember_paths  # noqa: PLC0415 - no query needs it

    remember_paths(session)
    file_ids = session.scalars(select(SoundFile.id).where(SoundFile.root_id == root_id)).all()
    session.execute(delete(SoundFile).where(SoundFile.root_id == root_id))
    session.execute(delete(LibraryRoot).where(LibraryRoot.id == root_id))
    fulltext.remove_files(session, file_ids)
    return len(file_ids)


@dataclass(frozen=True)
class RootSummary:
    """A root and how many of its files stand where."""

    root: Root
    n_files: int
    n_missing: int


def summarise_roots(session: Session) -> list[RootSummary]:
    """All roots with the number of their files."""
    counts = {
        row.root_id: (row.n_files, row.n_missing)
        for row in session.execute(
            select(
                SoundFile.root_id,
                func.count().label("n_files"),
                func.count().filter(SoundFile.state == FileState.MISSING).label("n_missing"),
            ).group_by(SoundFile.root_id)
        )
    }
    return [RootSummary(root, *counts.get(root.root_id, (0, 0))) for root in list_roots(session)]
