"""Times as other programs write them, and what a line of theirs says of a stretch of sound."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

POINT_S = 1.0  # what a point in time stands for: the second that follows it

_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d{1,2}(?:[.,]\d+)?)")
_SUBTITLE = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})")
_CUE = re.compile(r"(\d+):(\d{2}):(\d{2})")
_BEATS = re.compile(r"\d+\.\d+\.\d+")


class NotTimed(Exception):
    """A line that says nothing of the kind that its file is."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason


@dataclass(frozen=True)
class ReadLabel:
    """What a line says.

    Attributes:
        text: the words, maybe none.
        line: of the file, from 1.
        names: of the sound file, as it is named there, the surest first; none where it is not.
        start_s: None: of the whole sound, or of none.
        end_s: None: to its end.
    """

    text: str
    line: int
    names: tuple[str, ...] = ()
    start_s: float | None = None
    end_s: float | None = None


def stretch(
    text: str, line: int, start_s: float, end_s: float, *, names: tuple[str, ...] = ()
) -> ReadLabel:
    """A label of a stretch; of a point, it is the second that follows.

    Raises:
        NotTimed: it ends before it begins.
    """
    if end_s < start_s:
        raise NotTimed(line, f"ends ({end_s:g} s) before it begins ({start_s:g} s)")
    if end_s == start_s:
        end_s = start_s + POINT_S
    return ReadLabel(text, line, names, start_s, end_s)


def plain_seconds(text: str, line: int) -> float:
    """Seconds, or a clock's minutes and hours: `3.5`, `3,5`, `1:03.5`, `1:02:03.5`.

    Raises:
        NotTimed: it is none of these.
    """
    text = text.strip()
    if _BEATS.fullmatch(text):
        raise NotTimed(
            line, f"{text!r} counts measures and beats: set the ruler to minutes and seconds"
        )
    clock = _CLOCK.fullmatch(text)
    try:
        if clock:
            seconds = 3600 * int(clock[1] or 0) + 60 * int(clock[2])
            return seconds + float(clock[3].replace(",", "."))
        value = float(text if "." in text else text.replace(",", "."))
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise NotTimed(line, f"{text[:40]!r} is no time in seconds")
    return value


def subtitle_seconds(text: str, line: int) -> float:
    """`00:01:02,500`, as SubRip writes times.

    Raises:
        NotTimed: it is none.
    """
    found = _SUBTITLE.fullmatch(text)
    if found is None or int(found[2]) > 59 or int(found[3]) > 59:
        raise NotTimed(line, f"{text[:40]!r} is no time of a subtitle (00:01:02,500)")
    whole = 3600 * int(found[1] or 0) + 60 * int(found[2]) + int(found[3])
    return whole + int(found[4].ljust(3, "0")) / 1000


def cue_seconds(text: str, line: int) -> float:
    """`mm:ss:ff` of a cue sheet, with 75 frames a second.

    Raises:
        NotTimed: it is none.
    """
    found = _CUE.fullmatch(text)
    if found is None or int(found[2]) > 59 or int(found[3]) > 74:
        raise NotTimed(line, f"{text[:40]!r} is no time of a cue sheet (minutes:seconds:frames)")
    return 60 * int(found[1]) + int(found[2]) + int(found[3]) / 75
