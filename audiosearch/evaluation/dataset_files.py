"""Reading data sets: Clotho, AudioCaps, MACS and WavCaps, a plain CSV, a labelled folder.

Whatever is wrong is an error that names the rows, all of them at once, by their line numbers.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from audiosearch._files import read_bounded
from audiosearch.errors import DatasetError
from audiosearch.evaluation.datasets import Dataset, DatasetClip, LabelledQuery
from audiosearch.exchange.dataset_folders import (
    best_folder,
    macs_entries,
    sound_folders,
    wavcaps_entries,
)
from audiosearch.model.tokenizer import normalise

_MOST_BYTES = 256 << 20  # of a list of sounds
_SHOWN = 10  # problems named in one message
_SAMPLED = 100  # rows by which the folder of the sounds is found
_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aac", ".webm", ".mp4", ".mkv")


class Layout(StrEnum):
    """What the columns of a data set's CSV file mean.

    - Clotho: `file_name,caption_1,...,caption_5`, one row a clip.
    - AudioCaps: `audiocap_id,youtube_id,start_time,caption`, one row a caption; clips are found by
      the names that people's download scripts give them.
    - plain: `path,caption,...`; one row a clip with one or more columns named `caption...`, or,
      with one such column, one row a caption.
    - manifest: `path,label` and, where known, `group` and `fold`: a labelled folder, no captions.
    - MACS: `MACS.yaml`, and WavCaps: one of its JSON files; clips by name with any suffix.
    - queries: `path,query` and, where there are several, `wording` and `part`: one row for each
      query that a sound answers; a sound that answers none has one row with an empty query.
    """

    CLOTHO = "clotho"
    AUDIOCAPS = "audiocaps"
    MACS = "macs"
    WAVCAPS = "wavcaps"
    PLAIN = "csv"
    MANIFEST = "manifest"
    QUERIES = "queries"


@dataclass(frozen=True)
class DatasetRow:
    """A row of the file and the line that it ends on."""

    line: int
    values: Mapping[str, str]

    def text(self, column: str) -> str:
        """The text in a column; empty where the row is short."""
        return (self.values.get(column) or "").strip()

    def name(self, column: str, *, folder: Path) -> str:
        """The name of a file in `folder`; spaces around it are its own where it is there so."""
        written = self.values.get(column) or ""
        return written if written.strip() and (folder / written).is_file() else written.strip()


@dataclass
class _DatasetReading:
    """A data set in the making: its rows, and what is wrong with them."""

    file: Path
    audio: Path
    skip_missing: bool
    rows: list[DatasetRow]
    columns: Sequence[str]
    problems: list[str] = field(default_factory=list)
    n_missing: int = 0
    n_absent: int = 0  # problems that are files which are not there

    def wrong(self, rows: DatasetRow | Sequence[DatasetRow], reason: str) -> None:
        """Note what is wrong with these rows."""
        lines = ", ".join(
            str(row.line) for row in ([rows] if isinstance(rows, DatasetRow) else rows)
        )
        self.problems.append(f"row{'s' if ',' in lines else ''} {lines}: {reason}")

    def missing(self, row: DatasetRow, reason: str) -> None:
        """Note that the file of this row is not there, unless the user knows."""
        if self.skip_missing:
            self.n_missing += 1
        else:
            self.wrong(row, reason)
            self.n_absent += 1


def read_dataset(
    file: Path,
    *,
    audio: Path | None = None,
    layout: Layout | None = None,
    folds: Sequence[str] = (),
    skip_missing: bool = False,
) -> Dataset:
    """The data set that `file` lists.

    Args:
        file: the CSV.
        audio: the folder of its sounds; by default that of the file, or where its data set keeps
            them (`dataset_folders`).
        layout: by default what the columns look like.
        folds: only clips of these folds, where the file has a column `fold`; all if empty.
        skip_missing: leave out clips whose files are not there (videos vanish).

    Raises:
        DatasetError: the file cannot be read, or rows of it are unfit; the message names them.
    """
    layout = layout or _OTHER_THAN_CSV.get(file.suffix.lower())
    if layout in (Layout.MACS, Layout.WAVCAPS):
        columns, rows = ["path", "caption"], _read_entries(file, layout)
    else:
        columns, rows = _read_rows(file)
    layout = layout or _guess(columns, file=file)
    if folds:
        rows = _of_folds(rows, columns, folds, file=file)
    folder = audio or _found_folder(file, layout, rows)
    if not folder.is_dir():
        raise DatasetError("no such folder of sounds (--audio)", path=folder)
    reading = _DatasetReading(file, folder, skip_missing, rows, columns)
    clips = _READERS[layout](reading)
    queries = _queries_of(reading) if layout is Layout.QUERIES else ()
    _check(reading, clips, layout)
    return Dataset(name=file.stem, clips=tuple(clips), n_missing=reading.n_missing, queries=queries)


def _read_rows(file: Path) -> tuple[list[str], list[DatasetRow]]:
    try:
        content = read_bounded(file, _MOST_BYTES).decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(content, newline=""))
        rows = [DatasetRow(reader.line_num, values) for values in reader]
        return list(reader.fieldnames or ()), rows
    except OSError as error:
        raise DatasetError(f"cannot be read: {error.strerror}", path=file) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"is no CSV file in UTF-8: {error}", path=file) from error


def _read_entries(file: Path, layout: Layout) -> list[DatasetRow]:
    """Rows of a table that is no CSV, numbered from 1."""
    entries = macs_entries(file) if layout is Layout.MACS else wavcaps_entries(file)
    return [DatasetRow(number, values) for number, values in enumerate(entries, start=1)]


def _found_folder(file: Path, layout: Layout, rows: Sequence[DatasetRow]) -> Path:
    """Where the sounds are: the folder that holds the most of some of them."""
    folders = sound_folders(file)
    if len(folders) < 2:
        return folders[0] if folders else file.parent
    some = rows[:: max(1, len(rows) // _SAMPLED)]
    if layout is Layout.AUDIOCAPS:
        names = [name for row in some for name in _audiocaps_names([row])]
    else:
        names = [row.values.get(_NAMED_BY.get(layout, "path")) or "" for row in some]
    by_stem = layout in (Layout.AUDIOCAPS, Layout.WAVCAPS)
    return best_folder(folders, names, by_stem=by_stem)


def _guess(columns: Sequence[str], *, file: Path) -> Layout:
    names = set(columns)
    if {"file_name", "caption_1"} <= names:
        return Layout.CLOTHO
    if {"youtube_id", "caption"} <= names:
        return Layout.AUDIOCAPS
    if "path" in names and _caption_columns(columns):
        return Layout.PLAIN
    if {"path", "query"} <= names:
        return Layout.QUERIES
    if {"path", "label"} <= names:
        return Layout.MANIFEST
    raise DatasetError(
        f"has columns of no known layout: {', '.join(columns) or 'none'}",
        path=file,
        remedy="file_name,caption_1... | youtube_id,start_time,caption | path,caption... | "
        "path,label,group,fold | path,query,wording,part",
    )


def _of_folds(
    rows: list[DatasetRow], columns: Sequence[str], folds: Sequence[str], *, file: Path
) -> list[DatasetRow]:
    if "fold" not in columns:
        raise DatasetError("has no column fold to choose by", path=file)
    kept = [row for row in rows if row.text("fold") in folds]
    if not kept:
        known = ", ".join(sorted({row.text("fold") for row in rows} - {""})) or "none"
        raise DatasetError(f"has no row in fold {', '.join(folds)}; there are: {known}", path=file)
    return kept


def _caption_columns(columns: Iterable[str]) -> list[str]:
    return [name for name in columns if name.startswith("caption")]


def _clotho(reading: _DatasetReading) -> list[DatasetClip]:
    return _one_row_a_clip(reading, "file_name", _caption_columns(reading.columns))


def _plain(reading: _DatasetReading) -> list[DatasetClip]:
    captions = _caption_columns(reading.columns)
    if len(captions) > 1:
        return _one_row_a_clip(reading, "path", captions)
    return _one_row_a_text(reading, captions[0])


def _queries(reading: _DatasetReading) -> list[DatasetClip]:
    return _one_row_a_text(reading, "query")


def _queries_of(reading: _DatasetReading) -> tuple[LabelledQuery, ...]:
    """Every query once, in order of appearance."""
    found: dict[str, LabelledQuery] = {}
    for row in reading.rows:
        if text := row.text("query"):
            query = LabelledQuery(text=text, wording=row.text("wording"), part=row.text("part"))
            if found.setdefault(text, query) != query:
                reading.wrong(row, f"the query {text!r} is of another wording or part elsewhere")
    return tuple(found.values())


def _one_row_a_text(reading: _DatasetReading, column: str) -> list[DatasetClip]:
    by_name: dict[str, list[DatasetRow]] = defaultdict(list)
    for row in reading.rows:
        by_name[row.name("path", folder=reading.audio)].append(row)
    for rows in by_name.values():
        _refuse_repeats(reading, rows, column)
    paths = {name: _file_of(reading, rows[0], name) for name, rows in by_name.items()}
    return [
        _clip(rows[0], name, path, tuple(filter(None, (row.text(column) for row in rows))))
        for name, rows in by_name.items()
        if (path := paths[name]) is not None
    ]


def _refuse_repeats(reading: _DatasetReading, rows: Sequence[DatasetRow], column: str) -> None:
    """Rows that give one clip the same caption twice."""
    same: dict[str, list[DatasetRow]] = defaultdict(list)
    for row in rows:
        same[row.text(column)].append(row)
    for repeats in same.values():
        if len(repeats) > 1:
            reading.wrong(repeats, f"the same clip and caption: {rows[0].text('path')!r}")


def _manifest(reading: _DatasetReading) -> list[DatasetClip]:
    clips = _one_row_a_clip(reading, "path", [])
    for row in reading.rows:
        if not row.text("label"):
            reading.wrong(row, "a sound without a label")
    return clips


def _one_row_a_clip(
    reading: _DatasetReading, column: str, captions: Sequence[str]
) -> list[DatasetClip]:
    by_name: dict[str, list[DatasetRow]] = defaultdict(list)
    clips = []
    for row in reading.rows:
        name = row.name(column, folder=reading.audio)
        by_name[name].append(row)
        path = _file_of(reading, row, name)
        if path is not None:
            sentences = tuple(filter(None, (row.text(caption) for caption in captions)))
            clips.append(_clip(row, name, path, sentences))
    for name, rows in by_name.items():
        if name and len(rows) > 1:
            reading.wrong(rows, f"the name {name!r} stands twice")
    return clips


def _clip(row: DatasetRow, name: str, path: Path, captions: tuple[str, ...]) -> DatasetClip:
    return DatasetClip(
        name=name,
        path=path,
        captions=captions,
        label=row.text("label"),
        group=row.text("group"),
        fold=row.text("fold"),
    )


def _file_of(reading: _DatasetReading, row: DatasetRow, name: str) -> Path | None:
    if not name:
        reading.wrong(row, "names no sound")
        return None
    path = reading.audio / name
    if not path.is_file():
        reading.missing(row, f"no such file: {name!r}")
        return None
    return path


def _sounds_by_stem(folder: Path) -> dict[str, Path]:
    return {
        path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in _SUFFIXES
    }


def _wavcaps(reading: _DatasetReading) -> list[DatasetClip]:
    present = _sounds_by_stem(reading.audio)
    clips = []
    for row in reading.rows:
        name = row.text("path")
        if name in present:
            clips.append(_clip(row, name, present[name], (row.text("caption"),)))
        else:
            reading.missing(row, f"no file of clip {name!r}")
    return clips


def _audiocaps(reading: _DatasetReading) -> list[DatasetClip]:
    present = _sounds_by_stem(reading.audio)
    by_clip: dict[str, list[DatasetRow]] = defaultdict(list)
    by_id: dict[str, list[DatasetRow]] = defaultdict(list)
    for row in reading.rows:
        by_clip[f"{row.text('youtube_id')}_{row.text('start_time')}"].append(row)
        by_id[row.text("audiocap_id")].append(row)
    for name, rows in by_id.items():
        if name and len(rows) > 1:
            reading.wrong(rows, f"the audiocap_id {name} stands twice")
    clips = []
    for name, rows in by_clip.items():
        stem = next((stem for stem in _audiocaps_names(rows) if stem in present), None)
        if not rows[0].text("youtube_id"):
            reading.wrong(rows, "names no sound")
        elif stem is None:
            reading.missing(rows[0], f"no file of clip {name!r}")
        else:
            captions = tuple(filter(None, (row.text("caption") for row in rows)))
            clips.append(_clip(rows[0], name, present[stem], captions))
    return clips


def _audiocaps_names(rows: Sequence[DatasetRow]) -> list[str]:
    """Names, without suffix, under which the clip of these rows may be stored."""
    video, start = rows[0].text("youtube_id"), rows[0].text("start_time")
    names = [f"{video}_{start}", f"Y{video}_{start}", video, f"Y{video}"]
    if start.isdecimal():
        names += [f"{video}_{int(start) * 1000}_{int(start) * 1000 + 10_000}"]
    return names + [row.text("audiocap_id") for row in rows if row.text("audiocap_id")]


def _check(reading: _DatasetReading, clips: Sequence[DatasetClip], layout: Layout) -> None:
    """Raise what is wrong, and refuse a data set that is left with nothing."""
    captioned = any(clip.captions for clip in clips)
    for clip in clips:
        if captioned and not clip.captions and layout is not Layout.QUERIES:
            reading.problems.append(f"{clip.name!r} has no caption")
        reading.problems += [
            f"{clip.name!r} has a caption without a word: {caption!r}"
            for caption in clip.captions
            if not normalise(caption)
        ]
    if reading.problems:
        shown = reading.problems[:_SHOWN]
        more = len(reading.problems) - len(shown)
        reason = "; ".join(shown) + (f"; and {more} more like these" if more else "")
        remedy = "mend the rows"
        if reading.n_absent:
            remedy = (
                f"--audio FOLDER, where the sounds are not in {reading.audio};"
                " --skip-missing goes on without those that are nowhere"
            )
        raise DatasetError(reason, path=reading.file, remedy=remedy)
    if not clips:
        raise DatasetError(
            f"lists no sound that is in {reading.audio}",
            path=reading.file,
            remedy="--audio FOLDER says where they are",
        )


_OTHER_THAN_CSV: Mapping[str, Layout] = {
    ".yaml": Layout.MACS,
    ".yml": Layout.MACS,
    ".json": Layout.WAVCAPS,
}
_NAMED_BY: Mapping[Layout, str] = {Layout.CLOTHO: "file_name"}
_READERS: Mapping[Layout, Callable[[_DatasetReading], list[DatasetClip]]] = {
    Layout.CLOTHO: _clotho,
    Layout.AUDIOCAPS: _audiocaps,
    Layout.MACS: _plain,
    Layout.WAVCAPS: _wavcaps,
    Layout.PLAIN: _plain,
    Layout.MANIFEST: _manifest,
    Layout.QUERIES: _queries,
}
