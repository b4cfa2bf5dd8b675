"""Writes docs/commands.md from the commands themselves: `python docs/reference.py`.

A test holds the page to what this gives, so that it cannot drift from the program. Laid out here
and not by click, whose own layout changes from version to version.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from audiosearch.cli.main import audiosearch

PAGE = Path(__file__).with_name("commands.md")

HEAD = """# Commands

Written by `python docs/reference.py` from the program itself.

Results go to stdout, progress and remarks to stderr. Exit status: 0 found, 1 nothing matched,
2 an error or bad use, 130 interrupted.
"""


def walk(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """A command and all below it, each with its full name."""
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name)
        for each in command.list_commands(context):
            below = command.get_command(context, each)
            assert below is not None
            yield from walk(below, f"{name} {each}")


def section(name: str, command: click.Command) -> str:
    """A command's heading, text and options."""
    context = click.Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    text = inspect.cleandoc(command.help or "").replace("\b\n", "")
    lines = [f"## {name}", "", f"    {usage}", "", _indent_examples(text), ""]
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if isinstance(parameter, click.Option) and record is not None:
            lines.append(f"- `{record[0]}`: {record[1]}")
    return "\n".join(lines).rstrip() + "\n"


def _indent_examples(text: str) -> str:
    """Lines that stand indented in a help text are code in Markdown."""
    return "\n".join(f"  {line}" if line.startswith("  ") else line for line in text.splitlines())


def page() -> str:
    """The whole page."""
    sections = (section(name, command) for name, command in walk(audiosearch, "audiosearch"))
    return "\n".join([HEAD, *sections])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stderr.write(f"{PAGE}\n")
