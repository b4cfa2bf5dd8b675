"""Moments as an answer: those heard, those that people captioned, and files that say the words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from audiosearch.search.candidates import text_ranking
from audiosearch.search.hits import with_matches
from audiosearch.search.moments import HeardMoments, Moment, captioned_moments, join_moments
from audiosearch.search.query import ParsedQuery
from audiosearch.search.recorded import recording_clocks, with_clock
from audiosearch.search.results import Hit, MomentOptions
from audiosearch.search.snapshot import LibrarySnapshot
from audiosearch.search.written import TextMatches, match_texts
from audiosearch.store.queries.scope import files_by_recording
from audiosearch.store.queries.search import WindowSpan, window_captions, window_places

_WRITTEN = 10_000  # windows whose texts hold words of the query, at most


@dataclass(frozen=True)
class FoundMoments:
    """Moments to be shown, and what was written of their recordings."""

    moments: list[Moment]
    matches: TextMatches


def with_written(
    snapshot: LibrarySnapshot, parsed: ParsedQuery, heard: HeardMoments, *, least: float
) -> FoundMoments:
    """What is heard with what is written, the latter without anybody's claim to a place.

    A word that the model does not know can only be written: moments of recordings that lack one
    which others have are held back, as in `find`. A recording of which the words are written, but
    in which they are heard nowhere, is one moment from its beginning to its end.
    """
    given = captioned_moments(snapshot, parsed.typed)
    window_ids = text_ranking(snapshot, parsed, limit=_WRITTEN, every=False)
    spans = window_places(snapshot.session, window_ids)
    of_heard = window_places(snapshot.session, [each.window_id for each in heard.moments])
    places = list((spans | of_heard).values())
    matches = match_texts(snapshot.session, parsed, places, snapshot.scope)
    row_of = {place.window_id: row for row, place in enumerate(places)}
    known = np.array(parsed.is_known, np.bool_) & parsed.has_meaning
    moments = heard.moments
    if moments and not known.all():
        rows = [row_of[each.window_id] for each in moments]
        scores = snapshot.bundle.score.with_texts(
            np.array([each.score for each in moments]),
            matched=matches.matched[rows] & ~known,
            is_known=known,
        )
        moments = [
            replace(each, score=score)
            for each, score in zip(moments, scores.tolist(), strict=True)
            if score >= least
        ]
    certain = {each.recording_id for each in (*moments, *given)}
    written = _written(snapshot, places, matches, known=known, least=least)
    by_recording: dict[int, list[Moment]] = {}
    for each in (*given, *moments, *(x for x in written if x.recording_id not in certain)):
        by_recording.setdefault(each.recording_id, []).append(each)
    joined = [moment for each in by_recording.values() for moment in join_moments(each)]
    return FoundMoments(joined, matches)


def _written(
    snapshot: LibrarySnapshot,
    places: Sequence[WindowSpan],
    matches: TextMatches,
    *,
    known: np.ndarray,
    least: float,
) -> list[Moment]:
    """Recordings of which enough is written to be shown, each as one moment."""
    if not places:
        return []
    scores = snapshot.bundle.score.with_texts(
        np.zeros(len(places)), matched=matches.matched, is_known=known
    )
    best: dict[int, Moment] = {}
    for row in np.lexsort((np.arange(len(places)), -scores)).tolist():
        place = places[row]
        if scores[row] < least or not matches.matched[row].any():
            continue
        moment = Moment(
            recording_id=place.recording_id,
            window_id=place.window_id,
            start_s=0.0,
            end_s=place.duration_s,
            score=float(scores[row]),
            written=True,
        )
        best.setdefault(place.recording_id, moment)
    return list(best.values())


def per_file(moments: Sequence[Moment], most: int | None) -> list[Moment]:
    """Moments best first, of each recording no more than `most`; equals by recording and time."""
    order = sorted(moments, key=lambda x: (-x.score, x.recording_id, x.start_s))
    taken: Counter[int] = Counter()
    kept = []
    for each in order:
        taken[each.recording_id] += 1
        if most is None or taken[each.recording_id] <= most:
            kept.append(each)
    return kept


def show_moments(
    snapshot: LibrarySnapshot,
    parsed: ParsedQuery | None,
    found: Sequence[Moment],
    matches: TextMatches | None,
    *,
    options: MomentOptions,
    limit: int | None,
) -> tuple[Hit, ...]:
    """Hits of moments, best first, or by time; the clock of each where its file tells one.

    Of moments by time, those are shown that are best: the limit comes before the order.
    """
    chosen = found[:limit]
    session = snapshot.session
    recordings = sorted({each.recording_id for each in chosen})
    by_recording = files_by_recording(session, recordings, snapshot.scope)
    named = {} if matches is None else matches.files
    files = {each: named.get(each, own[0]) for each, own in by_recording.items()}
    paths = {each: file.path for each, file in files.items()}
    if options.by_time:
        chosen = _by_time(snapshot, chosen, paths)
    window_ids = sorted({each.window_id for each in chosen})
    spans = window_places(session, window_ids)
    captions = window_captions(session, window_ids)
    hits = tuple(
        Hit(
            rank=rank,
            path=paths[each.recording_id],
            start_s=each.start_s,
            end_s=each.end_s,
            duration_s=spans[each.window_id].duration_s,
            recording_id=each.recording_id,
            window_id=each.window_id,
            score=each.score,
            cross_entropy=each.cross_entropy,
            lift=each.lift,
            caption=captions.get(each.window_id),
            also=tuple(
                file.path
                for file in by_recording[each.recording_id]
                if file.file_id != files[each.recording_id].file_id
            ),
            modified_s=files[each.recording_id].mtime_ns / 1e9,
            loudness_lufs=files[each.recording_id].loudness_lufs,
        )
        for rank, each in enumerate(chosen, start=1)
    )
    if parsed is not None and matches is not None:
        hits = with_matches(session, hits, parsed, matches)
    return with_clock(session, hits)


def _by_time(
    snapshot: LibrarySnapshot, moments: Sequence[Moment], paths: Mapping[int, bytes]
) -> list[Moment]:
    """By the clock where it is known, then by path and time; times without an offset as they are.

    A recorder's clock without an offset and one with are compared as they show.
    """
    clocks = recording_clocks(snapshot.session, list(paths), shown=paths)

    def place(moment: Moment) -> tuple[bool, float, bytes, float]:
        began = clocks.get(moment.recording_id)
        shown_s = 0.0
        if began is not None:
            plain = began.replace(tzinfo=None)
            shown_s = (plain - plain.min).total_seconds() + moment.start_s
        return began is None, shown_s, paths[moment.recording_id], moment.start_s

    return sorted(moments, key=place)
