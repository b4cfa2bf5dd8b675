"""`audiosearch files`: files of the library by their names and filters, without the model."""

from __future__ import annotations

from collections.abc import Sequence

import click

from audiosearch._statuses import EXIT_NOTHING
from audiosearch.cli.filter_options import filter_options
from audiosearch.cli.links import linked_path
from audiosearch.cli.options import OutputForm, library_options, output_options, sort_options
from audiosearch.cli.output import (
    clock,
    path_fields,
    print_json,
    print_paths,
    remark,
    shown_path,
    size,
)
from audiosearch.cli.terminal import say, style
from audiosearch.config import Config
from audiosearch.library import open_library
from audiosearch.search.answer_remarks import unknown_remarks, unknown_tag_remarks
from audiosearch.search.filters import Filters
from audiosearch.store.globs import is_glob
from audiosearch.store.queries.file_list import ListedFile
from audiosearch.store.schema import FileState

SHOWN = 100  # rows for people, who have not asked for more; programs get all


@click.command()
@click.argument("text", nargs=-1)
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([str(state) for state in FileState]),
    help="Only files in this state (may be given several times).",
)
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(min=1),
    help=f"Show at most this many (default: {SHOWN}, and all of them with --json, --paths or -0).",
)
@sort_options
@filter_options
@output_options
@library_options
def files(
    text: tuple[str, ...],
    states: tuple[str, ...],
    limit: int | None,
    sort: str | None,
    reverse: bool,
    filters: Filters,
    form: OutputForm,
    config: Config,
    quiet: bool,
) -> int:
    """List the files of the library whose name is TEXT: all of them without one.

    TEXT is words, all of them in a file's name or its folders, or a glob in quotes: '*_03.wav' is
    compared with names, '*/birds/*' with paths. Case and accents do not count. No model is needed,
    and files are listed that could not be read or are gone; with --tag, gone ones only where
    --state missing asks for them.

    \b
      audiosearch files door wood
      audiosearch files '*.wav' --tag rain --min-duration 1m
      audiosearch files --state missing --paths
    """
    most = SHOWN if limit is None and form.for_people else limit
    name = " ".join(text) if text else None
    with open_library(config) as library:
        found = library.files(
            name,
            filters=filters,
            states=[FileState(state) for state in states],
            limit=most,
            sort=sort,
            reverse=reverse,
        )
    for each in unknown_remarks(found.n_unknown, "file"):
        remark(each, quiet=quiet)
    _print(found.files, form)
    if found.n_left_out:
        how = "" if limit is not None else " (-n shows more of them, --paths all)"
        remark(f"and {found.n_left_out} more{how}", quiet=quiet)
    if found.library_is_empty:
        remark("the library is empty: audiosearch index ~/sounds fills it", quiet=quiet)
    elif not found.files:
        remark(_no_file(name, found.meant), quiet=quiet)
        for each in unknown_tag_remarks(found.unknown_tags):
            remark(each, quiet=quiet)
    return 0 if found.files else EXIT_NOTHING


def _no_file(name: str | None, meant: str | None) -> str:
    if meant is not None:
        return f"no file has this name: did you mean {meant!r}?"
    if name is None:
        return "no file passes the filters"
    if is_glob(name):
        return "no file has this name and passes the filters"
    return "no file has these words in its name and passes the filters (parts of words: '*part*')"


def _print(files: Sequence[ListedFile], form: OutputForm) -> None:
    if form.paths:
        print_paths((file.path for file in files), print0=form.print0)
        return
    for file in files:
        if form.json:
            print_json(_row(file))
        else:
            length = "-" if file.duration_s is None else clock(file.duration_s)
            state = "" if file.state is FileState.INDEXED else f"  ({file.state})"
            name = style(shown_path(file.path), bold=True)
            is_there = file.state is not FileState.MISSING
            path = linked_path(file.path, name, links=form.links and is_there)
            say(f"{length:>8}  {size(file.size):>8}  {path}{style(state, dim=True)}")


def _row(file: ListedFile) -> dict[str, object]:
    return {
        **path_fields(file.path),
        "state": str(file.state),
        "error": file.error_code,
        "duration_s": file.duration_s,
        "size": file.size,
        "mtime": file.mtime_ns / 1e9,
        "codec": file.codec,
        "container": file.container,
        "tags": list(file.tags),
        "recording_id": file.recording_id,
    }
