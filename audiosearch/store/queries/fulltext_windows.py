"""Windows in the order of what full text finds of them, by each kind of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final

from audiosearch._typing import Ids
from audiosearch.store.dialects import full_text
from audiosearch.store.full_text import FullText, Match, TextKind, TextSource
from audiosearch.store.queries._bulk import chunks
from audiosearch.store.queries.scope import among

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

FEW: Final = 10_000  # windows that may answer; of so many the texts are looked up


def ranked_windows(
    session: Session, match: Match, *, bundle_id: int, limit: int, allowed: Ids | None
) -> list[list[tuple[int, float]]]:
    """For each kind of text, the first `limit` windows with bm25, best (lowest) first.

    Texts are ranked first, since they are far fewer than windows; then their windows are read, no
    more of them than are wanted. Where few windows may answer, it is the other way round: their
    texts are looked up among those found. Equal ones come by the caption's or recording's id.

    Args:
        session: any session.
        match: what texts must hold.
        bundle_id: windows of this bundle only; silent ones are left out.
        limit: how many at most, of each kind.
        allowed: ids that filters let through, ascending, applied before the limit; None: all.
    """
    texts = full_text(session)
    found: list[list[tuple[int, float]]] = []
    for source in TextSource:
        kind = TextKind.FILE if source is TextSource.FILE else TextKind.CAPTION
        is_given = source is TextSource.STRETCH  # which are few: people caption little
        first = limit if allowed is None else None  # few texts have no window
        ranked = texts.ranked(kind, match, given=is_given, first=first)
        if allowed is not None and len(allowed) <= FEW and not is_given:
            found.append(_backwards(texts, source, dict(ranked), allowed, bundle_id)[:limit])
        else:
            most = limit if allowed is None else None
            parts = texts.windows_of(source, ranked, bundle_id=bundle_id, most=most)
            windows = (
                (window_id, score)
                for ids, score in parts
                for window_id in (ids if allowed is None else among(ids, allowed))
            )
            found.append(list(islice(_each_once(windows), limit)))
    return found


def _backwards(
    texts: FullText,
    source: TextSource,
    scores: dict[int, float],
    allowed: Ids,
    bundle_id: int,
) -> list[tuple[int, float]]:
    """The windows of `allowed` whose texts have a score, in the order of the scores."""
    found: list[tuple[float, int, int]] = []  # score, text, window: ids of windows grow with time
    for some in chunks(allowed.tolist()):
        rows = texts.texts_of(source, some, bundle_id=bundle_id)
        found += [(scores[text], text, window) for text, window in rows if text in scores]
    found.sort()
    return list(_each_once((window, score) for score, _, window in found))


def _each_once(windows: Iterator[tuple[int, float]]) -> Iterator[tuple[int, float]]:
    seen: set[int] = set()
    for window_id, score in windows:
        if window_id not in seen:
            seen.add(window_id)
            yield window_id, score


def captions_said(session: Session, window_ids: Sequence[int]) -> list[tuple[int, int]]:
    """(caption, window) for all that is said of windows."""
    return full_text(session).captions_said(window_ids)
