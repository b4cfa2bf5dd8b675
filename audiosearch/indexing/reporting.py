"""The account of a run of `index`: what its walks, its batches and its end add up to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from audiosearch.errors import display_path
from audiosearch.indexing.passed_over import add_up
from audiosearch.indexing.sync import MissingMarked, PlaceScan
from audiosearch.indexing.types import IndexReport
from audiosearch.indexing.writer import Tally


def make_report(
    scans: Sequence[PlaceScan],
    settled: MissingMarked,
    tally: Tally,
    *,
    n_captioned: int,
    wall_s: float,
    stages_s: Mapping[str, float],
    interrupted: bool,
) -> IndexReport:
    """Put together what a run found and did; see `IndexReport`."""
    unsettled = (*(path for scan in scans for path in scan.fresh), *tally.unsettled)
    return IndexReport(
        n_files=sum(scan.n_found for scan in scans),
        n_new=sum(scan.n_new for scan in scans),
        n_changed=sum(scan.n_changed for scan in scans),
        n_unchanged=sum(scan.n_unchanged for scan in scans),
        n_missing=settled.n_missing + tally.n_vanished,
        n_failed=tally.n_failed,
        n_recognised=tally.n_recognised,
        n_encoded=tally.n_encoded,
        n_unsettled=len(unsettled),
        n_windows=tally.n_windows,
        n_captioned=n_captioned,
        sound_s=tally.sound_s,
        wall_s=wall_s,
        stages_s=stages_s,
        offline=tuple(scan.place.path for scan in scans if scan.offline),
        held=settled.held,
        problems=tuple(
            f"{display_path(problem.path)}: {problem.reason}"
            for scan in scans
            for problem in scan.problems
        ),
        interrupted=interrupted,
        unsettled=unsettled,
        recent=tuple(path for scan in scans for path in scan.recent),
        passed_over=add_up(scan.passed_over for scan in scans),
        n_remarked=tally.n_remarked,
    )
