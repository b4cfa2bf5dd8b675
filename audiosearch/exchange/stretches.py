"""Stretches of recordings, as rows of an answer tell them, and what is known of the recordings.

Every writer of this package is a pure function of these.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from audiosearch._urls import is_url, normal_url
from audiosearch.audio.clip import stretch_fault
from audiosearch.errors import QueryError

Row = Mapping[str, object]

_LABELS = ("label", "caption", "query")  # what a row is called, the first that says something


@dataclass(frozen=True, kw_only=True)
class RecordingFacts:
    """What a recording is, as far as it is known.

    Attributes:
        sample_rate: Hz.
        metadata: each field of the file with its values.
    """

    duration_s: float | None = None
    sample_rate: int | None = None
    channels: int | None = None
    metadata: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def first(self, key: str) -> str:
        """The first value of a field, "" without one."""
        return next(iter(self.metadata.get(key, ())), "")


@dataclass(frozen=True, kw_only=True)
class LabelledStretch:
    """A stretch of a recording, seconds from its start, and what is said of it.

    Attributes:
        path: absolute.
        label: a line of words, never empty.
        score: greater is better, of a search by words 0 to 1.
        low_hz, high_hz: where in the spectrum; None: not known.
        row: all that was told of it, by name.
        facts: of the recording.
    """

    path: bytes
    start_s: float
    end_s: float
    label: str
    score: float | None = None
    low_hz: float | None = None
    high_hz: float | None = None
    row: Row = field(default_factory=dict)
    facts: RecordingFacts = field(default_factory=RecordingFacts)

    @property
    def name(self) -> str:
        """The file's name, for people and for tables."""
        return os.path.basename(self.path).decode("utf-8", "backslashreplace")  # noqa: PTH119

    @property
    def stem(self) -> str:
        """The file's name without its ending."""
        return PurePath(self.name).stem

    @property
    def is_boxed(self) -> bool:
        """Whether it is known where in the spectrum it lies."""
        return self.low_hz is not None and self.high_hz is not None


def one_line(text: str) -> str:
    """Words for tables of lines: no tab, no break, no control character, no half of a letter."""
    printable = "".join(each if each.isprintable() else " " for each in text)
    return " ".join(printable.encode("utf-8", "replace").decode("utf-8").split())


def read_rows(lines: Iterable[str | bytes]) -> list[Row]:
    """The rows that a command printed with `--json`, one object a line; weak matches are left out.

    Raises:
        QueryError: a line is no such row; says which.
    """
    return [row for _, row in _numbered(lines) if row.get("weak") is not True]


def _numbered(lines: Iterable[str | bytes]) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise QueryError(
                f"line {number} of the rows is no JSON object",
                remedy="give the rows of a search: audiosearch find ... --json",
            )
        yield number, row


def stretches_of(rows: Sequence[Row], *, label: str | None = None) -> list[LabelledStretch]:
    """The stretches that rows speak of; `label` replaces what they say of them.

    A row without times, as of `files`, is the whole recording.

    Raises:
        QueryError: a row names no file, or no stretch of one; says which row.
    """
    found = []
    for number, row in enumerate(rows, start=1):
        try:
            found.append(_stretch(row, label=label))
        except ValueError as error:
            raise QueryError(f"row {number}: {error}") from None
    return found


def _stretch(row: Row, *, label: str | None) -> LabelledStretch:
    path = _path(row)
    duration_s = _number(row, "duration_s")
    start_s = _number(row, "start_s") or 0.0
    end_s = _number(row, "end_s")
    end_s = duration_s if end_s is None else end_s
    if end_s is None:
        raise ValueError("tells neither an end (end_s) nor how long the recording is (duration_s)")
    if fault := stretch_fault(start_s, end_s):
        raise ValueError(fault)
    score = _number(row, "score")
    low_hz, high_hz = _number(row, "low_hz"), _number(row, "high_hz")
    boxed = low_hz is not None and high_hz is not None and 0 <= low_hz < high_hz
    stretch = LabelledStretch(
        path=path,
        start_s=start_s,
        end_s=end_s,
        label="",
        score=_number(row, "similarity") if score is None else score,
        low_hz=low_hz if boxed else None,
        high_hz=high_hz if boxed else None,
        row=row,
        facts=RecordingFacts(duration_s=duration_s),
    )
    said = [label, *(row.get(key) for key in _LABELS), stretch.stem]
    words = (one_line(each) for each in said if isinstance(each, str))
    return replace(stretch, label=next((each for each in words if each), "sound"))


def _path(row: Row) -> bytes:
    coded = row.get("path_b64")
    if isinstance(coded, str):
        try:
            path = base64.b64decode(coded, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("path_b64 is no base64") from None
    else:
        told = row.get("path")
        if not isinstance(told, (str, os.PathLike)):
            raise ValueError("names no file (path)")
        path = os.fsencode(told)
    if not path or b"\0" in path:
        raise ValueError("names no file (path)")
    if is_url(path):
        return normal_url(path)
    return os.path.abspath(path)  # noqa: PTH100  # bytes, which pathlib does not keep


def _number(row: Row, key: str) -> float | None:
    value = row.get(key)
    if value is None:
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):  # such as an integer of 400 digits
        number = math.nan
    if isinstance(value, str) or not math.isfinite(number):
        raise ValueError(f"{key} is no number: {str(value)[:50]!r}")
    return number


def by_recording(stretches: Iterable[LabelledStretch]) -> dict[bytes, list[LabelledStretch]]:
    """The stretches of each recording in the order of time, recordings as they first come."""
    found: dict[bytes, list[LabelledStretch]] = {}
    for each in stretches:
        found.setdefault(each.path, []).append(each)
    return {path: sorted(some, key=_times) for path, some in found.items()}


def _times(stretch: LabelledStretch) -> tuple[float, float]:
    return stretch.start_s, stretch.end_s
