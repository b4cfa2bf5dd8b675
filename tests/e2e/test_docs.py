"""What the documentation shows is what the program does."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from tests.e2e.command import Command

pytestmark = pytest.mark.slow


PROJECT = Path(__file__).parents[2]
DOCS = PROJECT / "docs"
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *DOCS.glob("*.md")]
CARDS = (PROJECT / "models").rglob("README.md")
# A file of code, named with its folder: from the project's root, or a test from tests/.
CODE = re.compile(r"`((?:\w+/)+\w+\.py)`")
reference = runpy.run_path(str(DOCS / "reference.py"))
COMMANDS = [name for name, _ in reference["walk"](reference["audiosearch"], "audiosearch")]


def test_the_page_of_commands_is_up_to_date():
    shown = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert shown == reference["page"](), "run: python docs/reference.py"


def test_the_manual_is_up_to_date():
    shown = (DOCS / "audiosearch.1").read_text(encoding="utf-8")
    assert shown == reference["manual"](), "run: python docs/reference.py"


@pytest.mark.parametrize(
    "program",
    [
        ["groff", "-ww", "-man", "-K", "utf8", "-T", "utf8"],
        ["mandoc", "-T", "lint", "-W", "warning"],
        ["mandoc", "-T", "utf8"],
    ],
    ids=" ".join,
)
def test_formatters_read_the_manual_as_it_is_meant(program: list[str]):
    if shutil.which(program[0]) is None:
        pytest.skip(f"{program[0]} is not installed")
    done = subprocess.run(
        [*program, DOCS / "audiosearch.1"], capture_output=True, check=False, text=True
    )
    assert done.stderr == ""
    if "lint" in program:
        # It bears none, so that a page made anew is the same.
        assert [row for row in done.stdout.splitlines() if "missing date" not in row] == []
        return
    assert done.returncode == 0
    # Neither bold nor the formatter's own line ends.
    text = re.sub(r"\x1b\[[0-9;]*m|.\x08", "", done.stdout)
    words = " ".join(text.replace("\u2010\n", "").split())
    for name, command in reference["walk"](reference["audiosearch"], "audiosearch"):
        assert name in words
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert all(flag in words for flag in parameter.opts)
    assert "'*.wav'; with a / it is compared" in words
    assert 'audiosearch find "a dog barks after a man speaks"' in words


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


@pytest.mark.parametrize(
    "page", [*PAGES, *CARDS], ids=lambda page: page.parent.name + "/" + page.stem
)
def test_files_of_code_that_a_page_names_are_there(page: Path):
    named = CODE.findall(page.read_text(encoding="utf-8"))
    homes = PROJECT, PROJECT / "tests", PROJECT / "audiosearch"
    assert [name for name in named if not any((home / name).is_file() for home in homes)] == []


def test_pages_name_files_of_code():
    """Else the test above would hold of any page."""
    assert len(CODE.findall((DOCS / "faults.md").read_text(encoding="utf-8"))) > 50
