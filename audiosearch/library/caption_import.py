"""Files of labels and captions taken in: of which sound each line speaks, all of it or nothing."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy.orm import Session

from audiosearch._wording import counted
from audiosearch.audio.clip import ClipRange, absolute, parse_clip
from audiosearch.errors import QueryError, display_path
from audiosearch.exchange.label_files import LabelFile, read_label_file
from audiosearch.exchange.label_times import ReadLabel
from audiosearch.library.captions import Added, NewCaption, add
from audiosearch.model.loaded import Model
from audiosearch.store.database import Database
from audiosearch.store.queries.caption_imports import (
    TakenBack,
    drop_empty_import,
    ensure_import,
    files_of_stem,
    take_back,
)
from audiosearch.store.queries.windows import find_file
from audiosearch.store.schema import CaptionSource


def import_captions(
    database: Database, model: Model, file: Path, *, clip: str | ClipRange | None = None
) -> Added:
    """Write down the captions of a file; see `Library.import_captions`."""
    read = read_label_file(file)
    with database.reading() as session:
        new = list(_NewCaptions(session, file, read, clip).all())
    digest = _digest(file, new)
    with database.session() as session:
        import_id = ensure_import(
            session, source=display_path(absolute(file)), kind=read.kind, digest=digest
        )
    added = add(
        database,
        new,
        source=CaptionSource.IMPORT,
        bundle=model.bundle,
        tower=model.tower,
        import_id=import_id,
    )
    with database.session() as session:
        empty = drop_empty_import(session, import_id)
    return replace(added, kind=read.kind, import_id=None if empty else import_id)


def remove_import(database: Database, import_id: int) -> TakenBack:
    """Take an import back; see `Library.remove_import`."""
    with database.session() as session:
        gone = take_back(session, import_id)
    if gone is None:
        raise QueryError(f"there is no import {import_id}", remedy="audiosearch captions imports")
    return gone


def _digest(file: Path, new: Sequence[NewCaption]) -> bytes:
    """What an import is known by: the file, and what it says of which sounds."""
    digest = hashlib.sha256(absolute(file))
    for each in new:
        digest.update(repr((each.text, each.target)).encode("utf-8", "backslashreplace"))
    return digest.digest()


class _NewCaptions:
    """The captions of a file, each with its sound."""

    def __init__(
        self, session: Session, file: Path, read: LabelFile, clip: str | ClipRange | None
    ) -> None:
        self._session = session
        self._file = file
        self._read = read
        self._durations: dict[bytes, float | None] = {}  # None: not in the library
        self._all_for: ClipRange | None = None
        self._sound: bytes | None = None
        if clip is not None:
            given = clip if isinstance(clip, ClipRange) else parse_clip(clip)
            self._all_for = replace(given, path=absolute(os.fsdecode(given.path)))
            if self._duration(self._all_for.path) is None:
                raise QueryError(
                    "not in the library", path=given.path, remedy="audiosearch index its folder"
                )
        elif read.needs_sound:
            self._sound = self._beside()

    def all(self) -> Iterator[NewCaption]:
        """In the order of the file.

        Raises:
            QueryError: a stretch lies beyond the end of its sound; names the line.
        """
        return (NewCaption(each.text, self._target(each)) for each in self._read.labels)

    def _target(self, label: ReadLabel) -> ClipRange | None:
        if self._all_for is not None:
            part = self._all_for
        elif label.names:
            part = ClipRange(self._named(label.names))
        elif label.start_s is not None and self._sound is not None:
            part = ClipRange(self._sound)
        else:
            return None
        if label.start_s is not None:
            end_s = part.end_s if label.end_s is None else part.start_s + label.end_s
            part = ClipRange(part.path, part.start_s + label.start_s, end_s)
        duration_s = self._duration(part.path)
        if duration_s is not None and part.start_s >= duration_s:
            raise QueryError(
                f"line {label.line}: the sound {display_path(os.path.basename(part.path))} ends"  # noqa: PTH119
                f" ({duration_s:g} s) before {part.start_s:g} s",
                path=self._file,
            )
        return part

    def _named(self, names: Sequence[str]) -> bytes:
        """The file that is meant: of several names, the first that is in the library or there."""
        folder = self._file.parent
        paths = [os.fsencode(os.path.abspath(folder / name)) for name in names]  # noqa: PTH100
        for path in paths:
            if self._duration(path) is not None or os.path.isfile(path):  # noqa: PTH113
                return path
        return self._same_stem(paths[-1]) or paths[0]

    def _same_stem(self, path: bytes) -> bytes | None:
        """A file of the library with another ending: cue sheets name the .wav of a .flac."""
        beside = files_of_stem(self._session, os.path.splitext(path)[0])  # noqa: PTH122
        return beside[0] if len(beside) == 1 else None

    def _beside(self) -> bytes:
        """The sound that lies beside the file and has its name.

        Raises:
            QueryError: the library has none, or several.
        """
        stem = absolute(self._file)
        while (shorter := os.path.splitext(stem)[0]) != stem:  # noqa: PTH122
            stem = shorter
            found = files_of_stem(self._session, stem)
            if len(found) == 1:
                return found[0]
            if found:
                raise QueryError(
                    f"{counted(len(found), 'sound')} of this name beside it",
                    path=self._file,
                    remedy="say which it is for: --for SOUND",
                )
        raise QueryError(
            "tells times and no sound, and none of its name in the library lies beside it",
            path=self._file,
            remedy="say which it is for: --for SOUND; a sound must be indexed first",
        )

    def _duration(self, path: bytes) -> float | None:
        if path not in self._durations:
            known = find_file(self._session, path)
            self._durations[path] = None if known is None else known.duration_s
        return self._durations[path]
