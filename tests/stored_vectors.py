"""Many windows with vectors and nothing to hear: to find the nearest in tests and benchmarks."""

from __future__ import annotations

import hashlib

import numpy as np
from sqlalchemy import func, select

from audiosearch.store.database import Database
from audiosearch.store.queries import captions, encodings, files, fulltext, recordings, roots
from audiosearch.store.queries.windows import NewWindow, insert_windows
from audiosearch.store.schema import CaptionSource, SoundFile, WindowRow
from audiosearch.store.vectors import to_blob

FINGERPRINT = "e" * 64
_STEP = 2000
_WORDS = ("dog", "door", "rain", "bell", "wind", "car", "voice", "bird", "water", "metal")


def vectors(n: int, dim: int, *, seed: int = 0) -> np.ndarray:
    """(n, dim) in a few hundred loose clusters, as embeddings of sounds lie."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(max(8, n // 200), dim))
    found = centres[draw.integers(len(centres), size=n)] + 0.7 * draw.normal(size=(n, dim))
    return found.astype(np.float32)


def _name(n: int) -> bytes:
    return f"{_WORDS[n % 10]}/{_WORDS[n // 10 % 10]}_{n:07d}.wav".encode()


def fill(database: Database, joints: np.ndarray, *, texts: bool = False) -> int:
    """A window of a recording of its own for each vector (n, D); the bundle's id.

    Those that an interrupted call has filled already are left as they are.
    """
    frames = np.zeros((1, 4), np.float32)
    embedding = to_blob(frames)
    with database.session() as session:
        root = roots.add_root(session, b"/many").root.root_id
        bundle_id = encodings.ensure_bundle(
            session, name="many", version="1", fingerprint=FINGERPRINT
        )
        ids = captions.ensure_captions(
            session,
            [f"a {one} and a {other}" for one in _WORDS for other in _WORDS],
            source=CaptionSource.AUTO,
        )
        n_before = session.scalar(select(func.count()).select_from(WindowRow)) or 0
    caption_ids = list(ids.values())
    for start in range(n_before, len(joints), _STEP):
        part = joints[start : start + _STEP]
        with database.session() as session:
            numbers = range(start, start + len(part))
            names = [_name(n) for n in numbers]
            new = [
                recordings.NewRecording(
                    audio_hash=hashlib.sha256(name).digest(),
                    sample_rate=16_000,
                    channels=1,
                    bit_depth=16,
                    codec="pcm_s16le",
                    container="wav",
                )
                for name in names
            ]
            found = recordings.ensure_recordings(session, new)
            recording_ids = [found[each.audio_hash] for each in new]
            files.add_files(session, root, [files.FileStat(name, 1, 1, 1) for name in names])
            added = select(SoundFile.path, SoundFile.id).where(SoundFile.path.in_(names))
            by_name = {row.path: row.id for row in session.execute(added)}
            encodings.begin_encodings(session, recording_ids, bundle_id=bundle_id, hop_s=5.0)
            window_ids = insert_windows(
                session,
                [
                    NewWindow(
                        recording_id=recording_id,
                        position=0,
                        start_s=0.0,
                        end_s=10.0,
                        silent=False,
                        embedding=embedding,
                        joint=to_blob(vector),
                        frames=frames,
                    )
                    for recording_id, vector in zip(recording_ids, part, strict=True)
                ],
                bundle_id=bundle_id,
            )
            facts = encodings.SoundFacts(duration_s=10.0, peak_db=-6.0, loudness_lufs=-23.0)
            encodings.complete_encodings(
                session,
                [encodings.CompleteRecording(each, 1, facts) for each in recording_ids],
                bundle_id=bundle_id,
            )
            files.set_indexed(
                session,
                [
                    files.ReadFile(
                        file_id=by_name[name],
                        recording_id=recording_id,
                        size=1,
                        mtime_ns=1,
                        ctime_ns=1,
                    )
                    for name, recording_id in zip(names, recording_ids, strict=True)
                ],
            )
            captions.link_captions(
                session,
                [
                    captions.CaptionLink(window_id, caption_ids[n % len(caption_ids)], None)
                    for n, window_id in zip(numbers, window_ids, strict=True)
                ],
            )
            if texts:
                fulltext.refresh_files(session, [by_name[name] for name in names])
    return bundle_id
