"""What a person writes of sounds, for programs: tags, ratings, notes, collections, backups.

It belongs to the sound, so it stays when files move, are tagged by others, or go and come back.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from audiosearch.api.clips import Clip, absolute_path, clip_range
from audiosearch.api.results import LibraryWindow, SearchHit, as_path
from audiosearch.audio.clip import ClipRange
from audiosearch.errors import QueryError
from audiosearch.library import Library
from audiosearch.library.annotations import Written
from audiosearch.search.filters import Filters

if TYPE_CHECKING:
    from audiosearch.store.queries.annotation_list import WrittenAnnotation


@dataclass(frozen=True, kw_only=True)
class SoundAnnotation:
    """What a person wrote of a sound or of a stretch of it.

    Attributes:
        path: absolute, of a file that holds the sound, or that held it last; None: not known.
        here: whether a file of the library holds the sound now.
        start_s: where the stretch begins, in seconds.
        end_s: where it ends; None: it is the whole sound.
        duration_s: of the whole sound, in seconds; None where the library does not have it.
        tags: as they were typed.
        rating: 1 to 5 stars, or None.
        favourite: whether it is one.
        note: a text of one or several lines, or None.
        collections: names of those that it is in.
        audio_hash: what the sound is known by, 64 hexadecimal digits.
        user: whose it is (`[user] name`); "" where it is everybody's.
    """

    path: Path | None
    here: bool
    start_s: float
    end_s: float | None
    duration_s: float | None
    tags: tuple[str, ...]
    rating: int | None
    favourite: bool
    note: str | None
    collections: tuple[str, ...]
    audio_hash: str
    user: str = ""

    @classmethod
    def of(cls, row: WrittenAnnotation) -> SoundAnnotation:
        """A row of the library."""
        return cls(
            path=as_path(row.path) if row.path else None,
            here=row.here,
            start_s=row.start_s,
            end_s=row.end_s,
            duration_s=row.duration_s,
            tags=row.tags,
            rating=row.rating,
            favourite=row.favourite_at is not None,
            note=row.note,
            collections=row.collections,
            audio_hash=row.audio_hash.hex(),
            user=row.user,
        )


@dataclass(frozen=True, kw_only=True)
class RestoreSummary:
    """What became of a backup.

    Attributes:
        n_lines: things that a person wrote in it.
        n_new: of these, those that the library did not have.
        n_newer: of these, those in whose place the library has something newer, which stays.
        n_waiting: sounds that the library does not hold; theirs is kept until it does.
    """

    n_lines: int
    n_new: int
    n_newer: int
    n_waiting: int


@dataclass(frozen=True, kw_only=True)
class DuplicateSet:
    """Files that hold one sound, or one take.

    Attributes:
        kind: `identical` (to the bit, but for names and tags), `other-format`, or `near` (another
            level, a lossy encoder's errors, little edits).
        paths: what is worth most first: lossless, then by sampling rate, bits and size.
        likeness: of each to the first, 1 for the same.
    """

    kind: str
    paths: tuple[Path, ...]
    likeness: tuple[float, ...]


class OrganisedLibrary:
    """The part of `SoundLibrary` for what a person writes of sounds.

    Clips are files of the library, hits, windows, or several of these; of a single file also a
    stretch. Where something is taken away, a file stands for all stretches of its sound.
    """

    def _open(self, *, to_write: bool = False) -> AbstractContextManager[Library]:
        raise NotImplementedError

    def tag(
        self,
        clip: Clip | Iterable[Clip],
        tag: str,
        *,
        start_s: float | None = None,
        end_s: float | None = None,
    ) -> int:
        """Put a tag on sounds; returns on how many it was not before.

        Raises:
            QueryError: one is no sound of the library, or there is no word in the tag; nothing was
                written.
            StoreError: the library was opened for reading only, or cannot be written to.
        """
        parts = _parts(clip, start_s=start_s, end_s=end_s)
        with self._open(to_write=True) as library:
            return _changed(library.annotations.tag(parts, tag, all_or_none=True))

    def untag(
        self,
        clip: Clip | Iterable[Clip],
        tag: str,
        *,
        start_s: float | None = None,
        end_s: float | None = None,
    ) -> int:
        """Take a tag, in any spelling, from sounds; returns how many there were.

        Raises:
            QueryError: one is no sound of the library; nothing was changed.
            StoreError: the library was opened for reading only, or cannot be written to.
        """
        parts = _parts(clip, start_s=start_s, end_s=end_s)
        with self._open(to_write=True) as library:
            return _changed(library.annotations.untag(parts, tag, all_or_none=True))

    def tags(self) -> dict[str, int]:
        """The tags that a person set, as they were typed last, and on how many stretches."""
        with self._open() as library:
            return {each.name: each.n_stretches for each in library.annotations.tags()}

    def rate(
        self,
        clip: Clip | Iterable[Clip],
        stars: int | None,
        *,
        start_s: float | None = None,
        end_s: float | None = None,
    ) -> int:
        """Rate sounds with 1 to 5 stars, None for no rating; returns how many it changed.

        Raises:
            QueryError: one is no sound of the library, or there are no such stars.
            StoreError: the library was opened for reading only, or cannot be written to.
        """
        parts = _parts(clip, start_s=start_s, end_s=end_s)
        with self._open(to_write=True) as library:
            return _changed(library.annotations.rate(parts, stars, all_or_none=True))

    def favourite(
        self,
        clip: Clip | Iterable[Clip],
        wanted: bool = True,  # reads well: favourite(clip, False)
        *,
        start_s: float | None = None,
        end_s: float | None = None,
    ) -> int:
        """Make sounds favourites, or with False none any more; returns how many it changed.

        Raises:
            QueryError: one is no sound of the library.
            StoreError: the library was opened for reading only, or cannot be written to.
        """
        parts = _parts(clip, start_s=start_s, end_s=end_s)
        with self._open(to_write=True) as library:
            return _changed(library.annotations.favourite(parts, wanted=wanted, all_or_none=True))

    def note(
        self,
        clip: Clip | Iterable[Clip],
        text: str | None,
        *,
        start_s: float | None = None,
        end_s: float | None = None,
    ) -> int:
        """Write a note about sounds in place of the one there is; None takes it away.

        Returns:
            how many it changed.

        Raises:
            QueryError: one is no sound of the library, or there is nothing in the note.
            StoreError: the library was opened for reading only, or cannot be written to.
        """
        parts = _parts(clip, start_s=start_s, end_s=end_s)
        with self._open(to_write=True) as library:
            return _changed(library.annotations.note(parts, text, all_or_none=True))

    def annotations(
        self,
        clip: Clip | Iterable[Clip] | None = None,
        *,
        tag: str | None = None,
        min_rating: int | None = None,
        favourite: bool = False,
    ) -> list[SoundAnnotation]:
        """What a person wrote of sounds (None: of all) and their stretches, by path and place.

        Args:
            clip: of these sounds only.
            tag: only with this tag, in any spelling.
            min_rating: only with so many stars or more.
            favourite: only favourites.

        Raises:
            QueryError: one is no sound of the library.
        """
        parts = None if clip is None else _parts(clip, start_s=None, end_s=None)
        with self._open() as library:
            rows = library.annotations.listed(
                parts, tag=tag, least_stars=min_rating, favourite=favourite
            )
        return [SoundAnnotation.of(row) for row in rows]

    def collections(self) -> dict[str, int]:
        """The collections by name, and how much is in each."""
        with self._open() as library:
            return {each.name: each.n_items for each in library.annotations.collections()}

    def collection(self, name: str) -> list[SoundAnnotation]:
        """What is in a collection, in its order.

        Raises:
            QueryError: there is none of that name.
        """
        with self._open() as library:
            return [SoundAnnotation.of(row) for row in library.annotations.collection(name)]

    def collect(
        self,
        name: str,
        clip: Clip | Iterable[Clip],
        *,
        start_s: float | None = None,
        end_s: float | None = None,
    ) -> int:
        """Put sounds at the end of a collection, made where there is none; how many are new in it.

        Raises:
            QueryError: one is no sound of the library; nothing was changed.
            StoreError: the library was opened for reading only, or cannot be written to.
        """
        parts = _parts(clip, start_s=start_s, end_s=end_s)
        with self._open(to_write=True) as library:
            return _changed(library.annotations.collect(name, parts, create=True, all_or_none=True))

    def uncollect(self, name: str, clip: Clip | Iterable[Clip]) -> int:
        """Take sounds out of a collection; returns how many were in it.

        Raises:
            QueryError: there is no such collection, or one is no sound of the library.
            StoreError: the library was opened for reading only, or cannot be written to.
        """
        parts = _parts(clip, start_s=None, end_s=None)
        with self._open(to_write=True) as library:
            return _changed(library.annotations.uncollect(name, parts, all_or_none=True))

    def delete_collection(self, name: str) -> None:
        """Delete a collection; the sounds in it stay as they are.

        Raises:
            QueryError: there is none of that name.
            StoreError: the library was opened for reading only, or cannot be written to.
        """
        with self._open(to_write=True) as library:
            library.annotations.delete_collection(name)

    def searches(self) -> dict[str, tuple[str, ...]]:
        """The saved searches by name, each as the arguments of the command that asks it."""
        with self._open() as library:
            return {each.name: each.arguments for each in library.annotations.searches()}

    def backup(self, path: str | PathLike[str]) -> int:
        """Write all that a person wrote into a file, in place of what is there; how many lines.

        Raises:
            StoreError: the file cannot be written.
        """
        with self._open() as library:
            return library.backup(as_path(absolute_path(path)))

    def restore(self, path: str | PathLike[str], *, by_path: bool = False) -> RestoreSummary:
        """Take in a backup, all of it or nothing; doing it again changes nothing.

        Args:
            path: the file.
            by_path: what is of a sound that is not here goes to the one at its path now.

        Raises:
            QueryError: it is no backup, or has a line that is none; nothing was changed.
            StoreError: the library was opened for reading only, or cannot be written to.
        """
        with self._open(to_write=True) as library:
            found = library.restore(as_path(absolute_path(path)), by_path=by_path)
        return RestoreSummary(
            n_lines=sum(found.n_lines.values()),
            n_new=found.n_new,
            n_newer=found.n_newer,
            n_waiting=found.n_waiting,
        )

    def duplicates(
        self, *, identical_only: bool = False, filters: Filters | None = None
    ) -> list[DuplicateSet]:
        """Sounds that the library has more than once, the largest groups first.

        Sounds that may be one take are listened to; with `identical_only`, nothing is. With
        `filters`, only files that pass are compared with each other.

        Raises:
            QueryError: a filter has no meaning here.
            BundleError: the model cannot be used.
        """
        with self._open() as library:
            found = library.duplicates(identical_only=identical_only, filters=filters)
        return [
            DuplicateSet(
                kind=str(group.kind),
                paths=tuple(as_path(file.path) for file in group.files),
                likeness=tuple(file.likeness for file in group.files),
            )
            for group in found.groups
        ]


def _parts(
    clip: Clip | Iterable[Clip], *, start_s: float | None, end_s: float | None
) -> list[ClipRange]:
    if isinstance(clip, (str, bytes, PathLike, SearchHit, LibraryWindow)):
        return [clip_range(clip, start_s=start_s, end_s=end_s, must_exist=False)]
    if (start_s, end_s) != (None, None):
        raise QueryError("a stretch of which sound?", remedy="name one sound")
    return [clip_range(each, start_s=None, end_s=None, must_exist=False) for each in clip]


def _changed(written: Written) -> int:
    return written.n_changed
