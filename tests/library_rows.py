"""What a library holds, told by its sounds: ids are given in whatever order batches come."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import select

from audiosearch._typing import Floats
from audiosearch.store.database import Database
from audiosearch.store.queries.frames import window_frames
from audiosearch.store.schema import Recording, WindowRow

QUERIES = {
    "files": """SELECT f.path, f.state, r.audio_hash, f.error_code, f.error_text, f.remark,
        f.metadata_json
        FROM sound_file f LEFT JOIN recording r ON r.id = f.recording_id ORDER BY f.path""",
    "recordings": """SELECT audio_hash, duration_s, peak_db, loudness_lufs FROM recording
        ORDER BY 1""",
    "encodings": """SELECT r.audio_hash, e.n_windows, e.hop_s
        FROM encoding e JOIN recording r ON r.id = e.recording_id ORDER BY 1""",
    "windows": """SELECT r.audio_hash, w.position, w.start_s, w.end_s, w.silent,
        w.embedding, w.joint, f.n_frames
        FROM window w JOIN recording r ON r.id = w.recording_id
        JOIN window_frames f ON f.window_id = w.id ORDER BY 1, 2""",
    "said": """SELECT r.audio_hash, w.position, c.text
        FROM window w JOIN recording r ON r.id = w.recording_id
        JOIN window_caption wc ON wc.window_id = w.id
        JOIN caption c ON c.id = wc.caption_id ORDER BY 1, 2""",
    "captions": """SELECT c.text, v.joint FROM caption c
        LEFT JOIN caption_vector v ON v.caption_id = c.id ORDER BY 1""",
}


def library_rows(database: Path) -> dict[str, list[Any]]:
    """All rows that indexing writes, vectors byte for byte; for frames see `library_frames`."""
    reader = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)
    with contextlib.closing(reader):
        return {name: reader.execute(query).fetchall() for name, query in QUERIES.items()}


def library_frames(database: Database, *, dim: int) -> list[Floats]:
    """Frames (T, dim) of all windows, by their sounds.

    How they are packed hangs on which came first, so they are equal only within what is rounded.
    """
    by_sound = (
        select(WindowRow.id)
        .join(Recording, Recording.id == WindowRow.recording_id)
        .order_by(Recording.audio_hash, WindowRow.position)
    )
    with database.reading() as session:
        return window_frames(session, session.scalars(by_sound).all(), dim=dim)
