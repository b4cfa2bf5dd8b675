"""Captions: sentences, one row for each distinct text, said of windows.

The caller owns the transaction and normalises texts (the bundle knows how).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import ColumnElement, bindparam, delete, exists, func, insert, select, update
from sqlalchemy.orm import Session

from audiosearch._typing import Floats
from audiosearch.store.queries import fulltext, generations
from audiosearch.store.queries._bulk import chunks, n_rows
from audiosearch.store.schema import (
    Caption,
    CaptionSource,
    CaptionTarget,
    CaptionVector,
    ImportedCaption,
    WaitingCaption,
    WindowCaption,
)
from audiosearch.store.vectors import to_blob


@dataclass(frozen=True)
class CaptionLink:
    """A caption said of a window; `cross_entropy` in nats a word, None where not computed."""

    window_id: int
    caption_id: int
    cross_entropy: float | None


@dataclass(frozen=True)
class StoredCaption:
    """A sentence of the library, and of how many windows it is said."""

    caption_id: int
    text: str  # normalised
    source: CaptionSource
    n_windows: int  # that the model says it of
    n_targets: int  # stretches of recordings that a person gave it to
    typed: str | None = None  # as a person typed it last


def ensure_captions(
    session: Session, texts: Sequence[str], *, source: CaptionSource
) -> dict[str, int]:
    """The id of each distinct text; new ones are written down and go into the full text.

    A text that is there keeps its source, unless it was a label's and is said by someone now.
    """
    wanted = sorted(set(texts))
    ids = _caption_ids(session, wanted)
    new = [text for text in wanted if text not in ids]
    if new:
        now = time.time()
        session.connection().execute(
            insert(Caption),
            [{"text": text, "source": source, "added_at": now} for text in new],
        )
        written = _caption_ids(session, new)
        fulltext.add_captions(session, written)
        ids |= written
    if source is not CaptionSource.LABEL:
        _claim(session, ids.values(), source=source, only=CaptionSource.LABEL)
    return ids


def add_captions(
    session: Session, texts: Sequence[str], *, source: CaptionSource
) -> dict[str, int]:
    """Captions that a person wrote or brought; those the model said before become that person's."""
    ids = ensure_captions(session, texts, source=source)
    _claim(session, ids.values(), source=source, only=CaptionSource.AUTO)
    return ids


def keep_typed(session: Session, typed: Mapping[int, str]) -> None:
    """Remember the words of captions (by id) as a person typed them."""
    if typed:
        session.connection().execute(
            update(Caption)
            .where(Caption.id == bindparam("caption"))
            .values(said=bindparam("words")),
            [{"caption": caption_id, "words": words} for caption_id, words in typed.items()],
        )


def _claim(
    session: Session, caption_ids: Iterable[int], *, source: CaptionSource, only: CaptionSource
) -> None:
    for some in chunks(sorted(caption_ids)):
        session.execute(
            update(Caption)
            .where(Caption.id.in_(some), Caption.source == only)
            .values(source=source)
        )


def _caption_ids(session: Session, texts: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in chunks(texts):
        rows = session.execute(select(Caption.text, Caption.id).where(Caption.text.in_(some)))
        found |= {row.text: row.id for row in rows}
    return found


def link_captions(session: Session, links: Sequence[CaptionLink]) -> None:
    """Say captions of windows."""
    if links:
        session.connection().execute(
            insert(WindowCaption),
            [
                {
                    "window_id": link.window_id,
                    "caption_id": link.caption_id,
                    "cross_entropy": link.cross_entropy,
                }
                for link in links
            ],
        )


def captions_without_vector(
    session: Session, *, bundle_id: int, among: Sequence[int] | None = None, limit: int = 10_000
) -> list[tuple[int, str]]:
    """Captions (id, text), but labels, that have no place in a bundle's joint space yet."""
    wanted = (
        select(Caption.id, Caption.text)
        .where(
            Caption.source != CaptionSource.LABEL,
            ~exists().where(
                CaptionVector.caption_id == Caption.id, CaptionVector.bundle_id == bundle_id
            ),
        )
        .order_by(Caption.id)
        .limit(limit)
    )
    if among is not None:
        wanted = wanted.where(Caption.id.in_(among))
    return [(row.id, row.text) for row in session.execute(wanted)]


def insert_caption_vectors(
    session: Session, caption_ids: Sequence[int], vectors: Floats, *, bundle_id: int
) -> None:
    """Store the vectors (n, J) of captions in a bundle's joint space."""
    if caption_ids:
        generations.captions_placed(session)
        session.connection().execute(
            insert(CaptionVector),
            [
                {"caption_id": caption_id, "bundle_id": bundle_id, "joint": to_blob(vector)}
                for caption_id, vector in zip(caption_ids, vectors, strict=True)
            ],
        )


def keep_caption_vectors(
    session: Session, vectors: Sequence[tuple[int, str, Floats]], *, bundle_id: int
) -> None:
    """Store vectors (J,) of captions (id, text), computed outside of this transaction.

    Captions that have got one meanwhile are passed over, and so are those that have gone, even if
    their ids were given to others.
    """
    lacking: set[tuple[int, str]] = set()
    for some in chunks([caption_id for caption_id, _, _ in vectors]):
        lacking |= set(captions_without_vector(session, bundle_id=bundle_id, among=some))
    wanted = [(each, vector) for each, text, vector in vectors if (each, text) in lacking]
    if wanted:
        ids = [caption_id for caption_id, _ in wanted]
        insert_caption_vectors(
            session, ids, np.stack([vector for _, vector in wanted]), bundle_id=bundle_id
        )


def list_captions(
    session: Session,
    *,
    source: CaptionSource | None = None,
    limit: int | None = None,
    words: str | None = None,
) -> list[StoredCaption]:
    """Sentences of the library, those said of most windows first.

    Args:
        session: any session.
        source: of this kind only; None: all but those made of labels.
        limit: how many at most.
        words: only sentences with any of these words, the best matches first.
    """
    conditions: list[ColumnElement[bool]] = [
        Caption.source != CaptionSource.LABEL if source is None else Caption.source == source
    ]
    if words is None:
        return _list(session, conditions)[:limit]
    order = {each: place for place, each in enumerate(fulltext.search_captions(session, words))}
    found: list[StoredCaption] = []
    for some in chunks(list(order)):
        found += _list(session, [*conditions, Caption.id.in_(some)])
    return sorted(found, key=lambda caption: order[caption.caption_id])[:limit]


def _list(session: Session, conditions: Sequence[ColumnElement[bool]]) -> list[StoredCaption]:
    said = (
        select(WindowCaption.caption_id, func.count().label("n"))
        .group_by(WindowCaption.caption_id)
        .subquery()
    )
    given = (
        select(CaptionTarget.caption_id, func.count().label("n"))
        .group_by(CaptionTarget.caption_id)
        .subquery()
    )
    n_windows = func.coalesce(said.c.n, 0)
    rows = session.execute(
        select(
            Caption.id,
            Caption.text,
            Caption.said,
            Caption.source,
            n_windows.label("n_windows"),
            func.coalesce(given.c.n, 0).label("n_targets"),
        )
        .outerjoin(said, said.c.caption_id == Caption.id)
        .outerjoin(given, given.c.caption_id == Caption.id)
        .where(*conditions)
        .order_by(n_windows.desc(), Caption.text)
    )
    return [
        StoredCaption(
            caption_id=row.id,
            text=row.text,
            source=CaptionSource(row.source),
            n_windows=row.n_windows,
            n_targets=row.n_targets,
            typed=row.said,
        )
        for row in rows
    ]


def find_captions(session: Session, texts: Sequence[str]) -> dict[str, int]:
    """The ids of those of `texts` (normalised) that are captions."""
    return _caption_ids(session, sorted(set(texts)))


def remove_captions(session: Session, caption_ids: Sequence[int]) -> int:
    """Delete captions and all that is said with them; returns how many there were."""
    n_gone = 0
    for some in chunks(caption_ids):
        n_gone += n_rows(session.connection().execute(delete(Caption).where(Caption.id.in_(some))))
    fulltext.remove_captions(session, caption_ids)
    if n_gone:
        generations.captions_removed(session)
    return n_gone


def disclaim_captions(session: Session, caption_ids: Sequence[int]) -> int:
    """Take a person's name off captions: those that the model says too become the model's.

    The rest are removed, with all that was kept of them. Returns how many were there.
    """
    said: set[int] = set()
    for some in chunks(caption_ids):
        session.execute(delete(CaptionTarget).where(CaptionTarget.caption_id.in_(some)))
        session.execute(delete(ImportedCaption).where(ImportedCaption.caption_id.in_(some)))
        session.execute(delete(WaitingCaption).where(WaitingCaption.caption_id.in_(some)))
        said |= set(
            session.scalars(
                select(Caption.id).where(
                    Caption.id.in_(some),
                    Caption.source != CaptionSource.AUTO,
                    exists().where(WindowCaption.caption_id == Caption.id),
                )
            )
        )
    for some in chunks(sorted(said)):
        session.execute(
            update(Caption).where(Caption.id.in_(some)).values(source=CaptionSource.AUTO, said=None)
        )
    rest = [each for each in caption_ids if each not in said]
    return len(said) + remove_captions(session, rest)


@dataclass(frozen=True)
class Target:
    """A stretch of a recording, in seconds, that a person says a caption of.

    The words as they were typed do not tell targets apart.
    """

    caption_id: int
    recording_id: int
    start_s: float
    end_s: float
    typed: str | None = field(default=None, compare=False)


def find_targets(session: Session, targets: Sequence[Target]) -> dict[Target, int]:
    """The ids of those of `targets` that are given already."""
    wanted = set(targets)
    known: dict[Target, int] = {}
    for some in chunks(sorted({each.caption_id for each in targets})):
        rows = session.execute(
            select(
                CaptionTarget.caption_id,
                CaptionTarget.recording_id,
                CaptionTarget.start_s,
                CaptionTarget.end_s,
                CaptionTarget.id,
            ).where(CaptionTarget.caption_id.in_(some))
        )
        known |= {each: row.id for row in rows if (each := Target(*row[:4])) in wanted}
    return known


@dataclass(frozen=True)
class GivenTargets:
    """The ids of targets that were asked for: of those that were there before, and of all."""

    before: Mapping[Target, int]
    now: Mapping[Target, int]


def add_targets(
    session: Session, targets: Sequence[Target], *, retype: bool = True
) -> GivenTargets:
    """Give captions to stretches of recordings.

    Those given before keep the words typed last: these or, unless `retype`, those that are there.
    """
    known = find_targets(session, targets)
    wanted = {each: each.typed for each in targets}  # of equal ones the words of the last
    new = [
        {
            "caption_id": each.caption_id,
            "recording_id": each.recording_id,
            "start_s": each.start_s,
            "end_s": each.end_s,
            "said": said,
        }
        for each, said in wanted.items()
        if each not in known
    ]
    made: dict[Target, int] = {}
    if new:
        rows = session.connection().execute(
            insert(CaptionTarget).returning(
                CaptionTarget.caption_id,
                CaptionTarget.recording_id,
                CaptionTarget.start_s,
                CaptionTarget.end_s,
                CaptionTarget.id,
            ),
            new,
        )
        made = {Target(*row[:4]): row.id for row in rows}
    again = [
        {"target": known[each], "words": said}
        for each, said in wanted.items()
        if retype and each in known and said is not None
    ]
    if again:
        session.connection().execute(
            update(CaptionTarget)
            .where(CaptionTarget.id == bindparam("target"))
            .values(said=bindparam("words")),
            again,
        )
    return GivenTargets(before=known, now={**known, **made})
