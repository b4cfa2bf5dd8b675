"""Typed reading of a JSON document that somebody else wrote.

What is not of the type and range asked for is a BundleError that names the file and the field.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from audiosearch.errors import BundleError

REMEDY = "get this bundle again from where it came from"


@dataclass(frozen=True)
class ManifestReader:
    """A JSON object being read; `where` is its place in the document, for messages."""

    values: dict[str, Any]
    path: Path
    where: str = ""

    @classmethod
    def parse(cls, content: bytes, *, path: Path) -> ManifestReader:
        """The object that a JSON document holds.

        Raises:
            BundleError: the content is no JSON, or no object.
        """
        document = read_json(content, path=path)
        if not isinstance(document, dict):
            raise BundleError("must hold a JSON object", path=path, remedy=REMEDY)
        return cls(document, path)

    def wrong(self, key: str, must: str) -> BundleError:
        """The error that says what field `key` must be."""
        value = f"{self.values[key]!r:.60}" if key in self.values else "missing"
        return BundleError(
            f"{self.where}{key} must be {must}, but is {value}", path=self.path, remedy=REMEDY
        )

    def has(self, key: str) -> bool:
        """Whether `key` is there and not null."""
        return self.values.get(key) is not None

    def text(self, key: str) -> str:
        """A text that is not empty."""
        value = self.values.get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(key, "a text")
        return value

    def optional_text(self, key: str) -> str | None:
        """A text, or None where the field is null or absent."""
        return self.text(key) if self.has(key) else None

    def integer(self, key: str, *, least: int = 0, most: int = 2**31) -> int:
        """A whole number in `least` to `most`."""
        value = self.values.get(key)
        if type(value) is not int or not least <= value <= most:
            raise self.wrong(key, f"a whole number in {least} to {most}")
        return value

    def number(self, key: str, *, least: float = -math.inf, most: float = math.inf) -> float:
        """A finite number in `least` to `most`."""
        value = self.values.get(key)
        if type(value) not in (int, float) or not math.isfinite(value or 0.0):
            raise self.wrong(key, "a number")
        number = float(value or 0.0)
        if not least <= number <= most:
            raise self.wrong(key, f"a number in {least:g} to {most:g}")
        return number

    def flag(self, key: str) -> bool:
        """True or false; false where the field is null or absent."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return bool(value)

    def one_of(self, key: str, *choices: str) -> str:
        """One of some texts."""
        value = self.values.get(key)
        if value not in choices:
            raise self.wrong(key, " or ".join(choices))
        return str(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts."""
        value = self.values.get(key)
        if not is_text_list(value):
            raise self.wrong(key, "a list of texts")
        return tuple(value)

    def integers(self, key: str) -> tuple[int, ...]:
        """A list of whole numbers from 0."""
        value = self.values.get(key)
        if not isinstance(value, list) or not all(type(x) is int and x >= 0 for x in value):
            raise self.wrong(key, "a list of whole numbers")
        return tuple(value)

    def table(self, key: str) -> ManifestReader:
        """An object inside this one."""
        value = self.values.get(key)
        if not isinstance(value, dict):
            raise self.wrong(key, "an object")
        return ManifestReader(value, self.path, f"{self.where}{key}.")

    def tables(self) -> Iterator[tuple[str, ManifestReader]]:
        """All entries of this object, each of which must be an object."""
        for key in self.values:
            yield key, self.table(key)


def read_json(content: bytes, *, path: Path) -> object:
    """What a JSON document holds.

    Raises:
        BundleError: the content is no JSON.
    """
    try:
        document: object = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"no valid JSON: {error}", path=path, remedy=REMEDY) from error
    return document


def is_text_list(value: object) -> TypeGuard[list[str]]:
    """Whether `value` is a list of texts."""
    return isinstance(value, list) and set(map(type, value)) <= {str}
