"""`audiosearch collection`: named lists of sounds and stretches."""

from __future__ import annotations

import click

from audiosearch._statuses import EXIT_NOTHING
from audiosearch.cli.annotations import made_on, owned_by, print_annotations
from audiosearch.cli.clips_in import Clip, clips_argument, report, report_removal
from audiosearch.cli.main import CommandGroup
from audiosearch.cli.options import OutputForm, json_option, library_options, output_options
from audiosearch.cli.output import print_listing, quoted, remark
from audiosearch.config import Config
from audiosearch.errors import display_text
from audiosearch.library import open_library
from audiosearch.library.info_rows import collection_row


@click.group(cls=CommandGroup)
def collection() -> None:
    """Keep lists of sounds and stretches under a name.

    \b
      audiosearch collection create trailer
      audiosearch find 'a creaking door' -0 | audiosearch collection add trailer -0
      audiosearch find rain --json | audiosearch collection add trailer
      audiosearch collection show trailer
    """


@collection.command()
@click.option("--shared", is_flag=True, help="For everybody, where users have names.")
@click.argument("name")
@library_options
def create(shared: bool, name: str, config: Config, quiet: bool) -> None:
    """Make an empty collection NAME."""
    with open_library(config, writable=True) as library:
        library.annotations.create_collection(name, shared=shared)
    remark(f"collection {quoted(name)} made", quiet=quiet)


@collection.command()
@click.option("--create", "new", is_flag=True, help="Make the collection where there is none.")
@click.argument("name")
@clips_argument
@json_option
@library_options
def add(new: bool, name: str, clips: list[Clip], as_json: bool, config: Config, quiet: bool) -> int:
    """Put each CLIP at the end of the collection NAME: FILE, or FILE@START-END; stdin without.

    JSON rows on stdin bring their stretches (--whole takes the whole sounds).
    """
    with open_library(config, writable=True) as library:
        written = library.annotations.collect(name, clips, create=new)
    return report(written, f"added to {quoted(name)}", as_json=as_json, quiet=quiet)


@collection.command()
@click.argument("name")
@clips_argument
@json_option
@library_options
def remove(name: str, clips: list[Clip], as_json: bool, config: Config, quiet: bool) -> int:
    """Take each CLIP out of the collection NAME; a FILE stands for all stretches of it too."""
    with open_library(config, writable=True) as library:
        written = library.annotations.uncollect(name, clips)
    return report_removal(written, f"taken out of {quoted(name)}", as_json=as_json, quiet=quiet)


@collection.command("list")
@json_option
@library_options
def list_(as_json: bool, config: Config, quiet: bool) -> int:
    """List the collections, and how much is in each."""
    with open_library(config) as library:
        found = library.annotations.collections()
    return print_listing(
        found,
        row=collection_row,
        line=lambda x: (
            f"{x.n_items:6d}  {display_text(x.name)}{made_on(x.created_at)}{owned_by(x.user)}"
        ),
        nothing="no collections yet: audiosearch collection create NAME",
        as_json=as_json,
        quiet=quiet,
    )


@collection.command()
@click.argument("name")
@output_options
@library_options
def show(name: str, form: OutputForm, config: Config, quiet: bool) -> int:
    """List what is in the collection NAME, in the order in which it was added."""
    with open_library(config) as library:
        rows = library.annotations.collection(name)
    print_annotations(rows, form)
    if not rows:
        remark("there is nothing in it", quiet=quiet)
    return 0 if rows else EXIT_NOTHING


@collection.command()
@click.argument("name")
@library_options
def share(name: str, config: Config, quiet: bool) -> None:
    """Let everybody see and change the collection NAME, where users have names."""
    with open_library(config, writable=True) as library:
        is_new = library.annotations.share_collection(name)
    remark(
        f"collection {quoted(name)} is everybody's{' now' if is_new else ' already'}", quiet=quiet
    )


@collection.command()
@click.argument("name")
@click.argument("new_name")
@library_options
def rename(name: str, new_name: str, config: Config, quiet: bool) -> None:
    """Call the collection NAME NEW_NAME."""
    with open_library(config, writable=True) as library:
        library.annotations.rename_collection(name, new_name)
    remark(f"{quoted(name)} is now {quoted(new_name)}", quiet=quiet)


@collection.command()
@click.argument("name")
@library_options
def delete(name: str, config: Config, quiet: bool) -> None:
    """Delete the collection NAME; the sounds in it stay as they are."""
    with open_library(config, writable=True) as library:
        library.annotations.delete_collection(name)
    remark(f"collection {quoted(name)} deleted", quiet=quiet)
