"""In what order answers are shown: the best first, or by a property of the sound or its file.

An order never chooses what is shown; the best that were asked for are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from audiosearch.errors import QueryError
from audiosearch.search.results import Hit

# By property, the value that is greatest first; None where it is not known.
_VALUES: Final[dict[str, Callable[[Hit], float | None]]] = {
    "duration": lambda hit: hit.duration_s,
    "date": lambda hit: hit.modified_s,
    "loudness": lambda hit: hit.loudness_lufs,
}
SORT_KEYS: Final = ("duration", "date", "name", "loudness")


def in_order(hits: Iterable[Hit], sort: str | None, *, reverse: bool = False) -> tuple[Hit, ...]:
    """Hits by a property, the longest, newest, loudest first, or by name; None: best first.

    `reverse` turns any of these round; those of which the property is not known stay last.

    Raises:
        QueryError: there is no such property.
    """
    given = tuple(hits)
    if sort is None:
        return given[::-1] if reverse else given
    check_sort(sort)
    if sort == "name":
        return tuple(sorted(given, key=lambda hit: name_order(hit.path), reverse=reverse))
    value = _VALUES[sort]
    known = [hit for hit in given if value(hit) is not None]
    known.sort(key=lambda hit: value(hit) or 0.0, reverse=not reverse)
    return (*known, *(hit for hit in given if value(hit) is None))


def check_sort(sort: str | None) -> None:
    """Whether there is such an order.

    Raises:
        QueryError: there is none.
    """
    if sort is not None and sort not in SORT_KEYS:
        raise QueryError(f"there is no order by {sort!r}", remedy=", ".join(SORT_KEYS))


def name_order(path: bytes) -> tuple[Any, ...]:
    """What file names are compared by: letters in normal form, numbers by their value."""
    from audiosearch.store.names import normal_form, path_text  # noqa: PLC0415 - seldom needed

    name = normal_form(path_text(os.path.basename(path)))  # noqa: PTH119 - bytes
    parts = re.split(r"([0-9]+)", name)  # letters, digits, letters ...
    return tuple((int(x), x) if place % 2 else x for place, x in enumerate(parts)), path
