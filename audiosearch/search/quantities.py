"""Lengths of time, dates and limits, as people type them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta

from audiosearch.errors import QueryError

_DURATION_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_DAYS = {"today": 0, "yesterday": 1}
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_AGE = (
    r"(?:(?P<n>\d+(?:\.\d+)?)|an?|last|past)\s+"
    r"(?P<unit>second|minute|hour|day|week|month|year)s?(?P<ago>\s+ago)?"
)
_CHANNELS = {"mono": 1.0, "stereo": 2.0, "quad": 4.0, "5.1": 6.0, "7.1": 8.0}


def parse_duration(text: str) -> float:
    """Seconds out of `90`, `90s`, `1.5m`, `2h`, `1:30` or `1:02:03`.

    Raises:
        QueryError: it is none of these.
    """
    try:
        if ":" in text:
            seconds = 0.0
            for part in text.split(":"):
                seconds = seconds * 60 + float(part)
        elif text and text[-1].lower() in _DURATION_UNITS:
            seconds = float(text[:-1]) * _DURATION_UNITS[text[-1].lower()]
        else:
            seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise QueryError(f"{text!r} is no length of time", remedy="write 90, 1.5m, 2h or 1:30")
    return seconds


def parse_since(text: str, *, now: float) -> float:
    """Unix seconds out of a date, an age or words for one, in the time of this machine.

    Dates are `2026-05-01`, `2026-05`, `2026` and `2026-05-01T12:00`; ages `36h`, `2w`, `2 days
    ago`, `last week` (seven days ago); words `today`, `yesterday`, `this week`, `monday` (the last
    one), which are the beginning of that day.

    Raises:
        QueryError: it is none of these.
    """
    words = " ".join(text.casefold().split())
    try:
        found = _named_moment(words, datetime.fromtimestamp(now))
        if found is not None:
            return found.timestamp()
        if words[-1:] in _DURATION_UNITS:
            return now - timedelta(seconds=parse_duration(words)).total_seconds()
        if re.fullmatch(r"\d{4}(-\d\d)?", words):
            year, _, month = words.partition("-")
            return datetime(int(year), int(month or 1), 1).timestamp()
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, QueryError, OverflowError, OSError):
        raise QueryError(
            f"{text!r} is neither a date nor an age",
            remedy="write 2026-05-01, yesterday, '2 days ago', 36h or 2w",
        ) from None


def parse_days(text: str, *, now: datetime) -> tuple[date, date]:
    """The first and the last day that a date or the words of `parse_since` name.

    A day is itself, a month or a year all its days; `this week`, `last week`, `36h` and the like
    go on to today, `2 days ago` is that one day.

    Raises:
        ValueError: it is neither.
    """
    words = " ".join(text.casefold().split())
    if re.fullmatch(r"\d{4}", words):
        return date(int(words), 1, 1), date(int(words), 12, 31)
    if re.fullmatch(r"\d{4}-\d\d", words):
        first = date.fromisoformat(words + "-01")
        following = (first.replace(day=28) + timedelta(days=4)).replace(day=1)
        return first, following - timedelta(days=1)
    found = _named_moment(words, now)
    if found is None:
        if words[-1:] not in _DURATION_UNITS:
            day = date.fromisoformat(words)
            return day, day
        found = now - timedelta(seconds=parse_duration(words))
    is_one = words in _DAYS or words.removeprefix("last ") in _WEEKDAYS or words.endswith(" ago")
    return found.date(), found.date() if is_one else now.date()


def _named_moment(words: str, now: datetime) -> datetime | None:
    """What words say, without a zone as `now` is; None where they are no such words."""
    today = datetime(now.year, now.month, now.day)
    if words == "now":
        return now
    if words in _DAYS:
        return today - timedelta(days=_DAYS[words])
    weekday = words.removeprefix("last ")
    if weekday in _WEEKDAYS:  # before today: on a Monday, the Monday of a week ago
        return today - timedelta(days=(today.weekday() - _WEEKDAYS.index(weekday) - 1) % 7 + 1)
    beginnings = {
        "this week": today - timedelta(days=today.weekday()),
        "this month": today.replace(day=1),
        "this year": today.replace(month=1, day=1),
    }
    if words in beginnings:
        return beginnings[words]
    age = re.fullmatch(_AGE, words)
    return None if age is None else _ago(float(age["n"] or 1), age["unit"], now)


def _ago(n: float, unit: str, now: datetime) -> datetime:
    """Hours and less to the second, months and years by the calendar."""
    if unit in ("month", "year"):
        if not n.is_integer():
            raise ValueError("half a month has no length")
        months = now.year * 12 + now.month - 1 - round(n) * (12 if unit == "year" else 1)
        from calendar import monthrange  # noqa: PLC0415 - seldom needed

        year, month = months // 12, months % 12 + 1
        day = min(now.day, monthrange(year, month)[1])  # a month before 31 March is 28 February
        return now.replace(year=year, month=month, day=day)
    return now - timedelta(seconds=n * _DURATION_UNITS[unit[0]])


def parse_rates(text: str) -> tuple[float | None, float | None]:
    """Sample rates in Hz: `48000`, `44.1k`, `96k:`, `8k:16k`."""
    return _limits(text, _hertz, what="sample rate", examples="48000, 44.1k, 96k: or 8k:16k")


def parse_channels(text: str) -> tuple[float | None, float | None]:
    """Numbers of channels: `2`, `stereo`, `3:`."""
    return _limits(text, _n_channels, what="number of channels", examples="1, stereo or 3:")


def parse_bit_depths(text: str) -> tuple[float | None, float | None]:
    """Bits a sample: `24`, `24:`, `:16`."""
    return _limits(text, _whole, what="bit depth", examples="24, 24: or :16")


def parse_stars(text: str) -> tuple[float | None, float | None]:
    """Stars, 1 to 5: `5`, `4:`, `2:3`."""
    low, high = found = _limits(text, _whole, what="rating", examples="5, 4: or 2:3")
    if any(each is not None and not 1 <= each <= 5 for each in (low, high)):
        raise QueryError(f"{text!r}: a rating is 1 to 5 stars", remedy="write 5, 4: or 2:3")
    return found


def parse_levels(text: str) -> tuple[float | None, float | None]:
    """Decibels, always as limits: `-30:-16`, `-20:`, `:-40`."""
    if ":" not in text:
        raise QueryError(f"{text!r} are no limits", remedy="write -30:-16, -20: or :-40")
    return _limits(text, float, what="level", examples="-30:-16, -20: or :-40")


def _limits(
    text: str, number: Callable[[str], float], *, what: str, examples: str
) -> tuple[float | None, float | None]:
    """`LOW:HIGH`, either of them left out, or one number that is both.

    Raises:
        QueryError: it is none of these, or no recording can be within.
    """
    low, colon, high = (part.strip() for part in text.casefold().partition(":"))
    try:
        found = (
            number(low) if low else None,
            number(high) if high else None,
        )
        if not colon:
            found = (found[0], found[0])
        if found == (None, None) or any(x is not None and not abs(x) < 1e12 for x in found):
            raise ValueError
    except ValueError:
        raise QueryError(f"{text!r} is no {what}", remedy=f"write {examples}") from None
    if None not in found and found[0] > found[1]:  # type: ignore[operator]  # neither is None
        raise QueryError(f"{text!r}: the first is above the second", remedy=f"write {examples}")
    return found


def _hertz(text: str) -> float:
    digits = text.removesuffix("hz").strip()
    return round(float(digits.removesuffix("k")) * (1000 if digits.endswith("k") else 1), 3)


def _n_channels(text: str) -> float:
    return _CHANNELS[text] if text in _CHANNELS else _whole(text)


def _whole(text: str) -> float:
    return float(int(text))
