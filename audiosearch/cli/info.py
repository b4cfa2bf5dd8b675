"""`audiosearch info`: all that is known of files, without the model."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import click

from audiosearch.cli.annotations import annotation_row, summary
from audiosearch.cli.main import EXIT_ERROR
from audiosearch.cli.options import json_option, library_options
from audiosearch.cli.output import clock, path_fields, print_json, remark, shown_path, size
from audiosearch.cli.terminal import say, style
from audiosearch.config import Config
from audiosearch.errors import AudiosearchError, DecodeError, QueryError, display_text
from audiosearch.library import FileInfo, open_library
from audiosearch.store.queries.file_details import SoundPath

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
                print_json(_row(told))
            else:
                _print(told, apart=number > 0)
            if told.file is None:
                remark(f"{shown_path(told.path)}: not in the library", quiet=quiet)
    return 0 if failed is None else EXIT_ERROR


def _row(told: FileInfo) -> dict[str, object]:
    """Everything, for programs; times are Unix times."""
    file, sound = told.file, told.sound
    known = file or told.identity
    heard = sound or told.identity
    assert known is not None
    return {
        **path_fields(told.path),
        "in_library": file is not None,
        "state": None if file is None else str(file.state),
        "error": _error_row(told),
        "remark": None if file is None else file.remark,
        "root": None if file is None else path_fields(file.root)["path"],
        "size": known.size,
        "mtime": known.mtime_ns / 1e9,
        "checked_at": None if file is None else file.checked_at,
        "changed": told.changed,
        "copies": [{**path_fields(copy.path), "state": str(copy.state)} for copy in _copies(told)],
        "recording_id": None if sound is None else sound.recording_id,
        "duration_s": None if sound is None else sound.duration_s,
        "container": None if heard is None else heard.container,
        "codec": None if heard is None else heard.codec,
        "sample_rate": None if heard is None else heard.sample_rate,
        "channels": None if heard is None else heard.channels,
        "bit_depth": None if heard is None else heard.bit_depth,
        "loudness_lufs": None if sound is None else sound.loudness_lufs,
        "peak_db": None if sound is None else sound.peak_db,
        "tags": [] if file is None else list(file.tags),
        "tags_given": [] if sound is None else list(sound.tags),
        "metadata": {field: list(values) for field, values in known.metadata.items()},
        "captions_given": _caption_rows(told),
        **_own_rows(told),
        **_heard_rows(told),
    }


def _error_row(told: FileInfo) -> dict[str, object] | None:
    if told.file is None or told.file.error_code is None:
        return None
    return {"code": told.file.error_code, "reason": told.file.error_text}


def _caption_rows(told: FileInfo) -> list[dict[str, object]]:
    captions = () if told.sound is None else told.sound.captions
    return [
        {
            "start_s": round(each.start_s, 6),
            "end_s": round(each.end_s, 6),
            "caption": each.text,
            "source": str(each.source),
        }
        for each in captions
    ]


def _own_rows(told: FileInfo) -> dict[str, object]:
    """What a person wrote: of the whole sound, and of each stretch."""
    whole = [each for each in told.annotations if each.end_s is None]
    row = annotation_row(whole[0]) if whole else {}
    return {
        "rating": row.get("rating"),
        "favourite": row.get("favourite", False),
        "note": row.get("note"),
        "collections": row.get("collections", []),
        "annotations": [
            {"start_s": each.start_s, "end_s": each.end_s, **annotation_row(each)}
            for each in told.annotations
        ],
    }


def _heard_rows(told: FileInfo) -> dict[str, object]:
    """What models made of the sound."""
    bundles = () if told.sound is None else told.sound.bundles
    return {
        "models": [
            {
                "name": each.name,
                "version": each.version,
                "fingerprint": each.fingerprint,
                "complete": each.complete,
                "windows": each.n_windows,
            }
            for each in bundles
        ],
        "windows_by": None if told.told_by is None else told.told_by.fingerprint,
        "windows": [
            {
                "start_s": round(each.start_s, 6),
                "end_s": round(each.end_s, 6),
                "silent": each.silent,
                "caption": each.caption,
            }
            for each in told.windows
        ],
    }


def _copies(told: FileInfo) -> list[SoundPath]:
    """The other files of the library with the same sound."""
    own = None if told.file is None else told.file.file_id
    return [] if told.sound is None else [f for f in told.sound.files if f.file_id != own]


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
    for copy in _copies(told):
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
        stretch = "" if each.end_s is None else f"{clock(each.start_s)}-{clock(each.end_s)}  "
        yield "yours", f"{stretch}{summary(each)}"
    for field, values in known.metadata.items():
        for value in values:
            yield display_text(field), display_text(value)
    if told.sound is not None:
        for caption in told.sound.captions:
            stretch = f"{clock(caption.start_s)}-{clock(caption.end_s)}"
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
        yield "hears", f"{clock(window.start_s)}-{clock(window.end_s)}  {said}"
    if len(told.windows) > SHOWN:
        yield "", f"and {len(told.windows) - SHOWN} more windows (--json tells all)"
