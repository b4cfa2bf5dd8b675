"""`audiosearch info`: all that is known of files, without the model."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import click

from audiosearch._statuses import EXIT_ERROR
from audiosearch.cli.annotations import summary
from audiosearch.cli.options import json_option, library_options
from audiosearch.cli.output import clock, clock_span, print_json, remark, shown_path, size
from audiosearch.cli.terminal import say, style
from audiosearch.config import Config
from audiosearch.errors import AudiosearchError, DecodeError, QueryError, display_text
from audiosearch.library import FileInfo, open_library
from audiosearch.library.info_rows import copies_of, info_row

SHOWN = 20  # windows, for people; programs get all

Line = tuple[str, str]


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@json_option
@library_options
def info(files: tuple[str, ...], as_json: bool, config: Config, quiet: bool) -> int:
    """Show all that is known of each FILE: state, format, tags, metadata, captions.

    A FILE that is not in the library is read for what it says of itself; should the library know
    its sound, the files that have it are named. No model is needed.
    """
    failed: AudiosearchError | None = None
    with open_library(config) as library:
        for number, file in enumerate(files):
            try:
                told = library.info(file)
            except (DecodeError, QueryError) as error:
                if len(files) == 1:
                    raise
                failed = error
                remark(str(error), quiet=False)  # an error, which no --quiet hides
                continue
            if as_json:
                print_json(info_row(told))
            else:
                _print(told, apart=number > 0)
            if told.file is None:
                remark(f"{shown_path(told.path)}: not in the library", quiet=quiet)
    return 0 if failed is None else EXIT_ERROR


def _print(told: FileInfo, *, apart: bool) -> None:
    if apart:
        say()
    say(style(shown_path(told.path), bold=True))
    for name, value in [
        *_about_file(told),
        *_about_sound(told),
        *_about_texts(told),
        *_about_windows(told),
    ]:
        say(f"  {style(f'{name:<11}', dim=True)} {value}")


def _about_file(told: FileInfo) -> Iterator[Line]:
    file = told.file
    if file is None:
        yield "state", "not in the library"
    else:
        yield "state", str(file.state)
        if file.error_code is not None:
            yield "error", f"{display_text(file.error_text or '')} ({file.error_code})"
        if file.remark is not None:
            yield "remark", display_text(file.remark)
        if told.changed:
            yield "", "it has changed since it was read: audiosearch index takes it in"
        yield "folder", shown_path(file.root)
    known = file or told.identity
    assert known is not None
    changed_at = datetime.fromtimestamp(known.mtime_ns / 1e9).astimezone()
    yield "size", f"{size(known.size)} ({known.size} bytes)"
    yield "modified", changed_at.isoformat(sep=" ", timespec="seconds")
    for copy in copies_of(told):
        state = "" if copy.state == "indexed" else f" ({copy.state})"
        yield "same sound", f"{shown_path(copy.path)}{state}"


def _about_sound(told: FileInfo) -> Iterator[Line]:
    sound = told.sound
    heard = sound or told.identity
    if heard is None:
        return
    if sound is not None and sound.duration_s is not None:
        yield "length", f"{clock(sound.duration_s)} ({sound.duration_s:.3f} s)"
    depth = "" if heard.bit_depth is None else f", {heard.bit_depth} bits"
    channels = "1 channel" if heard.channels == 1 else f"{heard.channels} channels"
    yield "format", f"{heard.container}, {heard.codec}, {heard.sample_rate} Hz, {channels}{depth}"
    if sound is not None and sound.duration_s is not None:
        peak = "silence" if sound.peak_db is None else f"peak {sound.peak_db:.1f} dBFS"
        loud = "" if sound.loudness_lufs is None else f"{sound.loudness_lufs:.1f} LUFS, "
        yield "level", f"{loud}{peak}"


def _about_texts(told: FileInfo) -> Iterator[Line]:
    known = told.file or told.identity
    assert known is not None
    if told.file is not None and told.file.tags:
        yield "tags", display_text(", ".join(told.file.tags))
    for each in told.annotations:
        stretch = "" if each.end_s is None else f"{clock_span(each.start_s, each.end_s)}  "
        whose = display_text(f"{each.user}'s") if each.user and not each.is_own else "yours"
        yield whose, f"{stretch}{summary(each)}"
    for field, values in known.metadata.items():
        for value in values:
            yield display_text(field), display_text(value)
    if told.sound is not None:
        for caption in told.sound.captions:
            stretch = clock_span(caption.start_s, caption.end_s)
            own = "" if caption.source == "user" else f"  ({caption.source})"
            yield "caption", f"{stretch}  {display_text(caption.text)}{own}"


def _about_windows(told: FileInfo) -> Iterator[Line]:
    for bundle in () if told.sound is None else told.sound.bundles:
        far = "" if bundle.complete else ", not to its end"
        windows = "1 window" if bundle.n_windows == 1 else f"{bundle.n_windows} windows"
        yield "heard by", f"{bundle.name} {bundle.version}: {windows}{far}"
    if told.windows and told.told_by is not None and not told.is_current:
        yield "", f"what {told.told_by.name} {told.told_by.version} says, not the current model:"
    for window in told.windows[:SHOWN]:
        said = "(silence)" if window.silent else display_text(window.caption or "-")
        yield "hears", f"{clock_span(window.start_s, window.end_s)}  {said}"
    if len(told.windows) > SHOWN:
        yield "", f"and {len(told.windows) - SHOWN} more windows (--json tells all)"
