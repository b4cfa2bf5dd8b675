"""The JSON object in the body of a request, and its values, each of the kind that it must be."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from audiosearch._wording import did_you_mean
from audiosearch.errors import QueryError

_MISSING = object()
_LONG = 1 << 17  # bytes


class JsonObject:
    """An object out of a request; each value is read with a method that says what it may be."""

    def __init__(self, content: Mapping[str, Any], *, known: Collection[str]) -> None:
        """Take `content`, of which all must be `known`.

        Raises:
            QueryError: it is not.
        """
        for name in content:
            if name not in known:
                meant = did_you_mean(name[:100], known)
                raise QueryError(f"there is no field {name[:100]!r}{meant}")
        self._content = content

    def __contains__(self, name: str) -> bool:
        return name in self._content

    def value(self, name: str) -> Any:
        """A value as JSON has it.

        Raises:
            QueryError: there is none.
        """
        value = self._content.get(name, _MISSING)
        if value is _MISSING:
            raise QueryError(f"{name} is missing")
        return value

    def text(self, name: str, *, most: int) -> str | None:
        """A text; None: it is not given, or null.

        Raises:
            QueryError: it is none, or longer than `most`.
        """
        value = self._content.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or "\0" in value:
            raise QueryError(f"{name} must be a text")
        if len(value) > most:
            raise QueryError(f"{name} is longer than {most} characters")
        return value

    def truth(self, name: str) -> bool | None:
        """True or false; None: it is not given.

        Raises:
            QueryError: it is neither.
        """
        value = self._content.get(name)
        if value is not None and not isinstance(value, bool):
            raise QueryError(f"{name} must be true or false")
        return value

    def number(self, name: str, *, least: float, most: float) -> float | None:
        """A number; None: it is not given, or null.

        Raises:
            QueryError: it is none, or not between `least` and `most`.
        """
        value = self._content.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise QueryError(f"{name} must be a number")
        if not math.isfinite(value) or not least <= value <= most:
            raise QueryError(f"{name} must lie in {least:g} to {most:g}")
        return float(value)

    def whole(self, name: str, *, least: int, most: int) -> int | None:
        """A whole number; None: it is not given, or null.

        Raises:
            QueryError: it is none, or not between `least` and `most`.
        """
        value = self._content.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise QueryError(f"{name} must be a whole number, {least} to {most}")
        return value

    def choice(self, name: str, choices: Collection[str], *, otherwise: str) -> str:
        """One of some words.

        Raises:
            QueryError: it is none of them.
        """
        value = self._content.get(name, otherwise)
        if not isinstance(value, str) or value not in choices:
            raise QueryError(f"{name} is none of {', '.join(choices)}")
        return value

    def rows(self, name: str, *, most: int) -> list[Mapping[str, Any]]:
        """A list of objects.

        Raises:
            QueryError: it is none, or of more than `most`.
        """
        value = self.value(name)
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise QueryError(f"{name} must be a list of objects")
        if len(value) > most:
            raise QueryError(f"{name} holds {len(value)} objects, and at most {most} are taken")
        return value


async def json_object(request: Request, *, known: Collection[str]) -> JsonObject:
    """The body of a request; an empty one is an object without fields.

    Raises:
        QueryError: it is no JSON object, or has fields that are not known.
    """
    body = await request.body()
    try:
        # Megabytes take long enough for others to wait.
        content = await run_in_threadpool(_parsed, body) if len(body) > _LONG else _parsed(body)
    except (ValueError, RecursionError):
        raise QueryError("the body is no JSON", remedy='send an object: {"rating": 4}') from None
    if not isinstance(content, dict):
        raise QueryError("the body is no JSON object", remedy='send an object: {"rating": 4}')
    return JsonObject(content, known=known)


def _parsed(body: bytes) -> Any:
    return json.loads(body.decode("utf-8"), parse_constant=_no_number) if body else {}


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON")
