"""A group of commands that answers a mistyped name with the nearest right one."""

from __future__ import annotations

import click

from audiosearch._wording import nearest


class CommandGroup(click.Group):
    """As click's, whose older releases suggest options only, and none commands imported on use."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that `args` begin with; see `click.Group`.

        Raises:
            UsageError: there is none of that name; says which is meant.
        """
        name = args[0]
        is_option = name.startswith("-")  # click tells what is wrong with these
        if not (is_option or ctx.resilient_parsing or self.get_command(ctx, name)):
            meant = nearest(name, self.list_commands(ctx))
            suggestion = "" if meant is None else f" Did you mean {meant!r}?"
            ctx.fail(f"No such command {name!r}.{suggestion}")
        return super().resolve_command(ctx, args)
