"""Ranges of bytes and conditions of requests, as RFC 9110 has them; names of files as RFC 6266."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from typing import Final
from urllib.parse import quote

_RANGE: Final = re.compile(
    r"bytes=(?:(\d{1,18})-(\d{1,18})?|-(\d{1,18}))", re.IGNORECASE | re.ASCII
)
_MOST_NAME: Final = 200  # characters


class RangeNotSatisfiable(Exception):
    """The range begins behind the end."""


@dataclass(frozen=True)
class ByteRange:
    """Bytes `start` to before `end` of `size`."""

    start: int
    end: int
    size: int

    def __len__(self) -> int:
        return self.end - self.start

    @property
    def content_range(self) -> str:
        """The header `Content-Range`."""
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """The range that is asked for; None: all of it, as of several ranges at once too.

    Raises:
        RangeNotSatisfiable: there is no byte in it.
    """
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None:
        return None  # malformed, or another unit: RFC 9110 has it passed over
    first, last, suffix = found.groups()
    if suffix is not None:
        if int(suffix) == 0 or size == 0:
            raise RangeNotSatisfiable
        return ByteRange(max(0, size - int(suffix)), size, size)
    start = int(first)
    if last is not None and int(last) < start:
        return None
    if start >= size:
        raise RangeNotSatisfiable
    return ByteRange(start, size if last is None else min(int(last) + 1, size), size)


@dataclass(frozen=True)
class Version:
    """Which version of a resource there is: a strong tag, and when it was changed (Unix time)."""

    tag: str
    changed_s: float | None = None

    @property
    def etag(self) -> str:
        """The header `ETag`."""
        return f'"{self.tag}"'

    def headers(self) -> dict[str, str]:
        """What tells of it."""
        dated = {} if self.changed_s is None else {"last-modified": http_date(self.changed_s)}
        return {"etag": self.etag, **dated}

    def is_known_by(self, headers: Mapping[str, str]) -> bool:
        """Whether whoever asks has this version: `If-None-Match`, or else `If-Modified-Since`."""
        tags = headers.get("if-none-match")
        if tags is not None:
            listed = {each.strip().removeprefix("W/") for each in tags.split(",")}
            return "*" in listed or self.etag in listed
        return self._is_as_of(headers.get("if-modified-since"))

    def allows_range(self, headers: Mapping[str, str]) -> bool:
        """Whether a range of this version is wanted: `If-Range` names it, or is not there."""
        wanted = headers.get("if-range")
        if wanted is None or wanted.strip() == self.etag:
            return True
        return not wanted.strip().startswith(('"', "W/")) and self._is_as_of(wanted, exactly=True)

    def _is_as_of(self, date: str | None, *, exactly: bool = False) -> bool:
        if date is None or self.changed_s is None:
            return False
        try:
            told = parsedate_to_datetime(date).timestamp()
        except (ValueError, TypeError, OverflowError):
            return False
        return int(told) == int(self.changed_s) if exactly else int(self.changed_s) <= told


def http_date(seconds: float) -> str:
    """A Unix time as a header has it."""
    return formatdate(int(seconds), usegmt=True)


def disposition(name: str, *, attachment: bool) -> str:
    """The header `Content-Disposition` for a file's name, whatever is in the name.

    In ASCII for old clients, and in UTF-8 where that is not all of it. No control character, quote
    or separator of folders comes through.
    """
    clean = "".join(
        "_" if each in '"\\/%' or unicodedata.category(each)[0] == "C" else each for each in name
    )
    clean = clean.encode("utf-8", "replace").decode("utf-8").strip(". ")[-_MOST_NAME:] or "sound"
    plain = unicodedata.normalize("NFKD", clean).encode("ascii", "ignore").decode("ascii")
    plain = "".join("_" if each in '"\\/%;' else each for each in plain).strip(" ")
    if not plain or plain.startswith("."):
        plain = f"sound{plain}".rstrip(". ")
    kind = "attachment" if attachment else "inline"
    extended = "" if plain == clean else f"; filename*=UTF-8''{quote(clean, safe='')}"
    return f'{kind}; filename="{plain}"{extended}'
