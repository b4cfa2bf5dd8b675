"""What `find` may ask for beside words and filters: moments, a clock, exclusions, a sound.

The command gets one `SoughtOptions`; words of the query that begin with a minus are left out.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from audiosearch.audio.clip import ClipRange, parse_clip
from audiosearch.cli.options import FiniteRange
from audiosearch.search.filters import ClockFilter
from audiosearch.search.results import LIKE_WEIGHT, MomentOptions

F = TypeVar("F", bound=Callable[..., Any])

_WORD = re.compile(r"-[^\W\d_][\w'’-]+")


class MinusWords(click.Command):
    """A command that takes `-thunder` for a word that is not wanted, not for `-t` and its value."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See `click.Command.parse_args`."""
        return super().parse_args(ctx, self._reworded(args))

    def _reworded(self, args: Sequence[str]) -> list[str]:
        options = {
            name: each
            for each in self.params
            if isinstance(each, click.Option)
            for name in (*each.opts, *each.secondary_opts)
        }
        flags = {name[1] for name, each in options.items() if len(name) == 2 and each.is_flag}
        found: list[str] = []
        for place, arg in enumerate(args):
            if arg == "--":
                return [*found, *args[place:]]
            before = options.get(args[place - 1]) if place else None
            is_value = before is not None and not before.is_flag
            is_flags = set(arg[1:]) <= flags
            if _WORD.fullmatch(arg) and not is_value and not is_flags:
                found += ["--without", arg[1:]]
            else:
                found.append(arg)
        return found


@dataclass(frozen=True)
class SoughtOptions:
    """What is sought beside the words.

    Attributes:
        histogram: count the moments by the hour instead of listing them.
    """

    moments: MomentOptions | None
    histogram: bool
    recorded: ClockFilter | None
    without: tuple[str, ...]
    like: tuple[ClipRange, ...]
    like_weight: float


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
        "--histogram", is_flag=True, help="With --moments: count them by the hour of the day."
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
        "2026-05-01..2026-05-07). Several: any of them.",
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
        histogram: bool,
        between: str | None,
        dates: tuple[str, ...],
        without: tuple[str, ...],
        like: tuple[str, ...],
        like_weight: float | None,
        **kwargs: Any,
    ) -> Any:
        if like_weight is not None and not like:
            raise click.UsageError("--like-weight needs --like")
        moments = moments or histogram
        for name, is_given in (("--by-time", by_time), ("--per-file", per_file is not None)):
            if is_given and not moments:
                raise click.UsageError(f"{name} needs --moments")
        sought = SoughtOptions(
            moments=MomentOptions(by_time=by_time, per_file=per_file) if moments else None,
            histogram=histogram,
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
