"""One setting changed in the settings file, with everything else in it left as it is.

In: a file, a key and a text. Out: the file with that line changed or added; comments, order and
other keys stay. TOML is changed line by line, since the standard library only reads it, and the
result is read again before it counts.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import tomllib
from pathlib import Path

from audiosearch.errors import ConfigError

_TABLE = re.compile(r"\s*\[+\s*([^\]]+?)\s*\]+\s*(?:#.*)?$")


def change_setting(file: Path, *, section: str, key: str, value: str) -> None:
    """Write `key = "value"` into `[section]` of a settings file, which is made if need be.

    Raises:
        ConfigError: the file cannot be read or written, is no TOML, or holds the key in a form
            that cannot be changed line by line.
    """
    try:
        text = file.read_bytes().decode() if file.exists() else ""
        changed = with_setting(text, section=section, key=key, value=value)
        file.parent.mkdir(parents=True, exist_ok=True)
        _replace(file.resolve(), changed)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"cannot be changed: {reason}",
            path=file,
            remedy=f"write {key} = {_quoted(value)} below [{section}] yourself",
        ) from error


def write_settings(file: Path, text: str) -> None:
    """Write a whole settings file, in folders that are made if need be.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _replace(file.resolve(), text)
    except OSError as error:
        raise ConfigError(
            f"cannot be written: {error.strerror or error}",
            path=file,
            remedy="name another file with --config or AUDIOSEARCH_CONFIG",
        ) from error


def with_setting(text: str, *, section: str, key: str, value: str) -> str:
    """TOML `text` in which `section.key` is `value`.

    Raises:
        ValueError: it is no TOML, or holds the key in a form that is not one line.
    """
    wanted = tomllib.loads(text)
    wanted.setdefault(section, {})[key] = value
    changed = "".join(_lines(text.splitlines(keepends=True), section, key, value))
    if tomllib.loads(changed) != wanted:
        raise ValueError(f"{section}.{key} stands there in an unusual form")
    return changed


def _lines(lines: list[str], section: str, key: str, value: str) -> list[str]:
    assignment = re.compile(rf"(\s*{re.escape(key)}\s*=\s*)(\"[^\"\\]*\"|'[^']*')(.*)$", re.DOTALL)
    new = f"{key} = {_quoted(value)}\n"
    here, heading = False, None
    for place, line in enumerate(lines):
        table = _TABLE.match(line)
        if table is not None:
            here = table.group(1) == section
            heading = place if here else heading
        elif here and (found := assignment.match(line)):
            kept = f"{found.group(1)}{_quoted(value)}{found.group(3)}"
            return [*lines[:place], kept, *lines[place + 1 :]]
    if heading is not None:
        return [*_ended(lines[: heading + 1]), new, *lines[heading + 1 :]]
    gap = ["\n"] if lines else []
    return [*_ended(lines), *gap, f"[{section}]\n", new]


def _ended(lines: list[str]) -> list[str]:
    """The lines, the last one ended too."""
    return [*lines[:-1], lines[-1].rstrip("\n") + "\n"] if lines else []


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)  # a basic TOML string


def _replace(file: Path, text: str) -> None:
    """Write beside the file and rename, so that a full disk leaves the old one whole."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as partial:
            partial.write(text)
        if file.exists():
            Path(name).chmod(file.stat().st_mode & 0o7777)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
