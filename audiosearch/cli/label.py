"""`audiosearch label`: which of some labels fit a sound, without any training for them."""

from __future__ import annotations

from pathlib import Path

import click

from audiosearch._files import read_bounded
from audiosearch.cli.many_files import (
    csv_option,
    each_sound,
    expand,
    output_option,
    row_writer,
    take_up,
)
from audiosearch.cli.options import json_option, library_options, normalise_option
from audiosearch.cli.output import clock_span, shown_path
from audiosearch.cli.terminal import say, style
from audiosearch.config import Config
from audiosearch.errors import QueryError
from audiosearch.library import open_library
from audiosearch.search.results import LabelFit
from audiosearch.search.rows import label_rows

_MOST_BYTES = 16 << 20  # of a file of labels
SHOWN = 5  # labels in a line for people


@click.command()
@click.argument("clips", metavar="CLIP...", nargs=-1, required=True)
@click.option("--labels", metavar="A,B,C", help="The labels, separated by commas.")
@click.option(
    "--labels-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A text file with one label a line.",
)
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(min=1),
    help=f"Show at most this many labels (default: {SHOWN}; in JSON all).",
)
@normalise_option("labels")
@json_option
@csv_option
@output_option
@library_options
def label(
    clips: tuple[str, ...],
    labels: str | None,
    labels_file: Path | None,
    limit: int | None,
    normalise: str | None,
    as_json: bool,
    as_csv: bool,
    output: Path | None,
    config: Config,
    quiet: bool,
) -> None:
    """Rank labels for each CLIP: a file, a part of one as FILE@START-END, or a folder.

    Any words can be labels. The files need not be in the library; scores of a label are
    normalised by how it fits the sounds that are.
    """
    names = _labels(labels, labels_file)
    writer = row_writer(output, as_json=as_json, as_csv=as_csv)
    done = take_up(output)
    with open_library(config) as library:

        def work(clip: str) -> None:
            path, fits = library.label(clip, names, normalise=normalise)
            if writer is not None:
                writer(label_rows(path, fits[:limit]))
                return
            window_s = library.answering.bundle.window_s
            shown = ", ".join(_shown(fit, window_s=window_s) for fit in fits[: limit or SHOWN])
            say(f"{style(shown_path(path), bold=True)}  {shown or '(silence)'}")

        each_sound(expand(clips, config=config.index), work, quiet=quiet, done=done)


def _shown(fit: LabelFit, *, window_s: float) -> str:
    """A label and its score; of a sound that is longer than a window also where it fits best."""
    is_part = fit.start_s > 0 or fit.end_s - fit.start_s >= window_s
    where = f" ({clock_span(fit.start_s, fit.end_s)})" if is_part else ""
    return f"{fit.label} {fit.score:.2f}{where}"


def _labels(given: str | None, file: Path | None) -> list[str]:
    if given is None and file is None:
        raise click.UsageError("give --labels or --labels-file")
    names = [] if given is None else given.split(",")
    if file is not None:
        try:
            names += read_bounded(file, _MOST_BYTES).decode("utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise QueryError(f"cannot be read: {error}", path=file) from error
    return names
