"""From ranked windows to what is shown: one hit a recording, near-duplicates folded.

It decides no order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from audiosearch._typing import Floats
from audiosearch.search.query import ParsedQuery
from audiosearch.search.rerank import ScoredWindow
from audiosearch.search.results import FieldMatch, Hit
from audiosearch.search.written import TextMatches
from audiosearch.store.queries.scope import Scope, ScopedFile, files_by_recording
from audiosearch.store.queries.search import (
    WindowSpan,
    window_captions,
    window_embeddings,
)
from audiosearch.store.queries.word_matches import GivenStretch, given_caption, matched_fields
from audiosearch.store.vectors import unit_rows

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def best_window_per_recording(
    found: Iterable[ScoredWindow], places: Mapping[int, WindowSpan]
) -> list[ScoredWindow]:
    """The first window of each recording, in the order given."""
    best: dict[int, ScoredWindow] = {}
    for each in found:
        best.setdefault(places[each.window_id].recording_id, each)
    return list(best.values())


def deduplicate(embeddings: Floats, *, above: float, limit: int) -> dict[int, list[int]]:
    """The first `limit` rows (n, E) to show, in order, each with the later ones that are like it.

    A row that has a cosine greater than `above` to a shown one is not shown itself; it counts
    for the first such row.
    """
    rows = unit_rows(embeddings)
    shown: list[int] = []
    alike_rows: dict[int, list[int]] = {}
    for row in range(len(rows)):
        alike = np.flatnonzero(rows[shown] @ rows[row] > above)
        if len(alike):
            alike_rows[shown[int(alike[0])]].append(row)
        elif len(shown) < limit:
            shown.append(row)
            alike_rows[row] = []
    return alike_rows


def show(
    session: Session,
    found: Sequence[ScoredWindow],
    places: Mapping[int, WindowSpan],
    *,
    scope: Scope,
    limit: int,
    fold_above: float | None,
    files: Mapping[int, ScopedFile] = MappingProxyType({}),
) -> tuple[Hit, ...]:
    """The hits of windows that matched, best first, each of another recording.

    Args:
        session: any session.
        found: one window a recording, best first.
        places: where they are.
        scope: which files may be shown for a recording.
        limit: most hits.
        fold_above: near-duplicates with a greater cosine show as one; None = all show.
        files: by recording, the file to show; for others it is the first by its path.
    """
    shown: dict[int, list[int]] = {row: [] for row in range(min(limit, len(found)))}
    if fold_above is not None and fold_above < 1.0 and len(found) > 1:
        embeddings = window_embeddings(session, [each.window_id for each in found])
        shown = deduplicate(embeddings, above=fold_above, limit=limit)
    chosen = [(found[row], [found[each] for each in alike]) for row, alike in shown.items()]
    window_ids = [each.window_id for each, _ in chosen]
    captions = window_captions(session, window_ids)
    by_recording = files_by_recording(
        session,
        [places[each.window_id].recording_id for one, alike in chosen for each in (one, *alike)],
        scope,
    )
    hits: list[Hit] = []
    for each, alike in chosen:
        place = places[each.window_id]
        own = by_recording[place.recording_id]
        file = files.get(place.recording_id, own[0])
        alike_ids = [places[one.window_id].recording_id for one in alike]
        others = [*own, *(x for alike_id in alike_ids for x in by_recording.get(alike_id, ()))]
        hits.append(
            Hit(
                rank=len(hits) + 1,
                path=file.path,
                start_s=place.start_s,
                end_s=place.end_s,
                duration_s=place.duration_s,
                recording_id=place.recording_id,
                window_id=each.window_id,
                score=each.score,
                cross_entropy=each.cross_entropy,
                lift=each.lift,
                similarity=each.similarity,
                caption=captions.get(each.window_id),
                n_alike=len(alike),
                also=tuple(x.path for x in others if x.file_id != file.file_id),
                modified_s=file.mtime_ns / 1e9,
                loudness_lufs=file.loudness_lufs,
            )
        )
    return tuple(hits)


def with_matches(
    session: Session, hits: Sequence[Hit], parsed: ParsedQuery, matches: TextMatches
) -> tuple[Hit, ...]:
    """Hits with the texts that hold words of the query; a person's caption is shown as theirs."""
    return tuple(
        _with_fields(session, hit, parsed, matches.files.get(hit.recording_id)) for hit in hits
    )


def _with_fields(session: Session, hit: Hit, parsed: ParsedQuery, file: ScopedFile | None) -> Hit:
    found = {}
    if file is not None:
        found = matched_fields(session, parsed.telling, file_id=file.file_id)
    stretch = GivenStretch(hit.recording_id, hit.start_s, hit.end_s)
    given = given_caption(session, parsed.telling, stretch)
    if given is not None:
        hit = replace(hit, caption=given[0])
        found |= {"caption": given[1]}
    return replace(hit, matched=tuple(FieldMatch(field=f, words=w) for f, w in found.items()))
