"""What readers tell the main thread about files, one item after another.

Each file gives `Known` or `Twin` (nothing to decode), or `Started`, `Heard` ..., `Finished`;
`Failed` may come at any point. Items of one file come in order, those of several files mixed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from audiosearch.audio.windows import Window
from audiosearch.store.queries.pending import PendingFile

if TYPE_CHECKING:
    from audiosearch.audio.sandbox.protocol import OpenedFile
    from audiosearch.audio.types import AudioFacts


@dataclass(frozen=True)
class AlreadyEncoded:
    """A file whose sound this bundle has encoded already."""

    file: PendingFile
    opened: OpenedFile


@dataclass(frozen=True)
class InFlightDuplicate:
    """A file whose sound another file of this run is being decoded for."""

    file: PendingFile
    opened: OpenedFile


@dataclass(frozen=True)
class Started:
    """A file whose windows follow; `resumed`: those stored earlier are kept and left out."""

    file: PendingFile
    opened: OpenedFile
    resumed: bool


@dataclass(frozen=True, eq=False)
class DecodedWindow:
    """A window to be encoded."""

    file: PendingFile
    window: Window


@dataclass(frozen=True)
class Finished:
    """A file that was decoded to its end, and gave `n_windows` in all."""

    file: PendingFile
    n_windows: int
    facts: AudioFacts


@dataclass(frozen=True)
class Failed:
    """A file that could not be read; `vanished`: it is no longer there."""

    file: PendingFile
    code: str  # a DecodeCode, or the word for a failure further on
    reason: str
    vanished: bool
    audio_hash: bytes | None  # of the sound claimed for it, if it came to that


@dataclass(frozen=True)
class ReaderFailed:
    """A reader cannot go on, which is no file's fault."""

    error: BaseException


Item = (
    AlreadyEncoded | InFlightDuplicate | Started | DecodedWindow | Finished | Failed | ReaderFailed
)
