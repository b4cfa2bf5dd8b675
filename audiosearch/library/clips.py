"""The windows of a sound that a user names: out of the library where it has heard it, else decoded.

It is decoded in a child process, like every file, and nothing is stored.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from audiosearch._typing import Floats
from audiosearch._urls import is_url
from audiosearch.audio.clip import ClipRange, absolute
from audiosearch.config import IndexConfig
from audiosearch.errors import DecodeCode, DecodeError, QueryError
from audiosearch.model.encoder import Encoded, Encoder
from audiosearch.model.loaded import Model
from audiosearch.search.results import EncodedWindow
from audiosearch.store.database import Database
from audiosearch.store.queries.bundles import find_bundle_id
from audiosearch.store.queries.windows import StoredWindow, find_file, stored_windows

if TYPE_CHECKING:
    from audiosearch.audio.windows import Window

_BATCH = 16  # windows encoded together, so that answers about a long file come as it is read


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
    yield from listen(part, encoder=model.encoder, config=config)


@dataclass(frozen=True)
class Example:
    """A sound to compare others with, a row for each window that is not silent.

    Attributes:
        embeddings: (n, E).
        joints: (n, J); None where the bundle has no joint space.
        audio_hash: what the library knows the whole sound by.
    """

    embeddings: Floats
    joints: Floats | None
    audio_hash: bytes


def hear_example(part: ClipRange, *, model: Model, config: IndexConfig) -> Example:
    """What to compare a part of a file by.

    Raises:
        DecodeError: the file cannot be read.
        QueryError: the part lies beyond its end, or is all silence.
    """
    hashes: list[bytes] = []
    heard = [
        window.encoded
        for window in listen(part, encoder=model.encoder, config=config, on_hash=hashes.append)
        if window.encoded is not None
    ]
    if not heard:
        raise QueryError("there is only silence to compare with", path=part.path)
    joints = [each.joint for each in heard if each.joint is not None]
    return Example(
        embeddings=np.stack([each.embedding for each in heard]),
        joints=np.stack(joints) if joints else None,
        audio_hash=hashes[0],
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
        bundle_id = find_bundle_id(session, fingerprint=bundle.fingerprint)
        if file is None or bundle_id is None:
            return None
        if not _is_as_heard(path, (file.size, file.mtime_ns)):
            return None
        windows = stored_windows(
            session,
            file.recording_id,
            bundle_id=bundle_id,
            dim=bundle.frame_dim,
            hop_s=config.hop * bundle.window_s,
        )
    return None if windows is None else [_encoded_window(window) for window in windows]


def _is_as_heard(path: bytes, known: tuple[int, int]) -> bool:
    """Whether a file has the size and time that the library knows.

    A store that does not answer says nothing against it.
    """
    if not is_url(path):
        status = os.stat(path)  # noqa: PTH116  # bytes, which pathlib does not keep
        return known == (status.st_size, status.st_mtime_ns)
    from audiosearch.remote.fetched_files import remote_stat  # noqa: PLC0415 - for URLs alone

    try:
        found = remote_stat(path)
    except DecodeError as error:
        if error.code is DecodeCode.AWAY:
            return True
        raise
    return known == (found.size, found.mtime_ns)


def _encoded_window(window: StoredWindow) -> EncodedWindow:
    encoded = Encoded(
        frames=window.frames,
        embedding=window.embedding,
        joint=window.joint,
        tags=None,
    )
    return EncodedWindow(
        start_s=window.start_s, end_s=window.end_s, encoded=None if window.silent else encoded
    )


def listen(
    part: ClipRange,
    *,
    encoder: Encoder,
    config: IndexConfig,
    on_hash: Callable[[bytes], object] | None = None,
) -> Iterator[EncodedWindow]:
    """The windows of a part of a file, as they are decoded; times count from the file's start.

    Args:
        part: the file, and where in it.
        encoder: what encodes the windows.
        config: limits and hop.
        on_hash: is told the hash of the whole sound before the first window comes.

    Raises:
        DecodeError: the file cannot be read.
        QueryError: the part lies beyond its end.
    """
    # Imported here: what is stored needs no decoding.
    from audiosearch.audio.sandbox.client import Worker, WorkerLimits  # noqa: PLC0415
    from audiosearch.audio.windows import windows  # noqa: PLC0415

    bundle = encoder.bundle
    with Worker(WorkerLimits.of(config)) as worker:
        opened = worker.open(part.path, sample_rate=bundle.sample_rate)
        if on_hash is not None:
            on_hash(opened.fingerprint.audio_hash)
        cut = windows(
            stretch(
                worker.blocks(),
                start_s=part.start_s,
                end_s=part.end_s,
                sample_rate=bundle.sample_rate,
            ),
            sample_rate=bundle.sample_rate,
            window_s=bundle.window_s,
            hop_s=config.hop * bundle.window_s,
        )
        heard_any = False
        while batch := list(islice(cut, _BATCH)):
            heard_any = True
            yield from _encode(batch, offset_s=part.start_s, encoder=encoder)
    if not heard_any:
        raise QueryError(f"the sound ends before {part.start_s:g} s", path=part.path)


def _encode(batch: list[Window], *, offset_s: float, encoder: Encoder) -> Iterator[EncodedWindow]:
    encoded = iter(encoder.encode_many([each.samples for each in batch if not each.silent]))
    for each in batch:
        yield EncodedWindow(
            start_s=offset_s + each.start_s,
            end_s=offset_s + each.end_s,
            encoded=None if each.silent else next(encoded),
        )


def stretch(
    blocks: Iterable[Floats], *, start_s: float, end_s: float | None, sample_rate: int
) -> Iterator[Floats]:
    """The samples of `blocks` (n,) that lie in start_s to end_s; reads no further than needed."""
    start = round(start_s * sample_rate)
    end = None if end_s is None else round(end_s * sample_rate)
    position = 0
    for block in blocks:
        first = max(0, start - position)
        last = len(block) if end is None else min(len(block), end - position)
        if first < last:
            yield block[first:last]
        position += len(block)
        if end is not None and position >= end:
            return
