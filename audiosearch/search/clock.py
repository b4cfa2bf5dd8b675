"""When a recording was made, by what its file says: pure, from a name and metadata to a time.

An offset from UTC is given only where the file states one; a time without is the recorder's own
clock. Nothing is guessed from dates of files, which copying changes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone

from audiosearch.errors import QueryError
from audiosearch.search.filters import DAY_S, ClockFilter, DateSpan
from audiosearch.search.quantities import parse_days

_Fields = Mapping[str, Sequence[str]]

_OFFSET = r"(?P<zone>Z|UTC|[+-]\d\d?(?::?\d\d)?)"
_ISO = re.compile(
    r"(?P<y>\d{4})[-:./](?P<mo>\d\d)[-:./](?P<d>\d\d)[T ]+"
    rf"(?P<h>\d\d):(?P<mi>\d\d)(?::(?P<s>\d\d)(?:[.,](?P<f>\d+))?)?\s*{_OFFSET}?"
)
# AudioMoth: "Recorded at 20:00:00 15/06/2026 (UTC+2) by AudioMoth 24E1..."; with milliseconds where
# several are in step: "20:00:00.005".
_MOTH = re.compile(
    r"Recorded at (?P<h>\d\d):(?P<mi>\d\d):(?P<s>\d\d)(?:\.(?P<f>\d+))? "
    r"(?P<d>\d\d)/(?P<mo>\d\d)/(?P<y>\d{4}) \(UTC(?P<zone>[+-]\d\d?(?::\d\d)?)?\)"
)
# Names: 20260501_221000 (AudioMoth, Song Meter, Swift, phones), 20260501T221000+1000 (Frontier
# Labs), 2026-05-01 22-10-00 and 2026-05-01 22.10.00 (Anabat, phones), 20260501$221000 (Song Meter).
_NAME = re.compile(
    r"(?<!\d)(?P<y>(?:19|20)\d\d)(?P<gap>[-_.]?)(?P<mo>\d\d)(?P=gap)(?P<d>\d\d)"
    r"(?P<between>T|[ _$-]|[ _-]at[ _-]|)"
    r"(?P<h>\d\d)(?P<colon>[-_.:h]?)(?P<mi>\d\d)[-_.:m]?(?P<s>\d\d)(?!\d)"
    r"(?:(?P<zone>Z)(?![A-Za-z0-9])|(?<=\d)(?P<east>[+-]\d{4})(?!\d))?"
)
# SoundTrap: 5678.260501221000
_SOUNDTRAP = re.compile(
    r"^\d{3,10}\.(?P<y>\d\d)(?P<mo>\d\d)(?P<d>\d\d)(?P<h>\d\d)(?P<mi>\d\d)(?P<s>\d\d)(?!\d)"
)
_BWF_DATE = re.compile(r"(?P<y>\d{4})\D(?P<mo>\d\d)\D(?P<d>\d\d)")
_BWF_TIME = re.compile(r"(?P<h>\d\d)\D(?P<mi>\d\d)\D(?P<s>\d\d)")
_YEARS = (1900, 2199)  # others are placeholders
_FARTHEST = timedelta(hours=14)  # offsets of inhabited places


def recorded_at(name: str, fields: _Fields, *, sample_rate: int) -> datetime | None:
    """When the first sample was recorded; None where the file does not tell.

    GUANO, Wildlife Acoustics' chunk and AudioMoth's comment come first, then Broadcast Wave's date
    with its time reference (samples since midnight) or its time, then the file's name.

    Args:
        name: of the file, without its folder.
        fields: of its metadata, as the library keeps them.
        sample_rate: Hz, of the file, in which Broadcast Wave counts.
    """
    for key in ("guano.timestamp", "wamd.timestamp"):
        for text in fields.get(key, ()):
            found = _read(_ISO.match(text.strip()))
            if found is not None:
                return found
    for text in fields.get("comment", ()):
        found = _read(_MOTH.search(text), is_utc=True)
        if found is not None:
            return found
    return _of_broadcast_wave(fields, sample_rate) or _of_name(name)


def _of_broadcast_wave(fields: _Fields, sample_rate: int) -> datetime | None:
    day = _first(_BWF_DATE, fields.get("bwf.date", ()))
    if day is None:
        return None
    midnight = _read(day)
    for text in fields.get("bwf.time_reference", ()):
        if midnight is not None and text.isdecimal() and sample_rate > 0:
            since_s = int(text) / sample_rate
            if since_s < DAY_S:  # more is no time of the day
                return midnight + timedelta(seconds=since_s)
    time = _first(_BWF_TIME, fields.get("bwf.time", ()))
    if midnight is None or time is None:
        return None
    try:
        return midnight.replace(hour=int(time["h"]), minute=int(time["mi"]), second=int(time["s"]))
    except ValueError:
        return None


def _of_name(name: str) -> datetime | None:
    for match in _NAME.finditer(name):
        # Without any mark between, fourteen digits: a date only where all of them are one.
        found = _read(match)
        if found is None:
            continue
        # "-0001" after a time may be a counter; after the T of ISO 8601 it is an offset.
        if match["east"] and match["between"] == "T":
            offset = _offset(match["east"])
            return found if offset is None else found.replace(tzinfo=offset)
        return found
    trap = _SOUNDTRAP.match(name)
    return _read(trap, century=2000)


def _first(pattern: re.Pattern[str], texts: Sequence[str]) -> re.Match[str] | None:
    return next((found for text in texts if (found := pattern.search(text))), None)


def _read(
    match: re.Match[str] | None, *, is_utc: bool = False, century: int = 0
) -> datetime | None:
    """The time that a match holds; None where there is no such time, such as on 30 February."""
    if match is None:
        return None
    parts = match.groupdict()
    year = century + int(parts["y"])
    if not _YEARS[0] <= year <= _YEARS[1]:
        return None
    try:
        found = datetime(
            year,
            int(parts["mo"]),
            int(parts["d"]),
            int(parts.get("h") or 0),
            int(parts.get("mi") or 0),
            int(parts.get("s") or 0),
            int(((parts.get("f") or "") + "000000")[:6]),
        )
    except ValueError:
        return None
    zone = parts.get("zone")
    offset = timezone.utc if is_utc and not zone else _offset(zone) if zone else None  # noqa: UP017
    return found if offset is None else found.replace(tzinfo=offset)


def _offset(text: str) -> timezone | None:
    """`Z`, `+2`, `-05:30` or `+1000`; None for what no clock on earth shows."""
    if text in ("Z", "UTC"):
        return timezone.utc  # noqa: UP017
    digits = text[1:].replace(":", "")
    hours, minutes = (int(digits), 0) if len(digits) <= 2 else (int(digits[:-2]), int(digits[-2:]))
    ahead = timedelta(hours=hours, minutes=minutes)
    if ahead > _FARTHEST or minutes % 15:
        return None
    return timezone(-ahead if text[0] == "-" else ahead)


def clock_text(begin: datetime, offset_s: float) -> str:
    """ISO 8601 of `offset_s` into a recording, to the millisecond; an offset only if known."""
    return (begin + timedelta(seconds=offset_s)).isoformat(timespec="milliseconds")


def parse_between(text: str) -> tuple[float, float]:
    """Seconds of the day out of `22:00-05:00`; the second may be the smaller, over midnight.

    Raises:
        QueryError: it is no such span.
    """
    remedy = "write --between 22:00-05:00"
    found = re.fullmatch(r"\s*(\d\d?)(?::(\d\d))?\s*(?:-|–|to)\s*(\d\d?)(?::(\d\d))?\s*", text)
    if found is None:
        raise QueryError(f"{text!r} is no span of the day", remedy=remedy)
    h1, m1, h2, m2 = (int(part or 0) for part in found.groups())
    if max(m1, m2) > 59 or max(60 * h1 + m1, 60 * h2 + m2) > 24 * 60:
        raise QueryError(f"{text!r} is no span of the day", remedy=remedy)
    low, high = 3600.0 * h1 + 60 * m1, 3600.0 * h2 + 60 * m2
    if low % DAY_S == high % DAY_S and {low, high} != {0, DAY_S}:
        raise QueryError(f"{text!r} begins where it ends", remedy=remedy)
    return low % DAY_S, high


def parse_date(text: str, *, now: datetime | None = None) -> DateSpan:
    """The days of `2026-05-01`, `2026-05`, `2026`, `yesterday` or `2026-05-01..2026-05-07`.

    Words are those of `--since`, by the clock of this machine (`now`, if given).

    Raises:
        QueryError: it is none of these.
    """
    now = now or datetime.now()
    first, dots, last = text.strip().partition("..")
    try:
        begin, end = parse_days(first, now=now)
        if dots:
            _, end = parse_days(last, now=now)
    except (ValueError, OverflowError, QueryError):
        raise QueryError(
            f"{text!r} is no date",
            remedy="write 2026-05-01, 2026-05, yesterday, '2 days ago' or 2026-05-01..2026-05-07",
        ) from None
    if end < begin:
        raise QueryError(f"{text!r} ends before it begins")
    return DateSpan(first=begin.isoformat(), last=end.isoformat())


def clock_filter(between: str | None, dates: Sequence[str]) -> ClockFilter | None:
    """When by the recorder's clock; None: whenever.

    Raises:
        QueryError: a time or date is none.
    """
    if between is None and not dates:
        return None
    return ClockFilter(
        between_s=() if between is None else parse_between(between),
        dates=tuple(map(parse_date, dates)),
    )


def by_hour(starts: Sequence[datetime]) -> list[tuple[int, int]]:
    """How many begin in each hour of the day, all 24, from the end of the longest pause on.

    So a night is in one piece: 20, 21 ... 5 rather than 0 ... 5 and 20 ... 23.
    """
    counts = [0] * 24
    for each in starts:
        counts[each.hour] += 1
    first = max(range(24), key=lambda hour: (_empty_before(counts, hour), -hour))
    hours = [(first + number) % 24 for number in range(24)] if any(counts) else list(range(24))
    return [(hour, counts[hour]) for hour in hours]


def _empty_before(counts: Sequence[int], hour: int) -> int:
    """How many hours just before this one are empty, of one that is not; -1 of one that is."""
    if not counts[hour]:
        return -1
    return next((n for n in range(24) if counts[(hour - 1 - n) % 24]), 23)
