"""`--on`: where the long work of a command is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from audiosearch.cluster.opening import LOCAL, RayPlace, parse_place

F = TypeVar("F", bound=Callable[..., Any])


def on_option(does: str) -> Callable[[F], F]:
    """`--on`: where the work is done; the command gets `on: RayPlace | None`."""

    def place(_context: click.Context, _option: click.Parameter, text: str) -> RayPlace | None:
        return parse_place(text)

    return click.option(
        "--on",
        default=LOCAL,
        show_default=True,
        metavar="local|ray[://HOST:PORT]",
        callback=place,
        help=f"Where {does}: in this process's machine, or by the workers of Ray (extra [cluster]):"
        " one of its own, or the cluster whose head has this address.",
    )
