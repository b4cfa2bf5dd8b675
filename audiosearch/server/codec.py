"""Frozen dataclasses as JSON and back, floats to the last bit.

What does not have the declared form is refused, and nothing but the classes that a caller names is
ever made. JSON and not a pickle: a pickle can run code.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import types
import typing
from collections.abc import Hashable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

_PLAIN: Final = (bool, int, float, str)


class MalformedMessage(Exception):
    """A message that has not the form that this version of the program writes."""


def to_json(message: object) -> bytes:
    """A dataclass instance, with the name of its class, as one line of ASCII.

    Raises:
        TypeError: it holds a value of a kind that has no form here.
    """
    return json.dumps([type(message).__name__, _plain(message)], separators=(",", ":")).encode()


def from_json(content: bytes, kinds: Sequence[type[Any]]) -> Any:
    """The message in `content`, which must be of one of `kinds`.

    Raises:
        MalformedMessage: it is something else.
    """
    try:
        name, value = json.loads(content)
        [kind] = [kind for kind in kinds if kind.__name__ == name]
        return _dataclass(value, kind)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        expected = " or ".join(kind.__name__ for kind in kinds)
        raise MalformedMessage(f"no {expected}: {type(error).__name__}") from error


def _plain(value: object) -> object:
    """A value in JSON's own kinds."""
    if value is None or isinstance(value, _PLAIN):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    raise TypeError(f"{type(value).__name__} has no form in a message")


@cache
def _hints(kind: Hashable) -> Mapping[str, Any]:
    hints: dict[str, Any] = typing.get_type_hints(kind)
    return hints


def _dataclass(value: object, kind: type[Any]) -> Any:
    hints = _hints(typing.cast(Hashable, kind))  # a class, whatever mypy says
    if not isinstance(value, dict) or value.keys() != hints.keys():
        raise ValueError(f"other fields than those of {kind.__name__}")
    return kind(**{name: _typed(value[name], hint) for name, hint in hints.items()})


def _typed(value: Any, hint: Any) -> Any:
    """A value out of JSON as its annotation says."""
    if hint in _PLAIN:
        if hint is float and type(value) is int:
            return float(value)
        if type(value) is not hint:
            raise ValueError(f"{value!r} is no {hint.__name__}")
        return value
    if hint is bytes:
        return base64.b64decode(_typed(value, str), validate=True)
    if hint is Path:
        return Path(_typed(value, str))
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _dataclass(value, hint)
    return _composed(value, hint)


def _composed(value: Any, hint: Any) -> Any:
    """`X | None`, `tuple[X, ...]` and `Mapping[str, X]`."""
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        [one] = [each for each in inside if each is not types.NoneType]
        return None if value is None else _typed(value, one)
    if origin is tuple and isinstance(value, list):
        return tuple(_typed(item, inside[0]) for item in value)
    if origin is Mapping and isinstance(value, dict):
        return {key: _typed(item, inside[1]) for key, item in value.items()}
    raise ValueError(f"{hint} has no form in a message")
