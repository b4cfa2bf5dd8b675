"""Globs over names and paths, compared in the normal form of `names`.

`*` stands for any run of letters, "/" too; `?` for one; `[abc]`, `[a-f]` and `[!a]` for one of a
set; `**/` for folders or none. A name that is the pattern letter for letter matches whatever
brackets it has. Time is linear in the name for each `*`, however many there are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from audiosearch._urls import is_url
from audiosearch.store.names import normal_form, path_text

_SEPARATOR = os.sep.encode()
_MARK = "\uffff"  # in place of a wildcard while letters are folded; no character, so in no name
_STAR, _FOLDERS = ".*", "(?:.*/)?"
# The same, for all but the last one: what matches soonest leaves most for the rest.
_SOONEST = {_STAR: ".*?", _FOLDERS: "(?:.*?/)??"}


@dataclass(frozen=True)
class Glob:
    """A pattern, ready to be compared; made by `parse_glob`."""

    text: str  # in normal form
    regex: re.Pattern[str]

    def matches(self, name: str) -> bool:
        """Whether a name in normal form is one of those that are meant."""
        return self.regex.match(name) is not None or name == self.text


def is_glob(text: str) -> bool:
    """Whether a text has a wildcard: `*`, `?`, or `[` with its `]`."""
    return bool(_tokens(text)[1])


@lru_cache(maxsize=64)
def parse_glob(pattern: str) -> Glob:
    """A pattern, compiled."""
    marked, wildcards = _tokens(pattern)
    left = iter(wildcards)
    folded = [
        next(left) if letter == _MARK else re.escape(letter) for letter in normal_form(marked)
    ]
    return Glob(text=normal_form(pattern), regex=re.compile(_joined(folded), re.DOTALL))


def asks_for_folders(pattern: str) -> bool:
    """Whether a pattern is compared with whole paths and not with names alone."""
    return "/" in _slashed(pattern)


@lru_cache(maxsize=64)
def glob_predicate(pattern: str) -> Callable[[bytes, bytes], bool]:
    """Whether (root, path below it) is meant by a pattern.

    One that asks for folders is compared with the path below the root and with the whole path, any
    other with the file's name alone.
    """
    glob = parse_glob(_slashed(pattern))
    if not asks_for_folders(pattern):
        return lambda _root, path: any(
            glob.matches(normal_form(text.rpartition("/")[2])) for text in _texts(path)
        )
    return lambda root, path: any(
        glob.matches(normal_form(text))
        for whole in (path, root.rstrip(_SEPARATOR) + _SEPARATOR + path)
        for text in _texts(whole)
    )


@lru_cache(maxsize=64)
def folder_predicate(pattern: str) -> Callable[[bytes, bytes], bool]:
    """Whether (root, path below it) is a file, or in a folder at any depth, that a pattern means.

    An absolute pattern, or a URL's, is compared with whole paths, any other with what follows some
    folder from the root's own on.
    """
    slashed = _slashed(pattern).rstrip("/")
    is_whole = is_url(pattern) or os.path.isabs(pattern)  # noqa: PTH117 - a pattern is no path
    if is_whole:
        wanted = (parse_glob(slashed), parse_glob(f"{slashed}/*"))
    else:
        wanted = (parse_glob(f"**/{slashed}"), parse_glob(f"**/{slashed}/*"))

    def is_below(root: bytes, path: bytes) -> bool:
        above = root.rstrip(_SEPARATOR)
        if not is_whole:
            above = os.path.basename(above)  # noqa: PTH119 - bytes
        whole = above + _SEPARATOR + path
        return any(glob.matches(normal_form(text)) for text in _texts(whole) for glob in wanted)

    return is_below


def _texts(path: bytes) -> tuple[str, ...]:
    """A path as a terminal hands it on, and as people read it where it is no UTF-8."""
    try:
        return (_slashed(path.decode("utf-8")),)
    except UnicodeDecodeError:
        return _slashed(path.decode("utf-8", "surrogateescape")), _slashed(path_text(path))


def _slashed(path: str) -> str:
    return path if os.sep == "/" else path.replace(os.sep, "/")


def _tokens(pattern: str) -> tuple[str, list[str]]:
    """The pattern with a mark for each wildcard, and the wildcards as regular expressions."""
    marked: list[str] = []
    wildcards: list[str] = []
    place = 0
    while place < len(pattern):
        found = _wildcard(pattern, place)
        if found is None:
            marked.append("" if pattern[place] == _MARK else pattern[place])
            place += 1
            continue
        regex, place = found
        if not (regex == _STAR and marked[-1:] == [_MARK] and wildcards[-1] == _STAR):
            wildcards.append(regex)
            marked.append(_MARK)
    return "".join(marked), wildcards


def _wildcard(pattern: str, place: int) -> tuple[str, int] | None:
    """The wildcard that begins at `place`, and where it ends; None where none does."""
    if pattern[place] == "?":
        return ".", place + 1
    if pattern[place] == "*":
        begins_folder = place == 0 or pattern[place - 1] == "/"
        if begins_folder and pattern.startswith("**/", place):
            return _FOLDERS, place + 3
        return _STAR, place + 1
    if pattern[place] == "[":
        first = place + 2 if pattern[place + 1 : place + 2] in ("!", "^") else place + 1
        end = pattern.find("]", first + 1)  # a "]" that comes first is one of the set
        if end > 0:
            return _set(pattern[first:end], negated=first == place + 2), end + 1
    return None


def _set(letters: str, *, negated: bool) -> str:
    """One letter out of some; ranges as `a-f`."""
    parts: list[str] = []
    place = 0
    while place < len(letters):
        if letters[place + 1 : place + 2] == "-" and place + 2 < len(letters):
            low, high = _folded(letters[place]), _folded(letters[place + 2])
            if low <= high:
                parts.append(f"{re.escape(low)}-{re.escape(high)}")
            place += 3
        else:
            parts.append(re.escape(normal_form(letters[place]) or letters[place]))
            place += 1
    if not parts:
        return "." if negated else "(?!)"
    return f"[{'^' if negated else ''}{''.join(parts)}]"


def _folded(letter: str) -> str:
    folded = normal_form(letter)
    return folded if len(folded) == 1 else letter


def _joined(parts: list[str]) -> str:
    """One regular expression in which no wildcard is ever tried in another place in vain."""
    stars = [place for place, part in enumerate(parts) if part in _SOONEST]
    if not stars:
        return "".join(parts) + r"\Z"
    found = ["".join(parts[: stars[0]])]
    for star, end in zip(stars, [*stars[1:], None], strict=True):
        rest = "".join(parts[star + 1 : end])
        found.append(parts[star] + rest if end is None else f"(?>{_SOONEST[parts[star]]}{rest})")
    return "".join(found) + r"\Z"
