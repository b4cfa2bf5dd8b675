"""Imports of captions: what each brought, so that it can be taken back and nothing else with it.

A caption or a stretch belongs to the imports that brought it; what was there before, or what a
person adds by hand, belongs to none and stays.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, exists, func, insert, select
from sqlalchemy.orm import Session

from audiosearch.store.dialects import upsert
from audiosearch.store.queries._bulk import chunks
from audiosearch.store.queries.captions import Target, disclaim_captions
from audiosearch.store.queries.places import join
from audiosearch.store.queries.roots import find_place
from audiosearch.store.schema import (
    Caption,
    CaptionImport,
    CaptionSource,
    CaptionTarget,
    FileState,
    ImportedCaption,
    ImportedTarget,
    ImportedWaiting,
    SoundFile,
    WaitingCaption,
)


@dataclass(frozen=True, kw_only=True)
class StoredImport:
    """An import that can be taken back.

    Attributes:
        source: the file's path, for people.
        kind: what kind of file it was.
        added_at: Unix seconds.
        n_captions: sentences that it brought, or that an import before it had brought.
        n_targets: stretches that it gave them to, likewise; of sounds that are not here, too.
    """

    import_id: int
    source: str
    kind: str
    added_at: float
    n_captions: int
    n_targets: int


@dataclass(frozen=True)
class TakenBack:
    """What went with an import."""

    n_captions: int
    n_targets: int


def ensure_import(session: Session, *, source: str, kind: str, digest: bytes) -> int:
    """The id of the import of this content; a new one where there is none."""
    found = session.scalar(select(CaptionImport.id).where(CaptionImport.digest == digest))
    if found is not None:
        return found
    row = CaptionImport(source=source, kind=kind, digest=digest, added_at=time.time())
    session.add(row)
    session.flush()
    return row.id


def restore_import(
    session: Session, *, number: int, source: str, kind: str, digest: bytes, added_at: float
) -> tuple[int, bool]:
    """The id of an import of another library, and whether it is new here; its number, if free."""
    found = session.scalar(select(CaptionImport.id).where(CaptionImport.digest == digest))
    if found is not None:
        return found, False
    is_taken = session.get(CaptionImport, number) is not None
    row = CaptionImport(
        id=None if is_taken else number, source=source, kind=kind, digest=digest, added_at=added_at
    )
    session.add(row)
    session.flush()
    return row.id, True


def link_waiting(
    session: Session, import_ids: Collection[int], waiting: Mapping[str, object]
) -> None:
    """Write down that imports gave a waiting caption, which is named by its columns."""
    waiting_id = session.scalar(select(WaitingCaption.id).filter_by(**waiting))
    rows = [{"import_id": each, "waiting_id": waiting_id} for each in import_ids]
    session.connection().execute(upsert(session, ImportedWaiting).on_conflict_do_nothing(), rows)


def caption_sources(session: Session, caption_ids: Collection[int]) -> dict[int, CaptionSource]:
    """Who wrote captions, by id."""
    found: dict[int, CaptionSource] = {}
    for some in chunks(sorted(caption_ids)):
        rows = session.execute(select(Caption.id, Caption.source).where(Caption.id.in_(some)))
        found |= {row.id: CaptionSource(row.source) for row in rows}
    return found


def link_import(
    session: Session,
    import_id: int,
    *,
    captions: Collection[int],
    before: Mapping[int, CaptionSource],
    targets: Mapping[Target, int],
    given: Mapping[Target, int],
) -> None:
    """Write down what an import brought.

    Args:
        session: of the transaction in which it was added.
        import_id: the import.
        captions: ids of all its captions.
        before: who had written those that were there before.
        targets: ids of all the stretches that it gives captions to.
        given: those that had them before.
    """
    of_imports = _brought(session, ImportedCaption.caption_id, before)
    ours = {
        each
        for each in captions
        if each not in before
        or before[each] in (CaptionSource.AUTO, CaptionSource.LABEL)
        or (before[each] is CaptionSource.IMPORT and each in of_imports)
    }
    given_by_imports = _brought(session, ImportedTarget.target_id, given.values())
    new = set(targets.values()) - set(given.values())
    wanted = (
        (ImportedCaption, "caption_id", ours),
        (ImportedTarget, "target_id", new | given_by_imports),
    )
    for table, column, ids in wanted:
        linked = set(
            session.scalars(select(getattr(table, column)).where(table.import_id == import_id))
        )
        rows = [{"import_id": import_id, column: each} for each in sorted(ids - linked)]
        if rows:
            session.connection().execute(insert(table), rows)


def _brought(session: Session, column: object, ids: Collection[int]) -> set[int]:
    """Those of the ids that some import brought."""
    found: set[int] = set()
    for some in chunks(sorted(ids)):
        found |= set(session.scalars(select(column).where(column.in_(some))))  # type: ignore[attr-defined,call-overload]
    return found


def claim_by_hand(session: Session, captions: Sequence[int], targets: Collection[int]) -> None:
    """What a person adds by hand is that person's own: no import takes it back."""
    for some in chunks(sorted(captions)):
        session.execute(delete(ImportedCaption).where(ImportedCaption.caption_id.in_(some)))
    for some in chunks(sorted(targets)):
        session.execute(delete(ImportedTarget).where(ImportedTarget.target_id.in_(some)))


def drop_empty_import(session: Session, import_id: int) -> bool:
    """Forget an import that brought nothing; whether it did."""
    brought = exists().where(ImportedCaption.import_id == import_id)
    given = exists().where(ImportedTarget.import_id == import_id)
    waiting = exists().where(ImportedWaiting.import_id == import_id)
    if session.scalar(select(brought | given | waiting)):
        return False
    session.execute(delete(CaptionImport).where(CaptionImport.id == import_id))
    return True


def files_of_stem(session: Session, stem: bytes) -> list[bytes]:
    """The files of the library (absolute paths) that are `stem`, or `stem` with an ending."""
    place = find_place(session, stem)
    if place is None:
        return []
    within = place.relative
    rows = session.scalars(
        select(SoundFile.path).where(
            SoundFile.root_id == place.root.root_id,
            SoundFile.state == FileState.INDEXED,
            # What begins with it and a dot: a slash is the next byte.
            (SoundFile.path == within)
            | ((SoundFile.path >= within + b".") & (SoundFile.path < within + b"/")),
        )
    )
    named = (path for path in rows if within in (path, os.path.splitext(path)[0]))  # noqa: PTH122
    return sorted(join(place.root.path, path) for path in named)


def list_imports(session: Session) -> list[StoredImport]:
    """The imports of which something is left, the oldest first."""
    n_captions = (
        select(func.count()).where(ImportedCaption.import_id == CaptionImport.id).scalar_subquery()
    )
    n_targets = (
        select(func.count()).where(ImportedTarget.import_id == CaptionImport.id).scalar_subquery()
    )
    n_waiting = (
        select(func.count()).where(ImportedWaiting.import_id == CaptionImport.id).scalar_subquery()
    )
    rows = session.execute(
        select(
            CaptionImport.id,
            CaptionImport.source,
            CaptionImport.kind,
            CaptionImport.added_at,
            n_captions.label("n_captions"),
            (n_targets + n_waiting).label("n_targets"),
        ).order_by(CaptionImport.id)
    )
    return [
        StoredImport(
            import_id=row.id,
            source=row.source,
            kind=row.kind,
            added_at=row.added_at,
            n_captions=row.n_captions,
            n_targets=row.n_targets,
        )
        for row in rows
        if row.n_captions or row.n_targets
    ]


def take_back(session: Session, import_id: int) -> TakenBack | None:
    """Remove what an import alone brought; None where there is no such import.

    Captions that the model says too become the model's again. What waits for a sound that is not
    here goes too where this import gave it; what was restored from a backup, say, is spared.
    """
    if session.get(CaptionImport, import_id) is None:
        return None
    targets = _alone(session, ImportedTarget, "target_id", import_id)
    waiting = _alone(session, ImportedWaiting, "waiting_id", import_id)
    captions = _alone(session, ImportedCaption, "caption_id", import_id)
    session.execute(delete(CaptionImport).where(CaptionImport.id == import_id))
    for some in chunks(targets):
        session.execute(delete(CaptionTarget).where(CaptionTarget.id.in_(some)))
    for some in chunks(waiting):
        session.execute(delete(WaitingCaption).where(WaitingCaption.id.in_(some)))
    gone: list[int] = []
    for some in chunks(captions):
        gone += session.scalars(
            select(Caption.id).where(
                Caption.id.in_(some),
                Caption.source == CaptionSource.IMPORT,
                ~exists().where(CaptionTarget.caption_id == Caption.id),
                ~exists().where(WaitingCaption.caption_id == Caption.id),
            )
        )
    return TakenBack(disclaim_captions(session, sorted(gone)), len(targets) + len(waiting))


def _alone(
    session: Session,
    table: type[ImportedCaption] | type[ImportedTarget] | type[ImportedWaiting],
    column: str,
    import_id: int,
) -> list[int]:
    """What an import brought and no other did."""
    linked = getattr(table, column)
    others = select(linked).where(table.import_id != import_id)
    wanted = select(linked).where(table.import_id == import_id, linked.not_in(others))
    return sorted(session.scalars(wanted))
