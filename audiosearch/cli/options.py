"""Options that several commands share, and what they become: settings, filters, an output form."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from audiosearch.config import NORMALISE_CHOICES, Config, config_path, load_config
from audiosearch.errors import QueryError
from audiosearch.search.filters import Filters

F = TypeVar("F", bound=Callable[..., Any])

_DURATION_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}


_config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Settings file to use instead of the default one.",
)
_quiet_option = click.option(
    "-q", "--quiet", is_flag=True, help="Print results only: no progress, no remarks."
)


@dataclass(frozen=True)
class OutputForm:
    """How results are written to stdout: for people, as JSON lines, or as bare paths."""

    json: bool = False
    paths: bool = False
    print0: bool = False


def settings_file_options(command: F) -> F:
    """`--config` and `--quiet` alone, reading nothing: the command gets `file` and `quiet`."""

    @_config_option
    @_quiet_option
    @functools.wraps(command)
    def with_file(*args: Any, config_file: Path | None, **kwargs: Any) -> Any:
        return command(*args, file=config_path(config_file), **kwargs)

    return with_file  # type: ignore[return-value]  # the decorator adds parameters


def library_options(command: F) -> F:
    """`--config`, `--device`, `--task`, `--quiet`: the command gets `config` and `quiet`."""

    @_config_option
    @click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "cuda"]),
        help="Where the model runs (default: as configured).",
    )
    @click.option("--task", help="Captioning style, if the model has several (see models info).")
    @_quiet_option
    @functools.wraps(command)
    def with_config(
        *args: Any,
        config_file: Path | None,
        device: str | None,
        task: str | None,
        quiet: bool,
        **kwargs: Any,
    ) -> Any:
        if quiet:
            logging.getLogger().setLevel(logging.ERROR)
        config = load_config(config_file, overrides={"model.device": device, "model.task": task})
        return command(*args, config=config, quiet=quiet, **kwargs)

    return with_config  # type: ignore[return-value]  # the decorator adds parameters


def output_options(command: F) -> F:
    """`--json`, `--paths` and `-0`; the command gets `form: OutputForm`."""

    @click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
    @click.option("--paths", is_flag=True, help="Only the paths, one a line.")
    @click.option("-0", "--print0", is_flag=True, help="Only the paths, each ended by NUL.")
    @functools.wraps(command)
    def with_form(*args: Any, as_json: bool, paths: bool, print0: bool, **kwargs: Any) -> Any:
        if as_json and (paths or print0):
            raise click.UsageError("--json and --paths/--print0 exclude each other")
        return command(*args, form=OutputForm(as_json, paths or print0, print0), **kwargs)

    return with_form  # type: ignore[return-value]


def json_option(command: F) -> F:
    """`--json` alone; the command gets `as_json: bool`."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")(command)


def normalise_option(of: str) -> Callable[[F], F]:
    """`--normalise`: how scores of `of` are made comparable."""
    return click.option(
        "--normalise",
        type=click.Choice(NORMALISE_CHOICES),
        help=f"How to normalise scores of {of} (default: as configured).",
    )


def limit_options(command: F) -> F:
    """`-n/--limit` and `--min-score`, None where the settings decide."""
    command = click.option(
        "-n", "--limit", type=click.IntRange(min=1), help="Show at most this many results."
    )(command)
    return click.option(
        "--min-score",
        type=click.FloatRange(0.0, 1.0),
        help="Leave out results that score less; 0 shows all (default: what the model recommends).",
    )(command)


FilterOptions = Filters  # what `filter_options` gives a command


def filter_options(command: F) -> F:
    """`--in`, `--name`, `--min-duration`, ...; the command gets `filters: Filters`."""

    @click.option(
        "--in",
        "folders",
        multiple=True,
        type=click.Path(path_type=Path),
        help="Only below this folder (may be given several times).",
    )
    @click.option(
        "--name",
        "names",
        metavar="TEXT",
        multiple=True,
        help="Only files of this name: words that are all in it or in its folders, or a glob in "
        "quotes ('*.wav'; with a / it is compared with the whole path). Several: any of them.",
    )
    @click.option(
        "--min-duration", metavar="TIME", help="Only recordings at least this long (90, 1.5m, 2h)."
    )
    @click.option("--max-duration", metavar="TIME", help="Only recordings at most this long.")
    @click.option(
        "--since", metavar="WHEN", help="Only files changed since then (2026-05-01, 2w, 36h)."
    )
    @click.option("--tag", "tags", multiple=True, help="Only recordings with this tag.")
    @click.option("--format", "formats", multiple=True, help="Only this format (wav, mp3 ...).")
    @functools.wraps(command)
    def with_filters(
        *args: Any,
        folders: tuple[Path, ...],
        names: tuple[str, ...],
        min_duration: str | None,
        max_duration: str | None,
        since: str | None,
        tags: tuple[str, ...],
        formats: tuple[str, ...],
        **kwargs: Any,
    ) -> Any:
        filters = Filters(
            folders=folders,
            names=names,
            min_duration_s=None if min_duration is None else parse_duration(min_duration),
            max_duration_s=None if max_duration is None else parse_duration(max_duration),
            since=None if since is None else parse_since(since, now=time.time()),
            tags=tags,
            formats=formats,
        )
        return command(*args, filters=filters, **kwargs)

    return with_filters  # type: ignore[return-value]


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
    """Unix seconds out of a date (`2026-05-01`, `2026-05-01T12:00`) or an age (`36h`, `2w`).

    Raises:
        QueryError: it is neither.
    """
    try:
        if text[-1:].lower() in _DURATION_UNITS:
            return now - timedelta(seconds=parse_duration(text)).total_seconds()
        if len(text) == len("2026-05-01"):
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day).timestamp()
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, QueryError, OverflowError):
        raise QueryError(
            f"{text!r} is neither a date nor an age", remedy="write 2026-05-01, 36h or 2w"
        ) from None


def describe_settings(config: Config) -> str:
    """Where these settings come from, for messages."""
    exists = config.config_file.is_file()
    return str(config.config_file) if exists else f"{config.config_file} (not there: defaults)"
