"""Writes docs/commands.md and docs/audiosearch.1 from the commands: `python docs/reference.py`.

A test holds the pages to what this gives, so that they cannot drift from the program. Laid out here
and not by click, whose own layout changes from version to version.
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from audiosearch.cli.main import audiosearch

PAGE = Path(__file__).with_name("commands.md")
MANUAL = Path(__file__).with_name("audiosearch.1")  # which the wheel puts where `man` looks

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


MANUAL_HEAD = """'\\" -*- coding: UTF-8 -*-
.\\" Written by docs/reference.py from the program itself.
.TH AUDIOSEARCH 1 "" audiosearch "User Commands"
.SH NAME
audiosearch \\- search the sounds on your own machine by what is heard in them
.SH SYNOPSIS
.B audiosearch
.I COMMAND
.RI [ OPTIONS ]
.RI [ ARGUMENTS ]
.SH DESCRIPTION
"""

MANUAL_FOOT = """.SH EXIT STATUS
.TP
.B 0
something was found, or done
.TP
.B 1
nothing matched
.TP
.B 2
an error, or bad use
.TP
.B 130
interrupted
.SH ENVIRONMENT
.TP
.B AUDIOSEARCH_DATA_DIR
the folder of the library
.TP
.B AUDIOSEARCH_CONFIG
the settings file;
.B audiosearch config path
tells which one is read
.TP
.B AUDIOSEARCH_SECTION_SETTING
any other setting, as AUDIOSEARCH_MODEL_DEVICE
.TP
.B NO_COLOR
no colours and no links to files on a terminal
.SH FILES
Settings and the library lie where the system has such files;
.B audiosearch config show
prints both places.
"""


def manual() -> str:
    """The whole manual, for `man`."""
    parts = [MANUAL_HEAD, _roff_text(audiosearch.help or "")]
    context = click.Context(audiosearch, info_name="audiosearch")
    parts += [".SH OPTIONS\n", _roff_options(audiosearch, context), ".SH COMMANDS\n"]
    for name, command in walk(audiosearch, "audiosearch"):
        if command is not audiosearch:
            parts.append(_roff_section(name, command))
    return "".join([*parts, MANUAL_FOOT])


def _roff_section(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name)
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [f".SS {_roff(name.removeprefix('audiosearch '))}\n"]
    lines.append(f".B {_roff(name)}\n{_roff(usage)}\n.PP\n")
    lines += [_roff_text(command.help or ""), _roff_options(command, context)]
    return "".join(lines)


def _roff_options(command: click.Command, context: click.Context) -> str:
    records = [
        parameter.get_help_record(context)
        for parameter in command.params
        if isinstance(parameter, click.Option)
    ]
    return "".join(f".TP\n.B {_roff(x[0])}\n{_roff_lines(x[1])}" for x in records if x)


def _roff_text(text: str) -> str:
    """Paragraphs; lines that stand indented, or after click's mark, stay as they are."""
    found = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        marked = paragraph.startswith("\b\n")
        lines = paragraph.removeprefix("\b\n").splitlines()
        if marked or lines[0].startswith("  "):
            shown = "".join(f"{_roff(line.removeprefix('  '))}\n" for line in lines)
            found.append(f".PP\n.RS 4\n.nf\n{shown}.fi\n.RE\n")
        else:
            found.append(f".PP\n{_roff_lines(' '.join(lines))}")
    return "".join(found).removeprefix(".PP\n")


def _roff_lines(text: str) -> str:
    """A paragraph in short lines."""
    lines = textwrap.wrap(text, 76, break_long_words=False, break_on_hyphens=False)
    return "".join(f"{_roff(line)}\n" for line in lines)


def _roff(text: str) -> str:
    """A text in which the formatter reads no commands; hyphens are those that one types."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    escaped = escaped.replace("`", "\\(ga").replace("^", "\\(ha").replace("~", "\\(ti")
    return re.sub(r"^([.'])", r"\\&\1", escaped)


if __name__ == "__main__":
    for place, text in ((PAGE, page()), (MANUAL, manual())):
        place.write_text(text, encoding="utf-8")
        sys.stderr.write(f"{place}\n")
