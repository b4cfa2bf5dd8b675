"""`audiosearch completion`: scripts by which shells ask the program what may come next.

Those of click for bash, zsh and fish, and one for PowerShell, which click does not know. It hands
the words on as lines, since only PowerShell knows how its own quotes part them.
"""

from __future__ import annotations

import os

import click
from click.shell_completion import (
    CompletionItem,
    ShellComplete,
    add_completion_class,
    get_completion_class,
)

from audiosearch.cli.terminal import write_data

COMPLETE_VAR = "_AUDIOSEARCH_COMPLETE"
_WORDS_VAR = "_AUDIOSEARCH_WORDS"

# Where nothing is written, PowerShell completes the names of files, as it should then.
_POWERSHELL = """\
Register-ArgumentCompleter -Native -CommandName %(prog_name)s -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Select-Object -Skip 1 |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
        ForEach-Object {
            if ($_ -is [System.Management.Automation.Language.StringConstantExpressionAst]) {
                $_.Value
            } else {
                $_.Extent.Text
            }
        })
    $encoding = [Console]::OutputEncoding
    try {
        [Console]::OutputEncoding = [System.Text.Encoding]::UTF8
        $env:%(complete_var)s = 'powershell_complete'
        $env:_AUDIOSEARCH_WORDS = (@($words) + $wordToComplete) -join "`n"
        & $commandAst.GetCommandName() | Where-Object { $_ } | ForEach-Object {
            $value, $help = $_ -split "`t", 2
            $quoted = $value
            if ($value -match '[^\\w./:=+-]') { $quoted = "'" + $value.Replace("'", "''") + "'" }
            [System.Management.Automation.CompletionResult]::new(
                $quoted, $value, 'ParameterValue', $help)
        }
    } finally {
        [Console]::OutputEncoding = $encoding
        Remove-Item Env:%(complete_var)s, Env:_AUDIOSEARCH_WORDS -ErrorAction SilentlyContinue
    }
}
"""


class PowerShellComplete(ShellComplete):
    """Completion in PowerShell, 5.1 and later."""

    name = "powershell"
    source_template = _POWERSHELL

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the cursor, and the one under it as far as it is typed."""
        *words, incomplete = os.environ.get(_WORDS_VAR, "").split("\n")
        return words, incomplete.strip("'\"")

    def format_completion(self, item: CompletionItem) -> str:
        """A word and what it means; nothing where a file is meant."""
        if item.type != "plain":
            return ""
        return f"{item.value}\t{' '.join((item.help or item.value).split())}"


add_completion_class(PowerShellComplete)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish", "powershell"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a completion script for SHELL.

    \b
      bash: audiosearch completion bash > ~/.local/share/bash-completion/completions/audiosearch
      zsh:  audiosearch completion zsh > "${fpath[1]}/_audiosearch"
      fish: audiosearch completion fish > ~/.config/fish/completions/audiosearch.fish
      PowerShell: audiosearch completion powershell >> $PROFILE
    """
    kind = get_completion_class(shell)
    assert kind is not None  # the choice above names click's own, and ours
    script = kind(context.find_root().command, {}, "audiosearch", COMPLETE_VAR).source()
    write_data(f"{script}\n")
