"""`audiosearch captions`: the sentences in the library."""

from __future__ import annotations

import click

from audiosearch.cli.options import json_option, library_options
from audiosearch.cli.output import print_json
from audiosearch.config import Config
from audiosearch.library import open_library


@click.group()
def captions() -> None:
    """The sentences that the library knows."""


@captions.command("list")
@click.option(
    "--source",
    type=click.Choice(["auto", "user", "import"]),
    help="Only captions written by the model (auto), by you, or imported.",
)
@click.option("-n", "--limit", type=click.IntRange(min=1), help="Show at most so many.")
@json_option
@library_options
def list_(
    source: str | None,
    limit: int | None,
    as_json: bool,
    config: Config,
    quiet: bool,  # noqa: ARG001
) -> None:
    """List captions, those said of most windows first."""
    with open_library(config) as library:
        stored = library.captions(source=source, limit=limit)
    for caption in stored:
        if as_json:
            print_json(
                {
                    "caption_id": caption.caption_id,
                    "caption": caption.text,
                    "source": str(caption.source),
                    "windows": caption.n_windows,
                }
            )
        else:
            click.echo(f"{caption.n_windows:6d}  {caption.text}")
