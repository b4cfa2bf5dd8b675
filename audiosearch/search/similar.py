"""Sounds by sound: the recordings whose windows are most like the windows of a clip.

Exact: every window that may answer is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audiosearch._timing import Stopwatch
from audiosearch._typing import Floats, Ids
from audiosearch.errors import QueryError
from audiosearch.search.hits import best_window_per_recording, show
from audiosearch.search.order import in_order
from audiosearch.search.rerank import ScoredWindow
from audiosearch.search.results import FindResult, RecordingPart, SoundQuery
from audiosearch.search.snapshot import LibrarySnapshot
from audiosearch.store.coarse import may_be_best
from audiosearch.store.queries.search import (
    WindowSpan,
    recording_windows,
    window_places,
    window_recordings,
)
from audiosearch.store.vector_cache import VectorKind
from audiosearch.store.vectors import top_positions, unit_rows

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

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
    heard = _Likeness(snapshot, examples, kind=VectorKind.EMBEDDING)
    heard.leave_out(_windows_in(snapshot, query.left_out))
    ids = heard.ids
    n_seen = min(len(ids), max(_FIRST, limit))
    while True:
        likeness = heard.with_best(n_seen)
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
    least = -np.inf if query.min_similarity is None else query.min_similarity
    likeness = heard.with_border(least)
    n_alike_windows = int(np.count_nonzero(likeness >= least))
    counted = top_positions(likeness, min(n_alike_windows, _COUNTED))
    more = heard.recordings(snapshot.session, counted[n_seen:])
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
    heard = _Likeness(snapshot, examples, kind=kind, exact=True)
    return heard.ids, heard.values


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


class _Likeness:
    """How like windows are to some sounds: the mean over these, of the clip's window most like it.

    Of a large library that is known roughly at first, and exactly where it matters.

    Attributes:
        ids: (n,) of the windows, ascending.
        values: (n,) up to 1, each off by no more than its margin.
    """

    def __init__(
        self,
        snapshot: LibrarySnapshot,
        examples: Sequence[Floats],
        *,
        kind: VectorKind,
        exact: bool = False,
    ) -> None:
        self._table = snapshot.vectors(kind)
        # Rounded as the store rounds: a sound is then exactly as long and as placed as its own row.
        self._examples = [
            unit_rows(each.astype(np.float16).astype(np.float32)) for each in examples
        ]
        self._rows: Ids | None = None  # of the table; None: all
        if snapshot.allowed is not None:
            self._rows = self._table.rows_of(snapshot.allowed)
        self.ids = self._table.ids if self._rows is None else self._table.ids[self._rows]
        n, of = len(self.ids), len(self._table)
        self._margins = np.zeros(n, np.float32)
        if exact or n * 4 < of or self._table.coarse is None:
            self.values = self._exact(None)
        else:
            self.values, margins = self._mean(self._near)
            if self._rows is not None:
                self.values, margins = self.values[self._rows], margins[self._rows]
            self._margins = margins

    def leave_out(self, window_ids: Sequence[int]) -> None:
        """Forget some windows."""
        if not window_ids:
            return
        kept = np.flatnonzero(~np.isin(self.ids, window_ids))
        self._rows = kept if self._rows is None else self._rows[kept]
        self.ids, self.values, self._margins = (
            self.ids[kept],
            self.values[kept],
            self._margins[kept],
        )

    def recordings(self, session: Session, places: Ids) -> set[int]:
        """The recordings of windows at `places`."""
        rows = places if self._rows is None else self._rows[places]
        owners = self._table.owners
        if owners is None:
            return window_recordings(session, self._table.ids[rows].tolist())
        return set(owners[rows].tolist())

    def with_best(self, k: int) -> Floats:
        """The values, of which the `k` greatest are exact and greater than those that are not."""
        if self._margins.any():
            self._sharpen(may_be_best(self.values, self._margins, k))
        return self.values

    def with_border(self, least: float) -> Floats:
        """The values, each exact of which it is not known whether it reaches `least`."""
        if self._margins.any():
            self._sharpen(np.flatnonzero(np.abs(self.values - least) <= self._margins))
        return self.values

    def _sharpen(self, places: Ids) -> None:
        rough = places[self._margins[places] > 0]
        self.values[rough] = self._exact(rough)
        self._margins[rough] = 0

    def _exact(self, places: Ids | None) -> Floats:
        """The exact values of windows at `places`; of all without."""
        rows = self._rows
        if places is not None:
            rows = places if rows is None else rows[places]
        blocks = self._table.blocks(rows)

        def greatest(queries: Floats) -> tuple[Floats, Floats]:
            found = [(queries @ block.T).max(axis=0) for block in blocks]
            return np.concatenate(found), np.zeros(0, np.float32)

        found, _ = self._mean(greatest)
        return found

    def _near(self, queries: Floats) -> tuple[Floats, Floats]:
        found = self._table.near(queries)
        assert found is not None  # who asks has looked
        return found

    def _mean(self, cosines_of: Callable[[Floats], tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
        """The mean over the sounds, and the greatest margin of what it is made of."""
        total, margins = np.zeros(0, np.float32), np.zeros(0, np.float32)
        for number, example in enumerate(self._examples):
            best = np.zeros(0, np.float32)
            for start in range(0, len(example), _QUERIES):
                cosines, off = cosines_of(example[start : start + _QUERIES])
                most = np.minimum(cosines, np.float32(1.0))
                best = most if start == 0 else np.maximum(best, most)
                margins = off if not len(margins) else np.maximum(margins, off)
            total = best if number == 0 else total + best
        n = len(self._examples)
        return (total if n == 1 else total / np.float32(n)), margins
