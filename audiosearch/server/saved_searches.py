"""Saved searches as the page asks them, and as the commands keep them: arguments of `find`.

The commands' form is the one that is kept, so that both ask the same question.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy.orm import Session
from starlette.datastructures import QueryParams

from audiosearch.audio.clip import ClipRange, parse_clip
from audiosearch.errors import QueryError
from audiosearch.library.stretches import known_sound
from audiosearch.search.filter_fields import FILTER_FIELDS
from audiosearch.server.parameters import FILTER_NAMES
from audiosearch.server.sounds import parse_library_clip
from audiosearch.store.database import Database
from audiosearch.store.queries.file_details import find_recording

_OPPOSITES: Final = {each.name: each.opposite for each in FILTER_FIELDS if each.opposite}
_FLAGS: Final = frozenset(("exhaustive", "explain", "moments", "by-time", "reverse"))
_SEVERAL: Final = frozenset(
    ("date", "without", "like", *(each.name for each in FILTER_FIELDS if each.several))
)
_SINGLE: Final = frozenset(("limit", "min-score", "sort", "per-file", "between", "like-weight"))
_SHORT: Final = {"-n": "limit", "-r": "reverse"}
SEARCH_FIELDS: Final = frozenset(("q", *_FLAGS, *_SEVERAL, *_SINGLE, *FILTER_NAMES))


def query_params(given: Mapping[str, Any]) -> QueryParams:
    """Fields of a JSON object as the parameters of `/api/find` that they stand for.

    Raises:
        QueryError: a value is no text, number or truth, nor a list of texts.
    """
    pairs: list[tuple[str, str]] = []
    for name, value in given.items():
        for each in value if isinstance(value, list) else [value]:
            if each is None:
                continue
            if not isinstance(each, (str, int, float)):
                raise QueryError(f"{name} must be a text, a number, true or false")
            text = ("true" if each else "false") if isinstance(each, bool) else str(each)
            pairs.append((name, text))
    return QueryParams(pairs)


def arguments_of(database: Database, given: QueryParams) -> list[str]:
    """The arguments of the command that asks what parameters of `/api/find` ask.

    Raises:
        NotInLibrary, QueryError: a sound that is named is none of the library.
    """
    arguments = ["find"]
    for name, value in given.multi_items():
        if name == "q":
            continue
        if name in _FLAGS or name in _OPPOSITES:
            is_true = value.lower() in ("true", "1", "yes")
            option = name if is_true else _OPPOSITES.get(name, "")
            arguments += [f"--{option}"] if option else []
        elif name == "like":
            clip = parse_library_clip(database, value)
            arguments.append(f"--like={os.fsdecode(clip.path)}{_part_text(clip)}")
        else:
            arguments.append(f"--{name}={value}")
    text = given.get("q", "")
    # Behind "--" no further option could be given to `search run`.
    return [*arguments, *(["--"] if text.startswith("-") else []), *([text] if text else [])]


def _part_text(clip: ClipRange) -> str:
    """`@START-END`, to the microsecond; empty for the whole of a sound."""
    if not clip.start_s and clip.end_s is None:
        return ""
    end = "" if clip.end_s is None else _seconds_text(clip.end_s)
    return f"@{_seconds_text(clip.start_s)}-{end}"


def _seconds_text(seconds: float) -> str:
    return f"{seconds:.6f}".rstrip("0").rstrip(".")


def fields_of(database: Database, arguments: Sequence[str]) -> dict[str, object] | None:
    """What to ask `/api/find` for a saved search; None: it is none that can be asked there."""
    if not arguments or arguments[0] != "find":
        return None
    found: dict[str, object] = {}
    words: list[str] = []
    left = list(arguments[1:])
    while left:
        each = left.pop(0)
        if each == "--":
            words += left
            break
        if not each.startswith("-") or each == "-":
            words.append(each)
            continue
        option, equals, value = each.partition("=")
        name = _SHORT.get(option, option.removeprefix("--"))
        if name in _FLAGS or name in _OPPOSITES or name in _OPPOSITES.values():
            positive = next((key for key, no in _OPPOSITES.items() if no == name), name)
            found[positive] = positive == name
            continue
        if name not in _SEVERAL | _SINGLE | FILTER_NAMES or not (equals or left):
            return None
        text: str | None = value if equals else left.pop(0)
        if name == "like":
            text = _library_clip(database, text or "")
            if text is None:
                return None
        if name in _SEVERAL:
            listed = found.setdefault(name, [])
            assert isinstance(listed, list)
            listed.append(text)
        else:
            found[name] = text
    return {**({"q": " ".join(words)} if words else {}), **found}


def _library_clip(database: Database, text: str) -> str | None:
    """A clip of a command as `ID` or `ID@START-END`; None: it is none of the library."""
    with database.reading() as session:

        def is_known(name: str) -> bool:
            return _recording(session, name) is not None

        try:
            clip = parse_clip(text, is_file=is_known)
        except QueryError:
            return None
        wanted = _recording(session, os.fsdecode(clip.path))
    return None if wanted is None else f"{wanted}{_part_text(clip)}"


def _recording(session: Session, name: str) -> int | None:
    sound = known_sound(session, os.fsencode(name))
    return None if sound is None else find_recording(session, sound.audio_hash)
