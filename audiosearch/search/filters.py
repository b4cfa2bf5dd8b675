"""Which recordings may answer a query, as the person who asks puts it.

`scope` finds out what they mean in a library. A new filter is a field here, its meaning there (a
`store.queries.conditions` value), and its option in `filter_fields`; a test names what lacks.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

from audiosearch._urls import any_path, is_url, normal_url

Limits = tuple[float | None, float | None]  # lowest and highest, both included; None: no limit

_SEVERAL = (
    *("folders", "not_folders", "tags", "not_tags", "formats", "names", "ucs", "collections"),
)
LIMITS = ("sample_rate", "channels", "bit_depth", "loudness_lufs", "peak_db")  # of a recording
_ALL_LIMITS = (*LIMITS, "rating")
DAY_S = 86_400


@dataclass(frozen=True, kw_only=True)
class Filters:
    """All that is given must hold. What is not known of a recording is within no limits.

    Attributes:
        folders: below one of these (relative ones to the working directory), or the file itself;
            a glob means folders of that name at any depth, or an absolute one of that path.
        not_folders: below none of these.
        min_duration_s, max_duration_s: length of the recording, both included.
        sample_rate: (lowest, highest) in Hz, both included; None for no limit, as of those below.
        channels: (lowest, highest).
        bit_depth: (lowest, highest); lossy formats have none.
        loudness_lufs: (lowest, highest), EBU R 128 integrated.
        peak_db: (lowest, highest) in dBFS; a digital silence is below any.
        since: Unix seconds; files modified at or after.
        tags: the recording has all of these, in any case.
        not_tags: it has none of these.
        rating: (lowest, highest) number of stars that a person gave it, or a part of it.
        favourite: True: it, or a part of it, is a person's favourite; False: no part of it is.
        collections: it, or a part of it, is in all of these collections.
        ucs: one of these globs means its CatID of the Universal Category System (`DOOR*`), in any
            case.
        formats: one of these: a suffix (wav), container or codec.
        names: a file's name is one of these: a glob (`*.wav`, or with "/" for the whole path), or
            words that are all in the name or its folders.
        online: True: the file is there now; False: it is not, as when its drive is away.
    """

    folders: tuple[Path, ...] = ()
    not_folders: tuple[Path, ...] = ()
    min_duration_s: float | None = None
    max_duration_s: float | None = None
    sample_rate: Limits | None = None
    channels: Limits | None = None
    bit_depth: Limits | None = None
    loudness_lufs: Limits | None = None
    peak_db: Limits | None = None
    since: float | None = None
    tags: tuple[str, ...] = ()
    not_tags: tuple[str, ...] = ()
    rating: Limits | None = None
    favourite: bool | None = None
    collections: tuple[str, ...] = ()
    ucs: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    online: bool | None = None

    def __post_init__(self) -> None:
        """Refuse one value where several are meant: a text's letters would be taken for them.

        Raises:
            TypeError: so it is.
        """
        for name in _SEVERAL:
            given = getattr(self, name)
            if isinstance(given, (str, bytes, Path)):
                raise TypeError(f"{name} takes several: ({given!r},), not {given!r}")
        for name in _ALL_LIMITS:
            given = getattr(self, name)
            if given is not None and not _are_limits(given):
                raise TypeError(f"{name} takes (lowest, highest), not {given!r}")


def _are_limits(given: object) -> bool:
    return (
        isinstance(given, tuple)
        and len(given) == 2
        and all(
            each is None
            or (
                isinstance(each, (int, float))
                and not isinstance(each, bool)
                and math.isfinite(each)
            )
            for each in given
        )
    )


def anchored(filters: Filters) -> Filters:
    """The same filters for a process that works in another folder."""
    return replace(
        filters,
        folders=tuple(map(_anchored, filters.folders)),
        not_folders=tuple(map(_anchored, filters.not_folders)),
    )


def _anchored(folder: Path) -> Path:
    """Absolute; but a relative glob means folders anywhere."""
    if is_folder_glob(folder):
        return folder
    if is_url(os.fspath(folder)):
        return any_path(os.fsdecode(normal_url(os.fsencode(folder))))
    return Path(os.path.abspath(folder))  # noqa: PTH100 - keeps links


def is_folder_glob(folder: Path) -> bool:
    """Whether a folder is named by wildcards; one that is there by that very name is not."""
    return any(each in str(folder) for each in "*?[") and not os.path.lexists(folder)


@dataclass(frozen=True, kw_only=True)
class DateSpan:
    """Days from the first to the last, both included, as ISO 8601 has them."""

    first: str
    last: str


def _last_day(start: datetime, end: datetime) -> date:
    """The day of the last instant before `end`: what ends at midnight is not of the next day."""
    return max(start, end - timedelta(microseconds=1)).date()


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
            last = _last_day(start, end)
            return any(a <= last and start.date() <= b for a, b in days) or not days
        low, high = self.between_s
        high += DAY_S if high <= low else 0
        midnight = datetime(start.year, start.month, start.day) - timedelta(days=1)
        while midnight + timedelta(seconds=low) < max(end, start + timedelta(microseconds=1)):
            begin = max(start, midnight + timedelta(seconds=low))
            until = min(end, midnight + timedelta(seconds=high))
            is_within = begin < until or (begin == until == start == end)
            if is_within and (
                not days or any(a <= _last_day(begin, until) and begin.date() <= b for a, b in days)
            ):
                return True
            midnight += timedelta(days=1)
        return False
