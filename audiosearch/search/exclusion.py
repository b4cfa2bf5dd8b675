"""What must not be heard: how well it fits each stretch all the same, and what that costs a hit.

The same model judges as for what is wanted, by the whole window and by its best two seconds. A
short recording is judged as a whole, of a long one the stretch that is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from audiosearch._typing import Doubles
from audiosearch.search.moments import Moment, MomentListener, join_moments
from audiosearch.search.query import ExcludedText, ParsedQuery
from audiosearch.search.rerank import ScoredWindow
from audiosearch.search.results import ExcludedFit
from audiosearch.search.snapshot import LibrarySnapshot
from audiosearch.search.written import match_texts
from audiosearch.store.queries.search import WindowSpan, recording_windows, window_places
from audiosearch.store.vector_cache import VectorKind
from audiosearch.store.vectors import unit_rows

WHOLE_S = 30.0  # recordings of at most this length are judged as a whole
# What is excluded does two things (docs/searching.md, "Without"; `benchmarks.composed_pairs`). It
# takes a hit away where it is heard well enough: with these odds, a half. A trace, which every
# sound has of everything, takes none away.
HALF = 0.3
# And it puts hits in order, the least of it first, among those that are left: with these odds, half
# way down to the least score.
HALF_IN_ORDER = 0.01
# The score from which it counts as heard where nothing else is asked for: a twentieth of what has
# none of it reaches this (`benchmarks.composed_pairs`).
HEARD = 0.1
_MOST = 5_000  # windows that are looked at where nothing but the excluded is named


@dataclass(frozen=True)
class Penalties:
    """What excluded texts cost windows, by window id.

    Attributes:
        kept: what of the score is left, 0 to 1, by which a window stays or goes.
        in_order: the same by which those that stay are put in order.
        floors: the least scores of good and of weak matches, greatest first; what stays above one
            is put in order above it.
        fits: how well each text fits.
    """

    kept: dict[int, float]
    in_order: dict[int, float]
    floors: tuple[float, ...]
    fits: dict[int, tuple[ExcludedFit, ...]]

    def lowered(self, window_id: int, score: float) -> float:
        """A window's score with what is excluded taken into account."""
        kept, in_order = score * self.kept[window_id], self.in_order[window_id]
        floor = next((each for each in self.floors if kept >= each), 0.0)
        return min(score, floor + max(score - floor, 0.0) * in_order)


class ExclusionJudge:
    """Hears whether what is excluded is there."""

    def __init__(self, listener: MomentListener) -> None:
        self._listener = listener

    def judge(
        self,
        snapshot: LibrarySnapshot,
        excluded: Sequence[ExcludedText],
        window_ids: Sequence[int],
        *,
        floors: tuple[float, ...] = (),
    ) -> Penalties:
        """What excluded texts cost windows; `floors` as in `Penalties`."""
        spans = window_places(snapshot.session, window_ids)
        short = {x.recording_id for x in spans.values() if x.duration_s <= WHOLE_S}
        whole = recording_windows(snapshot.session, sorted(short), bundle_id=snapshot.bundle_id)
        every = list(({each.window_id: each for each in whole} | spans).values())
        scores = np.stack([self._scores(snapshot, each.parsed, every) for each in excluded])
        row_of = {each.window_id: row for row, each in enumerate(every)}
        rows_of: dict[int, list[int]] = {}
        for each in whole:
            rows_of.setdefault(each.recording_id, []).append(row_of[each.window_id])
        kept, in_order, fits = {}, {}, {}
        for window_id, span in spans.items():
            rows = rows_of.get(span.recording_id, [row_of[window_id]])
            greatest = scores[:, rows].max(axis=1)
            kept[window_id] = share_left(greatest)
            in_order[window_id] = share_left(greatest, HALF_IN_ORDER)
            fits[window_id] = tuple(
                ExcludedFit(text=each.text, score=score)
                for each, score in zip(excluded, greatest.tolist(), strict=True)
            )
        return Penalties(kept, in_order, floors, fits)

    def others(
        self, snapshot: LibrarySnapshot, excluded: Sequence[ExcludedText]
    ) -> tuple[list[ScoredWindow], Penalties, dict[int, WindowSpan]]:
        """Windows where nothing of `excluded` is heard, the least of it first.

        In a large library those that are least like it in the joint space.
        """
        window_ids = snapshot.every_window()
        if len(window_ids) > _MOST:
            vectors = [x.parsed.vector for x in excluded if x.parsed.vector is not None]
            if vectors:
                table = snapshot.vectors(VectorKind.JOINT)
                rows = table.rows_of(window_ids)
                cosines = table.take(rows) @ unit_rows(np.stack(vectors)).T
                likest = cosines.max(axis=1)
                window_ids = table.ids[rows][np.sort(np.argsort(likest, kind="stable")[:_MOST])]
            else:
                window_ids = window_ids[:_MOST]
        penalties = self.judge(snapshot, excluded, window_ids.tolist())
        spans = window_places(snapshot.session, window_ids.tolist())
        ranked = sorted(penalties.kept.items(), key=lambda each: (-each[1], each[0]))
        found = [ScoredWindow(window_id=window_id, score=left) for window_id, left in ranked]
        return found, penalties, spans

    def _scores(
        self, snapshot: LibrarySnapshot, parsed: ParsedQuery, spans: Sequence[WindowSpan]
    ) -> Doubles:
        """How well a text fits windows (n,), 0 to 1."""
        if parsed.has_meaning:
            return self._listener.scores(snapshot, parsed, [each.window_id for each in spans])
        # A word that the model never learned can only be written.
        matched = match_texts(snapshot.session, parsed, spans, snapshot.scope).matched
        every: Doubles = np.logical_and.reduce(matched, axis=1).astype(np.float64)
        return snapshot.bundle.score.text_match * every


def share_left(scores: Doubles, half: float = HALF) -> float:
    """What is left of a score where excluded texts have `scores` (n,): 1 of all, 0 of nothing."""
    with np.errstate(divide="ignore"):
        odds = scores / (1.0 - scores)
    return float(np.prod(1.0 / (1.0 + (odds / half) ** 2)))


def penalised(found: Sequence[ScoredWindow], penalties: Penalties) -> list[ScoredWindow]:
    """Windows best first, with what is left of their scores."""
    lowered = [
        each
        if each.score is None
        else replace(each, score=penalties.lowered(each.window_id, each.score))
        for each in found
    ]
    return sorted(lowered, key=lambda each: -(each.score or 0.0))


def penalised_moments(moments: Sequence[Moment], penalties: Penalties) -> list[Moment]:
    """Moments with what is left of their scores, in their order."""
    return [replace(each, score=penalties.lowered(each.window_id, each.score)) for each in moments]


def moments_of_others(
    found: Sequence[ScoredWindow], spans: Mapping[int, WindowSpan], *, least: float
) -> list[Moment]:
    """Stretches of windows in which nothing excluded is heard, neighbours joined."""
    by_recording: dict[int, list[Moment]] = {}
    for each in found:
        score = each.score or 0.0
        if score < least:
            continue
        span = spans[each.window_id]
        by_recording.setdefault(span.recording_id, []).append(
            Moment(
                recording_id=span.recording_id,
                window_id=each.window_id,
                start_s=span.start_s,
                end_s=min(span.end_s, span.duration_s),
                score=score,
            )
        )
    return [moment for each in by_recording.values() for moment in join_moments(each)]
