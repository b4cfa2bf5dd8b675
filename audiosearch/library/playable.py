"""The file that a recording is heard from: one that is there, and is what the library has heard."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO

from sqlalchemy import select
from sqlalchemy.orm import Session

from audiosearch._urls import is_url
from audiosearch.audio.types import StretchRequest
from audiosearch.config import IndexConfig
from audiosearch.errors import DecodeCode, DecodeError
from audiosearch.store.database import Database
from audiosearch.store.queries.places import SEPARATOR, join
from audiosearch.store.schema import FileState, LibraryRoot, Recording, SoundFile

if TYPE_CHECKING:
    from audiosearch.remote.fetched_cache import FetchedCache

# What browsers play as it is, by FFmpeg's names of container and codec; the rest is decoded.
_PLAYED: Mapping[str, tuple[str, frozenset[str]]] = {
    "wav": ("audio/wav", frozenset(("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_f32le"))),
    "flac": ("audio/flac", frozenset(("flac",))),
    "mp3": ("audio/mpeg", frozenset(("mp3",))),
    "ogg": ("audio/ogg", frozenset(("vorbis", "opus", "flac"))),
    "mov": ("audio/mp4", frozenset(("aac",))),
    "aac": ("audio/aac", frozenset(("aac",))),
}
_PLAYED_CHANNELS = 2  # more are mixed by each browser in its own way, or refused


@dataclass(frozen=True, kw_only=True)
class PlayableFile:
    """A file of the library that holds a recording, as the library has heard it.

    Attributes:
        path: absolute, or a URL.
        size, mtime_ns: what the file is known by; it has them still.
        version: the same of a file at a URL; see `remote.object_store.RemoteStat`.
        copies: where a copy is kept of a file at a URL, made when something of it is read; else
            None.
        bit_depth: None for lossy codecs, and where nothing tells.
        duration_s: None where it was not heard to its end.
        in_order: nothing of it was refused by the decoder, nor did its header lie.
    """

    recording_id: int
    audio_hash: bytes
    path: bytes
    size: int
    mtime_ns: int
    sample_rate: int
    channels: int
    bit_depth: int | None
    codec: str
    container: str
    duration_s: float | None
    in_order: bool
    version: int = 0
    copies: FetchedCache | None = None

    @property
    def name(self) -> str:
        """Its name, for people."""
        return os.path.basename(self.path).decode("utf-8", "replace")  # noqa: PTH119  # bytes

    @property
    def n_samples(self) -> int | None:
        """How many there are; None where that is not known."""
        return None if self.duration_s is None else round(self.duration_s * self.sample_rate)

    @property
    def media_type(self) -> str | None:
        """What browsers play it as; None where they do not, or not all of it."""
        kind, codecs = _PLAYED.get(self.container, ("", frozenset()))
        plays = self.codec in codecs and self.channels <= _PLAYED_CHANNELS and self.in_order
        return kind if plays else None

    def stretch(self, start: int, n_samples: int) -> StretchRequest:
        """What is asked of the decoder for some of its samples.

        Raises:
            DecodeError: it lies at a URL, and cannot be fetched (AWAY, UNREADABLE, CHANGED).
        """
        return StretchRequest(
            path=self.here(),
            size=self.size,
            mtime_ns=self.mtime_ns,
            sample_rate=self.sample_rate,
            start=start,
            n_samples=n_samples,
            in_order=self.in_order,
        )

    def open(self) -> BinaryIO:
        """The file, open for reading, which is the one that is known.

        Raises:
            DecodeError: UNREADABLE, or CHANGED since it was looked at; AWAY: its store is.
        """
        try:
            file = open(self.here(), "rb")  # noqa: PTH123, SIM115  # bytes; closed by who asked
        except OSError as error:
            reason = error.strerror or str(error)
            raise DecodeError(reason, code=DecodeCode.UNREADABLE, path=self.path) from error
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or not self.is_as_known(found):
            file.close()
            raise _changed(self.path)
        return file

    def here(self) -> bytes:
        """Where it can be read on this machine; of a file at a URL, a copy is made now.

        Raises:
            DecodeError: it cannot be fetched (AWAY, UNREADABLE), or is another by now (CHANGED).
        """
        if self.copies is None:
            return self.path
        from audiosearch.remote.object_store import RemoteStat  # noqa: PLC0415 - for URLs alone

        return self.copies.path_of(self.path, RemoteStat(self.size, self.mtime_ns, self.version))

    def is_as_known(self, found: os.stat_result) -> bool:
        """Whether a file on the disk is the one that the library has heard."""
        return (found.st_size, found.st_mtime_ns) == (self.size, self.mtime_ns)


def find_playable(
    database: Database, recording_id: int, config: IndexConfig
) -> PlayableFile | None:
    """The first file, by path, that a recording can be heard from; None: no file ever holds it.

    Links on the way from the folder of the library to the file are followed only where indexing
    follows them. A file at a URL comes after those that are here; it is not asked for yet.

    Raises:
        DecodeError: there are such files, but none that can be read (UNREADABLE) or is still what
            the library has heard (CHANGED): why the first cannot be.
    """
    with database.reading() as session:
        candidates = _candidates(session, recording_id)
    reason: DecodeError | None = None
    for root, file in sorted(candidates, key=lambda each: is_url(each[0])):
        if is_url(root):
            return _at_url(file, database)
        try:
            _check(root, file, follow_symlinks=config.follow_symlinks)
        except DecodeError as error:
            reason = reason or error
        else:
            return file
    if reason is not None:
        raise reason
    return None


def _at_url(file: PlayableFile, database: Database) -> PlayableFile:
    from audiosearch.remote.fetched_cache import FOLDER, FetchedCache  # noqa: PLC0415 - URLs alone

    return replace(file, copies=FetchedCache(database.data_dir / FOLDER))


def _candidates(session: Session, recording_id: int) -> list[tuple[bytes, PlayableFile]]:
    """The files of a recording with their roots, those that were there at the last look first."""
    sound = session.get(Recording, recording_id)
    if sound is None:
        return []
    blank = PlayableFile(
        recording_id=recording_id,
        audio_hash=sound.audio_hash,
        path=b"",
        size=0,
        mtime_ns=0,
        sample_rate=sound.sample_rate,
        channels=sound.channels,
        bit_depth=sound.bit_depth,
        codec=sound.codec,
        container=sound.container,
        duration_s=sound.duration_s or None,
        in_order=True,
    )
    rows = session.execute(
        select(
            LibraryRoot.path.label("root"),
            SoundFile.path,
            SoundFile.size,
            SoundFile.mtime_ns,
            SoundFile.ctime_ns,
            SoundFile.remark,
        )
        .join(LibraryRoot, LibraryRoot.id == SoundFile.root_id)
        .where(SoundFile.recording_id == recording_id)
        .order_by(SoundFile.state == FileState.MISSING, LibraryRoot.path, SoundFile.path)
    )
    return [
        (
            row.root,
            replace(
                blank,
                path=join(row.root, row.path),
                size=row.size,
                mtime_ns=row.mtime_ns,
                version=row.ctime_ns,
                in_order=row.remark is None,
            ),
        )
        for row in rows
    ]


def _check(root: bytes, file: PlayableFile, *, follow_symlinks: bool) -> None:
    """See that a file is there, is what is known of it, and is reached as indexing reaches it.

    Raises:
        DecodeError: UNREADABLE or CHANGED.
    """
    try:
        if not follow_symlinks:
            inside = file.path[len(join(root, b"")) :]
            at = root
            for name in inside.split(SEPARATOR):
                at = join(at, name)
                if stat.S_ISLNK(os.lstat(at).st_mode):
                    reason = "is a link now, or lies behind one, which are not followed"
                    raise DecodeError(reason, code=DecodeCode.UNREADABLE, path=file.path)
        found = os.stat(file.path)  # noqa: PTH116  # bytes, which pathlib does not keep
    except OSError as error:
        reason = error.strerror or str(error)
        raise DecodeError(
            f"the file is not there now: {reason}",
            code=DecodeCode.UNREADABLE,
            path=file.path,
            remedy="audiosearch index takes in what has moved",
        ) from error
    if not stat.S_ISREG(found.st_mode) or not file.is_as_known(found):
        raise _changed(file.path)


def _changed(path: bytes) -> DecodeError:
    return DecodeError(
        "has changed since the library heard it",
        code=DecodeCode.CHANGED,
        path=path,
        remedy="audiosearch index takes it in",
    )
