"""What the documentation shows is what the program does."""

from __future__ import annotations

import runpy
from pathlib import Path

import click
import pytest

from tests.e2e.command import Command

pytestmark = pytest.mark.slow


DOCS = Path(__file__).parents[2] / "docs"
reference = runpy.run_path(str(DOCS / "reference.py"))
COMMANDS = [name for name, _ in reference["walk"](reference["audiosearch"], "audiosearch")]


def test_the_page_of_commands_is_up_to_date():
    shown = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert shown == reference["page"](), "run: python docs/reference.py"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(fresh: Command, name: str):
    answer = fresh(*name.split()[1:], "--help")
    assert answer.status == 0
    assert answer.text.startswith("Usage: audiosearch")


def test_every_option_is_explained():
    for name, command in reference["walk"](reference["audiosearch"], "audiosearch"):
        for parameter in command.params:
            if isinstance(parameter, click.Option):  # arguments are explained in the text
                assert parameter.help, f"{name} {parameter.name}"
