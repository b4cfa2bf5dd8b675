"""Sounds by sound: the recordings whose windows are most like the windows of a clip.

Exact: every window that may answer is compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audiosearch._timing import Stopwatch
from audiosearch._typing import Floats, Ids
from audiosearch.errors import QueryError
from audiosearch.search.hits import best_window_per_recording, show
from audiosearch.search.order import in_order
from audiosearch.search.rerank import ScoredWindow
from audiosearch.search.results import FindResult, RecordingPart, SoundQuery
from audiosearch.search.scope import unknown_tags
from audiosearch.search.snapshot import LibrarySnapshot
from audiosearch.store.queries.search import (
    WindowSpan,
    recording_windows,
    window_places,
    window_recordings,
)
from audiosearch.store.vector_cache import VectorKind
from audiosearch.store.vectors import VectorTable, top_positions

_QUERIES = 16  # windows of the clip compared together: bounds memory over large libraries
_COUNTED = 10_000  # windows whose recordings are counted, to say how many more there are
_FIRST = 256  # windows looked at for their recordings at first; more if these are too few


def find_similar(
    snapshot: LibrarySnapshot, query: SoundQuery, *, limit: int, watch: Stopwatch
) -> FindResult:
    """The `limit` recordings that sound most like `query`, best first.

    Raises:
        QueryError: there is no sound to compare.
    """
    with watch.stage("likeness"):
        ranked = rank_by_sound(snapshot, query, limit=limit)
        best, spans, least = ranked.best, ranked.spans, query.min_similarity
        good = [x for x in best if least is None or (x.similarity or 0.0) >= least]
    with watch.stage("hits"):
        hits = show(
            snapshot.session, good, spans, scope=snapshot.scope, limit=limit, fold_above=None
        )
    return FindResult(
        hits=in_order(hits, query.sort, reverse=query.reverse),
        exhaustive=True,
        n_windows=snapshot.n_windows,
        n_candidates=len(snapshot.every_window()),
        n_more=max(0, ranked.n_alike - len(hits)),
        n_more_is_least=ranked.is_least,
        n_below_min_score=len(best) - len(good),
        n_unknown=snapshot.n_unknown,
        unknown_tags=() if hits else unknown_tags(snapshot.session, query.filters),
        only_itself=bool(query.left_out) and not best,
        timings=watch.seconds,
    )


@dataclass(frozen=True)
class RankedBySound:
    """The best window of each of the most similar recordings, and where these are.

    Attributes:
        n_alike: recordings that reach the least similarity, shown or not.
        is_least: there may be more.
    """

    best: list[ScoredWindow]
    spans: dict[int, WindowSpan]
    n_alike: int
    is_least: bool


def rank_by_sound(snapshot: LibrarySnapshot, query: SoundQuery, *, limit: int) -> RankedBySound:
    """The `limit` recordings that are most similar.

    Raises:
        QueryError: there is no sound in a clip.
    """
    examples = (query.embeddings, *query.others)
    if any(len(each) == 0 for each in examples):
        raise QueryError("there is nothing to hear in this sound", remedy="choose another part")
    ids, likeness = likeness_to_examples(snapshot, examples, kind=VectorKind.EMBEDDING)
    others = ~np.isin(ids, _windows_in(snapshot, query.left_out))
    ids, likeness = ids[others], likeness[others]
    n_seen = min(len(ids), max(_FIRST, limit))
    while True:
        order = top_positions(likeness, n_seen)
        places = window_places(snapshot.session, ids[order].tolist())
        found = [
            ScoredWindow(window_id=int(ids[row]), similarity=float(likeness[row]))
            for row in order.tolist()
        ]
        best = best_window_per_recording(found, places)
        if len(best) >= limit or n_seen == len(ids):
            break
        n_seen = min(len(ids), n_seen * 4)

    # What is known of these already is not asked for again; the rest only as far as it is cheap.
    least = -1.0 if query.min_similarity is None else query.min_similarity
    n_alike_windows = int(np.count_nonzero(likeness >= least))
    counted = top_positions(likeness, min(n_alike_windows, _COUNTED))
    more = window_recordings(snapshot.session, ids[counted[n_seen:]].tolist())
    alike = {places[int(window_id)].recording_id for window_id in ids[counted[:n_seen]]}
    return RankedBySound(
        best=best[:limit],
        spans=places,
        n_alike=len(alike | more),
        is_least=n_alike_windows > _COUNTED,
    )


def likeness_to_examples(
    snapshot: LibrarySnapshot, examples: Sequence[Floats], *, kind: VectorKind
) -> tuple[Ids, Floats]:
    """Windows that may answer (n,), and how like they are to sounds (n,): the mean over these.

    Args:
        snapshot: what may answer.
        examples: (m, D) of each sound's windows.
        kind: which vectors these are.
    """
    found = [_likeness(snapshot, each, kind=kind) for each in examples]
    if len(found) == 1:
        return found[0]
    return found[0][0], np.mean([likeness for _, likeness in found], axis=0, dtype=np.float32)


def _windows_in(snapshot: LibrarySnapshot, parts: Sequence[RecordingPart]) -> list[int]:
    """The windows that meet parts of recordings."""
    recordings = sorted({part.recording_id for part in parts})
    spans = recording_windows(snapshot.session, recordings, bundle_id=snapshot.bundle_id)
    return [
        span.window_id
        for span in spans
        if any(
            part.recording_id == span.recording_id
            and span.end_s > part.start_s
            and (part.end_s is None or span.start_s < part.end_s)
            for part in parts
        )
    ]


def _likeness(
    snapshot: LibrarySnapshot, embeddings: Floats, *, kind: VectorKind
) -> tuple[Ids, Floats]:
    """Windows that may answer, and the cosine of each to the clip's window it is most like."""
    table = snapshot.vectors(kind)
    if snapshot.allowed is not None:
        rows = table.rows_of(snapshot.allowed)
        table = VectorTable(ids=table.ids[rows], matrix=table.matrix[rows])
    # Rounded as the store rounds: a sound is then exactly as long and as placed as its own row.
    rounded = embeddings.astype(np.float16).astype(np.float32)
    likeness = np.full(len(table), -1.0, dtype=np.float32)
    for start in range(0, len(rounded) if len(table) else 0, _QUERIES):
        cosines = table.similarities(rounded[start : start + _QUERIES])
        np.maximum(likeness, cosines.max(axis=0), out=likeness)
    return table.ids, np.minimum(likeness, np.float32(1.0))
