"""Captions: sentences, one row for each distinct text, said of windows.

The caller owns the transaction and normalises texts (the bundle knows how).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, exists, func, insert, select
from sqlalchemy.orm import Session

from audiosearch.store.blobs import Floats, to_blob
from audiosearch.store.queries import fulltext
from audiosearch.store.schema import Caption, CaptionSource, CaptionVector, WindowCaption


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
    text: str
    source: CaptionSource
    n_windows: int


def ensure_captions(
    session: Session, texts: Sequence[str], *, source: CaptionSource
) -> dict[str, int]:
    """The id of each distinct text; new ones are written down and go into the full text."""
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
    return ids


def _caption_ids(session: Session, texts: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for start in range(0, len(texts), 500):
        some = texts[start : start + 500]
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
    """Captions (id, text) that have no place in a bundle's joint space yet."""
    wanted = (
        select(Caption.id, Caption.text)
        .where(
            ~exists().where(
                CaptionVector.caption_id == Caption.id, CaptionVector.bundle_id == bundle_id
            )
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
        session.connection().execute(
            insert(CaptionVector),
            [
                {"caption_id": caption_id, "bundle_id": bundle_id, "joint": to_blob(vector)}
                for caption_id, vector in zip(caption_ids, vectors, strict=True)
            ],
        )


def list_captions(
    session: Session, *, source: CaptionSource | None = None, limit: int | None = None
) -> list[StoredCaption]:
    """Sentences of the library, those said of most windows first."""
    said = func.count(WindowCaption.window_id)
    wanted = (
        select(Caption.id, Caption.text, Caption.source, said.label("n_windows"))
        .outerjoin(WindowCaption, WindowCaption.caption_id == Caption.id)
        .group_by(Caption.id)
        .order_by(said.desc(), Caption.text)
        .limit(limit)
    )
    if source is not None:
        wanted = wanted.where(Caption.source == source)
    return [
        StoredCaption(
            caption_id=row.id,
            text=row.text,
            source=CaptionSource(row.source),
            n_windows=row.n_windows,
        )
        for row in session.execute(wanted)
    ]


def remove_captions(session: Session, caption_ids: Sequence[int]) -> None:
    """Delete captions and all that is said with them."""
    for start in range(0, len(caption_ids), 500):
        some = caption_ids[start : start + 500]
        session.execute(delete(Caption).where(Caption.id.in_(some)))
    fulltext.remove_captions(session, caption_ids)
