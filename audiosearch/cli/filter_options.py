"""The options that filter: one row each, for every command that has them."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from audiosearch.cli.quantities import (
    parse_bit_depths,
    parse_channels,
    parse_duration,
    parse_levels,
    parse_rates,
    parse_since,
    parse_stars,
)
from audiosearch.search.filters import Filters

F = TypeVar("F", bound=Callable[..., Any])

FilterOptions = Filters  # what `filter_options` gives a command


@dataclass(frozen=True, kw_only=True)
class FilterOption:
    """An option and the field of `Filters` that it fills.

    Attributes:
        flag: as it is typed; `--this/--that` for a field that is true or false.
        parse: from what is typed to the field's value, or to one of its values; None: as it is.
        several: the option may be given several times, and the field is a tuple.
    """

    flag: str
    field: str
    help: str
    metavar: str | None = None
    type: click.Path | None = None
    parse: Callable[[Any], Any] | None = None
    several: bool = False

    def option(self) -> Callable[[F], F]:
        """The decorator that adds it to a command, as the parameter `field`."""
        extra: dict[str, Any] = {"multiple": True} if self.several else {"default": None}
        return click.option(
            self.flag, self.field, metavar=self.metavar, type=self.type, help=self.help, **extra
        )

    def value(self, given: Any) -> Any:
        """What the field becomes; `given` is as click has it."""
        if self.parse is None or given is None:
            return given
        return tuple(map(self.parse, given)) if self.several else self.parse(given)


_FOLDER = click.Path(path_type=Path)

FILTER_OPTIONS = (
    FilterOption(
        flag="--in",
        field="folders",
        type=_FOLDER,
        several=True,
        help="Only below this folder, or one that a glob in quotes means: '*/ambience' (may be "
        "given several times).",
    ),
    FilterOption(
        flag="--not-in",
        field="not_folders",
        type=_FOLDER,
        several=True,
        help="Nothing below this folder; a glob in quotes as for --in.",
    ),
    FilterOption(
        flag="--name",
        field="names",
        metavar="TEXT",
        several=True,
        help="Only files of this name: words that are all in it or in its folders, or a glob in "
        "quotes ('*.wav'; with a / it is compared with the whole path). Several: any of them.",
    ),
    FilterOption(
        flag="--min-duration",
        field="min_duration_s",
        metavar="TIME",
        parse=parse_duration,
        help="Only recordings at least this long (90, 1.5m, 2h).",
    ),
    FilterOption(
        flag="--max-duration",
        field="max_duration_s",
        metavar="TIME",
        parse=parse_duration,
        help="Only recordings at most this long.",
    ),
    FilterOption(
        flag="--rate",
        field="sample_rate",
        metavar="HZ",
        parse=parse_rates,
        help="Only this sample rate (48000, 44.1k), or from one to another (96k:, 8k:16k).",
    ),
    FilterOption(
        flag="--channels",
        field="channels",
        metavar="N",
        parse=parse_channels,
        help="Only this many channels (1, mono, stereo, 3:, 2:6).",
    ),
    FilterOption(
        flag="--bit-depth",
        field="bit_depth",
        metavar="BITS",
        parse=parse_bit_depths,
        help="Only this bit depth (24, 24:, :16); lossy formats have none.",
    ),
    FilterOption(
        flag="--loudness",
        field="loudness_lufs",
        metavar="LOW:HIGH",
        parse=parse_levels,
        help="Only within these limits of integrated loudness in LUFS (-30:-16, -20:, :-40).",
    ),
    FilterOption(
        flag="--peak",
        field="peak_db",
        metavar="LOW:HIGH",
        parse=parse_levels,
        help="Only within these limits of the peak in dBFS (-1:, :-12).",
    ),
    FilterOption(
        flag="--since",
        field="since",
        metavar="WHEN",
        parse=lambda text: parse_since(text, now=time.time()),
        help="Only files changed since then (2026-05-01, yesterday, '2 days ago', 2w, 36h).",
    ),
    FilterOption(flag="--tag", field="tags", several=True, help="Only recordings with this tag."),
    FilterOption(
        flag="--not-tag", field="not_tags", several=True, help="Only recordings without this tag."
    ),
    FilterOption(
        flag="--rating",
        field="rating",
        metavar="STARS",
        parse=parse_stars,
        help="Only recordings that you rated so (5), so or higher (4:), or between (2:3).",
    ),
    FilterOption(
        flag="--favourite/--not-favourite",
        field="favourite",
        help="Only your favourites, or only others.",
    ),
    FilterOption(
        flag="--collection",
        field="collections",
        metavar="NAME",
        several=True,
        help="Only recordings in this collection of yours.",
    ),
    FilterOption(
        flag="--ucs",
        field="ucs",
        metavar="CATID",
        several=True,
        help="Only this CatID of the Universal Category System, or a glob in quotes ('DOOR*'), by "
        "the file's name or metadata. Several: any of them.",
    ),
    FilterOption(
        flag="--format", field="formats", several=True, help="Only this format (wav, mp3 ...)."
    ),
    FilterOption(
        flag="--online/--offline",
        field="online",
        help="Only files that are there now, or only such as are not (their drive is away).",
    ),
)


def filter_options(command: F) -> F:
    """`--in`, `--name`, `--min-duration`, ...; the command gets `filters: Filters`."""

    @functools.wraps(command)
    def with_filters(*args: Any, **kwargs: Any) -> Any:
        given = {each.field: each.value(kwargs.pop(each.field)) for each in FILTER_OPTIONS}
        return command(*args, filters=Filters(**given), **kwargs)

    for each in reversed(FILTER_OPTIONS):
        with_filters = each.option()(with_filters)
    return with_filters  # type: ignore[return-value]  # the decorator adds parameters
