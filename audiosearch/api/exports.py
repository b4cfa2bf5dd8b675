"""Hits, windows and rows of programs, written in the formats of other programs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
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


class ExportingLibrary:
    """What a library of sound offers for other programs."""

    def _open(self, *, to_write: bool = False) -> AbstractContextManager[Library]:
        raise NotImplementedError

    def export(
        self,
        rows: Iterable[SearchHit | LibraryWindow | Mapping[str, object]],
        kind: ExportKind,
        to: PathArgument,
        *,
        label: str | None = None,
        force: bool = False,
        clip_format: Literal["wav", "flac"] = "wav",
        template: str | None = None,
        ucs: str | None = None,
        fade_s: float = 0.0,
        fps: str = "25",
        layout: Literal["audiosearch", "opensoundscape"] = "audiosearch",
        markers: bool = False,
    ) -> list[Path]:
        """Take stretches of sound to another program.

        Args:
            rows: hits, windows, or mappings with `path`, `start_s` and `end_s`, and where known
                `label` or `caption`, `score`, `low_hz`, `high_hz` (as `--json` prints them).
            kind: the format; clips are cut out of the files themselves.
            to: a file; of `clips` a folder; of `audacity`, `raven` and `reaper` a folder for a
                file of each recording, or a file's name with the format's ending.
            label: what every stretch is called, whatever is heard.
            force: write over files that are there; the sounds themselves are never written to.
            clip_format: of clips.
            template: of clips' names, such as `"{ucs}_{caption}_{stem}"`.
            ucs: of clips, the CatID of all; None: each source's own, where it has one.
            fade_s: of clips, seconds of fade at both ends; 0 leaves every sample as it is.
            fps: of an EDL, the frame rate of its timecode, such as `"29.97df"`.
            layout: of a CSV, its columns.
            markers: of REAPER's list, the starts alone.

        Returns:
            The files written, in order; a clip whose source cannot be read is left out.

        Raises:
            QueryError: a row names no stretch, the format cannot hold them, or a file is there.
            DecodeError: of clips, none of the sources can be read.
            FeatureUnavailable: Parquet without the extra `parquet`.
            AudiosearchError: it cannot be written.
        """
        with self._open() as library:
            return export_rows(
                library,
                rows,
                kind,
                to,
                label=label,
                force=force,
                clips=ClipChoices(clip_format, template, ucs, fade_s),
                fps=fps,
                layout=layout,
                markers=markers,
            )


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
