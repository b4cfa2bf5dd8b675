"""`audiosearch completion SHELL`: the script that makes the shell complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a completion script for SHELL.

    \b
      bash: audiosearch completion bash > ~/.local/share/bash-completion/completions/audiosearch
      zsh:  audiosearch completion zsh > "${fpath[1]}/_audiosearch"
      fish: audiosearch completion fish > ~/.config/fish/completions/audiosearch.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None  # the choice above names click's own
    script = kind(context.find_root().command, {}, "audiosearch", "_AUDIOSEARCH_COMPLETE").source()
    click.echo(script)
