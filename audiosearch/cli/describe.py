"""`audiosearch describe`: what is heard in a file, in the model's words and in stored captions."""

from __future__ import annotations

from pathlib import Path

import click

from audiosearch.cli.many_files import (
    csv_option,
    each_sound,
    expand,
    output_option,
    row_writer,
    take_up,
)
from audiosearch.cli.options import json_option, library_options, normalise_option
from audiosearch.cli.output import clock_span, coloured, shown_path
from audiosearch.cli.terminal import say, style
from audiosearch.config import Config
from audiosearch.search.results import Description, fold_runs
from audiosearch.search.rows import description_rows
from audiosearch.search.timeline import timeline as without_repetition
from audiosearch.server.query_client import open_client


@click.command()
@click.argument("clips", metavar="CLIP...", nargs=-1, required=True)
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    help="Stored captions to show for each window; 0 shows the model's own caption alone.",
)
@normalise_option("stored captions")
@click.option(
    "--fold/--no-fold",
    default=None,
    help="Merge neighbouring windows with the same caption into one "
    "(default: for people yes, in JSON no).",
)
@click.option(
    "--timeline",
    is_flag=True,
    help="An overview: stretches that do not overlap, neighbours that sound alike in one.",
)
@click.option("--explain", is_flag=True, help="Show how much each word of a caption counted.")
@click.option("-v", "--verbose", is_flag=True, help="Print which process answered to stderr.")
@json_option
@csv_option
@output_option
@library_options
def describe(
    clips: tuple[str, ...],
    limit: int,
    normalise: str | None,
    fold: bool | None,
    timeline: bool,
    explain: bool,
    verbose: bool,
    as_json: bool,
    as_csv: bool,
    output: Path | None,
    config: Config,
    quiet: bool,
) -> None:
    """Describe each CLIP in words: a file, a part of one as FILE@START-END, or a folder.

    For each stretch of it: the model's own caption, then the stored captions that fit best. The
    files need not be in the library.
    """
    if timeline and fold is not None:
        raise click.UsageError("--timeline folds in its own way: leave out --fold and --no-fold")
    writer = row_writer(output, as_json=as_json, as_csv=as_csv)
    folded = writer is None if fold is None else fold
    done = take_up(output)
    sounds = expand(clips, config=config.index)
    with open_client(config) as answering:

        def work(clip: str) -> None:
            path, found = answering.describe(
                clip, limit=limit, normalise=normalise, explain=explain
            )
            stretches = found
            if timeline:
                stretches = without_repetition(found, limit=limit)
            elif folded:
                stretches = fold_runs(found, limit=limit)
            if writer is not None:
                writer([row for each in stretches for row in description_rows(path, each)])
                return
            if len(sounds) > 1:
                say(style(shown_path(path), underline=True))
            for each in stretches:
                _print_text(each)

        each_sound(sounds, work, quiet=quiet, done=done)
    if verbose:
        say(answering.who, err=True)


def _print_text(description: Description) -> None:
    when = clock_span(description.start_s, description.end_s)
    for fit in description.captions:
        if fit.rank == 0:
            say(f"{when}  {style(fit.text, bold=True)}")
        else:
            say(f"    {fit.score:5.2f}  {fit.text}")
        if fit.words:
            say(f"           {coloured(fit.words)}")
    if not description.captions:
        say(f"{when}  (silence)")
