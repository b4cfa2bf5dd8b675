"""Options that several commands share, and what they become: settings, an output form."""

from __future__ import annotations

import functools
import logging
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from audiosearch._urls import any_path
from audiosearch.config import NORMALISE_CHOICES, Config, config_path, load_config
from audiosearch.search.order import SORT_KEYS

F = TypeVar("F", bound=Callable[..., Any])

_config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Settings file to use instead of the default one.",
)
_quiet_option = click.option(
    "-q", "--quiet", is_flag=True, help="Print results only: no progress, no remarks."
)


class FiniteRange(click.FloatRange):
    """Numbers in a range; `nan`, which is in none and passes every comparison, is refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `click.ParamType`."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is no number.", param, ctx)
        return number


class PlaceType(click.Path):
    """A folder or file, or the URL of one, which comes as the path that stands for it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `click.ParamType`."""
        return any_path(os.fsdecode(super().convert(value, param, ctx)))


PLACE = PlaceType()


@dataclass(frozen=True)
class OutputForm:
    """How results are written to stdout: for people, as JSON lines, or as bare paths."""

    json: bool = False
    paths: bool = False
    print0: bool = False
    links: bool = True  # paths on a terminal are links

    @property
    def for_people(self) -> bool:
        """Rows that are read and not piped on."""
        return not (self.json or self.paths)


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
    """`--json`, `--paths`, `-0` and `--no-links`; the command gets `form: OutputForm`."""

    @click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
    @click.option("--paths", is_flag=True, help="Only the paths, one a line.")
    @click.option("-0", "--print0", is_flag=True, help="Only the paths, each ended by NUL.")
    @click.option(
        "--no-links",
        is_flag=True,
        help="Paths on a terminal are no links to their files (as with NO_COLOR).",
    )
    @functools.wraps(command)
    def with_form(
        *args: Any, as_json: bool, paths: bool, print0: bool, no_links: bool, **kwargs: Any
    ) -> Any:
        if as_json and (paths or print0):
            raise click.UsageError("--json and --paths/--print0 exclude each other")
        form = OutputForm(as_json, paths or print0, print0, links=not no_links)
        return command(*args, form=form, **kwargs)

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


def sort_options(command: F) -> F:
    """`--sort` and `--reverse`; the command gets `sort: str | None` and `reverse: bool`."""
    command = click.option(
        "-r", "--reverse", is_flag=True, help="The other way round, what is not known still last."
    )(command)
    return click.option(
        "--sort",
        type=click.Choice(SORT_KEYS),
        help="Show the longest, newest or loudest first, or by name. Of a search, the best matches "
        "are shown in that order.",
    )(command)


def limit_options(command: F) -> F:
    """`-n/--limit` and `--min-score`, None where the settings decide."""
    command = click.option(
        "-n", "--limit", type=click.IntRange(min=1), help="Show at most this many results."
    )(command)
    return click.option(
        "--min-score",
        type=FiniteRange(0.0, 1.0),
        help="Leave out results that score less; 0 shows all (default: what the model recommends).",
    )(command)


def describe_settings(config: Config) -> str:
    """Where these settings come from, for messages."""
    exists = config.config_file.is_file()
    return str(config.config_file) if exists else f"{config.config_file} (not there: defaults)"
