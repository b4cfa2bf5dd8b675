"""Every moment in which a query is heard: windows that reach the least score, and where in them.

A window is scored by the better of two: as a whole, and at the best two seconds of it, since a
short sound is lost in ten seconds of others. No audio is opened: stored frames are cut up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from audiosearch._typing import Bools, Doubles, Floats, HalfOrFloats, Ids
from audiosearch.model.scoring import CaptionScorer
from audiosearch.search.candidates import holds, likely_windows, telling
from audiosearch.search.localise import (
    JOINED_S,
    SLICE_S,
    STEP_S,
    Slices,
    Stretch,
    active_frames,
    stretches,
)
from audiosearch.search.query import ParsedQuery
from audiosearch.search.rerank import BLOCK
from audiosearch.search.snapshot import LibrarySnapshot
from audiosearch.store.names import normal_form
from audiosearch.store.queries import fulltext
from audiosearch.store.queries.frames import window_frames
from audiosearch.store.queries.fulltext import STOP_WORDS
from audiosearch.store.queries.scope import among
from audiosearch.store.queries.search import (
    GivenSpan,
    WindowSpan,
    given_spans,
    window_places,
)
from audiosearch.store.vector_cache import VectorKind
from audiosearch.store.vectors import unit_rows

LISTENED = 20_000  # windows that are listened to, likeliest first: 28 hours at half a window's hop
PART_S, PART_STEP_S = 2.0, 1.0  # parts of a window that are scored by themselves
RISE = 1.5  # nats that the best part of a window lies above the whole, seldom more
_NEXT_TO_NOTHING = 1e-3
EDGE_S = 0.5  # a stretch that comes so near to the end of its window may go on beyond
# Words that say nothing of where a sound is.
_PLACELESS = frozenset(("someone", "somebody", "something", "person", "people", "sound", "noise"))


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A stretch of a recording in which a query is heard.

    Attributes:
        window_id: the window in which it is heard best.
        score: 0 to 1; 1 where a person captioned it so.
        cross_entropy, lift: nats a word, of the part that fits best; None where nothing was heard.
        written: it is the whole recording, since texts of it hold the words.
    """

    recording_id: int
    window_id: int
    start_s: float
    end_s: float
    score: float
    cross_entropy: float | None = None
    lift: float | None = None
    written: bool = False


@dataclass(frozen=True)
class HeardMoments:
    """Moments by recording and time, and how many windows there were and were not listened to."""

    moments: list[Moment]
    n_candidates: int
    n_unheard: int


class MomentListener:
    """Finds where a query is heard."""

    def __init__(self, scorer: CaptionScorer) -> None:
        self.scorer = scorer

    def find(
        self, snapshot: LibrarySnapshot, parsed: ParsedQuery, *, least: float, every: bool
    ) -> HeardMoments:
        """All moments that score `least`; with `every`, however many windows must be heard."""
        if not parsed.has_meaning:
            return HeardMoments([], 0, 0)
        chosen, cosines = self._promising(snapshot, parsed, least=least)
        n_unheard = 0
        if not every and len(chosen) > LISTENED:
            n_unheard = len(chosen) - LISTENED
            if cosines is not None:
                best = np.sort(np.argsort(-cosines, kind="stable")[:LISTENED])
            else:
                likely = likely_windows(snapshot, parsed, limit=LISTENED)
                best = np.flatnonzero(np.isin(chosen, likely))
            chosen = chosen[best]
            cosines = None if cosines is None else cosines[best]
        spans = window_places(snapshot.session, chosen.tolist())
        found = [
            moment
            for start in range(0, len(chosen), BLOCK)
            for moment in self._of_block(
                snapshot,
                parsed,
                [spans[each] for each in chosen[start : start + BLOCK].tolist()],
                None if cosines is None else cosines[start : start + BLOCK],
                least=least,
            )
        ]
        return HeardMoments(merged(found, spans), len(chosen), n_unheard)

    def scores(
        self, snapshot: LibrarySnapshot, parsed: ParsedQuery, window_ids: Sequence[int]
    ) -> Doubles:
        """How well a query fits windows (n,), as a whole or at their best two seconds, 0 to 1.

        Parts are listened to only where they may tell: elsewhere the score is next to nothing.
        """
        cosines = None
        if parsed.vector is not None:
            table = snapshot.vectors(VectorKind.JOINT)
            order = np.searchsorted(table.ids, np.asarray(window_ids, np.int64))
            cosines = table.take(order) @ unit_rows(parsed.vector[None])[0]
        if not parsed.has_known:
            return self._scores(snapshot, parsed, np.zeros(len(window_ids), np.float32), cosines)
        spans = window_places(snapshot.session, window_ids)
        found = [np.zeros(0)]
        for start in range(0, len(window_ids), BLOCK):
            ids = window_ids[start : start + BLOCK]
            frames = window_frames(snapshot.session, ids, dim=snapshot.bundle.frame_dim)
            near_to = None if cosines is None else cosines[start : start + BLOCK]
            lifts = self._lifts(parsed, frames)
            rising = self._scores(snapshot, parsed, lifts + RISE, near_to)
            for row in np.flatnonzero(rising >= _NEXT_TO_NOTHING).tolist():
                part = self._best_part(parsed, frames[row], spans[ids[row]])
                lifts[row] = max(lifts[row], part)
            found.append(self._scores(snapshot, parsed, lifts, near_to))
        return np.concatenate(found)

    def _promising(
        self, snapshot: LibrarySnapshot, parsed: ParsedQuery, *, least: float
    ) -> tuple[Ids, Floats | None]:
        """Windows (n,) that may reach `least`, and their cosines (n,) in the joint space.

        A bound, not a guess: words that fit perfectly have a cross-entropy of 0, and so the lift is
        at most what they weigh without sound.
        """
        window_ids = snapshot.every_window()
        if parsed.vector is None:
            return window_ids, None
        table = snapshot.vectors(VectorKind.JOINT)
        rows = table.rows_of(window_ids)
        cosines: Floats = table.take(rows) @ unit_rows(parsed.vector[None])[0]
        greatest = np.zeros(len(rows), np.float32)
        if parsed.has_known:
            greatest += self.scorer.without_sound([parsed.tokens])[0]
        may = self._scores(snapshot, parsed, greatest, cosines) >= least
        return table.ids[rows][may], cosines[may]

    def _scores(
        self, snapshot: LibrarySnapshot, parsed: ParsedQuery, lifts: Floats, cosines: Floats | None
    ) -> Doubles:
        weight = self.scorer.lift_weight(parsed.tokens)
        return snapshot.bundle.score(lift=lifts, cosine=cosines, lift_weight=weight)

    def _of_block(
        self,
        snapshot: LibrarySnapshot,
        parsed: ParsedQuery,
        spans: Sequence[WindowSpan],
        cosines: Floats | None,
        *,
        least: float,
    ) -> Iterator[Moment]:
        """The moments of a few windows, not joined yet."""
        ids = [span.window_id for span in spans]
        lifts = np.zeros(len(ids), np.float32)
        if not parsed.has_known:
            scores = self._scores(snapshot, parsed, lifts, cosines)
            for span, score in zip(spans, scores.tolist(), strict=True):
                if score >= least:
                    yield _moment(span, Stretch(span.start_s, span.end_s), score)
            return
        frames = window_frames(snapshot.session, ids, dim=snapshot.bundle.frame_dim)
        lifts = self._lifts(parsed, frames)
        near = np.flatnonzero(self._scores(snapshot, parsed, lifts + RISE, cosines) >= least)
        for row in near.tolist():
            part = self._best_part(parsed, frames[row], spans[row])
            lifts[row] = max(lifts[row], part)
        scores = self._scores(snapshot, parsed, lifts, cosines)
        [alone] = self.scorer.without_sound([parsed.tokens])
        for row in np.flatnonzero(scores >= least).tolist():
            for stretch in self._where(parsed, frames[row], spans[row]):
                moment = _moment(spans[row], stretch, float(scores[row]))
                lift = float(lifts[row])
                yield replace(moment, lift=lift, cross_entropy=float(alone) - lift)

    def _lifts(self, parsed: ParsedQuery, frames: Sequence[HalfOrFloats]) -> Floats:
        """The lift of the query for sounds given by their frames, (n,)."""
        memory = self.scorer.listen(frames)
        [alone] = self.scorer.without_sound([parsed.tokens])
        lifts: Floats = alone - self.scorer.cross_entropy([parsed.tokens] * len(frames), memory)
        return lifts

    def _best_part(self, parsed: ParsedQuery, frames: HalfOrFloats, span: WindowSpan) -> float:
        """The greatest lift of the parts of a window, which overlap by half."""
        parts = _slices(frames, span, slice_s=PART_S, step_s=PART_STEP_S)
        return float(self._lifts(parsed, parts.cut(frames)).max())

    def _where(self, parsed: ParsedQuery, frames: HalfOrFloats, span: WindowSpan) -> list[Stretch]:
        """The stretches of a window in which the words are heard."""
        slices = _slices(frames, span, slice_s=SLICE_S, step_s=STEP_S)
        if slices.width == slices.n_frames:  # it is as short as a slice
            return [Stretch(span.start_s, span.end_s)]
        cut = slices.cut(frames)
        memory = self.scorer.listen(cut)
        tokens = [parsed.tokens] * len(cut)
        heard = np.stack(self.scorer.word_log_probs(tokens, memory))
        null = self.scorer.silence()
        [alone] = self.scorer.word_log_probs([parsed.tokens], null, sounds=[0])
        active = active_frames(heard - alone, slices=slices, telling=_telling_words(parsed))
        return stretches(active, start_s=span.start_s, end_s=span.end_s)


def _slices(frames: HalfOrFloats, span: WindowSpan, *, slice_s: float, step_s: float) -> Slices:
    lasts_s = span.end_s - span.start_s
    return Slices.of(len(frames), lasts_s=lasts_s, slice_s=slice_s, step_s=step_s)


def _telling_words(parsed: ParsedQuery) -> Bools:
    """Which words of a query (n_words,) may tell where a sound is."""
    words = parsed.text.split()[: len(parsed.tokens)]
    if len(words) != len(parsed.tokens):  # the decoder cuts words into pieces
        return np.ones(len(parsed.tokens), np.bool_)
    return np.array(
        [normal_form(word) not in STOP_WORDS and word not in _PLACELESS for word in words], np.bool_
    )


def _moment(span: WindowSpan, stretch: Stretch, score: float) -> Moment:
    return Moment(
        recording_id=span.recording_id,
        window_id=span.window_id,
        start_s=stretch.start_s,
        end_s=min(stretch.end_s, span.duration_s),
        score=score,
    )


def merged(found: Iterable[Moment], spans: Mapping[int, WindowSpan]) -> list[Moment]:
    """Moments of overlapping windows put together, by recording and time.

    The same sound in two windows counts once, as the window places it that hears it better, unless
    it reaches an end of a window and so may go on. Then those that are near become one.
    """
    kept: dict[int, list[Moment]] = {}
    for moment in sorted(found, key=lambda each: (-each.score, each.window_id, each.start_s)):
        others = kept.setdefault(moment.recording_id, [])
        rivals = [x for x in others if x.start_s < moment.end_s and moment.start_s < x.end_s]
        if any(not _is_cut(x, moment, spans) and not _is_cut(moment, x, spans) for x in rivals):
            continue
        others.append(moment)
    return [moment for recording_id in sorted(kept) for moment in join_moments(kept[recording_id])]


def _is_cut(moment: Moment, other: Moment, spans: Mapping[int, WindowSpan]) -> bool:
    """Whether `moment` ends where its window does, and `other` goes on there."""
    span = spans[moment.window_id]
    return (moment.start_s - span.start_s < EDGE_S and other.start_s < moment.start_s) or (
        span.end_s - moment.end_s < EDGE_S and other.end_s > moment.end_s
    )


def join_moments(moments: Sequence[Moment]) -> list[Moment]:
    """Moments of one recording by time, those at most `JOINED_S` apart as one, with the best's."""
    made: list[Moment] = []
    for each in sorted(moments, key=lambda moment: (moment.start_s, moment.end_s)):
        if not made or each.start_s - made[-1].end_s > JOINED_S:
            made.append(each)
            continue
        last = made[-1]
        best = last if last.score >= each.score else each
        made[-1] = replace(
            best, start_s=last.start_s, end_s=max(last.end_s, each.end_s), written=False
        )
    return made


def captioned_moments(snapshot: LibrarySnapshot, query: str) -> list[Moment]:
    """The stretches that people captioned with the words of a query, with the full score."""
    captions = [
        caption_id
        for caption_id, text in fulltext.given_captions(snapshot.session, telling(query))
        if holds(text, query)
    ]
    found: dict[GivenSpan, int] = {}
    for given, window_id in given_spans(snapshot.session, captions, bundle_id=snapshot.bundle_id):
        if snapshot.allowed is None or among([window_id], snapshot.allowed):
            found.setdefault(given, window_id)
    return [
        Moment(
            recording_id=given.recording_id,
            window_id=window_id,
            start_s=given.start_s,
            end_s=min(given.end_s, given.duration_s),
            score=1.0,
        )
        for given, window_id in found.items()
    ]
