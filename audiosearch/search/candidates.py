"""The first step of a query: few windows that may fit, found cheaply.

In go words and their vector, out come window ids for the decoder to judge. Four rankings are
fused by reciprocal rank: full text over captions, file names, metadata and tags, where all words
stand and where any does; and, for words that mean something to the model, likeness to the sound
in the joint space and to stored captions. It knows nothing of cross-entropy or scores.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from sqlalchemy.orm import Session

from audiosearch._typing import Floats, Ids
from audiosearch.search.query import ParsedQuery
from audiosearch.search.snapshot import LibrarySnapshot
from audiosearch.store.queries import fulltext
from audiosearch.store.queries.fulltext_windows import FEW, captions_said
from audiosearch.store.queries.scope import among
from audiosearch.store.queries.search import window_places, windows_given, windows_said
from audiosearch.store.vector_cache import VectorKind
from audiosearch.store.vectors import VectorTable

Ranking = Sequence[int]  # window ids, best first

# Cormack, Clarke and Buettcher 2009, "Reciprocal rank fusion outperforms Condorcet": 60 keeps the
# first places of one source from outweighing agreement between sources.
RRF_K = 60
_CAPTIONS = 16  # of which the windows are read together
OVERFETCH = 4  # times as many windows from each source as are wanted, to have some choice
# Of the candidates that one long recording may take while others wait.
MAX_SHARE_PER_RECORDING = 0.1


def joint_ranking(
    table: VectorTable, vector: Floats, *, limit: int, allowed: Ids | None
) -> Ranking:
    """Windows nearest to a text's vector (J,) in the joint space."""
    if not len(table) or not vector.any():
        return []
    ids, _ = table.top_k(vector, limit, allowed=allowed)
    return [int(each) for each in ids]


def text_ranking(view: LibrarySnapshot, words: ParsedQuery, *, limit: int, every: bool) -> Ranking:
    """Windows whose caption, file name, metadata or tags hold words of a query, or `every` one."""
    found = fulltext.search_windows(
        view.session,
        words.telling,
        bundle_id=view.bundle_id,
        limit=limit,
        allowed=view.allowed,
        every=every,
    )
    return [window_id for window_id, _ in found]


def caption_ranking(
    session: Session,
    captions: VectorTable,
    vector: Floats,
    *,
    bundle_id: int,
    limit: int,
    allowed: Ids | None,
) -> Ranking:
    """Windows of which captions are said that are near to a text's vector (J,)."""
    if not len(captions) or not vector.any():
        return []
    nearest = captions.top_k(vector, limit)[0].tolist()
    if allowed is not None and len(allowed) <= FEW:
        return _said_of_few(session, nearest, allowed, bundle_id=bundle_id)[:limit]
    ranking: dict[int, None] = {}
    for start in range(0, len(nearest), _CAPTIONS):  # the first few often have enough windows
        some = nearest[start : start + _CAPTIONS]
        said = windows_said(session, some, bundle_id=bundle_id)
        for caption_id in some:
            windows = said.get(caption_id, [])
            ranking |= dict.fromkeys(windows if allowed is None else among(windows, allowed))
            if len(ranking) >= limit:
                return list(ranking)[:limit]
    return list(ranking)


def _said_of_few(
    session: Session, nearest: Sequence[int], allowed: Ids, *, bundle_id: int
) -> Ranking:
    """Windows of `allowed` by the first of the `nearest` captions that is said of them."""
    places = {caption_id: place for place, caption_id in enumerate(nearest)}
    said = captions_said(session, allowed.tolist())
    given = windows_given(session, nearest, bundle_id=bundle_id)
    said += [pair for pair in given if len(among([pair[1]], allowed))]
    found = sorted((places[each], window_id) for each, window_id in said if each in places)
    return list(dict.fromkeys(window_id for _, window_id in found))


def fuse(rankings: Sequence[Ranking]) -> list[int]:
    """All windows of some rankings, by the sum of their reciprocal ranks; equals by id."""
    scores: dict[int, float] = defaultdict(float)
    for ranking in rankings:
        for place, window_id in enumerate(ranking, start=1):
            scores[window_id] += 1.0 / (RRF_K + place)
    return sorted(scores, key=lambda window_id: (-scores[window_id], window_id))


def diversify(fused: Sequence[int], *, limit: int, recording_of: Callable[[int], int]) -> list[int]:
    """The first `limit` windows, a long recording taking no more than its share.

    Windows beyond the share wait; they fill what room the others leave.
    """
    share = max(1, round(limit * MAX_SHARE_PER_RECORDING))
    taken: Counter[int] = Counter()
    chosen: list[int] = []
    waiting: list[int] = []
    for window_id in fused:
        recording = recording_of(window_id)
        taken[recording] += 1
        (chosen if taken[recording] <= share else waiting).append(window_id)
        if len(chosen) == limit:
            return chosen
    return chosen + waiting[: limit - len(chosen)]


def candidates(view: LibrarySnapshot, words: ParsedQuery, *, limit: int) -> Ids:
    """The `limit` windows (n,) that most likely fit the words of a query, likeliest first."""
    pool = limit * OVERFETCH
    rankings = [
        text_ranking(view, words, limit=pool, every=True),
        text_ranking(view, words, limit=pool, every=False),
    ]
    if words.vector is not None and words.has_meaning:
        table = view.vectors(VectorKind.JOINT)
        rankings.append(joint_ranking(table, words.vector, limit=pool, allowed=view.allowed))
        captions = view.vectors(VectorKind.CAPTION)
        rankings.append(
            caption_ranking(
                view.session,
                captions,
                words.vector,
                bundle_id=view.bundle_id,
                limit=pool,
                allowed=view.allowed,
            )
        )
    fused = fuse(rankings)
    if len(fused) > limit:
        places = window_places(view.session, fused)
        fused = diversify(fused, limit=limit, recording_of=lambda each: places[each].recording_id)
    return np.array(fused, dtype=np.int64)
