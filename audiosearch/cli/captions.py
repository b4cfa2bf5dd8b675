"""`audiosearch captions`: the sentences in the library, the model's and those of people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from audiosearch._statuses import EXIT_NOTHING
from audiosearch._wording import counted
from audiosearch.cli.clips_in import say_cut
from audiosearch.cli.main import CommandGroup
from audiosearch.cli.options import json_option, library_options
from audiosearch.cli.output import (
    clock_span,
    path_fields,
    print_json,
    print_listing,
    remark,
    shown_path,
)
from audiosearch.cli.terminal import say, style
from audiosearch.config import Config
from audiosearch.errors import display_text
from audiosearch.library import open_library
from audiosearch.library.captions import Added, ListedCaption
from audiosearch.store.queries.caption_imports import StoredImport

_SOURCES = click.Choice(["auto", "user", "import", "label"])


@click.group(cls=CommandGroup)
def captions() -> None:
    """List, search, add and remove the captions of the library."""


@captions.command("list")
@click.option(
    "--source",
    type=_SOURCES,
    help="Only captions written by the model (auto), by you, imported, or made of labels.",
)
@click.option("-n", "--limit", type=click.IntRange(min=1), help="Show at most this many.")
@json_option
@library_options
def list_(
    source: str | None,
    limit: int | None,
    as_json: bool,
    config: Config,
    quiet: bool,  # noqa: ARG001
) -> None:
    """List captions, those of most windows first."""
    with open_library(config) as library:
        stored = library.captions(source=source, limit=limit)
    _print(stored, as_json=as_json)


@captions.command()
@click.argument("words", nargs=-1, required=True)
@click.option("-n", "--limit", type=click.IntRange(min=1), help="Show at most this many.")
@json_option
@library_options
def search(
    words: tuple[str, ...],
    limit: int | None,
    as_json: bool,
    config: Config,
    quiet: bool,  # noqa: ARG001
) -> int:
    """List captions with any of WORDS in them, the best matches first."""
    with open_library(config) as library:
        stored = library.captions(words=" ".join(words), limit=limit)
    _print(stored, as_json=as_json)
    return 0 if stored else EXIT_NOTHING


@captions.command()
@click.argument("text", nargs=-1, required=True)
@click.option(
    "--for", "clip", metavar="CLIP", help="The sound that it is for: FILE or FILE@START-END."
)
@json_option
@library_options
def add(text: tuple[str, ...], clip: str | None, as_json: bool, config: Config, quiet: bool) -> int:
    """Add a caption of your own, for a sound of the library or for none.

    A caption for a sound is searched like file names are, and the sound comes first when you
    search for its words. Every caption is one that `describe` may answer with.
    """
    with open_library(config, writable=True) as library:
        added = library.add_caption(" ".join(text), clip=clip)
    return _report(added, as_json=as_json, quiet=quiet)


@captions.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--for",
    "clip",
    metavar="CLIP",
    help="The sound that all of it is for: FILE, or FILE@START-END to count from there.",
)
@json_option
@library_options
def import_(file: Path, clip: str | None, as_json: bool, config: Config, quiet: bool) -> int:
    """Add the captions in FILE: sentences, one a line, a table, or another program's labels.

    A table (.csv, .tsv) has a column `caption` (or `caption_1` ..., label, annotation, name), and
    may have `path`, `start_s` and `end_s` for the sounds that they are for. Label tracks of
    Audacity, selection tables of Raven, regions of REAPER, subtitles (.srt) and cue sheets are told
    by their content; those that name no sound are for the one beside them that has their name.

    A file that is none of these is refused with the line, and nothing of it is kept. What is there
    already is passed over. `captions remove --import` takes an import back.
    """
    with open_library(config, writable=True) as library:
        added = library.import_captions(file, clip=clip)
    return _report(added, as_json=as_json, quiet=quiet)


@captions.command()
@json_option
@library_options
def imports(as_json: bool, config: Config, quiet: bool) -> int:
    """List the imports that can be taken back, the oldest first."""
    with open_library(config) as library:
        found = library.imports()
    return print_listing(
        found,
        row=lambda each: {
            "import_id": each.import_id,
            "source": each.source,
            "kind": each.kind,
            "added_at": each.added_at,
            "captions": each.n_captions,
            "given": each.n_targets,
        },
        line=_import_line,
        nothing="no import of captions is kept",
        as_json=as_json,
        quiet=quiet,
    )


def _import_line(found: StoredImport) -> str:
    day = datetime.fromtimestamp(found.added_at).astimezone()
    brought = counted(found.n_captions, "caption")
    given = counted(found.n_targets, "stretch", "stretches")
    return (
        f"{found.import_id:4d}  {day:%Y-%m-%d %H:%M}  {display_text(found.source)}  ({found.kind})"
        f"  {brought}, {given}"
    )


@captions.command()
@click.argument("text", nargs=-1)
@click.option("--id", "ids", type=int, multiple=True, help="The caption with this number.")
@click.option("--source", type=_SOURCES, help="All captions of this kind.")
@click.option(
    "--import",
    "import_ids",
    type=int,
    multiple=True,
    metavar="ID",
    help="All that this import alone brought; `captions imports` lists them.",
)
@library_options
def remove(
    text: tuple[str, ...],
    ids: tuple[int, ...],
    source: str | None,
    import_ids: tuple[int, ...],
    config: Config,
    quiet: bool,
) -> int:
    """Remove captions: each TEXT is one, word for word.

    A caption that the model wrote too stays, as the model's.
    """
    if import_ids:
        if text or ids or source:
            raise click.UsageError("--import is taken back alone")
        return _take_back(import_ids, config=config, quiet=quiet)
    if not (text or ids or source):
        raise click.UsageError("name captions by their TEXT, --id, --source or --import")
    with open_library(config, writable=True) as library:
        n_removed = library.remove_captions(text, ids=ids, source=source)
    remark(f"{counted(n_removed, 'caption')} removed", quiet=quiet)
    return 0 if n_removed else EXIT_NOTHING


def _take_back(import_ids: Sequence[int], *, config: Config, quiet: bool) -> int:
    with open_library(config, writable=True) as library:
        for each in dict.fromkeys(import_ids):
            gone = library.remove_import(each)
            stretches = counted(gone.n_targets, "stretch", "stretches")
            remark(
                f"import {each}: {counted(gone.n_captions, 'caption')} removed, taken from"
                f" {stretches} of sound",
                quiet=quiet,
            )
    return 0


def _report(added: Added, *, as_json: bool, quiet: bool) -> int:
    if as_json:
        print_json(
            {
                "new": added.n_new,
                "known": added.n_known,
                "given": added.n_given,
                "empty": added.n_empty,
                "not_indexed": len(added.not_indexed),
                **({"cut": added.n_cut} if added.n_cut else {}),
                **({} if added.kind is None else {"kind": added.kind}),
                **({} if added.kind is None else {"import_id": added.import_id}),
            }
        )
    given = f", given to {counted(added.n_given, 'stretch', 'stretches')} of sound"
    remark(
        f"{counted(added.n_new, 'new caption')}, {added.n_known} known before"
        f"{given if added.n_given else ''}",
        quiet=quiet,
    )
    say_cut(added.n_cut, quiet=quiet)
    if added.n_empty:
        remark(f"{added.n_empty} without a word left out", quiet=quiet)
    if added.import_id is not None:
        remark(
            f"taken back by: audiosearch captions remove --import {added.import_id}", quiet=quiet
        )
    for path in added.not_indexed[:5]:
        remark(f"{shown_path(path)}: not in the library; kept for no sound", quiet=quiet)
    if len(added.not_indexed) > 5:
        remark(f"and {counted(len(added.not_indexed) - 5, 'more file')}", quiet=quiet)
    return 0


def _print(listed: Sequence[ListedCaption], *, as_json: bool) -> None:
    for each in listed:
        if as_json:
            print_json(_row(each))
        else:
            _print_lines(each)


def _row(listed: ListedCaption) -> dict[str, object]:
    caption = listed.caption
    return {
        "caption_id": caption.caption_id,
        "caption": listed.words,
        "source": str(caption.source),
        "windows": caption.n_windows,
        "given": caption.n_targets,
        "normalised": caption.text,
        "places": [
            {
                **({"path": None} if place.path is None else path_fields(place.path)),
                "start_s": place.start_s,
                "end_s": place.end_s,
                "caption": place.typed or listed.words,
            }
            for place in listed.places
        ],
    }


def _print_lines(listed: ListedCaption) -> None:
    """The caption, and below it each place that it is said of; of the model's, the first."""
    caption = listed.caption
    own = "" if caption.source == "auto" else style(f"  ({caption.source})", dim=True)
    say(f"{caption.n_windows + caption.n_targets:6d}  {display_text(listed.words)}{own}")
    n_more = 0 if caption.n_targets else caption.n_windows - len(listed.places)
    more = style(f"  (and {n_more} more)", dim=True) if listed.places and n_more > 0 else ""
    for place in listed.places:
        file = "(no file holds it now)" if place.path is None else shown_path(place.path)
        when = clock_span(place.start_s, place.end_s)
        otherwise = place.typed is not None and place.typed != listed.words
        said = style(f"  {display_text(place.typed or '')}", dim=True) if otherwise else ""
        say(f"{'':8}{file}  {when}{said}{more}")
