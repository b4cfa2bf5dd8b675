"""`audiosearch describe`: what is heard in a file, in the model's words and in stored captions."""

from __future__ import annotations

import click

from audiosearch.cli.options import json_option, library_options
from audiosearch.cli.output import clock, path_fields, print_json
from audiosearch.config import Config
from audiosearch.library import open_library
from audiosearch.search.results import Description


@click.command()
@click.argument("clip")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    help="Stored captions shown for each window; 0 for the model's own sentence alone.",
)
@json_option
@library_options
def describe(clip: str, limit: int, as_json: bool, config: Config, quiet: bool) -> None:  # noqa: ARG001
    """Say what is heard in CLIP: a file, or a part of one as FILE@START-END in seconds.

    First the model's own sentence, then the stored captions that fit best. The file need not be
    in the library.
    """
    with open_library(config) as library:
        path, descriptions = library.describe(clip, limit=limit)
        for description in descriptions:
            if as_json:
                _print_rows(path, description)
            else:
                _print_text(description)


def _print_rows(path: bytes, description: Description) -> None:
    for fit in description.captions:
        print_json(
            {
                **path_fields(path),
                "start_s": description.start_s,
                "end_s": description.end_s,
                "rank": fit.rank,
                "caption": fit.text,
                "score": fit.score,
                "cross_entropy": fit.cross_entropy,
                "lift": fit.lift,
                "scaled": fit.scaled,
                "source": fit.source,
            }
        )


def _print_text(description: Description) -> None:
    when = f"{clock(description.start_s)}-{clock(description.end_s)}"
    for fit in description.captions:
        if fit.rank == 0:
            click.echo(f"{when}  {click.style(fit.text, bold=True)}")
        else:
            click.echo(f"    {fit.score:5.2f}  {fit.text}")
    if not description.captions:
        click.echo(f"{when}  (silence)")
