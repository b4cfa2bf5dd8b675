"""Put a damaged library right, in one transaction; what has to be heard again is heard by indexing.

What people wrote is kept. Damage to the pages of the file itself cannot be repaired from inside.
"""

# ruff: noqa: S608 - statements are put together from constants and SQLite's own names of tables
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session

from audiosearch._failpoints import failpoint
from audiosearch.errors import LibraryCorrupt
from audiosearch.store import sqlite
from audiosearch.store.backup import back_up_before
from audiosearch.store.database import Database
from audiosearch.store.dialects import integrity_problems, is_sqlite, rebuild_indices
from audiosearch.store.identity import give_identity
from audiosearch.store.integrity.annotations import derive_again, mend_annotations, mend_parts
from audiosearch.store.integrity.places import forget_misplaced
from audiosearch.store.integrity.undecodable import mend_undecodable
from audiosearch.store.integrity.verify import (
    CACHE,
    SOUND_SAMPLE,
    SOUND_SCALE,
    BundleDims,
    Violation,
    verify,
)
from audiosearch.store.queries import file_texts, fulltext, generations
from audiosearch.store.queries._bulk import n_rows
from audiosearch.store.schema import (
    CaptionTarget,
    Encoding,
    FileState,
    Recording,
    SoundFile,
    WindowFrames,
    WindowRow,
    WindowSampleKey,
)
from audiosearch.store.vector_cache import discard


@dataclass(frozen=True)
class Repaired:
    """What a repair did."""

    n_encodings: int  # dropped: their recordings are to be heard again
    n_files: int  # set to be read again
    n_rows: int  # let go, since what they belong to is gone or they make no sense


def repair(database: Database, *, dims: Mapping[str, BundleDims]) -> Repaired:
    """Remove what is damaged, in one transaction, so that `index` can bring it back.

    What people wrote is backed up first; see `store.backup`.

    Raises:
        LibraryCorrupt: the file itself is damaged; nothing was changed.
        StoreError: it cannot be written to; nothing was changed.
    """
    found = verify(database, dims=dims, per_kind=None)
    if not found:
        return Repaired(n_encodings=0, n_files=0, n_rows=0)
    with database.session() as session:
        mended = mend_undecodable(session)
    if mended:  # which until now nobody could see beyond, a backup included
        found += verify(database, dims=dims, per_kind=None)
    if any(each.invariant == CACHE for each in found):  # made anew by the next question
        for path in database.vectors_dir.glob("*.vectors"):
            discard(path)
    back_up_before(database, what="repair")
    with database.session() as session:
        n_gone = mend_annotations(session)
        if is_sqlite(session):  # a server lets in no row that refers to nothing
            n_gone += _drop_orphans(session)
        culprits = sorted({each.encoding for each in found if each.encoding is not None})
        n_files = _drop_encodings(session, culprits)
        n_files += _mend_files(session) + _mend_texts(session)
        n_gone += forget_misplaced(session)
        n_gone += _mend_rows(session)
        derive_again(session)
        _rebuild(session, found)
        _check(session, database)
        if any(each.invariant == "identity" for each in found):
            give_identity(session)
        failpoint("repair.commit")
    return Repaired(n_encodings=len(culprits), n_files=n_files, n_rows=n_gone)


def _drop_orphans(session: Session) -> int:
    """Rows that refer to rows that are gone; a file only forgets its recording."""
    session.connection().execute(
        update(SoundFile)
        .where(SoundFile.recording_id.not_in(select(Recording.id)))
        .values(recording_id=None, state=FileState.PENDING, error_code=None, error_text=None)
    )
    n_gone = 0
    while orphans := session.connection().exec_driver_sql("PRAGMA foreign_key_check").fetchall():
        for table, row_id, *_ in orphans:
            session.execute(
                text(f'DELETE FROM "{table}" WHERE rowid = :row'),
                {"row": row_id},
            )
        n_gone += len(orphans)
    if n_gone:  # perhaps windows and captions: nothing goes on from their vectors
        generations.windows_removed(session)
        generations.captions_removed(session)
    return n_gone


def _drop_encodings(session: Session, culprits: Sequence[tuple[int, int]]) -> int:
    """Forget what bundles made of recordings (ids of both); returns how many files wait for it."""
    n_files = 0
    for recording_id, bundle_id in culprits:
        windows = select(WindowRow.id).where(
            WindowRow.recording_id == recording_id, WindowRow.bundle_id == bundle_id
        )
        # By hand as well: in a damaged library a deletion may have nothing to cascade to.
        for table in (WindowSampleKey, WindowFrames):
            session.execute(delete(table).where(table.window_id.in_(windows)))
        session.execute(
            delete(WindowRow).where(
                WindowRow.recording_id == recording_id, WindowRow.bundle_id == bundle_id
            )
        )
        session.execute(
            delete(Encoding).where(
                Encoding.recording_id == recording_id, Encoding.bundle_id == bundle_id
            )
        )
        waiting = session.connection().execute(
            update(SoundFile)
            .where(SoundFile.recording_id == recording_id, SoundFile.state == FileState.INDEXED)
            .values(state=FileState.PENDING)
        )
        n_files += n_rows(waiting)
    if culprits:
        generations.windows_removed(session)
    return n_files


def _mend_files(session: Session) -> int:
    """Files in no state, or in one that contradicts the rest: to be read again; how many."""
    twins = (
        "DELETE FROM sound_file WHERE id NOT IN"
        " (SELECT min(id) FROM sound_file GROUP BY root_id, path)"
    )
    n_mended = n_rows(session.connection().execute(text(twins)))
    waiting = session.connection().execute(
        text(
            "UPDATE sound_file SET state = 'pending', error_code = NULL, error_text = NULL"
            " WHERE state NOT IN ('pending', 'indexed', 'failed', 'missing')"
            " OR (state = 'failed') != (error_code IS NOT NULL)"
            " OR (state = 'indexed' AND NOT EXISTS (SELECT 1 FROM encoding AS e"
            " WHERE e.recording_id = sound_file.recording_id AND e.n_windows IS NOT NULL))"
        )
    )
    return n_mended + n_rows(waiting)


def _mend_texts(session: Session) -> int:
    """Files whose metadata is broken say nothing and are to be read again; how many.

    One that is missing is read again should it come back, since it is then another than before.
    """
    file_texts.normalise_tags(session)
    stored = session.execute(text("SELECT id, metadata_json FROM sound_file"))
    rows = [{"id": row[0]} for row in stored if not file_texts.is_metadata(row[1])]
    if rows:
        session.connection().execute(
            text(
                "UPDATE sound_file SET metadata_json = '{}', ctime_ns = 0, error_code = NULL,"
                " error_text = NULL,"
                " state = CASE state WHEN 'missing' THEN 'missing' ELSE 'pending' END"
                " WHERE id = :id"
            ),
            rows,
        )
    return len(rows)


def _mend_rows(session: Session) -> int:
    """Scales are computed again when needed; a person's caption is kept, for the whole sound."""
    connection = session.connection()
    scales = connection.execute(
        text(f"DELETE FROM caption_scale WHERE NOT ({SOUND_SCALE}) OR NOT ({SOUND_SAMPLE})")
    )
    recording = CaptionTarget.recording_id
    duration = select(Recording.duration_s).where(Recording.id == recording).scalar_subquery()
    mend_parts(session, CaptionTarget, of=recording, duration_s=duration)
    return n_rows(scales)


def _rebuild(session: Session, found: Iterable[Violation]) -> None:
    """Indices, and the full text where something is wrong with it."""
    kinds = {each.invariant for each in found}
    if "integrity" in kinds:
        rebuild_indices(session)
    if kinds & {"integrity", "full-text", "files", "metadata", "tags", "annotations"}:
        fulltext.rebuild(session)


def _check(session: Session, database: Database) -> None:
    """Give up, keeping everything as it was, if the file is still damaged.

    Raises:
        LibraryCorrupt: it is.
    """
    problems = integrity_problems(session)
    if problems:
        raise LibraryCorrupt(
            f"the library's database is damaged beyond repair: {problems[0]}",
            path=database.shown,
            remedy=sqlite.REBUILD_REMEDY,
        )
