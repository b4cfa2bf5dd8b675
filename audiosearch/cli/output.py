"""How results reach stdout: rows for people, JSON lines for programs, bare paths for pipes.

Names in JSON are a contract with users' scripts. Colour only on a terminal, and not where
`NO_COLOR` is set.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Mapping

import click

from audiosearch.errors import display_path


def print_json(row: Mapping[str, object]) -> None:
    """One object a line. Floats keep six digits: more would be noise."""
    click.echo(json_line(row))


def json_line(row: Mapping[str, object]) -> str:
    """A row as `print_json` prints it, without the end of the line."""
    tidy = {key: _rounded(value) for key, value in row.items()}
    return json.dumps(tidy, ensure_ascii=False, allow_nan=False)


def path_fields(path: bytes) -> dict[str, object]:
    """`path`, and for a path that is no UTF-8 also its bytes as `path_b64`."""
    try:
        return {"path": path.decode("utf-8")}
    except UnicodeDecodeError:
        return {
            "path": display_path(path),
            "path_b64": base64.b64encode(path).decode("ascii"),
        }


def print_paths(paths: Iterable[bytes], *, print0: bool) -> None:
    """The paths as they are, byte for byte, each once and in order."""
    end = b"\0" if print0 else b"\n"
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


def one_line(text: str) -> str:
    """A person's words for a terminal, which would obey the control characters in them.

    These are escaped; what joins or parts letters in some scripts stays.
    """
    return "".join(
        each if unicodedata.category(each) != "Cc" else each.encode("unicode_escape").decode()
        for each in text
    )


def remark(text: str, *, quiet: bool) -> None:
    """A remark on stderr, unless the user wants none."""
    if not quiet:
        click.echo(text, err=True)


def _rounded(value: object) -> object:
    return round(value, 6) if isinstance(value, float) else value
