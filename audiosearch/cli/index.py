"""`audiosearch index`: look through folders and take in what is new or has changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from audiosearch._memory import free_at_once
from audiosearch._signals import stop_on_signals
from audiosearch._statuses import EXIT_INTERRUPTED
from audiosearch._wording import counted
from audiosearch.cli.options import PLACE, json_option, library_options
from audiosearch.cli.output import duration, print_json, remark, shown_path
from audiosearch.cli.place_option import on_option
from audiosearch.cli.progress import IndexProgress, say_stopping
from audiosearch.cluster.opening import RayPlace
from audiosearch.config import Config
from audiosearch.indexing.passed_over import PassedOver
from audiosearch.indexing.types import IndexReport
from audiosearch.library import open_library
from audiosearch.model.runtime.session import share_arena
from audiosearch.store.lock import IndexerLock

_ENDINGS: Final = 8  # of files passed over, that are told one by one


@click.command()
@click.argument("paths", nargs=-1, type=PLACE)
@click.option(
    "--accept-missing",
    is_flag=True,
    help="Mark files as missing even where more than half of a folder is gone.",
)
@on_option("sounds are decoded and encoded")
@json_option
@library_options
def index(
    paths: tuple[Path, ...],
    accept_missing: bool,
    on: RayPlace | None,
    as_json: bool,
    config: Config,
    quiet: bool,
) -> int:
    """Index the sounds below each of PATHS, and remember these folders.

    A path may be a URL, such as s3://bucket/folder (extra [remote]).

    Without PATHS, indexes all folders that are remembered; files in one of these can be given one
    by one. Only what is new or has changed is decoded; files that were moved or renamed are
    recognised by their sound. It can be stopped at any time, and continues there.
    """
    free_at_once()
    share_arena()
    with (
        IndexerLock(config.data_dir),
        open_library(config, writable=True) as library,
        IndexProgress(quiet=quiet) as progress,
        stop_on_signals(on_first=say_stopping) as stop,
    ):
        report = library.index(
            paths, progress=progress, stop=stop, accept_missing=accept_missing, on=on
        )
    if as_json:
        print_json(_row(report))
    else:
        for line in _summary(report):
            remark(line, quiet=quiet)
    return EXIT_INTERRUPTED if report.interrupted else 0


def _row(report: IndexReport) -> dict[str, object]:
    return {
        "files": report.n_files,
        "new": report.n_new,
        "changed": report.n_changed,
        "unchanged": report.n_unchanged,
        "recognised": report.n_recognised,
        "missing": report.n_missing,
        "failed": report.n_failed,
        "remarked": report.n_remarked,
        "windows_encoded": report.n_windows,
        "windows_captioned": report.n_captioned,
        "sound_s": report.sound_s,
        "wall_s": report.wall_s,
        "interrupted": report.interrupted,
        "passed_over": {
            "endings": dict(_most_first(report.passed_over.endings)),
            "other_endings": report.passed_over.n_other,
            "linked_files": report.passed_over.n_linked_files,
            "linked_folders": report.passed_over.n_linked_folders,
        },
        "stages_s": {name: round(seconds, 3) for name, seconds in report.stages_s.items()},
    }


def _summary(report: IndexReport) -> list[str]:
    took, files = duration(report.wall_s), counted(report.n_files, "file")
    if report.n_windows == 0:
        lines = [f"{files}, nothing new to hear ({took})"]
    else:
        speed = report.sound_s / max(report.wall_s, 1e-3)
        lines = [
            f"{files}: {duration(report.sound_s)} of sound heard in {took},"
            f" {speed:.0f} times as fast as it plays"
        ]
    if report.n_captioned:
        lines.append(
            f"{counted(report.n_captioned, 'window')} heard earlier, and given captions now"
        )
    if report.n_recognised:
        lines.append(
            f"{report.n_recognised} known already by sound (moved, copied or with other texts)"
        )
    if report.n_missing:
        lines.append(
            f"{counted(report.n_missing, 'file')} no longer there; what is known of it is kept"
        )
    if report.n_failed:
        lines.append(
            f"{report.n_failed} could not be read: `audiosearch failed` tells which and why"
        )
    if report.n_remarked:
        lines.append(_remarked(report.n_remarked))
    for held in report.guarded:
        lines.append(
            f"{shown_path(held.path)}: {held.n_lost} of {counted(held.n_known, 'file')} gone;"
            " if that is meant, run it again with --accept-missing"
        )
    if report.interrupted:
        lines.append("stopped; the next run goes on from here")
    return lines + _passed_over(report.passed_over)


def _passed_over(passed_over: PassedOver) -> list[str]:
    """What was seen and not listened to, the most frequent endings first; nothing for nothing."""
    endings = _most_first(passed_over.endings)
    said = [f"{n} {ending or 'without an ending'}" for ending, n in endings[:_ENDINGS]]
    rest = endings[_ENDINGS:]
    if passed_over.n_linked_files:
        said.append(_counted(passed_over.n_linked_files, "linked file"))
    if passed_over.n_linked_folders:
        said.append(_counted(passed_over.n_linked_folders, "linked folder"))
    if rest or passed_over.n_other:
        n_files = sum(n for _, n in rest) + passed_over.n_other
        kinds = "many more kinds" if passed_over.n_other else _counted(len(rest), "more kind")
        said.append(f"and {n_files} of {kinds}")
    return [f"passed over: {', '.join(said)}"] if said else []


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _most_first(endings: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(endings.items(), key=lambda each: (-each[1], each[0]))


def _remarked(n_files: int) -> str:
    if n_files == 1:
        return "1 file holds less or more sound than its header says: `audiosearch failed` names it"
    return (
        f"{n_files} files hold less or more sound than their headers say:"
        " `audiosearch failed` names them"
    )
