"""`audiosearch doctor`: is everything in order, and if not, what to do."""

from __future__ import annotations

import click

from audiosearch.cli.options import json_option, library_options
from audiosearch.cli.output import print_json
from audiosearch.cli.terminal import say, style
from audiosearch.config import Config
from audiosearch.doctor import examine
from audiosearch.doctor.findings import Finding, Level

_STATUS = {Level.OK: 0, Level.WARNING: 1, Level.ERROR: 2}
_MARKS = {
    Level.OK: ("ok", "green"),
    Level.WARNING: ("warning", "yellow"),
    Level.ERROR: ("error", "red"),
}


@click.command()
@json_option
@library_options
def doctor(as_json: bool, config: Config, quiet: bool) -> int:
    """Check everything that audiosearch needs, and say what is wrong and what to do about it.

    Settings, the data folder, disk space, the database, your folders, the model's files, what it
    runs on, the decoder (with a generated sound), the daemon and what it may watch. Changes
    nothing, but closes a library that other users of the machine could read. --quiet shows only
    what is wrong.

    Exit status 0 if all is well, 1 with warnings, 2 with errors.
    """
    worst = 0
    for finding in examine(config):
        worst = max(worst, _STATUS[finding.level])
        if finding.level is Level.OK and quiet:
            continue
        if as_json:
            print_json(finding.row())
        else:
            _print(finding)
    return worst


def _print(finding: Finding) -> None:
    word, colour = _MARKS[finding.level]
    say(f"{style(f'{word:<8}', fg=colour)} {finding.check:<12} {finding.detail}")
    if finding.remedy is not None:
        say(f"{'':21} {style('→ ' + finding.remedy, dim=True)}")
