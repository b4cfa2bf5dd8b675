"""Completion in the shells themselves, where they are installed."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.command import Command

SHELLS = ("bash", "zsh", "fish", "powershell")
PROGRAMS = {"powershell": "pwsh"}
# What asks a shell for the words that may end the line $LINE, with the script $SCRIPT loaded; they
# come one a line.
ASKING = {
    "bash": """
        source "$SCRIPT"
        read -ra COMP_WORDS <<< "$LINE"
        [[ "$LINE" == *' ' ]] && COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _audiosearch_completion audiosearch
        printf '%s\\n' "${COMPREPLY[@]}"
    """,
    # In place of the line editor's own functions, which want a terminal.
    "zsh": """
        compdef() { }
        compadd() { print -l -- "${completions[@]}" }
        _describe() { print -l -- "${(@)${(@P)3}%%:*}" }
        _path_files() { print -l -- files }
        source "$SCRIPT"
        words=("${(@s: :)LINE}") CURRENT=$#words
        _audiosearch_completion
    """,
    "fish": 'source "$SCRIPT"; complete -C "$LINE"',
    "powershell": """
        . $env:SCRIPT
        $found = [System.Management.Automation.CommandCompletion]::CompleteInput(
            $env:LINE, $env:LINE.Length, $null)
        $found.CompletionMatches | ForEach-Object { $_.CompletionText }
    """,
}


def completed(shell: str, line: str, *, command: Command, folder: Path) -> list[str]:
    """The words by which a shell would complete a line."""
    name = PROGRAMS.get(shell, shell)
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed")
    script = folder / ("complete.ps1" if shell == "powershell" else "complete")
    script.write_bytes(command("completion", shell).out)
    binaries = folder / "bin"
    binaries.mkdir(exist_ok=True)
    audiosearch = binaries / "audiosearch"
    audiosearch.write_text(f'#!/bin/sh\nexec {shlex.join(command.program)} "$@"\n')
    audiosearch.chmod(0o755)
    environ = {
        **command.environment(),
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "SCRIPT": str(script),
        "LINE": line,
    }
    plain: Sequence[str] = {
        "bash": ("--norc", "--noprofile"),
        "zsh": ("-f",),
        "fish": ("--no-config",),
        "powershell": ("-NoProfile", "-NonInteractive"),
    }[shell]
    asking = "-Command" if shell == "powershell" else "-c"
    done = subprocess.run(
        [program, *plain, asking, ASKING[shell]],
        capture_output=True,
        text=True,
        env=environ,
        cwd=folder,
        check=True,
    )
    assert done.stderr == ""
    return [row.partition("\t")[0] for row in done.stdout.splitlines() if row]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("audiosearch sim", ["similar"]),
        ("audiosearch captions ", ["add", "import", "imports", "list", "remove", "search"]),
        ("audiosearch find rain --not", ["--not-in", "--not-tag", "--not-favourite"]),
        ("audiosearch find rain --sort ", ["duration", "date", "name", "loudness"]),
    ],
)
def test_a_shell_completes(
    fresh: Command, tmp_path: Path, shell: str, line: str, expected: list[str]
) -> None:
    found = completed(shell, line, command=fresh, folder=tmp_path)
    assert sorted(found) == sorted(expected)


# As the scripts say it: this is what programs see of a shell, and needs none.
ASKED = {
    "bash": {"COMP_WORDS": "audiosearch sim", "COMP_CWORD": "1"},
    "zsh": {"COMP_WORDS": "audiosearch sim", "COMP_CWORD": "1"},
    "fish": {"COMP_WORDS": "audiosearch sim", "COMP_CWORD": "sim"},
    "powershell": {"_AUDIOSEARCH_WORDS": "sim"},
}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_program_answers_a_shell(fresh: Command, shell: str) -> None:
    assert "_AUDIOSEARCH_COMPLETE" in fresh("completion", shell).text
    fresh.environ.update(ASKED[shell], _AUDIOSEARCH_COMPLETE=f"{shell}_complete")
    answer = fresh()
    assert (answer.status, answer.err) == (0, "")
    assert "similar" in answer.text
    assert "index" not in answer.text


def test_powershell_gets_words_and_what_they_mean(fresh: Command) -> None:
    def asked(*words: str) -> list[list[str]]:
        fresh.environ.update(
            _AUDIOSEARCH_COMPLETE="powershell_complete", _AUDIOSEARCH_WORDS="\n".join(words)
        )
        return [row.split("\t") for row in fresh().text.splitlines() if row]

    [[flag, meaning]] = asked("find", "two words", "--not-t")
    assert flag == "--not-tag"
    assert "without this tag" in meaning
    assert asked("find", "x", "--in", "") == []  # PowerShell completes folders itself
    assert [word for word, _ in asked("'fin")] == ["find"]
    assert all(len(row) == 2 and all(row) for row in asked("models", ""))
    assert len(asked("")) > 10


def test_an_unknown_shell_is_refused(fresh: Command) -> None:
    answer = fresh("completion", "tcsh")
    assert answer.status == 2
    assert "powershell" in answer.err


def test_nothing_of_completion_is_loaded_otherwise() -> None:
    code = (
        "import sys; from audiosearch.cli.main import run; run(['find', '--help'])\n"
        "print('audiosearch.cli.completion' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "False"
