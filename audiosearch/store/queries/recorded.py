"""What files say of when they were recorded: names and metadata, for `search.clock` to read.

The caller owns the transaction; everything here only reads.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Row, Select, exists, or_, select
from sqlalchemy.orm import Session

from audiosearch.store.queries._bulk import chunks
from audiosearch.store.queries.places import join
from audiosearch.store.schema import (
    FileState,
    LibraryRoot,
    Recording,
    SoundFile,
    WindowRow,
)

# Keys of the metadata that may tell a time; the rest is not worth parsing.
_KEYS = ('"guano.timestamp"', '"wamd.timestamp"', '"bwf.date"', "Recorded at ")


@dataclass(frozen=True)
class RecordedFile:
    """A file that is there, and what may tell when it was recorded.

    Attributes:
        path: absolute.
        fields: the metadata, or nothing where none of it can tell.
        sample_rate: Hz.
    """

    recording_id: int
    path: bytes
    fields: Mapping[str, Sequence[str]]
    sample_rate: int

    @property
    def name(self) -> str:
        """The file's name, bytes that are no UTF-8 replaced."""
        return os.path.basename(self.path).decode("utf-8", "replace")  # noqa: PTH119  # bytes


def recorded_files(session: Session, recording_ids: Sequence[int]) -> Iterator[RecordedFile]:
    """The files of recordings that are there, by recording and then by path."""
    for some in chunks(recording_ids):
        wanted = _files().where(SoundFile.recording_id.in_(some))
        yield from map(_file, session.execute(wanted))


def every_recorded_file(session: Session, *, bundle_id: int) -> Iterator[RecordedFile]:
    """All files that are there of recordings that a bundle has heard something of."""
    heard = exists().where(
        WindowRow.recording_id == SoundFile.recording_id, WindowRow.bundle_id == bundle_id
    )
    yield from map(_file, session.execute(_files().where(heard)))


def _files() -> Select[int | None, bytes, bytes, str, int]:
    there = or_(SoundFile.state == FileState.INDEXED, SoundFile.state == FileState.PENDING)
    return (
        select(
            SoundFile.recording_id,
            LibraryRoot.path.label("root"),
            SoundFile.path,
            SoundFile.metadata_json,
            Recording.sample_rate,
        )
        .join(LibraryRoot, LibraryRoot.id == SoundFile.root_id)
        .join(Recording, Recording.id == SoundFile.recording_id)
        .where(there)
        .order_by(SoundFile.recording_id, LibraryRoot.path, SoundFile.path)
    )


def _file(row: Row[int | None, bytes, bytes, str, int]) -> RecordedFile:
    recording_id, root, relative, metadata, sample_rate = row
    assert recording_id is not None  # as its join says, but no type does
    fields = json.loads(metadata) if any(key in metadata for key in _KEYS) else {}
    return RecordedFile(recording_id, join(root, relative), fields, sample_rate)
