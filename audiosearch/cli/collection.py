"""`audiosearch collection`: named lists of sounds and stretches."""

from __future__ import annotations

import click

from audiosearch.cli.annotations import day, print_annotations
from audiosearch.cli.clips_in import Clip, clips_argument, report
from audiosearch.cli.main import EXIT_NOTHING, CommandGroup
from audiosearch.cli.options import OutputForm, json_option, library_options, output_options
from audiosearch.cli.output import print_json, remark
from audiosearch.cli.terminal import say, style
from audiosearch.config import Config
from audiosearch.errors import display_text
from audiosearch.library import open_library


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
@click.argument("name")
@library_options
def create(name: str, config: Config, quiet: bool) -> None:
    """Make an empty collection NAME."""
    with open_library(config, writable=True) as library:
        library.annotations.create_collection(name)
    remark(f"collection {display_text(name)!r} made", quiet=quiet)


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
    return report(written, f"added to {display_text(name)!r}", as_json=as_json, quiet=quiet)


@collection.command()
@click.argument("name")
@clips_argument
@json_option
@library_options
def remove(name: str, clips: list[Clip], as_json: bool, config: Config, quiet: bool) -> int:
    """Take each CLIP out of the collection NAME; a FILE stands for all stretches of it too."""
    with open_library(config, writable=True) as library:
        written = library.annotations.uncollect(name, clips)
    status = report(written, f"taken out of {display_text(name)!r}", as_json=as_json, quiet=quiet)
    return status or (0 if written.n_changed else EXIT_NOTHING)


@collection.command("list")
@json_option
@library_options
def list_(as_json: bool, config: Config, quiet: bool) -> int:
    """List the collections, and how much is in each."""
    with open_library(config) as library:
        found = library.annotations.collections()
    for each in found:
        if as_json:
            print_json({"name": each.name, "sounds": each.n_items, "created_at": each.created_at})
        else:
            made = style(f"  ({day(each.created_at)})", dim=True)
            say(f"{each.n_items:6d}  {display_text(each.name)}{made}")
    if not found:
        remark("no collections yet: audiosearch collection create NAME", quiet=quiet)
    return 0 if found else EXIT_NOTHING


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
@click.argument("new_name")
@library_options
def rename(name: str, new_name: str, config: Config, quiet: bool) -> None:
    """Call the collection NAME NEW_NAME."""
    with open_library(config, writable=True) as library:
        library.annotations.rename_collection(name, new_name)
    remark(f"{display_text(name)!r} is now {display_text(new_name)!r}", quiet=quiet)


@collection.command()
@click.argument("name")
@library_options
def delete(name: str, config: Config, quiet: bool) -> None:
    """Delete the collection NAME; the sounds in it stay as they are."""
    with open_library(config, writable=True) as library:
        library.annotations.delete_collection(name)
    remark(f"collection {display_text(name)!r} deleted", quiet=quiet)
