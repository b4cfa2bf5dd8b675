"""The first step of a query: the windows that the decoder shall judge, found without listening.

Filters are applied inside each source, so that they never leave a page of results empty.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audiosearch._typing import Floats, Ids
from audiosearch.search.query import ParsedQuery
from audiosearch.search.snapshot import LibrarySnapshot
from audiosearch.store.names import words_of
from audiosearch.store.queries import fulltext
from audiosearch.store.queries.fulltext_windows import FEW, captions_said
from audiosearch.store.queries.scope import among
from audiosearch.store.queries.search import (
    WindowSpan,
    window_places,
    windows_given,
    windows_said,
)
from audiosearch.store.vector_cache import VectorKind
from audiosearch.store.vectors import VectorTable

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

Ranking = Sequence[int]  # window ids, best first

# Cormack, Clarke and Buettcher 2009, "Reciprocal rank fusion outperforms Condorcet": 60 keeps the
# first places of one source from outweighing agreement between sources.
RRF_K = 60
_CAPTIONS = (4, 64)  # of which the windows are read together: at first, and at most
OVERFETCH = 4  # times as many windows from each source as are wanted, to have some choice
# Of the candidates that one long recording may take while others wait.
MAX_SHARE_PER_RECORDING = 0.1
# Articles and forms of "to be", which say nothing of a sound.
_PASSED_OVER = frozenset({"a", "an", "the", "is", "are", "was", "were", "be", "being", "there"})


def text_ranking(
    snapshot: LibrarySnapshot, parsed: ParsedQuery, *, limit: int, every: bool
) -> Ranking:
    """Windows whose caption, file name, metadata or tags hold words of a query, or `every` one."""
    found = fulltext.search_windows(
        snapshot.session,
        parsed.telling,
        bundle_id=snapshot.bundle_id,
        limit=limit,
        allowed=snapshot.allowed,
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
    n_read, n_next = 0, _CAPTIONS[0]  # the first few often have enough windows
    while some := nearest[n_read : n_read + n_next]:
        n_read += len(some)
        said = windows_said(session, some, bundle_id=bundle_id)
        for caption_id in some:
            windows = said.get(caption_id, [])
            ranking |= dict.fromkeys(windows if allowed is None else among(windows, allowed))
            if len(ranking) >= limit:
                return list(ranking)[:limit]
        n_missing = (limit - len(ranking)) * n_read // max(len(ranking), 1)  # if all have as many
        n_next = min(n_missing + 1, _CAPTIONS[1])
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


def likely_windows(snapshot: LibrarySnapshot, parsed: ParsedQuery, *, limit: int) -> Ids:
    """The `limit` windows (n,) that most likely fit the words of a query, likeliest first.

    Four rankings are fused by reciprocal rank: full text over captions, file names, metadata and
    tags, where all words stand and where any does; and, for words that mean something to the
    model, likeness to the sound in the joint space and to stored captions.
    """
    pool = limit * OVERFETCH
    rankings = [
        text_ranking(snapshot, parsed, limit=pool, every=True),
        text_ranking(snapshot, parsed, limit=pool, every=False),
    ]
    if parsed.vector is not None and parsed.has_meaning:
        rankings.append(snapshot.nearest(VectorKind.JOINT, parsed.vector, limit=pool))
        captions = snapshot.vectors(VectorKind.CAPTION)
        rankings.append(
            caption_ranking(
                snapshot.session,
                captions,
                parsed.vector,
                bundle_id=snapshot.bundle_id,
                limit=pool,
                allowed=snapshot.allowed,
            )
        )
    fused = fuse(rankings)
    if len(fused) > limit:
        recordings = snapshot.recordings_of(fused)
        fused = diversify(fused, limit=limit, recording_of=recordings.__getitem__)
    return np.array(fused, dtype=np.int64)


def exactly_captioned(snapshot: LibrarySnapshot, query: str) -> Ids:
    """Windows (n,) that may answer and overlap a stretch captioned with the query; ascending.

    What a person said of a sound is certain, however the model hears it. Other words in common
    count in full text, as for any caption.
    """
    captions = [
        caption_id
        for caption_id, text in fulltext.given_captions(snapshot.session, telling(query))
        if holds(text, query)
    ]
    given = windows_given(snapshot.session, captions, bundle_id=snapshot.bundle_id)
    found = np.array(sorted({window_id for _, window_id in given}), dtype=np.int64)
    if snapshot.allowed is None:
        return found
    return np.array(among(found.tolist(), snapshot.allowed), dtype=np.int64)


def holds(caption: str, query: str) -> bool:
    """Whether the telling words of `query` stand in `caption` in their order.

    So "a dog barks after a man speaks" is not found in "a man speaks after a dog barks".
    """
    wanted = telling(query)
    words = iter(words_of(caption))
    return bool(wanted) and all(word in words for word in wanted)  # `in` moves the iterator on


def telling(text: str) -> list[str]:
    """The words of a text that say something of a sound."""
    return [word for word in words_of(text) if word not in _PASSED_OVER]


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """The windows that the decoder shall judge.

    Attributes:
        window_ids: (n,) ascending, as the tables of vectors are.
        likeliest: some or all of them, likeliest first.
        captioned: those that a person captioned with the very words of the query; ascending.
        spans: where each of them is.
        exhaustive: whether these are all windows that may answer.
    """

    window_ids: Ids
    likeliest: Ids
    captioned: Ids
    spans: Mapping[int, WindowSpan]
    exhaustive: bool

    @property
    def in_order(self) -> list[WindowSpan]:
        """Where they are, in the order of `window_ids`."""
        return [self.spans[each] for each in self.window_ids.tolist()]


def find_candidates(
    snapshot: LibrarySnapshot,
    parsed: ParsedQuery,
    *,
    limit: int,
    exhaustive_below: int | None,
    alike: Ids | None = None,
) -> Candidates:
    """The candidates for a query.

    Args:
        snapshot: what may answer.
        parsed: the query.
        limit: most windows, those aside that a person captioned with the query.
        exhaustive_below: fewer windows than these are all candidates; None: so is any number.
            Where the query means nothing to the model, there is nothing to listen for.
        alike: windows that are like a sound which was given with the words; candidates too.
    """
    is_small = exhaustive_below is None or (
        parsed.has_meaning and snapshot.has_fewer(exhaustive_below)
    )
    if parsed.has_meaning and is_small:
        likeliest, exhaustive = snapshot.every_window(), True
    else:
        likeliest, exhaustive = likely_windows(snapshot, parsed, limit=limit), False
    captioned = exactly_captioned(snapshot, parsed.typed)
    # Not `np.union1d`, which loads masked arrays: 8 ms of each cold `find`.
    together = {*likeliest.tolist(), *captioned.tolist()}
    if alike is not None:
        together.update(alike.tolist())
    window_ids = np.array(sorted(together), np.int64)
    return Candidates(
        window_ids=window_ids,
        likeliest=likeliest,
        captioned=captioned,
        spans=window_places(snapshot.session, window_ids.tolist()),
        exhaustive=exhaustive,
    )
