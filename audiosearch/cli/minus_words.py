"""Words of a query that begin with a minus: `-thunder` is not wanted, `-n3` is an option."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import click

# As `split_negation` reads it; what a shell leaves of -"heavy thunder" is one argument.
_WORDS = re.compile(r"-[\"\u201c]?[^\W\d_][\w'’-]+(?:\s.*)?|-[\"\u201c].*|-[^\W\d_]\s.+", re.DOTALL)


class MinusWords(click.Command):
    """A command that takes `-thunder` for a word that is not wanted, not for `-t` and its value."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See `click.Command.parse_args`."""
        return super().parse_args(ctx, self._reworded(ctx, args))

    def _reworded(self, ctx: click.Context, args: Sequence[str]) -> list[str]:
        options = {
            name: each
            for each in self.get_params(ctx)
            if isinstance(each, click.Option)
            for name in (*each.opts, *each.secondary_opts)
        }
        found: list[str] = []
        for place, arg in enumerate(args):
            if arg == "--":
                return [*found, *args[place:]]
            before = options.get(args[place - 1]) if place else None
            is_value = before is not None and not before.is_flag
            if is_value or _WORDS.fullmatch(arg) is None or _are_options(arg, options, ctx):
                found.append(arg)
                continue
            if f"-{arg}" in options and not ctx.resilient_parsing:
                raise click.UsageError(
                    f"No such option {arg!r}. Did you mean '-{arg}'? (What must not be heard:"
                    f" --without {arg[1:]})",
                    ctx,
                )
            found += ["--without", arg[1:].strip('"\u201c\u201d')]
        return found


def _are_options(arg: str, options: Mapping[str, click.Option], ctx: click.Context) -> bool:
    """Whether an argument is short options in one, the last perhaps with its value: `-qn3`."""
    for place, letter in enumerate(arg[1:], start=2):
        option = options.get(f"-{letter}")
        if option is None:
            return False
        if not option.is_flag:
            value = arg[place:]
            return not value or _takes(option, value, ctx)
    return True


def _takes(option: click.Option, value: str, ctx: click.Context) -> bool:
    try:
        option.type.convert(value, option, ctx)
    except click.BadParameter:
        return False
    return True
