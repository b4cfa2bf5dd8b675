"""Stretches on the time lines of players and editors: M3U8 playlists, REAPER's regions, EDL."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from urllib.parse import quote_from_bytes

from audiosearch.errors import QueryError
from audiosearch.exchange.annotations import label_text
from audiosearch.exchange.stretches import LabelledStretch, one_line
from audiosearch.exchange.tables import csv_line

MAX_EVENTS = 999  # an EDL numbers its events in three digits
DAY_S = 86_400


def playlist(stretches: Sequence[LabelledStretch]) -> str:
    """An M3U8 playlist in their order; VLC and its kin play the stretch alone, others the file.

    A path that a line of such a file cannot hold is written as a `file:` address.
    """
    lines = ["#EXTM3U"]
    for each in stretches:
        length = max(1, math.ceil(each.end_s - each.start_s))
        lines.append(f"#EXTINF:{length},{one_line(f'{each.label} - {each.name}')}")
        lines.append(f"#EXTVLCOPT:start-time={each.start_s:.3f}")
        lines.append(f"#EXTVLCOPT:stop-time={each.end_s:.3f}")
        lines.append(_entry(each.path))
    return "\n".join(lines) + "\n"


def _entry(path: bytes) -> str:
    try:
        text = path.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if text and text.isprintable() and text == text.strip() and not text.startswith("#"):
        return text
    return f"file://{quote_from_bytes(path)}"


def reaper_regions(stretches: Sequence[LabelledStretch], *, markers: bool = False) -> str:
    """REAPER's region and marker list of one recording, as its manager exports and imports it.

    With `markers`, the starts alone.
    """
    lines = [("#", "Name", "Start", "End", "Length")]
    for number, each in enumerate(stretches, start=1):
        start, end = _milliseconds(each.start_s), _milliseconds(each.end_s)
        end = max(end, start + 1)
        name = label_text(each.label)
        if markers:
            lines.append((f"M{number}", name, _minutes(start), "", ""))
        else:
            times = (_minutes(start), _minutes(end), _minutes(end - start))
            lines.append((f"R{number}", name, *times))
    return "".join(map(csv_line, lines))


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _minutes(thousandths: int) -> str:
    """`1:03.500`, hours before it where there are any: as REAPER writes minutes and seconds."""
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    clock = f"{rest // 1000:02d}.{rest % 1000:03d}"
    return f"{hours}:{minutes:02d}:{clock}" if hours else f"{minutes}:{clock}"


@dataclass(frozen=True)
class FrameRate:
    """How timecode counts.

    Attributes:
        name: as people write it.
        exact: frames a second.
        counted: numbers of frames in a second of timecode.
        drop: numbers are left out, so that timecode keeps up with the clock (29.97 alone).
    """

    name: str
    exact: Fraction
    counted: int
    drop: bool = False

    def frame(self, seconds: float) -> int:
        """The frame nearest to a time."""
        return round(Fraction(seconds) * self.exact)

    def timecode(self, frame: int) -> str:
        """`hh:mm:ss:ff` of a frame, with `;` before frames where numbers are dropped."""
        if self.drop:
            tens, rest = divmod(frame, 17_982)  # of ten minutes
            minutes = max(0, rest - 2) // 1798
            frame += 18 * tens + 2 * minutes
        seconds, frames = divmod(frame, self.counted)
        minutes, seconds = divmod(seconds, 60)
        hours, minutes = divmod(minutes, 60)
        mark = ";" if self.drop else ":"
        return f"{hours % 24:02d}:{minutes:02d}:{seconds:02d}{mark}{frames:02d}"


_NTSC = Fraction(1000, 1001)
FRAME_RATES = {
    each.name: each
    for each in (
        FrameRate("23.976", 24 * _NTSC, 24),
        *(FrameRate(str(rate), Fraction(rate), rate) for rate in (24, 25, 30, 48, 50, 60)),
        FrameRate("29.97", 30 * _NTSC, 30),
        FrameRate("29.97df", 30 * _NTSC, 30, drop=True),
    )
}


def frame_rate(name: str) -> FrameRate:
    """The frame rate of a name, as `FRAME_RATES` has them.

    Raises:
        QueryError: there is none.
    """
    rate = FRAME_RATES.get(name)
    if rate is None:
        raise QueryError(f"{name!r} is no frame rate", remedy=", ".join(FRAME_RATES))
    return rate


def edit_list(stretches: Sequence[LabelledStretch], *, rate: FrameRate, title: str) -> str:
    """A CMX3600 edit decision list: the stretches in their order, one behind the other.

    Source times count from the file's time reference (Broadcast Wave) where it has one.

    Raises:
        QueryError: there are more than `MAX_EVENTS`, or they are longer than a day.
    """
    if len(stretches) > MAX_EVENTS:
        raise QueryError(
            f"{len(stretches)} stretches; an EDL holds {MAX_EVENTS} at most",
            remedy=f"-n {MAX_EVENTS}",
        )
    lines = [
        f"TITLE: {one_line(title)[:70]}",
        f"FCM: {'DROP FRAME' if rate.drop else 'NON-DROP FRAME'}",
        "",
    ]
    at = 0
    for number, each in enumerate(stretches, start=1):
        begins_s = reference_s(each) % DAY_S
        first = rate.frame(begins_s + each.start_s)
        length = max(1, rate.frame(begins_s + each.end_s) - first)
        times = (first, first + length, at, at + length)
        codes = " ".join(rate.timecode(each_time) for each_time in times)
        lines += [
            f"{number:03d}  {_reel(each):<8} AA    C        {codes}",
            f"* FROM CLIP NAME: {one_line(each.name)}",
            f"* COMMENT: {label_text(each.label)}",
        ]
        if number == 1:  # a remark belongs to an event, and none may stand before the first
            lines.append(f"* FRAME RATE: {rate.name}")
        at += length
    if at > rate.frame(DAY_S):
        raise QueryError("together they are longer than a day, which is all that timecode counts")
    return "\n".join(lines) + "\n"


def reference_s(stretch: LabelledStretch) -> float:
    """Seconds since midnight at which the recording begins, by its Broadcast Wave chunk; or 0."""
    samples, rate = stretch.facts.first("bwf.time_reference"), stretch.facts.sample_rate
    return int(samples) / rate if rate and samples.isascii() and samples.isdecimal() else 0.0


def _reel(stretch: LabelledStretch) -> str:
    """Eight letters and digits of the file's name, which is all that there is room for."""
    return re.sub(r"[^A-Za-z0-9]", "", stretch.stem).upper()[:8] or "AX"
