"""How results reach stdout: rows for people, JSON lines for programs, bare paths for pipes.

Colour only on a terminal, and not where `NO_COLOR` is set.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from audiosearch import errors
from audiosearch._statuses import EXIT_NOTHING
from audiosearch.cli.terminal import say, style, write_data
from audiosearch.errors import display_path
from audiosearch.search.rows import json_line

if TYPE_CHECKING:
    from audiosearch.search.results import Word

T = TypeVar("T")

SHORT_S = 5.0  # shorter stretches are shown to the tenth: whole seconds would lose them

_CLEAR = 0.5  # nats; a word e^0.5 = 1.6 times as likely, or less so, is worth a colour
_STRONG = 1.5  # nats; 4.5 times as likely

path_fields = errors.path_fields  # with the rest of what a row is printed by


def print_json(row: Mapping[str, object]) -> None:
    """One object a line. Floats keep six digits: more would be noise."""
    write_data(f"{json_line(row)}\n")


def print_paths(paths: Iterable[bytes], *, print0: bool) -> None:
    """The paths as they are, byte for byte, each once and in order; escaped on a terminal."""
    end = b"\0" if print0 else b"\n"
    if sys.stdout.isatty():
        for path in dict.fromkeys(paths):
            say(display_path(path))
        return
    for path in dict.fromkeys(paths):
        sys.stdout.buffer.write(path + end)
    sys.stdout.buffer.flush()


def clock(seconds: float, *, exact: bool = False) -> str:
    """`0:03.5`, `12:40`, `1:02:03`: a time in a recording, tenths below a minute or if exact."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    whole = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    has_tenth = rest % 10 and (exact or tenths < 600)
    return f"{whole}:{rest // 10:02d}" + (f".{rest % 10}" if has_tenth else "")


def clock_span(start_s: float, end_s: float) -> str:
    """`4:52.1-4:52.7`, `1:10-1:20`: a part of a recording, a short one to the tenth."""
    exact = end_s - start_s < SHORT_S
    return f"{clock(start_s, exact=exact)}-{clock(end_s, exact=exact)}"


def duration(seconds: float) -> str:
    """`4.6 h`, `12 min`, `35 s`: how long something is."""
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} h"
    if seconds >= 60:
        return f"{seconds / 60:.1f} min"
    return f"{seconds:.1f} s"


def size(n_bytes: int) -> str:
    """`12.3 MB`: how much room something takes."""
    amount = float(n_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def shown_path(path: bytes) -> str:
    """A path for people: relative to the working folder where it lies below it."""
    here = os.fsencode(os.getcwd())  # noqa: PTH109  # bytes, which pathlib does not keep
    prefix = here.rstrip(b"/") + b"/"
    return display_path(path.removeprefix(prefix))


def quoted(name: str) -> str:
    """A name as it is kept, in quotes, its control characters escaped."""
    return repr(" ".join(name.split()))


def print_listing(
    found: Sequence[T],
    *,
    row: Callable[[T], Mapping[str, object]],
    line: Callable[[T], str],
    nothing: str,
    as_json: bool,
    quiet: bool,
) -> int:
    """Print a list, a row or a line each, or say that there is `nothing`; the exit status."""
    for each in found:
        if as_json:
            print_json(row(each))
        else:
            say(line(each))
    if not found:
        remark(nothing, quiet=quiet)
    return 0 if found else EXIT_NOTHING


def remark(text: str, *, quiet: bool) -> None:
    """A remark on stderr, unless the user wants none."""
    if not quiet:
        say(text, err=True)


def coloured(words: Sequence[Word]) -> str:
    """The words in one line: green where the sound supports them, red where it speaks against.

    Without colour nothing would be seen, so each clear word has its lift beside it.
    """
    return " ".join(_shown(word) for word in words)


def _shown(word: Word) -> str:
    text = word.text if word.read_as is None else f"{word.text}→{word.read_as}"
    if word.lift is None:
        return style(f"{text}(?)", dim=True)
    if abs(word.lift) < _CLEAR:
        return style(text, dim=True)
    colour = "green" if word.lift > 0 else "red"
    shown = f"{text}({word.lift:+.1f})"
    return style(shown, fg=colour, bold=abs(word.lift) >= _STRONG)
