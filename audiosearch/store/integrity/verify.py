"""Check a library against what must always hold; read-only, naming every breach.

Reads every vector, so it takes as long as reading the database.
"""

# ruff: noqa: S608 - queries are put together from constants of this file
from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from audiosearch.errors import LibraryCorrupt, display_path
from audiosearch.store import identity
from audiosearch.store.database import Database
from audiosearch.store.dialects import adapted, integrity_problems, is_sqlite
from audiosearch.store.halfvec import sent_blob
from audiosearch.store.integrity.annotations import annotation_problems
from audiosearch.store.integrity.places import absent_files, root_problems
from audiosearch.store.integrity.undecodable import undecodable_texts
from audiosearch.store.packed_frames import FrameBase
from audiosearch.store.queries import generations
from audiosearch.store.queries.file_texts import is_metadata, strange_tags
from audiosearch.store.queries.frames import frame_bases
from audiosearch.store.schema import FrameBaseRow
from audiosearch.store.vector_cache import damaged_caches, foreign_caches

CACHE: Final = "vector-cache"
_PER_KIND = 20  # breaches of one kind that are spelled out


@dataclass(frozen=True)
class Violation:
    """Something that must hold and does not."""

    # files, identity, metadata, tags, annotations, encodings, windows, frames, vectors, scales,
    # captions, full-text, vector-cache
    invariant: str
    detail: str
    encoding: tuple[int, int] | None = None  # ids of the recording and bundle it lies in


@dataclass(frozen=True)
class BundleDims:
    """Sizes that a bundle's vectors have."""

    embedding: int
    joint: int  # 0: no joint space
    frames: int


# What must be true of a row.
SOUND_SCALE: Final = (
    "n > 0 AND minimum <= mean + 1e-4 AND mean <= maximum + 1e-4 AND minimum <= maximum"
    " AND deviation >= 0 AND maximum < 1e6"
)
SOUND_SAMPLE: Final = (
    "(losses IS NULL) = (draws IS NULL)"
    " AND (losses IS NULL OR (length(losses) = 4 * n AND length(draws) = 8 * n))"
)
SOUND_TARGET: Final = "start_s >= 0 AND end_s > start_s"

# Each query gives one text for each breach.
_QUERIES: Mapping[str, tuple[str, ...]] = {
    "files": (
        "SELECT 'file ' || f.id || ' is indexed, its recording not complete for any bundle'"
        " FROM sound_file AS f WHERE f.state = 'indexed' AND NOT EXISTS (SELECT 1 FROM encoding"
        " AS e WHERE e.recording_id = f.recording_id AND e.n_windows IS NOT NULL)",
        "SELECT 'file ' || id || ' is in state ' || state FROM sound_file"
        " WHERE state NOT IN ('pending', 'indexed', 'failed', 'missing')",
        "SELECT 'file ' || id || ', ' || state || ', has error ' || coalesce(error_code, '-')"
        " FROM sound_file WHERE (state = 'failed') != (error_code IS NOT NULL)",
        "SELECT 'root ' || root_id || ' has ' || count(*) || ' rows for ' || min(display)"
        " FROM sound_file GROUP BY root_id, path HAVING count(*) > 1",
    ),
    "scales": (
        "SELECT 'caption ' || caption_id || ' has a scale from ' || minimum || ' to ' || maximum"
        f" || ' over ' || n || ' windows' FROM caption_scale WHERE NOT ({SOUND_SCALE})",
        "SELECT 'caption ' || caption_id || ' has a scale over ' || n || ' windows, with '"
        " || coalesce(CAST(length(losses) / 4 AS text), 'no') || ' losses' FROM caption_scale"
        f" WHERE NOT ({SOUND_SAMPLE})",
    ),
    "captions": (
        "SELECT 'caption ' || caption_id || ' is given to ' || start_s || ' to ' || end_s || ' s'"
        f" FROM caption_target WHERE NOT ({SOUND_TARGET})",
    ),
    "full-text": (
        "SELECT 'caption ' || id || ' is not in the full text' FROM"
        " (SELECT id FROM caption EXCEPT SELECT rowid FROM caption_text) AS x",
        "SELECT 'the full text has caption ' || rowid || ', which is gone' FROM"
        " (SELECT rowid FROM caption_text EXCEPT SELECT id FROM caption) AS x",
        "SELECT 'file ' || id || ' is not in the full text' FROM (SELECT id FROM sound_file"
        " WHERE state != 'missing' EXCEPT SELECT rowid FROM file_text) AS x",
        "SELECT 'the full text has file ' || rowid || ', which is gone' FROM (SELECT rowid"
        " FROM file_text EXCEPT SELECT id FROM sound_file WHERE state != 'missing') AS x",
    ),
}
# Each query gives a text, a recording and a bundle for each breach: what has to be encoded anew.
_ENCODING_QUERIES: Mapping[str, tuple[str, ...]] = {
    "encodings": (
        "SELECT 'recording ' || e.recording_id || ', bundle ' || e.bundle_id || ': '"
        " || count(w.id) || ' windows stored, ' || e.n_windows || ' expected',"
        " e.recording_id, e.bundle_id"
        ' FROM encoding AS e LEFT JOIN "window" AS w'
        " ON w.recording_id = e.recording_id AND w.bundle_id = e.bundle_id"
        " WHERE e.n_windows IS NOT NULL GROUP BY e.recording_id, e.bundle_id"
        " HAVING count(w.id) != e.n_windows OR e.n_windows < 1",
        "SELECT 'recording ' || recording_id || ', bundle ' || bundle_id || ': gaps in its windows'"
        ', recording_id, bundle_id FROM "window" GROUP BY recording_id, bundle_id'
        " HAVING min(position) != 0 OR max(position) != count(*) - 1",
        "SELECT 'recording ' || r.id || ' is complete, with duration ' || r.duration_s,"
        " e.recording_id, e.bundle_id FROM recording AS r JOIN encoding AS e"
        " ON e.recording_id = r.id AND e.n_windows IS NOT NULL WHERE r.duration_s <= 0",
    ),
    "windows": (
        "SELECT 'window ' || w.id || ' belongs to no encoding', w.recording_id, w.bundle_id"
        ' FROM "window" AS w'
        " LEFT JOIN encoding AS e ON e.recording_id = w.recording_id AND e.bundle_id = w.bundle_id"
        " WHERE e.recording_id IS NULL",
        "SELECT 'window ' || id || ' lies from ' || start_s || ' to ' || end_s || ' s',"
        ' recording_id, bundle_id FROM "window" WHERE NOT (start_s >= 0 AND end_s > start_s)',
        "SELECT 'window ' || w.id || ' begins before the one in front of it',"
        ' w.recording_id, w.bundle_id FROM "window" AS w'
        ' JOIN "window" AS p ON p.recording_id = w.recording_id AND p.bundle_id = w.bundle_id'
        " AND p.position = w.position - 1 WHERE w.start_s <= p.start_s",
        "SELECT 'window ' || c.window_id || ' has a caption with cross-entropy '"
        " || c.cross_entropy, w.recording_id, w.bundle_id FROM window_caption AS c"
        ' JOIN "window" AS w ON w.id = c.window_id WHERE abs(c.cross_entropy) > 1e6',
    ),
    "frames": (
        "SELECT 'window ' || w.id || ' has no frames', w.recording_id, w.bundle_id"
        ' FROM "window" AS w LEFT JOIN window_frames AS f ON f.window_id = w.id'
        " WHERE f.window_id IS NULL",
    ),
    "scales": (
        "SELECT 'window ' || w.id || ' drew no lot', w.recording_id, w.bundle_id"
        ' FROM "window" AS w'
        " LEFT JOIN window_draw AS d ON d.window_id = w.id AND d.bundle_id = w.bundle_id"
        " WHERE w.silent = 0 AND d.window_id IS NULL",
        "SELECT 'window ' || w.id || ' is silent and drew a lot', w.recording_id, w.bundle_id"
        ' FROM "window" AS w JOIN window_draw AS d ON d.window_id = w.id WHERE w.silent = 1',
    ),
}


@dataclass(frozen=True)
class Verified:
    """What is wrong with a library; empty: nothing.

    Attributes:
        violations: what should hold and does not.
        n_absent: how many files are not where the library has them, which `index` looks into;
            where something is wrong with files, those that were looked at until then.
    """

    violations: list[Violation]
    n_absent: int


def verify(
    database: Database,
    *,
    dims: Mapping[str, BundleDims] | None = None,
    per_kind: int | None = _PER_KIND,
) -> list[Violation]:
    """Everything that is wrong with a library; see `verify_and_count`."""
    return verify_and_count(database, dims=dims, per_kind=per_kind).violations


def verify_and_count(
    database: Database,
    *,
    dims: Mapping[str, BundleDims] | None = None,
    per_kind: int | None = _PER_KIND,
) -> Verified:
    """Everything that is wrong with a library, and how many of its files are not there.

    Args:
        database: an open library.
        dims: sizes by bundle fingerprint, for the bundles at hand. Others' vectors must only agree
            with each other.
        per_kind: how many breaches of one kind to name; None: all.
    """
    found: list[Violation] = []
    absent: list[int] = []
    try:
        with database.reading() as session:
            problems = integrity_problems(session)
            found += [Violation("integrity", problem) for problem in problems]
            for kind in _kinds(session, dims or {}, absent=absent):
                found += islice(kind, per_kind)
            found += islice(_cache_violations(session, database.vectors_dir), per_kind)
    except LibraryCorrupt as error:
        found.append(Violation("integrity", error.reason))
    return Verified(found, len(absent))


def _kinds(
    session: Session, dims: Mapping[str, BundleDims], *, absent: list[int]
) -> Iterator[Iterable[Violation]]:
    """The breaches, kind by kind; ids of files that are not there are added to `absent`."""
    yield (Violation("integrity", each.problem) for each in undecodable_texts(session))
    for invariant, queries in _QUERIES.items():
        for query in queries:
            yield (
                Violation(invariant, row[0])
                for row in session.execute(text(adapted(session, query)))
            )
    yield (Violation("files", problem) for problem in root_problems(session))
    yield _misplaced(session, absent)
    yield _identity_violations(session)
    yield _text_violations(session)
    yield _tag_violations(session)
    yield (Violation("annotations", problem) for problem in annotation_problems(session))
    for invariant, queries in _ENCODING_QUERIES.items():
        for query in queries:
            rows = session.execute(text(adapted(session, query)))
            yield (Violation(invariant, row[0], (row[1], row[2])) for row in rows)
    yield _vector_violations(session, dims)
    yield _frame_violations(session, dims)


def _misplaced(session: Session, absent: list[int]) -> Iterator[Violation]:
    """Files that cannot have been where their rows say; all that are not there go to `absent`."""
    for each in absent_files(session):
        absent.append(each.file_id)
        if each.problem is not None:
            yield Violation("files", f"file {each.file_id}, {each.shown}, {each.problem}")


def _cache_violations(session: Session, cache_dir: Path) -> Iterator[Violation]:
    """Files beside the database that hold other vectors than it does."""
    for path, problem in (*damaged_caches(cache_dir), *foreign_caches(session, cache_dir)):
        yield Violation(CACHE, f"{display_path(os.fsencode(path))}: {problem}")


def _identity_violations(session: Session) -> Iterator[Violation]:
    """A library without the number by which it is told from another one."""
    if not generations.read_generation(session, identity.NAME):
        yield Violation("identity", "the library has no number of its own")


def _text_violations(session: Session) -> Iterator[Violation]:
    """Files whose metadata is no metadata."""
    rows = session.execute(
        text(
            "SELECT id, metadata_json FROM sound_file"
            " WHERE metadata_json != '{}' OR metadata_json IS NULL"
        ).execution_options(yield_per=2000)
    )
    for file_id, stored in rows:
        if not is_metadata(stored):
            yield Violation("metadata", f"file {file_id}: not a list of texts for each field")


def _tag_violations(session: Session) -> Iterator[Violation]:
    """Tags that no search for them would find."""
    for tag_id, name in strange_tags(session).items():
        yield Violation("tags", f"tag {tag_id}, {name!r}, is not in normal form")


_SENT: Final = "halfvec_send(w.embedding), halfvec_send(w.joint)"


def _vector_violations(session: Session, dims: Mapping[str, BundleDims]) -> Iterator[Violation]:
    """Embeddings and joint vectors of a wrong size, or not finite."""
    usual = _usual(
        session,
        "SELECT bundle_id, length(embedding) / 2, coalesce(length(joint), 0) / 2, count(*)"
        ' FROM "window" GROUP BY 1, 2, 3 ORDER BY 4',
    )
    in_blobs = is_sqlite(session)
    columns = "w.embedding, w.joint" if in_blobs else _SENT
    rows = session.execute(
        text(
            f"SELECT w.id, b.fingerprint, w.recording_id, w.bundle_id, {columns}"
            ' FROM "window" AS w JOIN bundle AS b ON b.id = w.bundle_id ORDER BY w.bundle_id, w.id'
        ).execution_options(yield_per=2000)
    )
    for window_id, fingerprint, recording_id, bundle_id, *vectors in rows:
        embedding, joint = vectors if in_blobs else map(_received, vectors)
        known = dims.get(fingerprint)
        expected = usual[bundle_id] if known is None else (known.embedding, known.joint)
        sizes = (len(embedding) // 2, len(joint or b"") // 2)
        wrong = None
        if sizes != expected:
            wrong = f"sizes {sizes}, not {expected}"
        elif not _finite(embedding) or not _finite(joint or b""):
            wrong = "values that are not finite"
        if wrong is not None:
            yield Violation("vectors", f"window {window_id}: {wrong}", (recording_id, bundle_id))


def _received(sent: bytes | None) -> Any:
    return None if sent is None else sent_blob(sent)


def _frame_violations(session: Session, dims: Mapping[str, BundleDims]) -> Iterator[Violation]:
    """Frames of a wrong size, not finite, or packed with a base that is not there."""
    usual = _usual(
        session,
        "SELECT w.bundle_id, coalesce(length(b.frames) / 4 / max(b.n_frames, 1),"
        " length(f.frames) / 2 / max(f.n_frames, 1)), count(*)"
        ' FROM window_frames AS f JOIN "window" AS w ON w.id = f.window_id'
        " LEFT JOIN frame_base AS b ON b.id = f.base_id"
        " GROUP BY 1, 2 ORDER BY 3",
    )
    bases = frame_bases(session, set(session.scalars(select(FrameBaseRow.id))))
    rows = session.execute(
        text(
            "SELECT f.window_id, b.fingerprint, w.recording_id, w.bundle_id, f.n_frames, f.frames,"
            ' f.base_id FROM window_frames AS f JOIN "window" AS w ON w.id = f.window_id'
            " JOIN bundle AS b ON b.id = w.bundle_id ORDER BY w.bundle_id, w.id"
        ).execution_options(yield_per=200)
    )
    for window_id, fingerprint, recording_id, bundle_id, n_frames, frames, base_id in rows:
        known = dims.get(fingerprint)
        (dim,) = usual[bundle_id] if known is None else (known.frames,)
        if base_id is None:
            wrong = _wrong_halves(frames, n_frames, dim)
        else:
            wrong = _wrong_packed(frames, n_frames, dim, bases.get(base_id))
        if wrong is not None:
            yield Violation("frames", f"window {window_id}: {wrong}", (recording_id, bundle_id))


def _wrong_halves(frames: object, n_frames: object, dim: int) -> str | None:
    if not isinstance(n_frames, int) or not isinstance(frames, bytes):
        return f"{n_frames!r} frames in something else than bytes"  # as SQLite keeps anything
    if n_frames < 1 or len(frames) != 2 * n_frames * dim:
        return f"{len(frames)} bytes for {n_frames} frames of {dim}"
    return None if _finite(frames) else "values that are not finite"


def _wrong_packed(frames: object, n_frames: object, dim: int, base: FrameBase | None) -> str | None:
    if base is None:
        return "the base that its frames were packed with is not there, or damaged"
    if base.rows.shape[1] != dim:
        return f"frames of {base.rows.shape[1]}, not of {dim}"
    try:
        values = base.unpack(frames, n_frames)
    except ValueError as error:
        return str(error)
    return None if np.isfinite(values).all() else "values that are not finite"


def _usual(session: Session, query: str) -> dict[int, tuple[int, ...]]:
    """What sizes most rows of each bundle have: bundle, sizes ..., count, the greatest last."""
    return {row[0]: tuple(row[1:-1]) for row in session.execute(text(adapted(session, query)))}


def _finite(blob: object) -> bool:
    # SQLite keeps any type in any column; a damaged one may hold text
    return (
        isinstance(blob, bytes)
        and len(blob) % 2 == 0
        and bool(np.isfinite(np.frombuffer(blob, "<f2")).all())
    )
