"""Hits, windows and rows of programs, written in the formats of other programs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from audiosearch.api.clips import PathArgument, absolute_path
from audiosearch.api.results import LibraryWindow, SearchHit, as_path
from audiosearch.errors import QueryError, path_fields
from audiosearch.exchange.documents import DocumentOptions
from audiosearch.exchange.names import TEMPLATE, NameTemplate
from audiosearch.exchange.timelines import frame_rate
from audiosearch.library import Library
from audiosearch.library.exports import Exporter

ExportKind: TypeAlias = Literal[
    "clips", "m3u8", "audacity", "raven", "reaper", "edl", "aoef", "csv", "jsonl", "parquet"
]
ExportRow: TypeAlias = SearchHit | LibraryWindow | Mapping[str, object]


class ClipChoices(NamedTuple):
    """How clips are written; see `SoundLibrary.export`."""

    kind: str
    template: str | None
    ucs: str | None
    fade_s: float


def export_rows(
    library: Library,
    rows: Iterable[ExportRow],
    kind: ExportKind,
    to: PathArgument,
    *,
    label: str | None,
    force: bool,
    clips: ClipChoices,
    fps: str,
    layout: str,
    markers: bool,
) -> list[Path]:
    """Write rows; see `SoundLibrary.export`.

    Raises:
        AudiosearchError: as there.
    """
    given = [row_of(each) for each in rows]
    target = as_path(absolute_path(to))
    options = DocumentOptions(rate=frame_rate(fps), markers=markers, layout=layout)
    names = NameTemplate(clips.template or TEMPLATE, ucs=clips.ucs)
    if not given:
        return []
    exporter = Exporter(library.database, library.config.index)
    if kind == "clips":
        from audiosearch.exchange.clips import ClipForm  # noqa: PLC0415 - libsndfile

        form = ClipForm(kind=clips.kind, fade_s=clips.fade_s, template=names, ucs=clips.ucs)
        done = exporter.clips(given, target, form, label=label, force=force)
    else:
        done = exporter.write(kind, given, target, label=label, options=options, force=force)
    return list(done.files)


def row_of(each: ExportRow) -> Mapping[str, object]:
    """What an export is told of a hit, a window or a row."""
    if isinstance(each, SearchHit):
        return each.row()
    if not isinstance(each, LibraryWindow):
        return each
    if each.path is None:
        raise QueryError("no file holds this sound now")
    return {
        **path_fields(os.fsencode(each.path)),
        "start_s": each.start_s,
        "end_s": each.end_s,
        "duration_s": each.duration_s,
        "caption": each.caption,
        "recording_id": each.recording_id,
        "window_id": each.window_id,
    }
