"""A sound given on the command line: a file, or a part of one as `FILE@START-END`.

In goes the text, out come the path and the part in seconds. It opens no audio.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from audiosearch._urls import is_url, normal_url
from audiosearch.errors import QueryError

_NUMBER = r"\d+(?:\.\d*)?|\.\d+"
_TIME = rf"(?:\d+:){{0,2}}(?:{_NUMBER})"  # 3.5 or 1:03.5 or 1:02:03.5
LONGEST_S = 1e9  # 31 years; no sound is longer, and samples up to there can be counted
_RANGE = re.compile(rf"(?P<start>{_TIME})?-(?P<end>{_TIME})?")


@dataclass(frozen=True)
class ClipRange:
    """A part of a file, in seconds of at most `LONGEST_S`; `end_s` None is the end of the sound."""

    path: bytes
    start_s: float = 0.0
    end_s: float | None = None


def stretch_fault(start_s: float, end_s: float | None) -> str | None:
    """Why these seconds are no part of any sound, its end unknown; None: they may be one."""
    if not start_s >= 0:  # nor is NaN
        return f"a sound cannot begin at {start_s} s"
    if max(start_s, end_s or 0.0) > LONGEST_S:
        return "no sound is as long as this part says"
    if end_s is not None and not end_s > start_s:
        return f"the part ends before it begins: {start_s:g} s to {end_s:g} s"
    return None


def parse_clip(text: str, *, is_file: Callable[[str], bool] | None = None) -> ClipRange:
    """The file and part that `text` names.

    A file that exists under the whole text is that file, whatever its name holds; otherwise what
    follows the last `@` is the part: `3.5-6`, `3.5-`, `-6`, and times as 1:02:03.5 too.

    Args:
        text: a file, or a part of one.
        is_file: whether there is a file of a name; None: whether it is on the disk.

    Raises:
        QueryError: there is no such file, or the part is no range of time.
        AudiosearchError: it is a URL that must not be kept, or whose store does not answer.
    """
    is_file = is_file or _is_file
    if is_url(text):
        text = os.fsdecode(normal_url(os.fsencode(text)))
    if is_file(text):
        return ClipRange(os.fsencode(text))
    name, at, part = text.rpartition("@")
    if not at or not name:
        raise QueryError("no such sound file", path=text)
    found = _RANGE.fullmatch(part)
    if found is None or part == "-":
        if is_file(name):
            raise QueryError(
                f"{part!r} is no part of a sound", path=name, remedy="write it as FILE@3.5-6"
            )
        raise QueryError("no such sound file", path=text)
    start_s = _seconds(found["start"] or "0")
    end_s = _seconds(found["end"]) if found["end"] else None
    if fault := stretch_fault(start_s, end_s):
        raise QueryError(fault, path=name)
    if not is_file(name):
        raise QueryError("no such sound file", path=name)
    return ClipRange(os.fsencode(name), start_s, end_s)


def absolute(path: str | Path) -> bytes:
    """An absolute path without `..`; links stay as the user wrote them. Or a URL, in its one form.

    Raises:
        AudiosearchError: it is a URL that the library must not keep.
    """
    if is_url(text := os.fspath(path)):
        return normal_url(os.fsencode(text))
    return os.fsencode(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100


def _is_file(name: str) -> bool:
    if is_url(name):
        from audiosearch.remote.fetched_files import is_there_remotely  # noqa: PLC0415 - URLs alone

        return is_there_remotely(os.fsencode(name))
    try:
        return Path(name).is_file()
    except OSError:  # a name that no file can have, such as one of a million letters
        return False


def _seconds(text: str) -> float:
    seconds = 0.0
    for part in text.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds
