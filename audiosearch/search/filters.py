"""Which recordings may answer a query, as the person who asks puts it.

`scope` finds out what they mean in a library.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

DAY_S = 86_400


@dataclass(frozen=True, kw_only=True)
class Filters:
    """All that is given must hold.

    Attributes:
        folders: below one of these (relative ones to the working directory), or the file itself.
        min_duration_s, max_duration_s: length of the recording, both included.
        since: Unix seconds; files modified at or after.
        tags: the recording has all of these, in any case.
        formats: one of these: a suffix (wav), container or codec.
        names: a file's name is one of these: a glob (`*.wav`, or with "/" for the whole path), or
            words that are all in the name or its folders.
    """

    folders: tuple[Path, ...] = ()
    min_duration_s: float | None = None
    max_duration_s: float | None = None
    since: float | None = None
    tags: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse one text where several are meant: its letters would be taken for them.

        Raises:
            TypeError: so it is.
        """
        for name in ("folders", "tags", "formats", "names"):
            given = getattr(self, name)
            if isinstance(given, (str, bytes, Path)):
                raise TypeError(f"{name} takes several: ({given!r},), not {given!r}")


@dataclass(frozen=True, kw_only=True)
class DateSpan:
    """Days from the first to the last, both included, as ISO 8601 has them."""

    first: str
    last: str


@dataclass(frozen=True, kw_only=True)
class ClockFilter:
    """When a sound must have been recorded, by the clock that its file tells.

    Attributes:
        between_s: seconds of the day from which and before which; the second may be the smaller,
            over midnight. Empty: at any time.
        dates: on one of these days; empty: on any.
    """

    between_s: tuple[float, ...] = ()
    dates: tuple[DateSpan, ...] = ()

    def holds(self, start: datetime, end: datetime) -> bool:
        """Whether some of what was recorded from `start` to `end` lies within."""
        days = [(date.fromisoformat(x.first), date.fromisoformat(x.last)) for x in self.dates]
        start, end = start.replace(tzinfo=None), end.replace(tzinfo=None)
        if not self.between_s:
            return any(a <= end.date() and start.date() <= b for a, b in days) or not days
        low, high = self.between_s
        high += DAY_S if high <= low else 0
        midnight = datetime(start.year, start.month, start.day) - timedelta(days=1)
        while midnight + timedelta(seconds=low) < max(end, start + timedelta(microseconds=1)):
            begin = max(start, midnight + timedelta(seconds=low))
            until = min(end, midnight + timedelta(seconds=high))
            is_within = begin < until or (begin == until == start == end)
            if is_within and (
                not days or any(a <= until.date() and begin.date() <= b for a, b in days)
            ):
                return True
            midnight += timedelta(days=1)
        return False
