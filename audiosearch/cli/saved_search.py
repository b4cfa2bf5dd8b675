"""`audiosearch search`: questions saved under a name, and asked again."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

import click

from audiosearch._urls import is_url
from audiosearch.audio.clip import absolute
from audiosearch.cli.annotations import made_on
from audiosearch.cli.main import CommandGroup
from audiosearch.cli.options import json_option, library_options
from audiosearch.cli.output import print_listing, quoted, remark
from audiosearch.config import Config
from audiosearch.errors import display_text
from audiosearch.library import open_library
from audiosearch.search.filters import is_folder_glob

_COMMANDS = ("find", "similar", "files")
_FOLDERS = ("--in", "--not-in")  # options whose folders are kept as absolute paths
_REPLACE = "--replace"
_REST = {"ignore_unknown_options": True, "allow_interspersed_args": False}


@click.group(cls=CommandGroup)
def search() -> None:
    """Save questions under a name, and ask them again.

    \b
      audiosearch search save doors 'a creaking door' --min-duration 2 --not-tag music
      audiosearch search save drones similar drone.wav -n 50
      audiosearch search run doors
      audiosearch search run doors --json -n 3
    """


@search.command(context_settings=_REST)
@click.option(_REPLACE, is_flag=True, help="In place of the saved search of this name.")
@library_options
@click.argument("name")
@click.argument("arguments", nargs=-1, required=True, type=click.UNPROCESSED, metavar="QUERY...")
@click.pass_context
def save(
    context: click.Context,
    replace: bool,
    name: str,
    arguments: tuple[str, ...],
    config: Config,
    quiet: bool,
) -> None:
    """Save QUERY, words and options as find takes them, under NAME.

    A QUERY that begins with `find`, `similar` or `files` is a question to that command. Options of
    this command come before NAME. Folders after --in are kept as absolute paths.
    """
    if _REPLACE in arguments and "--" not in arguments:  # no question has an option of this name
        replace, arguments = True, tuple(each for each in arguments if each != _REPLACE)
    if not arguments:
        raise click.UsageError("Missing argument 'QUERY...'.")
    wanted = arguments if arguments[0] in _COMMANDS else ("find", *arguments)
    checked = _checked(context, wanted)
    with open_library(config, writable=True) as library:
        library.annotations.save_search(name, checked, replace=replace)
    remark(f"saved: audiosearch search run {shlex.quote(name)}", quiet=quiet)


def _checked(context: click.Context, arguments: Sequence[str]) -> list[str]:
    """The arguments with absolute paths.

    Raises:
        UsageError: the command does not take them.
    """
    root = context.find_root().command
    assert isinstance(root, click.Group)
    command = root.get_command(context, arguments[0])
    assert command is not None
    with command.make_context(arguments[0], list(arguments[1:]), parent=context) as parsed:
        clips = (*parsed.params.get("clips", ()), *parsed.params.get("like", ()))
    kept: list[str] = []
    for each in arguments:
        option, equals, value = each.partition("=")
        if kept and kept[-1] in _FOLDERS:
            kept.append(_folder(each))
        elif option in _FOLDERS and equals:
            kept.append(f"{option}={_folder(value)}")
        elif option == "--like" and equals and _is_clip(value):
            kept.append(f"{option}={os.path.abspath(value)}")  # noqa: PTH100
        elif each in clips and _is_clip(each):
            kept.append(os.path.abspath(each))  # noqa: PTH100
        else:
            kept.append(each)
    return kept


def _folder(text: str) -> str:
    """A folder's absolute path; a glob stays, since a relative one means folders anywhere."""
    if is_folder_glob(Path(text)):
        return text
    if is_url(text):
        return os.fsdecode(absolute(text))
    return os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111 - keeps links


def _is_clip(text: str) -> bool:
    """Whether a file is there that is named so, or a part of it."""
    # Not by pathlib, which raises where a name is longer than any can be.
    if is_url(text):
        return True
    return os.path.exists(text) or os.path.isfile(text.rpartition("@")[0])  # noqa: PTH110, PTH113


@search.command("list")
@json_option
@library_options
def list_(as_json: bool, config: Config, quiet: bool) -> int:
    """List the saved searches, each as the command that it is."""
    with open_library(config) as library:
        found = library.annotations.searches()
    return print_listing(
        found,
        row=lambda x: {"name": x.name, "arguments": list(x.arguments), "saved_at": x.saved_at},
        line=lambda x: (
            f"{display_text(x.name)}: {display_text(shlex.join(x.arguments))}{made_on(x.saved_at)}"
        ),
        nothing="no saved searches yet: audiosearch search save NAME QUERY",
        as_json=as_json,
        quiet=quiet,
    )


@search.command("run", context_settings=_REST)
@library_options
@click.argument("name")
@click.argument("more", nargs=-1, type=click.UNPROCESSED, metavar="[OPTION]...")
@click.pass_context
def run_(
    context: click.Context, name: str, more: tuple[str, ...], config: Config, quiet: bool
) -> int:
    """Ask the saved search NAME again; each OPTION is one of its command (--json, -n 3 ...)."""
    with open_library(config) as library:
        found = library.annotations.search(name)
    own = context.params
    passed = [
        part
        for option in ("config", "device", "task")
        for value in [own.get("config_file" if option == "config" else option)]
        if value is not None
        for part in (f"--{option}", str(value))
    ]
    command, *arguments = found.arguments
    root = context.find_root().command
    assert isinstance(root, click.Group)
    asked = root.get_command(context, command)
    assert asked is not None
    result = asked.main(
        [*arguments, *more, *passed, *(["--quiet"] if quiet else [])],
        prog_name=f"audiosearch {command}",
        standalone_mode=False,
    )
    return result if isinstance(result, int) else 0


@search.command()
@click.argument("name")
@library_options
def delete(name: str, config: Config, quiet: bool) -> None:
    """Delete the saved search NAME."""
    with open_library(config, writable=True) as library:
        library.annotations.delete_search(name)
    remark(f"saved search {quoted(name)} deleted", quiet=quiet)
