"""The library in numbers, and what its model really runs on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from audiosearch.model.loaded import Model
from audiosearch.store.database import Database, database_size
from audiosearch.store.queries.status import LibraryStatus, library_status


@dataclass(frozen=True, kw_only=True)
class Status:
    """What a library is: its numbers, its place on the disk, its model."""

    counts: LibraryStatus
    database: Path
    database_bytes: int
    model_name: str
    model_version: str
    provider: str  # what the decoder really runs on, in ONNX Runtime's words
    note: str | None  # why that is not what was asked for


def status(database: Database, model: Model) -> Status:
    """How a library stands, whose new sounds `model` hears."""
    with database.reading() as session:
        counts = library_status(session)
    device = model.decoder.device
    return Status(
        counts=counts,
        database=database.path,
        database_bytes=database_size(database.path),
        model_name=model.bundle.name,
        model_version=model.bundle.version,
        provider=device.provider,
        note=device.note,
    )
