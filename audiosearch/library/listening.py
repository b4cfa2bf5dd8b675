"""The windows of a sound that a user names: out of the library where it has heard it, else decoded.

In go a file or a part of one and a model, out come its windows as that model hears them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from audiosearch._typing import Floats
from audiosearch.audio.clip import ClipRange, absolute
from audiosearch.config import IndexConfig
from audiosearch.errors import QueryError
from audiosearch.model.encoder import Encoded
from audiosearch.model.loaded import Model
from audiosearch.search.results import EncodedWindow
from audiosearch.store.database import Database
from audiosearch.store.queries.encodings import find_bundle_id
from audiosearch.store.queries.heard import StoredWindow, find_file, stored_windows

if TYPE_CHECKING:
    from audiosearch.library.clips import HeardWindow


def hear(
    part: ClipRange, *, database: Database, model: Model, config: IndexConfig
) -> Iterator[EncodedWindow]:
    """The windows of a part of a file: out of the library, or else decoded.

    Raises:
        DecodeError: the file cannot be read.
        QueryError: the part lies beyond its end.
    """
    stored = _stored(part, database=database, model=model, config=config)
    if stored is not None:
        yield from stored
        return
    for window in _listen(part, model=model, config=config):
        yield EncodedWindow(start_s=window.start_s, end_s=window.end_s, encoded=window.encoded)


def embeddings(part: ClipRange, *, model: Model, config: IndexConfig) -> Floats:
    """What to compare a part of a file by: (n, E), a row for each window that is not silent.

    Raises:
        DecodeError: the file cannot be read.
        QueryError: the part lies beyond its end, or is all silence.
    """
    heard = [
        window.encoded.embedding
        for window in _listen(part, model=model, config=config)
        if window.encoded is not None
    ]
    if not heard:
        raise QueryError("there is only silence to compare with", path=part.path)
    return np.stack(heard)


def _listen(part: ClipRange, *, model: Model, config: IndexConfig) -> Iterator[HeardWindow]:
    from audiosearch.library.clips import listen  # noqa: PLC0415 - what is stored needs no decoding

    return listen(
        part.path, start_s=part.start_s, end_s=part.end_s, encoder=model.encoder, config=config
    )


def _stored(
    part: ClipRange, *, database: Database, model: Model, config: IndexConfig
) -> list[EncodedWindow] | None:
    """What the library has heard of a whole file that has not changed since; None if nothing.

    A part of a file is heard anew, since its windows begin where it begins.
    """
    path = absolute(os.fsdecode(part.path))
    if part.start_s > 0 or part.end_s is not None:
        return None
    bundle = model.bundle
    with database.reading() as session:
        file = find_file(session, path)
        status = os.stat(path)  # noqa: PTH116  # bytes, which pathlib does not keep
        bundle_id = find_bundle_id(session, fingerprint=bundle.fingerprint)
        if file is None or bundle_id is None:
            return None
        if (file.size, file.mtime_ns) != (status.st_size, status.st_mtime_ns):
            return None
        windows = stored_windows(
            session,
            file.recording_id,
            bundle_id=bundle_id,
            dim=bundle.frame_dim,
            hop_s=config.hop * bundle.window_s,
        )
    return None if windows is None else [_heard(window) for window in windows]


def _heard(window: StoredWindow) -> EncodedWindow:
    encoded = Encoded(
        frames=window.frames.astype(np.float32),
        embedding=window.embedding,
        joint=window.joint,
        tags=None,
    )
    return EncodedWindow(
        start_s=window.start_s, end_s=window.end_s, encoded=None if window.silent else encoded
    )
