"""Encodings: how far each bundle has come with each recording.

An encoding begins, gathers windows, and is complete when all are stored; until then its windows
are those of the recording's beginning, in order. The caller owns the transaction.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, delete, exists, func, insert, select, update
from sqlalchemy.orm import Session

from audiosearch.store.direct import fetch
from audiosearch.store.queries import generations
from audiosearch.store.queries._bulk import chunks, n_rows
from audiosearch.store.queries.bundles import find_bundle_id
from audiosearch.store.schema import (
    BundleRow,
    CaptionTarget,
    Encoding,
    Recording,
    RecordingTag,
    SoundFile,
    WindowRow,
)


@dataclass(frozen=True)
class SoundFacts:
    """What only decoding all of it tells."""

    duration_s: float
    peak_db: float | None  # dBFS; None = digital silence
    loudness_lufs: float | None


@dataclass(frozen=True)
class EncodingProgress:
    """How far a bundle has come with a recording."""

    recording_id: int
    hop_s: float | None  # None: this bundle has not begun
    n_windows: int | None  # set when all are stored
    n_stored: int  # windows stored so far, positions 0 to n_stored - 1

    def complete(self, *, hop_s: float) -> bool:
        """Whether nothing is left to encode at this hop."""
        return self.n_windows is not None and self.hop_s == hop_s


def ensure_bundle(session: Session, *, name: str, version: str, fingerprint: str) -> int:
    """The id of a bundle, written down when it is new."""
    found = find_bundle_id(session, fingerprint=fingerprint)
    if found is not None:
        return found
    bundle = BundleRow(name=name, version=version, fingerprint=fingerprint, added_at=time.time())
    session.add(bundle)
    session.flush()
    return bundle.id


_PROGRESS: Final = (  # asked for each file that is read
    "SELECT r.id, e.hop_s, e.n_windows FROM recording AS r LEFT JOIN encoding AS e"
    " ON e.recording_id = r.id AND e.bundle_id = :bundle WHERE r.audio_hash = :hash"
)


def find_progress(
    session: Session, audio_hash: bytes, *, bundle_id: int
) -> EncodingProgress | None:
    """What is stored of a sound for a bundle; None where the sound is not known."""
    rows = fetch(session, _PROGRESS, hash=audio_hash, bundle=bundle_id)
    if not rows:
        return None
    [(recording_id, hop_s, n_windows)] = rows
    n_stored = n_windows
    if n_stored is None and hop_s is not None:
        n_stored = session.scalar(
            select(func.count())
            .select_from(WindowRow)
            .where(WindowRow.recording_id == recording_id, WindowRow.bundle_id == bundle_id)
        )
    return EncodingProgress(
        recording_id=recording_id, hop_s=hop_s, n_windows=n_windows, n_stored=n_stored or 0
    )


def find_complete(
    session: Session, audio_hashes: Sequence[bytes], *, bundle_id: int, hop_s: float
) -> dict[bytes, int]:
    """Of these sounds, those that the bundle has encoded to their end: hash to recording id."""
    found: dict[bytes, int] = {}
    for some in chunks(audio_hashes):
        rows = session.execute(
            select(Recording.audio_hash, Recording.id)
            .join(Encoding, Encoding.recording_id == Recording.id)
            .where(
                Recording.audio_hash.in_(some),
                Encoding.bundle_id == bundle_id,
                Encoding.hop_s == hop_s,
                Encoding.n_windows.is_not(None),
            )
        )
        found |= {row.audio_hash: row.id for row in rows}
    return found


def begin_encodings(
    session: Session, recording_ids: Sequence[int], *, bundle_id: int, hop_s: float
) -> None:
    """Note that this bundle begins anew with recordings: their windows of other hops go."""
    n_gone = 0
    for some in chunks(recording_ids):
        n_gone += n_rows(
            session.connection().execute(
                delete(WindowRow).where(
                    WindowRow.recording_id.in_(some), WindowRow.bundle_id == bundle_id
                )
            )
        )
        session.execute(
            delete(Encoding).where(Encoding.recording_id.in_(some), Encoding.bundle_id == bundle_id)
        )
    if n_gone:
        generations.windows_removed(session)
    if recording_ids:
        session.connection().execute(
            insert(Encoding),
            [
                {"recording_id": each, "bundle_id": bundle_id, "hop_s": hop_s}
                for each in recording_ids
            ],
        )


@dataclass(frozen=True)
class CompleteRecording:
    """A recording all windows of which are stored."""

    recording_id: int
    n_windows: int
    facts: SoundFacts


def complete_encodings(
    session: Session, complete: Sequence[CompleteRecording], *, bundle_id: int
) -> None:
    """Note that all windows of recordings are stored, and what decoding them told."""
    if not complete:
        return
    connection = session.connection()
    connection.execute(
        update(Encoding)
        .where(Encoding.recording_id == bindparam("recording"), Encoding.bundle_id == bundle_id)
        .values(n_windows=bindparam("windows")),
        [{"recording": each.recording_id, "windows": each.n_windows} for each in complete],
    )
    connection.execute(
        update(Recording)
        .where(Recording.id == bindparam("recording"))
        .values(
            duration_s=bindparam("duration"),
            peak_db=bindparam("peak"),
            loudness_lufs=bindparam("loudness"),
        ),
        [
            {
                "recording": each.recording_id,
                "duration": each.facts.duration_s,
                "peak": each.facts.peak_db,
                "loudness": each.facts.loudness_lufs,
            }
            for each in complete
        ],
    )


def drop_unfinished(
    session: Session, recording_id: int, *, bundle_id: int, file_id: int | None = None
) -> None:
    """Remove what is stored of a recording that could not be read to its end.

    With it goes the recording itself, if nothing else is known of it: no file but `file_id` holds
    it, and no person wrote anything of it.
    """
    encoding = session.get(Encoding, (recording_id, bundle_id))
    if encoding is not None and encoding.n_windows is None:
        session.execute(
            delete(WindowRow).where(
                WindowRow.recording_id == recording_id, WindowRow.bundle_id == bundle_id
            )
        )
        session.delete(encoding)
        session.flush()
        generations.windows_removed(session)
    nothing_known = (
        ~exists().where(Encoding.recording_id == recording_id)
        & ~exists().where(CaptionTarget.recording_id == recording_id)
        & ~exists().where(RecordingTag.recording_id == recording_id)
    )
    if file_id is not None:
        session.execute(
            update(SoundFile)
            .where(SoundFile.id == file_id, SoundFile.recording_id == recording_id, nothing_known)
            .values(recording_id=None)
            .execution_options(synchronize_session=False)
        )
    session.execute(
        delete(Recording).where(
            Recording.id == recording_id,
            ~exists().where(SoundFile.recording_id == recording_id),
            nothing_known,
        )
    )


def drop_begun(session: Session, recording_ids: Sequence[int], *, bundle_id: int) -> None:
    """Remove what is stored of recordings that were only begun, where no file holds them now."""
    for some in chunks(sorted(set(recording_ids))):
        held = set(
            session.scalars(select(SoundFile.recording_id).where(SoundFile.recording_id.in_(some)))
        )
        for recording_id in set(some) - held:
            drop_unfinished(session, recording_id, bundle_id=bundle_id)
