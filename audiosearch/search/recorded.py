"""The clock of a library's recordings: which windows were recorded when, and each hit's begin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy.orm import Session

from audiosearch._typing import Ids
from audiosearch.search.clock import clock_text, recorded_at
from audiosearch.search.filters import ClockFilter
from audiosearch.search.moments import Moment
from audiosearch.search.results import Hit
from audiosearch.search.snapshot import LibrarySnapshot
from audiosearch.store.queries.recorded import RecordedFile, every_recorded_file, recorded_files
from audiosearch.store.queries.search import window_places

Clocks = Mapping[int, datetime]  # by recording, when its first sample was recorded


def recording_clocks(
    session: Session, recording_ids: Sequence[int], *, shown: Mapping[int, bytes] | None = None
) -> Clocks:
    """When recordings began, of those whose files tell.

    Of several files the one that is `shown` is asked first, then the first by its path.
    """
    return _clocks(recorded_files(session, recording_ids), shown or {})


def _clocks(files: Iterable[RecordedFile], shown: Mapping[int, bytes]) -> dict[int, datetime]:
    found: dict[int, datetime] = {}
    for file in files:
        is_shown = shown.get(file.recording_id) == file.path
        if file.recording_id in found and not is_shown:
            continue
        began = recorded_at(file.name, file.fields, sample_rate=file.sample_rate)
        if began is not None:
            found[file.recording_id] = began
    return found


def within_clock(snapshot: LibrarySnapshot, wanted: ClockFilter) -> tuple[LibrarySnapshot, int]:
    """The library with only what was recorded when it is wanted.

    Returns:
        The narrowed library, and how many recordings have no clock.
    """
    clocks = _clocks(every_recorded_file(snapshot.session, bundle_id=snapshot.bundle_id), {})
    window_ids = snapshot.every_window()
    places = window_places(snapshot.session, window_ids.tolist())
    without = {x.recording_id for x in places.values()} - clocks.keys()
    kept = [
        window_id
        for window_id in window_ids.tolist()
        if (began := clocks.get(places[window_id].recording_id)) is not None
        and wanted.holds(*_span(began, places[window_id].start_s, places[window_id].end_s))
    ]
    allowed: Ids = np.array(kept, np.int64)
    return replace(snapshot, allowed=allowed), len(without)


def moments_within(
    session: Session, moments: Sequence[Moment], wanted: ClockFilter
) -> list[Moment]:
    """Moments of which some was recorded when wanted, in their order.

    The window in which a moment was heard may reach over a border that the moment does not.
    """
    clocks = recording_clocks(session, sorted({each.recording_id for each in moments}))
    return [
        each
        for each in moments
        if (began := clocks.get(each.recording_id)) is not None
        and wanted.holds(*_span(began, each.start_s, each.end_s))
    ]


def with_clock(session: Session, hits: Sequence[Hit]) -> tuple[Hit, ...]:
    """Hits with the time by the clock at which each begins, where its file tells."""
    shown = {hit.recording_id: hit.path for hit in hits}
    clocks = recording_clocks(session, list(shown), shown=shown)
    return tuple(
        replace(hit, clock_start=clock_text(clocks[hit.recording_id], hit.start_s))
        if hit.recording_id in clocks
        else hit
        for hit in hits
    )


def _span(began: datetime, start_s: float, end_s: float) -> tuple[datetime, datetime]:
    return began + timedelta(seconds=start_s), began + timedelta(seconds=end_s)
