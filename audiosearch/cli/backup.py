"""`audiosearch backup` and `restore`: what a person wrote, in a file of its own."""

from __future__ import annotations

from pathlib import Path

import click

from audiosearch._wording import counted
from audiosearch.cli.options import json_option, library_options
from audiosearch.cli.output import print_json, remark, shown_path
from audiosearch.config import Config
from audiosearch.errors import QueryError
from audiosearch.library import open_library


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Write over FILE.")
@json_option
@library_options
def backup(file: Path, force: bool, as_json: bool, config: Config, quiet: bool) -> None:
    """Write all that you wrote to FILE.

    That is tags, ratings, favourites, notes, captions, collections and saved searches, as JSON
    lines by the hash of each sound, with its path; audiosearch restore takes it in, also into a new
    library. A backup is made by itself before the library is brought to a new form and before a
    repair: in the folder `backups` beside the library, where the last ten are kept.
    """
    if file.exists() and not force:
        raise QueryError("is there already", path=file, remedy="--force writes over it")
    with open_library(config) as library:
        n_lines = library.backup(file)
    if as_json:
        print_json({"lines": n_lines})
    remark(f"{counted(n_lines, 'line')} in {shown_path(bytes(file.absolute()))}", quiet=quiet)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--by-path",
    is_flag=True,
    help="What is of a sound that is not here goes to the sound that is at its path now (as of a "
    "file that was edited or encoded anew).",
)
@json_option
@library_options
def restore(file: Path, by_path: bool, as_json: bool, config: Config, quiet: bool) -> None:
    """Take in what a backup FILE holds; again, it changes nothing.

    What is here stays, what is not is added. Of two ratings or notes of one sound, and of two saved
    searches of one name, the later one stays. What is of sounds that the library does not hold is
    kept until they are indexed. All of it is taken in or, where a line is damaged, nothing.
    """
    with open_library(config, writable=True) as library:
        restored = library.restore(file, by_path=by_path)
    n_lines = sum(restored.n_lines.values())
    if as_json:
        print_json(
            {
                "lines": n_lines,
                "kinds": dict(restored.n_lines),
                "new": restored.n_new,
                "newer_here": restored.n_newer,
                "sounds_waiting": restored.n_waiting,
                "made_at": restored.made_at,
            }
        )
    remark(f"{counted(n_lines, 'line')} read, {restored.n_new} new", quiet=quiet)
    if restored.n_newer:
        remark(f"{restored.n_newer} not taken: what is here is newer", quiet=quiet)
    if restored.n_waiting:
        remark(
            f"{counted(restored.n_waiting, 'sound')} not in the library: what is of them is kept"
            " until they are indexed",
            quiet=quiet,
        )
