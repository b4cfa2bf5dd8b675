"""What is to be done with a file once its sound is known: the one place that knows who has which.

Asked by readers in threads of their own, or by workers on other machines; never writes.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from audiosearch.store.database import Database
from audiosearch.store.queries import encodings, pending
from audiosearch.store.queries.pending import PendingFile

if TYPE_CHECKING:
    from audiosearch.audio.sandbox.protocol import OpenedFile


class InFlightHashes:
    """Sounds being decoded in this run, by audio hash.

    A sound is decoded by one reader only, however many files hold it: the first to ask claims it,
    and the main thread releases it when the result is committed, so that whoever asks then finds
    it stored.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hashes: set[bytes] = set()

    def claim(self, audio_hash: bytes) -> bool:
        """Claim a sound; False where another file has it."""
        with self._lock:
            if audio_hash in self._hashes:
                return False
            self._hashes.add(audio_hash)
            return True

    def release(self, audio_hash: bytes) -> None:
        """What the claim was for is committed, or failed."""
        with self._lock:
            self._hashes.discard(audio_hash)

    def __contains__(self, audio_hash: bytes) -> bool:
        """Whether a sound is being decoded."""
        with self._lock:
            return audio_hash in self._hashes


class Course(StrEnum):
    """What is to be done with a file that was opened."""

    DECODE = "decode"  # its sound is claimed for it
    KNOWN = "known"  # encoded already
    DUPLICATE = "duplicate"  # another file of this run has its sound
    CHANGED = "changed"  # its sound is not the one that was claimed for it


@dataclass(frozen=True)
class ReadingDecision:
    """A course, and how many of the file's windows are stored already."""

    course: Course
    n_stored: int = 0


class SoundClaims:
    """Decides what becomes of opened files, for one bundle and hop; safe from several threads."""

    def __init__(
        self, database: Database, *, bundle_id: int, hop_s: float, in_flight: InFlightHashes
    ) -> None:
        self.in_flight = in_flight
        self._database = database
        self._bundle_id = bundle_id
        self._hop_s = hop_s

    def decide(
        self, file: PendingFile, opened: OpenedFile, *, claimed: bytes | None = None
    ) -> ReadingDecision:
        """What to do with a file; where that is to decode it, its sound is claimed now.

        `claimed` is what was claimed for this very file before, by a reader that has died.
        """
        audio_hash = opened.fingerprint.audio_hash
        if claimed is not None and claimed != audio_hash:
            return ReadingDecision(Course.CHANGED)
        if claimed is None and not self.in_flight.claim(audio_hash):
            return ReadingDecision(Course.DUPLICATE)
        with self._database.asking() as session:
            progress = encodings.find_progress(session, audio_hash, bundle_id=self._bundle_id)
        if progress is not None and progress.complete(hop_s=self._hop_s):
            self.in_flight.release(audio_hash)
            return ReadingDecision(Course.KNOWN)
        return ReadingDecision(Course.DECODE, self._resume_at(file, progress))

    def _resume_at(self, file: PendingFile, progress: encodings.EncodingProgress | None) -> int:
        """How many windows of an interrupted run to build on.

        Only those that this very file gave: others may stem from one that was overwritten while
        it was read.
        """
        if (
            progress is None
            or progress.hop_s != self._hop_s
            or progress.recording_id != file.recording_id
        ):
            return 0
        return progress.n_stored

    def renewed(self, files: Sequence[PendingFile]) -> list[PendingFile]:
        """Files that are to be read once more, with the recordings begun for them meanwhile."""
        with self._database.reading() as session:
            return pending.renewed(session, files)
