"""`audiosearch purge`: delete what is gone for good. Nothing else ever deletes what was heard."""

from __future__ import annotations

import sys

import click

from audiosearch._wording import counted
from audiosearch.cli.options import json_option, library_options
from audiosearch.cli.output import print_json, remark
from audiosearch.config import Config
from audiosearch.library import open_library


@click.command()
@click.option("--dry-run", is_flag=True, help="Only tell what would be deleted.")
@click.option("--yes", is_flag=True, help="Do not ask on a terminal.")
@json_option
@library_options
def purge(dry_run: bool, yes: bool, as_json: bool, config: Config, quiet: bool) -> None:
    """Delete from the library what is missing: names, sounds that no file holds, what was said.

    With such a sound go its captions and tags, those of people too. Should the file come back, it
    is listened to anew. No file on the disk is touched.
    """
    with open_library(config, writable=True) as library:
        if not dry_run and not yes and sys.stdin.isatty():
            asked = library.purge(dry_run=True)
            click.confirm(
                f"delete {counted(asked.n_files, 'missing file')} and"
                f" {counted(asked.n_recordings, 'sound')}"
                " from the library?",
                abort=True,
                err=True,
            )
        purged = library.purge(dry_run=dry_run)
    if as_json:
        print_json(
            {
                "files": purged.n_files,
                "recordings": purged.n_recordings,
                "captions": purged.n_captions,
                "dry_run": dry_run,
            }
        )
        return
    done = "would be deleted" if dry_run else "deleted"
    remark(
        f"{counted(purged.n_files, 'missing file')}, {counted(purged.n_recordings, 'sound')} and"
        f" {counted(purged.n_captions, 'caption')} {done}",
        quiet=quiet,
    )
