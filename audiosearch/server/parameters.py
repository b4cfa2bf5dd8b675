"""The parameters of requests as the values that questions are made of.

Each stands under the name of the command's option; what is not known is refused, not passed over.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from starlette.datastructures import QueryParams

from audiosearch._urls import any_path, is_url
from audiosearch._wording import did_you_mean
from audiosearch.errors import QueryError
from audiosearch.search.clock import clock_filter
from audiosearch.search.filter_fields import FILTER_FIELDS, FilterField
from audiosearch.search.filters import ClockFilter, Filters, is_folder_glob
from audiosearch.search.order import SORT_KEYS
from audiosearch.search.results import MomentOptions

MOST_TEXT: Final = 2000  # characters of a query
MOST_HITS: Final = 100_000
MOST_VALUES: Final = 100  # of one parameter
FILTER_NAMES: Final = frozenset(each.name for each in FILTER_FIELDS)
STRETCH_NAMES: Final = frozenset(("start", "end"))
_TRUTH: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def broken_parameter(query: bytes) -> str | None:
    """The first parameter of a query, as it was sent, that is no UTF-8; None: there is none.

    What is read of it has other characters in the place of those bytes, which nobody asked for.
    """
    for part in query.split(b"&"):
        try:
            unquote_to_bytes(part).decode()
        except UnicodeDecodeError:
            return part.partition(b"=")[0].decode("ascii", "replace")[:100]
    return None


class Parameters:
    """The parameters of one request; each is read with a method that says what it may be."""

    def __init__(self, given: QueryParams, *, known: Collection[str]) -> None:
        """Take `given`, of which all must be `known`.

        Raises:
            QueryError: one is not, or is given too often or is too long.
        """
        for name in given:
            if name not in known:
                meant = did_you_mean(name[:100], known)
                raise QueryError(
                    f"there is no parameter {name[:100]!r}{meant}",
                    remedy="names are those of the command's options: /openapi.json has all",
                )
            values = given.getlist(name)
            if len(values) > MOST_VALUES:
                raise QueryError(f"{name} is given more than {MOST_VALUES} times")
            if any(len(each) > MOST_TEXT for each in values):
                raise QueryError(f"{name} is longer than {MOST_TEXT} characters")
            if any("\0" in each for each in values):
                raise QueryError(f"{name} holds a NUL character")
        self._given = given

    def text(self, name: str) -> str | None:
        """A text, given once; None: it is not given.

        Raises:
            QueryError: it is given more than once.
        """
        values = self._given.getlist(name)
        if len(values) > 1:
            raise QueryError(f"{name} is given {len(values)} times", remedy="give it once")
        return values[0] if values else None

    def texts(self, name: str) -> tuple[str, ...]:
        """All its values."""
        return tuple(self._given.getlist(name))

    def truth(self, name: str) -> bool | None:
        """`true` or `false`; None: it is not given.

        Raises:
            QueryError: it is neither.
        """
        text = self.text(name)
        if text is None:
            return None
        if text.lower() not in _TRUTH:
            raise QueryError(f"{name} is true or false, not {text!r}")
        return _TRUTH[text.lower()]

    def number(
        self, name: str, *, least: float = float("-inf"), most: float = float("inf")
    ) -> float | None:
        """A number; None: it is not given.

        Raises:
            QueryError: it is none, or not between `least` and `most`.
        """
        text = self.text(name)
        if text is None:
            return None
        try:
            value = float(text)
        except ValueError:
            raise QueryError(f"{name} must be a number, not {text!r}") from None
        if not least <= value <= most or value in (float("inf"), float("-inf")):
            raise QueryError(f"{name} must lie in {least:g} to {most:g}, not {text!r}")
        return value

    def whole(self, name: str, *, least: int, most: int) -> int | None:
        """A whole number from `least` to `most`; None: it is not given.

        Raises:
            QueryError: it is none.
        """
        text = self.text(name)
        if text is None:
            return None
        if not (text.isascii() and text.isdecimal()) or not least <= int(text) <= most:
            raise QueryError(f"{name} must be a whole number, {least} to {most}, not {text!r}")
        return int(text)

    def choice(self, name: str, choices: Collection[str]) -> str | None:
        """One of `choices`; None: it is not given.

        Raises:
            QueryError: it is another.
        """
        text = self.text(name)
        if text is not None and text not in choices:
            raise QueryError(f"{name} must be one of {', '.join(choices)}, not {text!r}")
        return text

    def sort(self) -> str | None:
        """The order that is asked for.

        Raises:
            QueryError: there is no such order.
        """
        return self.choice("sort", SORT_KEYS)

    def moments(self) -> MomentOptions | None:
        """Whether and how moments are asked for.

        Raises:
            QueryError: how is said, but not that they are.
        """
        by_time = self.truth("by-time") or False
        per_file = self.whole("per-file", least=1, most=MOST_HITS)
        if self.truth("moments"):
            return MomentOptions(by_time=by_time, per_file=per_file)
        if by_time or per_file is not None:
            raise QueryError("by-time and per-file need moments=true")
        return None

    def recorded(self) -> ClockFilter | None:
        """When, by the recorder's clock.

        Raises:
            QueryError: what is given is no time or date.
        """
        between, dates = self.text("between"), self.texts("date")
        return None if between is None and not dates else clock_filter(between, dates)

    def filters(self) -> Filters:
        """Which recordings may answer.

        Raises:
            QueryError: a filter has no meaning.
        """
        return Filters(**{each.field: self._filter(each) for each in FILTER_FIELDS})

    def _filter(self, filter_: FilterField) -> Any:
        if filter_.opposite:
            return self.truth(filter_.name)
        if filter_.is_folder:
            return tuple(map(_folder, self.texts(filter_.name)))
        given = self.texts(filter_.name) if filter_.several else self.text(filter_.name)
        return filter_.value(given)


def _folder(text: str) -> Path:
    """A folder as a request names it: the folder that the server works in means nothing to it."""
    folder = Path(text).expanduser() if text.startswith("~/") else any_path(text)
    if is_url(text):
        return folder
    if not folder.is_absolute() and not is_folder_glob(folder):
        raise QueryError(
            f"{text!r} is no whole path of a folder", remedy="write /a/folder, or a glob: */folder"
        )
    return folder
