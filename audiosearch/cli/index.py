"""`audiosearch index`: look through folders and take in what is new or has changed."""

from __future__ import annotations

from pathlib import Path

import click

from audiosearch.cli.options import json_option, library_options
from audiosearch.cli.output import duration, print_json, remark
from audiosearch.cli.progress import IndexProgress
from audiosearch.config import Config
from audiosearch.library import IndexReport, open_library


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@json_option
@library_options
def index(paths: tuple[Path, ...], as_json: bool, config: Config, quiet: bool) -> None:
    """Take in the sounds below each of PATHS, and remember these folders.

    Without PATHS, looks through all folders remembered. Only what is new or has changed is
    decoded; files that were moved or renamed are recognised by their sound. Can be stopped at any
    time and goes on where it was.
    """
    with (
        open_library(config, writable=True) as library,
        IndexProgress(quiet=quiet) as progress,
    ):
        for note in library.notes:
            progress.warn(note)
        report = library.index(paths, progress=progress)
    if as_json:
        print_json(_row(report))
        return
    for line in _summary(report):
        remark(line, quiet=quiet)


def _row(report: IndexReport) -> dict[str, object]:
    return {
        "files": report.n_files,
        "new": report.n_new,
        "changed": report.n_changed,
        "unchanged": report.n_unchanged,
        "missing": report.n_missing,
        "failed": report.n_failed,
        "windows_encoded": report.n_windows,
        "sound_s": report.sound_s,
        "wall_s": report.wall_s,
        "stages_s": {name: round(seconds, 3) for name, seconds in report.stages_s.items()},
    }


def _summary(report: IndexReport) -> list[str]:
    took = duration(report.wall_s)
    if report.n_windows == 0:
        lines = [f"{report.n_files} files, nothing new to hear ({took})"]
    else:
        speed = report.sound_s / max(report.wall_s, 1e-3)
        lines = [
            f"{report.n_files} files: {duration(report.sound_s)} of sound heard in {took},"
            f" {speed:.0f} times as fast as it plays"
        ]
    if report.n_missing:
        lines.append(f"{report.n_missing} files are no longer there; what is known of them is kept")
    if report.n_failed:
        lines.append(
            f"{report.n_failed} could not be read: `audiosearch failed` tells which and why"
        )
    return lines
