"""What `find` may ask for beside words and filters: moments, a clock, exclusions, a sound.

The command gets one `SoughtOptions`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from audiosearch.audio.clip import ClipRange, parse_clip
from audiosearch.cli.options import FiniteRange
from audiosearch.search.filters import ClockFilter
from audiosearch.search.results import LIKE_WEIGHT, MomentOptions

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class SoughtOptions:
    """What is sought beside the words."""

    moments: MomentOptions | None = None
    recorded: ClockFilter | None = None
    without: tuple[str, ...] = ()
    like: tuple[ClipRange, ...] = ()
    like_weight: float = LIKE_WEIGHT


def histogram_option(command: F) -> F:
    """`--histogram`, below `sought_options`."""
    return click.option(
        "--histogram", is_flag=True, help="With --moments: count them by the hour of the day."
    )(command)


def sought_options(command: F) -> F:
    """`--moments`, `--between`, `--without`, `--like` ...; the command gets `sought`."""

    @click.option(
        "--moments",
        is_flag=True,
        help="Every moment in which it is heard, from where it begins to where it ends, instead of "
        "the best stretch of each recording.",
    )
    @click.option("--by-time", is_flag=True, help="With --moments: in the order of time.")
    @click.option(
        "--per-file",
        type=click.IntRange(min=1),
        help="With --moments: the best so many of each recording.",
    )
    @click.option(
        "--between",
        metavar="TIMES",
        help="Only what was recorded in these hours by the recorder's clock (22:00-05:00).",
    )
    @click.option(
        "--date",
        "dates",
        metavar="DATE",
        multiple=True,
        help="Only what was recorded on this day by the recorder's clock (2026-05-01, 2026-05, "
        "yesterday, '2 days ago', 2026-05-01..2026-05-07). Several: any of them.",
    )
    @click.option(
        "--without",
        metavar="TEXT",
        multiple=True,
        help="Leave out where this is heard. The same as -WORD, or 'without TEXT' in the query.",
    )
    @click.option(
        "--like",
        metavar="CLIP",
        multiple=True,
        help="Only sounds like this one too: a file, or a part of one as FILE@START-END.",
    )
    @click.option(
        "--like-weight",
        type=FiniteRange(0.0, 1.0),
        help=f"How much --like counts against the words, 0 to 1 (default: {LIKE_WEIGHT:g}).",
    )
    @functools.wraps(command)
    def with_sought(
        *args: Any,
        moments: bool,
        by_time: bool,
        per_file: int | None,
        between: str | None,
        dates: tuple[str, ...],
        without: tuple[str, ...],
        like: tuple[str, ...],
        like_weight: float | None,
        **kwargs: Any,
    ) -> Any:
        if like_weight is not None and not like:
            raise click.UsageError("--like-weight needs --like")
        moments = moments or bool(kwargs.get("histogram"))
        for name, is_given in (("--by-time", by_time), ("--per-file", per_file is not None)):
            if is_given and not moments:
                raise click.UsageError(f"{name} needs --moments")
        sought = SoughtOptions(
            moments=MomentOptions(by_time=by_time, per_file=per_file) if moments else None,
            recorded=_recorded(between, dates),
            without=without,
            like=tuple(map(parse_clip, like)),
            like_weight=LIKE_WEIGHT if like_weight is None else like_weight,
        )
        return command(*args, sought=sought, **kwargs)

    return with_sought  # type: ignore[return-value]  # the decorator adds parameters


def _recorded(between: str | None, dates: Sequence[str]) -> ClockFilter | None:
    if between is None and not dates:
        return None
    from audiosearch.search.clock import clock_filter  # noqa: PLC0415 - seldom needed

    return clock_filter(between, dates)
