"""Scales of captions: the sample of windows they are taken over, and what is kept of them.

The caller owns the transaction. What a scale means is the business of
`audiosearch.search.caption_stats`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from audiosearch._typing import Floats, Ids
from audiosearch.store.queries._bulk import chunks
from audiosearch.store.queries.captions import ensure_captions
from audiosearch.store.queries.search import StoredText
from audiosearch.store.sampling import signature
from audiosearch.store.schema import Caption, CaptionScale, CaptionSource, WindowSampleKey


@dataclass(frozen=True)
class Sample:
    """The windows that scales are taken over.

    Attributes:
        signature: equal for equal samples, whatever ids the windows have.
        draws: (n,) lots, the least first, with the style in them.
        window_ids: (n,) in that order.
    """

    signature: int
    draws: Ids
    window_ids: Ids

    def __len__(self) -> int:
        return len(self.draws)


@dataclass(frozen=True, kw_only=True)
class StoredScale:
    """Statistics of a caption's cross-entropies over a sample, in nats a word.

    Attributes:
        sample: the sample's signature.
        draws: (n,) the lots of its windows; None where the losses are not kept.
        losses: (n,) float32, in that order.
    """

    sample: int
    n: int
    minimum: float
    maximum: float
    mean: float
    deviation: float  # with divisor n
    draws: Ids | None
    losses: Floats | None


def read_sample(session: Session, *, bundle_id: int, size: int | None, style: int = 0) -> Sample:
    """The `size` windows of a bundle with the least lots; None: all that are not silent.

    `style` (below 2^20) goes into the draws, so that what was heard in one style of captioning is
    never taken for another's.
    """
    wanted = (
        select(WindowSampleKey.draw, WindowSampleKey.window_id)
        .where(WindowSampleKey.bundle_id == bundle_id)
        .order_by(WindowSampleKey.draw, WindowSampleKey.window_id)
        .limit(size)
    )
    rows = np.array([tuple(row) for row in session.execute(wanted)], dtype=np.int64).reshape(-1, 2)
    draws = np.ascontiguousarray(rows[:, 0] ^ (style << 40), dtype="<i8")
    return Sample(signature(draws.tobytes()), draws, rows[:, 1])


def read_scales(
    session: Session, caption_ids: Sequence[int], *, bundle_id: int
) -> dict[int, StoredScale]:
    """What is kept of captions' scales, up to date or not, by caption id."""
    found: dict[int, StoredScale] = {}
    for some in chunks(caption_ids):
        rows = session.scalars(
            select(CaptionScale).where(
                CaptionScale.caption_id.in_(some), CaptionScale.bundle_id == bundle_id
            )
        )
        found |= {row.caption_id: _stored(row) for row in rows}
    return found


def _stored(row: CaptionScale) -> StoredScale:
    kept = row.draws is not None and row.losses is not None
    return StoredScale(
        sample=row.sample,
        n=row.n,
        minimum=row.minimum,
        maximum=row.maximum,
        mean=row.mean,
        deviation=row.deviation,
        draws=np.frombuffer(row.draws or b"", "<i8") if kept else None,
        losses=np.frombuffer(row.losses or b"", "<f4") if kept else None,
    )


def write_scales(
    session: Session, scales: Sequence[tuple[StoredText, StoredScale]], *, bundle_id: int
) -> int:
    """Keep scales in place of what was kept before; returns how many.

    Captions that have gone since they were read are passed over, even if their ids were given to
    others. Sentences of labels (id 0) are written down as captions, to hang their scale on.
    """
    ids = _present(session, [text for text, _ in scales])
    known = [(ids[text.text], scale) for text, scale in scales if text.text in ids]
    for some in chunks([caption_id for caption_id, _ in known]):
        session.execute(
            delete(CaptionScale).where(
                CaptionScale.caption_id.in_(some), CaptionScale.bundle_id == bundle_id
            )
        )
    if known:
        session.connection().execute(
            insert(CaptionScale), [_row(each, scale, bundle_id) for each, scale in known]
        )
    return len(known)


def _present(session: Session, texts: Sequence[StoredText]) -> dict[str, int]:
    """By text, the ids of captions that are still what they were."""
    found: dict[str, int] = {}
    labels = [each.text for each in texts if each.caption_id == 0]
    if labels:
        found |= ensure_captions(session, labels, source=CaptionSource.LABEL)
    expected = {each.caption_id: each.text for each in texts if each.caption_id}
    for some in chunks(list(expected)):
        rows = session.execute(select(Caption.id, Caption.text).where(Caption.id.in_(some)))
        found |= {row.text: row.id for row in rows if expected[row.id] == row.text}
    return found


def _row(caption_id: int, scale: StoredScale, bundle_id: int) -> dict[str, object]:
    return {
        "caption_id": caption_id,
        "bundle_id": bundle_id,
        "sample": scale.sample,
        "n": scale.n,
        "minimum": scale.minimum,
        "maximum": scale.maximum,
        "mean": scale.mean,
        "deviation": scale.deviation,
        "draws": None if scale.draws is None else scale.draws.astype("<i8").tobytes(),
        "losses": None if scale.losses is None else scale.losses.astype("<f4").tobytes(),
    }


def outdated_captions(
    session: Session, *, bundle_id: int, sample: int, limit: int
) -> list[StoredText]:
    """Captions whose scale was once computed, over another sample than this one."""
    rows = session.execute(
        select(Caption.id, Caption.text, Caption.source)
        .join(CaptionScale, CaptionScale.caption_id == Caption.id)
        .where(CaptionScale.bundle_id == bundle_id, CaptionScale.sample != sample)
        .order_by(Caption.id)
        .limit(limit)
    )
    return [StoredText(row.id, row.text, str(row.source)) for row in rows]
