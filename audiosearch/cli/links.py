"""Paths on a terminal as links to their files (OSC 8), for terminals that open them by a click.

As https://gist.github.com/egmontkob/eb114294efbcd5adb1944c9f3cb5feda has it; other terminals show
the text alone. Never where something else than a terminal reads.
"""

from __future__ import annotations

import os
import sys
from functools import cache

from audiosearch._urls import is_url
from audiosearch.cli.output import shown_path
from audiosearch.cli.terminal import link

_MOST = 2083  # bytes of an address that VTE takes


def linked_path(path: bytes, text: str | None = None, *, links: bool = True) -> str:
    """A path for people, as a link to the file where stdout is a terminal that may have one.

    Args:
        path: absolute.
        text: what is shown, with its style; None: the path as `shown_path` has it.
        links: False: never a link.
    """
    shown = shown_path(path) if text is None else text
    if not (links and _wanted()) or is_url(path):
        return shown
    address = file_url(path)
    if len(address) > _MOST:
        return shown
    return link(shown, address)


@cache
def _wanted() -> bool:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return sys.stdout.isatty()


def file_url(path: bytes) -> str:
    """`file://HOST/PATH` in ASCII, every other byte as `%XX`.

    With this machine's name, so that a terminal that shows another machine does not open a file of
    its own; on Windows, where that would mean a share, without one.
    """
    from urllib.parse import quote, quote_from_bytes  # noqa: PLC0415 - only terminals have links

    if sys.platform == "win32":
        return f"file:///{quote_from_bytes(path.replace(os.fsencode(os.sep), b'/'), safe='/:')}"
    return f"file://{quote(os.uname().nodename)}{quote_from_bytes(path)}"
