"""Tables of captions and labels: by hand, of Raven, REAPER, BirdNET and their kin, by columns."""

from __future__ import annotations

import base64
import csv
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from audiosearch.exchange.label_times import NotTimed, ReadLabel, plain_seconds, stretch

_DELIMITERS = ",\t;"  # the first where a line has none of them
_CAPTION = re.compile(r"caption(?:_.+)?")
# Names of columns, in small letters, the surest first.
_TEXTS = (
    *("annotation", "label", "labels", "text", "name", "common name", "species", "event_label"),
    *("class", "scientific name"),
)
_STARTS = (
    *("start_s", "file offset (s)", "begin time (s)", "start (s)", "start_time", "start"),
    *("onset", "begin_time", "start_seconds"),
)
_ENDS = ("end_s", "end time (s)", "end (s)", "end_time", "end", "offset", "end_seconds")
_LENGTHS = ("length", "duration", "delta time (s)")
_PATHS = (
    *("path", "begin path", "begin file", "file_name", "file", "filename", "audio_file"),
    *("audio_filename", "recording"),
)
_RAVEN = frozenset(("begin time (s)", "end time (s)"))
_REAPER = ("#", "name", "start", "end")


@dataclass(frozen=True)
class _Columns:
    """Which column of a table says what, by place; None: there is none."""

    names: tuple[str, ...]
    texts: tuple[int, ...]
    paths: tuple[int, ...]
    start: int | None
    end: int | None
    length: int | None

    @classmethod
    def of(cls, header: Sequence[str]) -> _Columns:
        """Of the names in the first line."""
        names = tuple(each.strip().lower() for each in header)

        def first(wanted: Sequence[str]) -> int | None:
            return next((names.index(each) for each in wanted if each in names), None)

        captions = tuple(at for at, name in enumerate(names) if _CAPTION.fullmatch(name))
        other = first(_TEXTS)
        return cls(
            names=names,
            texts=captions or (() if other is None else (other,)),
            paths=tuple(names.index(each) for each in _PATHS if each in names),
            start=first(_STARTS),
            end=first(_ENDS),
            length=first(_LENGTHS),
        )

    @property
    def kind(self) -> str:
        """Whose table it is."""
        if set(self.names) >= _RAVEN:
            return "raven"
        return "reaper" if self.names[:4] == _REAPER else "table"


def is_header(line: str) -> bool:
    """Whether a line names the columns of a table of labels, with tabs between them."""
    if "\t" not in line:
        return False
    columns = _Columns.of(line.split("\t"))
    return bool(columns.texts) and (columns.start is not None or bool(columns.paths))


def table_labels(lines: Sequence[str], *, suffix: str) -> tuple[str, tuple[ReadLabel, ...]]:
    """Whose table it is, and what it says.

    Raises:
        NotTimed: it has no column of words, or a line does not fit.
    """
    head = next((line for line in lines if line.strip()), "")
    delimiters = "\t" if suffix in (".tsv", ".tab") or is_header(head) else _DELIMITERS
    delimiter = max(delimiters, key=head.count)
    rows = _rows(lines, delimiter)
    line, header = next(rows, (1, [""]))
    columns = _Columns.of(header)
    if not columns.texts:
        raise NotTimed(line, "has no column `caption` (or label, annotation, name)")
    return columns.kind, tuple(
        label for number, row in rows for label in _labels(row, number, columns)
    )


def _rows(lines: Sequence[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, each with its first line."""
    # Raven and its kin write marks of quotation as they are.
    quotes = None if delimiter == "\t" and '"' not in lines[0] else '"'
    reader = csv.reader(
        (f"{line}\n" for line in lines),
        delimiter=delimiter,
        strict=True,
        quotechar=quotes,
        quoting=csv.QUOTE_NONE if quotes is None else csv.QUOTE_MINIMAL,
    )
    began = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield began, row
            began = reader.line_num + 1
    except csv.Error as error:
        raise NotTimed(began, f"cannot be read: {error}") from None


def _labels(row: Sequence[str], line: int, columns: _Columns) -> Iterator[ReadLabel]:
    if any(cell.strip() for cell in row[len(columns.names) :]):
        raise NotTimed(
            line,
            f"has {len(row)} cells, the first line {len(columns.names)}: a cell with the mark that"
            " separates them stands in quotation marks",
        )
    cells = [cell.strip() for cell in row] + [""] * (len(columns.names) - len(row))
    names = _names(cells, line, columns)
    times = _times(cells, line, columns)
    if columns.paths and not names:  # among sounds, a sentence for none
        times = None
    for at in columns.texts:
        if not cells[at] and len(columns.texts) > 1:
            continue
        if times is None:
            yield ReadLabel(cells[at], line, names)
        elif times[1] is None:
            yield ReadLabel(cells[at], line, names, times[0])
        else:
            yield stretch(cells[at], line, times[0], times[1], names=names)


def _names(cells: Sequence[str], line: int, columns: _Columns) -> tuple[str, ...]:
    """What the sound file is called, the surest first."""
    coded = cells[columns.names.index("path_b64")] if "path_b64" in columns.names else ""
    if not coded:
        return tuple(cells[at] for at in columns.paths if cells[at])
    try:
        return (os.fsdecode(base64.b64decode(coded, validate=True)),)
    except ValueError:
        raise NotTimed(line, "path_b64 is no base64") from None


def _times(cells: Sequence[str], line: int, columns: _Columns) -> tuple[float, float | None] | None:
    """Start and end that a row tells; None where it tells neither."""

    def told(at: int | None) -> float | None:
        return None if at is None or not cells[at] else plain_seconds(cells[at], line)

    start_s, end_s, length_s = told(columns.start), told(columns.end), told(columns.length)
    if columns.kind == "raven" and start_s is not None and end_s is not None:
        # Ends count from the first of several files, as begins do.
        begin_s = told(columns.names.index("begin time (s)"))
        end_s = start_s + end_s - (start_s if begin_s is None else begin_s)
    if start_s is None and end_s is None:
        return None
    start_s = start_s or 0.0
    if end_s is None and length_s is not None:
        end_s = start_s + length_s
    if end_s is None and columns.kind == "reaper":
        end_s = start_s  # a marker
    return start_s, end_s
