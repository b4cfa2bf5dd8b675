"""`audiosearch verify`: does everything in the library hold together?"""

from __future__ import annotations

import click

from audiosearch.cli.options import json_option, library_options
from audiosearch.cli.output import print_json, remark
from audiosearch.config import Config
from audiosearch.library import open_library

EXIT_BROKEN = 1


@click.command()
@json_option
@library_options
def verify(as_json: bool, config: Config, quiet: bool) -> int:
    """Check that the library is sound: the database, and all that is stored. Changes nothing.

    Exit status 1 if something is amiss.
    """
    with open_library(config) as library:
        violations = library.verify()
    for violation in violations:
        if as_json:
            print_json({"invariant": violation.invariant, "detail": violation.detail})
        else:
            click.echo(f"{violation.invariant}: {violation.detail}")
    if not violations:
        remark("the library is sound", quiet=quiet)
    return EXIT_BROKEN if violations else 0
