"""`audiosearch roots`: the folders that the library watches over."""

from __future__ import annotations

from pathlib import Path

import click

from audiosearch._wording import counted
from audiosearch.cli.main import CommandGroup
from audiosearch.cli.options import PLACE, OutputForm, library_options, output_options
from audiosearch.cli.output import print_json, print_paths, remark, shown_path
from audiosearch.cli.terminal import say
from audiosearch.config import Config
from audiosearch.library import open_library
from audiosearch.library.status_rows import root_row
from audiosearch.watch.status import nudge


@click.group(cls=CommandGroup)
def roots() -> None:
    """List the folders of the library, add some, or forget one."""


@roots.command("list")
@output_options
@library_options
def list_(form: OutputForm, config: Config, quiet: bool) -> None:  # noqa: ARG001
    """List the folders, with the number of files known below each."""
    with open_library(config) as library:
        summaries = library.roots()
    if form.paths:
        print_paths((summary.root.path for summary in summaries), print0=form.print0)
        return
    for summary in summaries:
        if form.json:
            print_json(root_row(summary))
        else:
            missing = f", {summary.n_missing} missing" if summary.n_missing else ""
            say(f"{shown_path(summary.root.path)}  ({counted(summary.n_files, 'file')}{missing})")


@roots.command()
@click.argument("folders", nargs=-1, required=True, type=PLACE)
@library_options
def add(folders: tuple[Path, ...], config: Config, quiet: bool) -> None:
    """Add FOLDERS to the library: the next `index` takes them in, or a running daemon at once."""
    with open_library(config, writable=True) as library:
        places = library.add_roots(folders)
    for place in places:
        remark(f"{shown_path(place.path)} is looked into by index or watch", quiet=quiet)


@roots.command()
@click.argument("folder", type=PLACE)
@library_options
def confirm(folder: Path, config: Config, quiet: bool) -> None:
    """Mark all files that are gone from FOLDER as missing, however many.

    `index` and `watch` do not do so where more than half of a folder is gone at once.
    """
    with open_library(config, writable=True) as library:
        n_files = library.confirm_missing(folder)
    nudge(config.data_dir)
    remark(f"{counted(n_files, 'file')} of {folder} marked as missing", quiet=quiet)


@roots.command()
@click.argument("folder", type=PLACE)
@library_options
def remove(folder: Path, config: Config, quiet: bool) -> None:
    """Forget FOLDER: its files are no longer searched. Nothing on the disk is touched.

    What is known of their sounds is kept: should they come back, they are not encoded anew.
    """
    with open_library(config, writable=True) as library:
        n_files = library.remove_root(folder)
    remark(f"forgot {folder} and its {counted(n_files, 'file')}", quiet=quiet)
