"""`audiosearch duplicates`: sounds that the library has more than once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

import click

from audiosearch._statuses import EXIT_NOTHING
from audiosearch._wording import counted
from audiosearch.cli.filter_options import FilterOptions, filter_options
from audiosearch.cli.options import json_option, library_options
from audiosearch.cli.output import path_fields, print_json, remark, shown_path, size
from audiosearch.cli.terminal import say, style
from audiosearch.config import Config
from audiosearch.library import open_library
from audiosearch.library.duplicates import DuplicateFile, DuplicateGroup, DuplicateKind
from audiosearch.store.queries.duplicates import HeldSound

_MANY = 20  # sounds; fewer are heard in no time
_SHOWN = {
    DuplicateKind.IDENTICAL: "the same sound",
    DuplicateKind.OTHER_FORMAT: "one take in other formats",
    DuplicateKind.NEAR: "one take, nearly the same",
}


@click.command()
@click.option(
    "--identical", is_flag=True, help="Only sounds that are the same to the bit (listens to none)."
)
@filter_options
@json_option
@library_options
def duplicates(
    identical: bool, filters: FilterOptions, as_json: bool, config: Config, quiet: bool
) -> int:
    """List sounds that the library has more than once, in groups, the best file of each first.

    Sounds are the same to the bit (copies, whatever their names and tags), one take in another
    format, or one take at another level. Sounds that may be one take are listened to; two takes of
    the same thing are no duplicates. Nothing is deleted: the paths are for you to decide about.
    Files that pass the filters are compared with each other.
    """
    with open_library(config) as library:
        found = library.duplicates(
            identical_only=identical, filters=filters, watched=iter if quiet else _with_bar
        )
    for group in found.groups:
        if as_json:
            print_json(
                {"kind": str(group.kind), "files": [_file_row(each) for each in group.files]}
            )
        else:
            _print(group)
    for path in found.unheard[:5]:
        remark(f"{shown_path(path)}: could not be read to be compared", quiet=quiet)
    if len(found.unheard) > 5:
        remark(f"and {counted(len(found.unheard) - 5, 'more file')}", quiet=quiet)
    n_more = sum(len(group.files) - 1 for group in found.groups)
    groups = counted(len(found.groups), "group")
    said = f"{groups}, {counted(n_more, 'file')} more than needed" if n_more else "no duplicates"
    remark(said, quiet=quiet)
    return 0 if found.groups else EXIT_NOTHING


def _with_bar(sounds: Sequence[HeldSound]) -> Iterable[HeldSound]:
    if not sys.stderr.isatty() or len(sounds) < _MANY:
        return sounds
    from audiosearch.cli.progress import with_bar  # noqa: PLC0415 - slow to load, seldom needed

    by_path = {os.fsdecode(each.paths[0]): each for each in sounds}
    return (by_path[path] for path in with_bar(list(by_path)))


def _file_row(file: DuplicateFile) -> dict[str, object]:
    codec, container, rate, channels, bits = file.sound.form
    return {
        **path_fields(file.path),
        "recording_id": file.sound.recording_id,
        "likeness": round(file.likeness, 4),
        "duration_s": round(file.sound.duration_s, 6),
        "size": file.size,
        "codec": codec,
        "container": container,
        "sample_rate": rate,
        "channels": channels,
        "bit_depth": bits,
    }


def _print(group: DuplicateGroup) -> None:
    say(style(_SHOWN[group.kind], dim=True))
    for file in group.files:
        codec, _, rate, _, _ = file.sound.form
        alike = "" if file.likeness > 0.9995 else f"  {file.likeness:.2f} alike"
        say(
            f"  {size(file.size):>9}  {style(shown_path(file.path), bold=True)}"
            f"  ({codec}, {rate} Hz){alike}"
        )
