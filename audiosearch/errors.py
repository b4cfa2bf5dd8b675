"""Every error that this package raises on purpose, as one small tree.

Libraries raise; only `audiosearch.cli` turns these into words and exit statuses.
"""

from __future__ import annotations

import base64
import errno
import os
from enum import StrEnum
from typing import Final


class AudiosearchError(Exception):
    """Base of all deliberate errors: a reason, the file it is about, and a remedy if there is one.

    AudiosearchError
    ├── ConfigError          a setting is unknown, of the wrong type or out of range
    ├── BundleError          a model bundle is missing, tampered with or unfit
    ├── DecodeError          one sound file could not be read (has a `code`)
    ├── QueryError           a query that cannot be answered (empty text, bad range ...)
    ├── FeatureUnavailable   needs an optional extra, or something the bundle lacks
    ├── RemoteUnavailable    a store of sounds cannot be reached, or refuses
    ├── OutOfResources       the system has no descriptor, process or memory left to give
    ├── DatasetError         a benchmark's list of sounds and captions is unfit
    └── StoreError           the library's database
        ├── LibraryLocked    another process is writing to it
        ├── LibraryCorrupt   SQLite reports damage
        ├── LibraryReplaced  its file was moved, deleted or replaced while it was open
        ├── SchemaTooNew     written by a later version of audiosearch
        └── StorageFull      no space left, or a quota
    """

    def __init__(
        self,
        reason: str,
        *,
        path: str | bytes | os.PathLike[str] | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = None if path is None else display_path(os.fsencode(path))
        self.remedy = remedy

    def __str__(self) -> str:
        text = self.reason if self.path is None else f"{self.path}: {self.reason}"
        return text if self.remedy is None else f"{text} ({self.remedy})"


class ConfigError(AudiosearchError):
    """A setting is unknown, of the wrong type or out of range."""


class BundleError(AudiosearchError):
    """A model bundle is missing, tampered with or unfit for this program."""


class QueryError(AudiosearchError):
    """A query that cannot be answered as it was put."""


class FeatureUnavailable(AudiosearchError):
    """Something that needs an optional extra or a part that this bundle lacks."""


class DatasetError(AudiosearchError):
    """A benchmark's list of sounds, captions and labels is unfit; names the rows."""


class DecodeCode(StrEnum):
    """Why a file could not be read; stored with the file, so the words are a contract."""

    EMPTY = "empty"  # zero bytes
    UNREADABLE = "unreadable"  # permission, I/O error, vanished
    UNSUPPORTED = "unsupported"  # no demuxer or decoder takes it, or not on the allow-list
    NO_AUDIO = "no-audio"  # a container with no audio stream
    NO_SAMPLES = "no-samples"  # an audio stream that decodes to nothing
    DAMAGED = "damaged"  # decoding fails in the middle
    CHANGED = "changed"  # replaced or written to while it was read
    TIMEOUT = "timeout"  # the decoder stopped making progress, or used up its time
    MEMORY = "memory"  # the decoder reached its memory limit
    AWAY = "away"  # it lies in a store that cannot be reached now; such a file is never failed
    CRASHED = "crashed"  # the decoder process died
    PROGRAM = "program"  # audiosearch, or a library that it uses, went wrong over this very file


class DecodeError(AudiosearchError):
    """One sound file could not be read; `code` says why in a word."""

    def __init__(
        self,
        reason: str,
        *,
        code: DecodeCode,
        path: str | bytes | os.PathLike[str] | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(reason, path=path, remedy=remedy)
        self.code = code


class RemoteUnavailable(AudiosearchError):
    """A store of sounds cannot be reached now, or (`denied`) gives us no right to what is asked."""

    def __init__(
        self,
        reason: str,
        *,
        path: str | bytes | os.PathLike[str] | None = None,
        remedy: str | None = None,
        denied: bool = False,
    ) -> None:
        super().__init__(reason, path=path, remedy=remedy)
        self.denied = denied


class DecoderBroken(AudiosearchError):
    """This program or a library that it uses cannot decode anything: no file is at fault."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            reason,
            remedy="install audiosearch anew, with the versions that it asks for:"
            " pip install --upgrade --force-reinstall audiosearch",
        )


_SCARCE: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOBUFS)
# What the loader of shared libraries says where memory is short; Python makes it an ImportError.
_UNMAPPED: Final = ("failed to map segment", "annot allocate memory")


class OutOfResources(AudiosearchError):
    """The system has no descriptor, process, thread or memory left to give at this moment."""

    @classmethod
    def of(cls, error: BaseException) -> OutOfResources | None:
        """What an error stands for; None where it is about something else."""
        if isinstance(error, MemoryError):
            what = "there is not enough memory"
        elif isinstance(error, OSError) and error.errno in _SCARCE:
            what = f"the system gives no more: {error.strerror or error}"
        elif isinstance(error, RuntimeError) and "start new thread" in str(error):
            what = "the system gives no more threads"
        elif isinstance(error, ImportError) and any(each in str(error) for each in _UNMAPPED):
            what = f"there is not enough memory to load a library: {error}"
        else:
            return None
        return cls(what, remedy="end other programs, or raise the limits (ulimit -a)")


class StoreError(AudiosearchError):
    """Something is wrong with the library's database."""


class LibraryLocked(StoreError):
    """Another process is writing to this library."""


class LibraryCorrupt(StoreError):
    """SQLite reports that the database is damaged."""


class LibraryReplaced(StoreError):
    """The library's file was moved, deleted or replaced by another one while it was open."""


class SchemaTooNew(StoreError):
    """The database was written by a later version of audiosearch."""


class StorageFull(StoreError):
    """The disk that holds the library is full."""


def display_path(path: bytes) -> str:
    """A path as text for people: UTF-8 where it is, other bytes and control characters escaped.

    The result is one line and always encodable; it is for showing, never for opening a file.
    """
    return display_text(path.decode("utf-8", "backslashreplace"))


def path_fields(path: bytes) -> dict[str, object]:
    """`path`, and for a path that is no UTF-8 also its bytes as `path_b64`: as JSON has them."""
    try:
        return {"path": path.decode("utf-8")}
    except UnicodeDecodeError:
        return {
            "path": display_path(path),
            "path_b64": base64.b64encode(path).decode("ascii"),
        }


def display_text(text: str) -> str:
    """A text of anybody's for people: one line, and nothing in it that a terminal would obey.

    Escaped are control characters, what turns the direction of writing round, and what has no
    width; but not what joins or parts letters, as some scripts and emoji need it, between these.
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or (character in _JOINERS and _is_joined(text, place))
        else character.encode("unicode_escape").decode()
        for place, character in enumerate(text)
    )


_JOINERS: Final = "\u200c\u200d"  # zero width non-joiner and joiner


def _is_joined(text: str, place: int) -> bool:
    """Whether a character stands between two printable ones that are not ASCII."""
    around = text[place - 1 : place] + text[place + 1 : place + 2]
    return len(around) == 2 and around.isprintable() and not any(map(str.isascii, around))
