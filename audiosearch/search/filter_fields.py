"""The filters by the names that people give them: options of commands, fields of requests."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from audiosearch._urls import any_path
from audiosearch.search.quantities import (
    parse_bit_depths,
    parse_channels,
    parse_duration,
    parse_levels,
    parse_rates,
    parse_since,
    parse_stars,
)


@dataclass(frozen=True, kw_only=True)
class FilterField:
    """A filter as a person gives it, and the field of `Filters` that it fills.

    Attributes:
        name: of the option, without its dashes.
        field: of `Filters`.
        help: what it does, in a sentence.
        opposite: name of the option that says no; empty unless the field is true or false.
        metavar: what its value is called; None where the name says it.
        is_folder: the value is a folder, or a glob that means some.
        parse: from what is typed to the field's value, or to one of its values; None: as it is.
        several: it may be given several times, and the field is a tuple.
    """

    name: str
    field: str
    help: str
    opposite: str = ""
    metavar: str | None = None
    is_folder: bool = False
    parse: Callable[[Any], Any] | None = None
    several: bool = False

    def value(self, given: Any) -> Any:
        """What the field becomes of a text, of several where it takes `several`.

        Raises:
            QueryError: the text does not say any such thing.
        """
        parse = any_path if self.is_folder else self.parse
        if parse is None or given is None:
            return given
        return tuple(map(parse, given)) if self.several else parse(given)


FILTER_FIELDS = (
    FilterField(
        name="in",
        field="folders",
        is_folder=True,
        several=True,
        help="Only below this folder, or one that a glob in quotes means: '*/ambience' (may be "
        "given several times).",
    ),
    FilterField(
        name="not-in",
        field="not_folders",
        is_folder=True,
        several=True,
        help="Nothing below this folder; a glob in quotes as for --in.",
    ),
    FilterField(
        name="name",
        field="names",
        metavar="TEXT",
        several=True,
        help="Only files of this name: words that are all in it or in its folders, or a glob in "
        "quotes ('*.wav'; with a / it is compared with the whole path). Several: any of them.",
    ),
    FilterField(
        name="min-duration",
        field="min_duration_s",
        metavar="TIME",
        parse=parse_duration,
        help="Only recordings at least this long (90, 1.5m, 2h).",
    ),
    FilterField(
        name="max-duration",
        field="max_duration_s",
        metavar="TIME",
        parse=parse_duration,
        help="Only recordings at most this long.",
    ),
    FilterField(
        name="rate",
        field="sample_rate",
        metavar="HZ",
        parse=parse_rates,
        help="Only this sample rate (48000, 44.1k), or from one to another (96k:, 8k:16k).",
    ),
    FilterField(
        name="channels",
        field="channels",
        metavar="N",
        parse=parse_channels,
        help="Only this many channels (1, mono, stereo, 3:, 2:6).",
    ),
    FilterField(
        name="bit-depth",
        field="bit_depth",
        metavar="BITS",
        parse=parse_bit_depths,
        help="Only this bit depth (24, 24:, :16); lossy formats have none.",
    ),
    FilterField(
        name="loudness",
        field="loudness_lufs",
        metavar="LOW:HIGH",
        parse=parse_levels,
        help="Only within these limits of integrated loudness in LUFS (-30:-16, -20:, :-40).",
    ),
    FilterField(
        name="peak",
        field="peak_db",
        metavar="LOW:HIGH",
        parse=parse_levels,
        help="Only within these limits of the peak in dBFS (-1:, :-12).",
    ),
    FilterField(
        name="since",
        field="since",
        metavar="WHEN",
        parse=lambda text: parse_since(text, now=time.time()),
        help="Only files changed since then (2026-05-01, yesterday, '2 days ago', 2w, 36h).",
    ),
    FilterField(name="tag", field="tags", several=True, help="Only recordings with this tag."),
    FilterField(
        name="not-tag", field="not_tags", several=True, help="Only recordings without this tag."
    ),
    FilterField(
        name="rating",
        field="rating",
        metavar="STARS",
        parse=parse_stars,
        help="Only recordings that you rated so (5), so or higher (4:), or between (2:3).",
    ),
    FilterField(
        name="favourite",
        opposite="not-favourite",
        field="favourite",
        help="Only your favourites, or only others.",
    ),
    FilterField(
        name="collection",
        field="collections",
        metavar="NAME",
        several=True,
        help="Only recordings in this collection of yours.",
    ),
    FilterField(
        name="ucs",
        field="ucs",
        metavar="CATID",
        several=True,
        help="Only this CatID of the Universal Category System, or a glob in quotes ('DOOR*'), by "
        "the file's name or metadata. Several: any of them.",
    ),
    FilterField(
        name="format", field="formats", several=True, help="Only this format (wav, mp3 ...)."
    ),
    FilterField(
        name="online",
        opposite="offline",
        field="online",
        help="Only files that are there now, or only such as are not (their drive is away).",
    ),
)
