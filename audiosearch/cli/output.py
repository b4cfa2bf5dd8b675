"""How results reach stdout: rows for people, JSON lines for programs, bare paths for pipes.

Names in JSON are a contract with users' scripts. Colour only on a terminal, and not where
`NO_COLOR` is set.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from audiosearch import errors
from audiosearch._wording import counted
from audiosearch.cli.terminal import say, style, write_data
from audiosearch.errors import display_path

if TYPE_CHECKING:
    from audiosearch.search.results import Word

_CLEAR = 0.5  # nats; a word e^0.5 = 1.6 times as likely, or less so, is worth a colour
_STRONG = 1.5  # nats; 4.5 times as likely

path_fields = errors.path_fields  # with the rest of what a row is printed by


def print_json(row: Mapping[str, object]) -> None:
    """One object a line. Floats keep six digits: more would be noise."""
    write_data(f"{json_line(row)}\n")


def json_line(row: Mapping[str, object]) -> str:
    """A row as `print_json` prints it, without the end of the line.

    What a terminal would obey is written as JSON's own escapes, which programs read as it was.
    """
    tidy = {key: _rounded(value) for key, value in row.items()}
    line = json.dumps(tidy, ensure_ascii=False, allow_nan=False)
    if line.isprintable():
        return line
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in line)


def also_fields(paths: Sequence[bytes]) -> dict[str, object]:
    """`also`, the paths as `path_fields` has them, and `also_b64` where one of them is no UTF-8."""
    rows = [path_fields(path) for path in paths]
    fields: dict[str, object] = {"also": [row["path"] for row in rows]}
    if any("path_b64" in row for row in rows):
        fields["also_b64"] = [base64.b64encode(path).decode("ascii") for path in paths]
    return fields


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


def clock(seconds: float) -> str:
    """`0:03.5`, `12:40`, `1:02:03`: a time within a recording, tenths below a minute."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{rest // 10:02d}"
    if minutes or rest % 10 == 0:
        return f"{minutes}:{rest // 10:02d}"
    return f"{minutes}:{rest // 10:02d}.{rest % 10}"


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


def unknown_remarks(n_unknown: Mapping[str, int], noun: str) -> Iterator[str]:
    """What filters left out for what is not known of it; `noun` is what is counted."""
    for measure, n in n_unknown.items():
        yield f"{counted(n, noun)} with no known {measure} left out"


def remark(text: str, *, quiet: bool) -> None:
    """A remark on stderr, unless the user wants none."""
    if not quiet:
        say(text, err=True)


def _rounded(value: object) -> object:
    return round(value, 6) if isinstance(value, float) else value


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


def word_rows(words: Sequence[Word]) -> list[dict[str, object]]:
    """The words for JSON, each with its lift in nats, null for unknown words.

    A word that was read as another has that other word as `read_as`.
    """
    return [
        {
            "word": word.text,
            "lift": None if word.lift is None else round(word.lift, 4),
            **({} if word.read_as is None else {"read_as": word.read_as}),
        }
        for word in words
    ]
