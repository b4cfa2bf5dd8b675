"""The settings file, written whole or with one setting changed."""

from __future__ import annotations

import json
import tomllib
from collections.abc import MutableMapping
from pathlib import Path

from audiosearch._files import atomic_write
from audiosearch.errors import ConfigError


def change_setting(file: Path, *, section: str, key: str, value: str) -> None:
    """Write `key = "value"` into `[section]` of a settings file, which is made if need be.

    Raises:
        ConfigError: the file cannot be read or written, is no TOML, or has no such table.
    """
    try:
        text = file.read_bytes().decode() if file.exists() else ""
        changed = with_setting(text, section=section, key=key, value=value)
        _write(file, changed)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        shown = json.dumps(value, ensure_ascii=False)  # a basic TOML string
        raise ConfigError(
            f"cannot be changed: {reason}",
            path=file,
            remedy=f"write {key} = {shown} below [{section}] yourself",
        ) from error


def write_settings(file: Path, text: str) -> None:
    """Write a whole settings file, in folders that are made if need be.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        _write(file, text)
    except OSError as error:
        raise ConfigError(
            f"cannot be written: {error.strerror or error}",
            path=file,
            remedy="name another file with --config or AUDIOSEARCH_CONFIG",
        ) from error


def with_setting(text: str, *, section: str, key: str, value: str) -> str:
    """TOML `text` in which `section.key` is `value`; comments, order and other keys stay.

    Raises:
        ValueError: it is no TOML, or has no table of that name.
    """
    import tomlkit  # noqa: PLC0415 - 22 ms, for the few commands that write settings

    document = tomlkit.parse(text)
    if section not in document:
        if document.as_string() and not document.as_string().endswith("\n"):
            document.add(tomlkit.nl())
        document.add(section, tomlkit.table())
    table = document[section]
    if not isinstance(table, MutableMapping):
        raise ValueError(f"{section} stands there, and is no table")
    table[key] = value
    changed = document.as_string()
    wanted = tomllib.loads(text)
    wanted.setdefault(section, {})[key] = value
    if tomllib.loads(changed) != wanted:  # nobody's settings are lost by a slip of the library
        raise ValueError(f"{section}.{key} stands there in an unusual form")
    return changed


def _write(file: Path, text: str) -> None:
    """Put `text` in the place of a file, or of what it links to, with its permissions."""
    file.parent.mkdir(parents=True, exist_ok=True)
    target = file.resolve()
    mode = target.stat().st_mode & 0o7777 if target.exists() else 0o600
    with atomic_write(target, shared=True, mode=mode) as out:
        out.write(text.encode())
    # What the process's mask took away.
    if target.stat().st_mode & 0o7777 != mode:
        target.chmod(mode)
