"""All that commands write for people: nothing that came from outside makes a terminal do anything.

Styles and links carry a mark that nobody outside this process knows; whatever else is no printable
character is escaped where it is written, whichever command it came through.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from typing import Any, Final

import click

from audiosearch.errors import display_text

_ESCAPE: Final = "\x1b"
_MARK: Final = f"\ufdd0{os.urandom(8).hex()}"  # in the place of the escape character until then
# What follows it: a style, the beginning or the end of a link.
_SEQUENCE: Final = re.compile(r"\[[0-9;]*m|\]8;;[!-~]*|\\")


def style(text: object, **how: Any) -> str:
    """`text` in a colour or weight, as `click.style` has them; for `say` alone."""
    before, _, after = click.style("\0", **how).partition("\0")
    return f"{before.replace(_ESCAPE, _MARK)}{text}{after.replace(_ESCAPE, _MARK)}"


def link(text: str, address: str) -> str:
    """`text` as a link (OSC 8) to an address of printable ASCII; for `say` alone."""
    return f"{_MARK}]8;;{address}{_MARK}\\{text}{_MARK}]8;;{_MARK}\\"


def say(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Write lines for people to stdout or stderr."""
    click.echo(for_terminal(str(text)), err=err, nl=nl)


def write_data(text: str) -> None:
    """Write text for programs to stdout in UTF-8, as it is; on a terminal, escaped as `say` does.

    Names that are no UTF-8 come out byte for byte.
    """
    if sys.stdout.isatty():
        say(text, nl=False)
        return
    sys.stdout.flush()  # what was said before comes before
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


class PlainFormatter(logging.Formatter):
    """Log lines whose texts, of whoever, are one line and printable."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`; only a traceback has lines of its own."""
        text = super().format(record)
        return _printable(text) if record.exc_info or record.stack_info else display_text(text)


def for_terminal(text: str) -> str:
    """What `say` writes: styles and links as a terminal has them, all else printable."""
    if text.isprintable():  # nearly always
        return text
    first, *rest = text.split(_MARK)
    return _printable(first) + "".join(map(_marked, rest))


def _marked(text: str) -> str:
    """What follows a mark, with the escape character where it begins a sequence of ours."""
    found = _SEQUENCE.match(text)
    if found is None:
        return _printable(text)
    return f"{_ESCAPE}{found[0]}{_printable(text[found.end() :])}"


def _printable(text: str) -> str:
    return "\n".join(map(display_text, text.split("\n")))
