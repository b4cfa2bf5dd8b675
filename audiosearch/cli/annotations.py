"""`audiosearch tag`, `rate`, `favourite`, `note`, `annotations`: what a person says of sounds."""

from collections.abc import Sequence
from datetime import datetime

import click

from audiosearch._statuses import EXIT_NOTHING
from audiosearch.cli.clips_in import Clip, clips_argument, report, report_removal
from audiosearch.cli.main import CommandGroup
from audiosearch.cli.options import OutputForm, json_option, library_options, output_options
from audiosearch.cli.output import (
    clock_span,
    print_json,
    print_listing,
    print_paths,
    quoted,
    remark,
    shown_path,
)
from audiosearch.cli.terminal import say, style
from audiosearch.config import Config
from audiosearch.errors import QueryError, display_text
from audiosearch.library import open_library
from audiosearch.library.info_rows import annotation_row, place_row
from audiosearch.store.queries.annotation_list import WrittenAnnotation


@click.group(cls=CommandGroup)
def tag() -> None:
    """Put tags of your own on sounds, and find them by these.

    \b
      audiosearch tag add 'creaky door' door.wav hall.flac@3-5
      audiosearch find 'a dog barks' -0 | audiosearch tag add dogs -0

    A tag belongs to the sound, not to the file: it stays when the file is moved, renamed, tagged by
    other programs, or gone and back. Tags in the metadata of files are others (audiosearch info
    tells them apart); find, files and --tag look at both.
    """


@tag.command("add")
@click.argument("name", metavar="TAG")
@clips_argument
@json_option
@library_options
def tag_add(name: str, clips: list[Clip], as_json: bool, config: Config, quiet: bool) -> int:
    """Put TAG on each CLIP: FILE, or a part of one as FILE@START-END; on those on stdin without."""
    with open_library(config, writable=True) as library:
        written = library.annotations.tag(clips, name)
    return report(written, f"tagged {quoted(name)}", as_json=as_json, quiet=quiet)


@tag.command("remove")
@click.argument("name", metavar="TAG")
@clips_argument
@json_option
@library_options
def tag_remove(name: str, clips: list[Clip], as_json: bool, config: Config, quiet: bool) -> int:
    """Take TAG from each CLIP; a FILE without a stretch stands for all stretches of it."""
    with open_library(config, writable=True) as library:
        written = library.annotations.untag(clips, name)
    return report_removal(written, f"no longer tagged {quoted(name)}", as_json=as_json, quiet=quiet)


@tag.command("list")
@json_option
@library_options
def tag_list(as_json: bool, config: Config, quiet: bool) -> int:
    """List your tags, and on how many sounds and stretches each of them is."""
    with open_library(config) as library:
        tags = library.annotations.tags()
    return print_listing(
        tags,
        row=lambda each: {"tag": each.name, "sounds": each.n_stretches},
        line=lambda each: f"{each.n_stretches:6d}  {display_text(each.name)}",
        nothing="no tags yet: audiosearch tag add TAG FILE",
        as_json=as_json,
        quiet=quiet,
    )


@tag.command("show")
@click.argument("name", metavar="TAG")
@output_options
@library_options
def tag_show(name: str, form: OutputForm, config: Config, quiet: bool) -> int:
    """List the sounds and stretches that you tagged TAG."""
    with open_library(config) as library:
        rows = library.annotations.listed(tag=name)
    print_annotations(rows, form)
    if not rows:
        remark(f"you tagged nothing {quoted(name)}: audiosearch tag list", quiet=quiet)
    return 0 if rows else EXIT_NOTHING


@click.command()
@click.argument("stars", metavar="STARS")
@clips_argument
@json_option
@library_options
def rate(stars: str, clips: list[Clip], as_json: bool, config: Config, quiet: bool) -> int:
    """Rate each CLIP with 1 to 5 STARS, or `none` for no rating any more.

    \b
      audiosearch rate 5 door.wav
      audiosearch files --rating 4 --paths
    """
    if stars != "none" and not (stars.isascii() and stars.isdigit()):
        raise QueryError(f"{stars!r} is no rating", remedy="audiosearch rate 4 FILE; none for none")
    with open_library(config, writable=True) as library:
        written = library.annotations.rate(clips, None if stars == "none" else int(stars))
    what = "no longer rated" if stars == "none" else f"rated {stars}"
    return report(written, what, as_json=as_json, quiet=quiet)


@click.command()
@click.option("--remove", is_flag=True, help="They are favourites no longer.")
@clips_argument
@json_option
@library_options
def favourite(remove: bool, clips: list[Clip], as_json: bool, config: Config, quiet: bool) -> int:
    """Make each CLIP a favourite; files --favourite and find --favourite look among these."""
    with open_library(config, writable=True) as library:
        written = library.annotations.favourite(clips, wanted=not remove)
    what = "no favourite any more" if remove else "made favourite"
    return report(written, what, as_json=as_json, quiet=quiet)


@click.command()
@click.option("--append", is_flag=True, help="Below the note that is there, not in its place.")
@click.argument("text", metavar="TEXT")
@clips_argument
@json_option
@library_options
def note(
    append: bool, text: str, clips: list[Clip], as_json: bool, config: Config, quiet: bool
) -> int:
    """Write the note TEXT about each CLIP; an empty TEXT ('') takes the note away.

    Its words are searched by find, as names and tags are.
    """
    with open_library(config, writable=True) as library:
        written = library.annotations.note(clips, text or None, append=append)
    what = "noted" if text else "without a note now"
    return report(written, what, as_json=as_json, quiet=quiet)


@click.command()
@click.option("--tag", "name", metavar="TAG", help="Only with this tag of yours.")
@click.option("--rating", type=click.IntRange(1, 5), help="Only rated so many stars or more.")
@click.option("--favourite", "favourites", is_flag=True, help="Only favourites.")
@click.option("--noted", is_flag=True, help="Only with a note.")
@click.argument("files", nargs=-1, metavar="[FILE]...")
@output_options
@library_options
def annotations(
    name: str | None,
    rating: int | None,
    favourites: bool,
    noted: bool,
    files: tuple[str, ...],
    form: OutputForm,
    config: Config,
    quiet: bool,
) -> int:
    """List what you wrote of sounds and stretches: tags, ratings, favourites, notes, collections.

    With FILE, of these sounds only. Sounds are listed too that the library does not hold now.
    """
    with open_library(config) as library:
        rows = library.annotations.listed(
            files or None, tag=name, least_stars=rating, favourite=favourites, noted=noted
        )
    print_annotations(rows, form)
    if not rows:
        remark("nothing is written that fits this", quiet=quiet)
    return 0 if rows else EXIT_NOTHING


def print_annotations(rows: Sequence[WrittenAnnotation], form: OutputForm) -> None:
    """A line or two for people; paths as other commands print them; or a JSON row each."""
    if form.paths:
        print_paths((row.path for row in rows if row.path), print0=form.print0)
        return
    for row in rows:
        if form.json:
            print_json({**place_row(row), **annotation_row(row)})
            continue
        stretch = "" if row.end_s is None else f"  {clock_span(row.start_s, row.end_s)}"
        gone = "" if row.here else style("  (not here now)", dim=True)
        path = shown_path(row.path) if row.path else f"sound {row.audio_hash.hex()[:12]}"
        say(f"{style(path, bold=True)}{stretch}{gone}{owned_by(row.user)}")
        said = summary(row)
        if said:
            say(f"       {said}")


def summary(row: WrittenAnnotation) -> str:
    """What is written, in one line."""
    parts: list[str] = []
    if row.rating is not None:
        parts.append("*" * row.rating)
    if row.favourite_at is not None:
        parts.append("favourite")
    if row.tags:
        parts.append(f"tags: {', '.join(row.tags)}")
    if row.collections:
        parts.append(f"in: {', '.join(row.collections)}")
    if row.note is not None:
        parts.append(f"note: {' / '.join(row.note.splitlines())}")
    return display_text("; ".join(parts))


def owned_by(user: str) -> str:
    """`  (anna's)`, dimmed; nothing for what is everybody's."""
    return style(f"  ({display_text(user)}'s)", dim=True) if user else ""


def made_on(seconds: float) -> str:
    """`  (2026-05-01)`, dimmed: the day of a Unix time, here."""
    day = datetime.fromtimestamp(seconds).astimezone().date().isoformat()
    return style(f"  ({day})", dim=True)
