"""`audiosearch verify` and `purge`: does the library hold together, and what of it is gone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from audiosearch._signals import stop_on_signals
from audiosearch._statuses import EXIT_BROKEN
from audiosearch._wording import counted
from audiosearch.cli.options import json_option, library_options
from audiosearch.cli.output import print_json, remark
from audiosearch.cli.terminal import say
from audiosearch.config import Config
from audiosearch.library import Library, open_library
from audiosearch.store.lock import IndexerLock

if TYPE_CHECKING:
    from audiosearch.store.integrity.verify import Violation
import sys


@click.command()
@click.option(
    "--repair",
    "wanted",
    is_flag=True,
    help="Repair what can be: drop what is damaged and index those sounds again.",
)
@json_option
@library_options
def verify(wanted: bool, as_json: bool, config: Config, quiet: bool) -> int:
    """Check that the library is sound: the database, and all that is stored.

    Changes nothing without --repair. A repair keeps what people wrote and indexes all folders
    again, where nothing is decoded but what was damaged, and new sounds.

    Exit status 1 if something is amiss; with --repair, if something still is.
    """
    only_one = IndexerLock(config.data_dir) if wanted else nullcontext()
    with only_one, open_library(config, writable=wanted) as library:
        found = library.verify_and_count()
        violations = found.violations
        left = _repair(library, quiet=quiet) if wanted and violations else violations
    still = {(each.invariant, each.detail) for each in left}
    for each in violations:
        repaired = (each.invariant, each.detail) not in still
        _print(each, as_json=as_json, repaired=repaired if wanted else None)
    new = [each for each in left if each not in violations]
    for each in new:
        _print(each, as_json=as_json, repaired=False if wanted else None)
    if found.n_absent and not violations:
        remark(
            f"{counted(found.n_absent, 'file')} not where the library has them: audiosearch index"
            " looks what has become of them",
            quiet=quiet,
        )
    if not violations:
        remark("the library is sound", quiet=quiet)
    elif not left:
        remark("the library is sound again", quiet=quiet)
    return EXIT_BROKEN if left else 0


def _print(violation: Violation, *, as_json: bool, repaired: bool | None) -> None:
    if as_json:
        row: dict[str, object] = {"invariant": violation.invariant, "detail": violation.detail}
        print_json(row if repaired is None else row | {"repaired": repaired})
        return
    mark = "" if repaired is None else "repaired: " if repaired else "not repaired: "
    say(f"{mark}{violation.invariant}: {violation.detail}")


def _repair(library: Library, *, quiet: bool) -> Sequence[Violation]:
    """Repair, hear again what was dropped, and check once more; what is still amiss."""
    from audiosearch.cli.progress import (  # noqa: PLC0415 - loads bars and tables
        IndexProgress,
        say_stopping,
    )

    done = library.repair()
    if done.n_rows:
        remark(f"{counted(done.n_rows, 'row')} of no use to anything let go", quiet=quiet)
    if done.n_encodings:
        remark(f"{counted(done.n_encodings, 'recording')} to be heard again", quiet=quiet)
    if library.roots():
        with (
            IndexProgress(quiet=quiet) as progress,
            stop_on_signals(on_first=say_stopping) as stop,
        ):
            library.index(progress=progress, stop=stop)
    return library.verify()


@click.command()
@click.option("--dry-run", is_flag=True, help="Only show what would be deleted.")
@click.option("--yes", is_flag=True, help="Do not ask on a terminal.")
@json_option
@library_options
def purge(dry_run: bool, yes: bool, as_json: bool, config: Config, quiet: bool) -> None:
    """Delete missing files from the library, and all sounds that no file holds any more.

    Should the file come back, it is indexed anew, and has again what people wrote of it: captions,
    tags, notes and the like are kept by the sound. No file on the disk is touched.
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
