"""The options that filter, for every command that has them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from audiosearch.search.filter_fields import FILTER_FIELDS, FilterField
from audiosearch.search.filters import Filters

F = TypeVar("F", bound=Callable[..., Any])

FilterOptions = Filters  # what `filter_options` gives a command


def _option(each: FilterField) -> Callable[[F], F]:
    """The decorator that adds a filter to a command, as the parameter `field`."""
    extra: dict[str, Any] = {"multiple": True} if each.several else {"default": None}
    if each.is_folder:  # completed as such by shells
        extra["type"] = click.Path()
    return click.option(
        "/".join(f"--{name}" for name in (each.name, each.opposite) if name),
        each.field,
        metavar=each.metavar,
        help=each.help,
        **extra,
    )


def filter_options(command: F) -> F:
    """`--in`, `--name`, `--min-duration`, ...; the command gets `filters: Filters`."""

    @functools.wraps(command)
    def with_filters(*args: Any, **kwargs: Any) -> Any:
        given = {each.field: each.value(kwargs.pop(each.field)) for each in FILTER_FIELDS}
        return command(*args, filters=Filters(**given), **kwargs)

    for each in reversed(FILTER_FIELDS):
        with_filters = _option(each)(with_filters)
    return with_filters  # type: ignore[return-value]  # the decorator adds parameters
