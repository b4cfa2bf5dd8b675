"""`audiosearch roots`: the folders that the library watches over."""

from __future__ import annotations

from pathlib import Path

import click

from audiosearch.cli.options import OutputForm, library_options, output_options
from audiosearch.cli.output import path_fields, print_json, print_paths, remark, shown_path
from audiosearch.config import Config
from audiosearch.library import open_library


@click.group()
def roots() -> None:
    """List the folders that were indexed, or forget one."""


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
            fields = {"files": summary.n_files, "missing": summary.n_missing}
            print_json({**path_fields(summary.root.path), **fields})
        else:
            missing = f", {summary.n_missing} missing" if summary.n_missing else ""
            click.echo(f"{shown_path(summary.root.path)}  ({summary.n_files} files{missing})")


@roots.command()
@click.argument("folder", type=click.Path(path_type=Path))
@library_options
def remove(folder: Path, config: Config, quiet: bool) -> None:
    """Forget FOLDER: its files are no longer searched. Nothing on the disk is touched.

    What was heard in them is kept: should they turn up again, they are not listened to anew.
    """
    with open_library(config, writable=True) as library:
        n_files = library.remove_root(folder)
    remark(f"forgot {folder} and its {n_files} files", quiet=quiet)
