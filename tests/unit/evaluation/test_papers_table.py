"""The rows of the papers in the documentation name commands that there are."""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path

import click
import pytest

from audiosearch.cli.main import audiosearch

PROJECT = Path(__file__).parents[3]
PAGE = (PROJECT / "docs" / "evaluation.md").read_text(encoding="utf-8")
ROWS = [
    line.strip("| ").rpartition("|")[2].strip(" `")
    for line in PAGE.partition("## What of the papers")[2].partition("\n## ")[0].splitlines()
    if line.endswith("` |")
]


def test_there_are_rows():
    assert len(ROWS) > 15


def options_of(command: click.Command) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts}


@pytest.mark.parametrize("row", sorted(set(ROWS)))
def test_its_command_is_there(row: str):
    program, *words = row.split()
    options = set(re.findall(r"--[\w-]+", row))
    if program == "audiosearch":
        command: click.Command = audiosearch
        while isinstance(command, click.Group):
            found = command.get_command(click.Context(command), words.pop(0))
            assert found is not None
            command = found
        assert options <= options_of(command)
    elif program == "pytest":
        assert (PROJECT / words[0]).is_file()
        assert re.search(rf"def test_\w*{words[2]}", (PROJECT / words[0]).read_text("utf-8"))
    else:
        assert [program, words[0]] == ["python", "-m"]
        pytest.importorskip("torch")
        module = importlib.util.find_spec(words[1])
        assert module is not None
        name = f"{words[1]}.__main__" if module.submodule_search_locations else words[1]
        assert options <= options_of(importlib.import_module(name).main)
