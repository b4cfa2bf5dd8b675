"""The lines of a backup: JSON, one thing that a person wrote each, by the hash of its sound.

The first line tells the version of the form, the last how many lines lie between. What is read is
checked whole: kinds, fields, types, bounds.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from audiosearch.config import user_name
from audiosearch.errors import display_path
from audiosearch.store.queries.annotate import MOST_STARS, SoundStretch

VERSION: Final = 2  # the first was before there were users, and serves where there are none
HEAD: Final = "audiosearch-backup"
END: Final = "end"
MOST_BYTES_A_LINE: Final = 1 << 20
_MOST_LETTERS: Final = 200_000
_MOST_ARGUMENTS: Final = 1000
_MOST_S: Final = 1e9  # of a sound; some 30 years


class BadBackupLine(Exception):
    """A line is none of a backup: why, in words."""


@dataclass(frozen=True, kw_only=True)
class TagLine:
    """A tag as it was typed; times are Unix seconds, as in all lines, and `user` is whose it is."""

    sound: SoundStretch
    tag: str
    at: float
    user: str = ""


@dataclass(frozen=True, kw_only=True)
class RatingLine:
    """1 to 5 stars."""

    sound: SoundStretch
    stars: int
    at: float
    user: str = ""


@dataclass(frozen=True, kw_only=True)
class FavouriteLine:
    """A favourite."""

    sound: SoundStretch
    at: float
    user: str = ""


@dataclass(frozen=True, kw_only=True)
class NoteLine:
    """A note as it was typed."""

    sound: SoundStretch
    note: str
    at: float
    user: str = ""


@dataclass(frozen=True, kw_only=True)
class ImportLine:
    """A file of captions that was taken in; the captions that it brought, which follow, name it.

    Attributes:
        number: as captions name it.
        file: its path, for people.
        format: what kind of file it was.
        digest: of all that it says, which tells imports apart.
    """

    number: int
    file: str
    format: str
    digest: bytes
    at: float


@dataclass(frozen=True, kw_only=True)
class CaptionLine:
    """A sentence that a person wrote or brought (`source` user, import), for a stretch or none."""

    sound: SoundStretch | None
    caption: str
    source: str
    at: float
    imports: tuple[int, ...] = ()  # the numbers of those that brought it


@dataclass(frozen=True, kw_only=True)
class CollectionLine:
    """A collection, which its items follow."""

    collection: str
    at: float
    user: str = ""


@dataclass(frozen=True, kw_only=True)
class ItemLine:
    """A stretch in a collection; in the order of the lines."""

    collection: str
    sound: SoundStretch
    at: float
    user: str = ""


@dataclass(frozen=True, kw_only=True)
class SearchLine:
    """A saved search, as the arguments of the command that asks it."""

    search: str
    arguments: tuple[str, ...]
    at: float


BackupLine: TypeAlias = (
    TagLine
    | RatingLine
    | FavouriteLine
    | NoteLine
    | ImportLine
    | CaptionLine
    | CollectionLine
    | ItemLine
    | SearchLine
)

_KINDS: Final[Mapping[str, type[BackupLine]]] = {
    "tag": TagLine,
    "rating": RatingLine,
    "favourite": FavouriteLine,
    "note": NoteLine,
    "import": ImportLine,
    "caption": CaptionLine,
    "collection": CollectionLine,
    "item": ItemLine,
    "search": SearchLine,
}
_SELDOM: Final = ("imports", "user")  # left out where there is nothing in them
KIND_OF: Final[Mapping[type, str]] = {line: kind for kind, line in _KINDS.items()}


def line_row(line: BackupLine) -> dict[str, object]:
    """What a line is in JSON."""
    row: dict[str, object] = {"kind": KIND_OF[type(line)]}
    for field in dataclasses.fields(line):
        value = getattr(line, field.name)
        if field.name == "sound":
            row |= _sound_row(value)
        elif isinstance(value, bytes):
            row[field.name] = value.hex()
        elif value or field.name not in _SELDOM:
            row[field.name] = list(value) if isinstance(value, tuple) else value
    return row


def _sound_row(sound: SoundStretch | None) -> dict[str, object]:
    if sound is None:
        return {"audio_hash": None}
    row: dict[str, object] = {"audio_hash": sound.audio_hash.hex() or None}
    try:
        row["path"] = sound.path.decode("utf-8")
    except UnicodeDecodeError:
        row["path"] = display_path(sound.path)
        row["path_b64"] = base64.b64encode(sound.path).decode("ascii")
    return {**row, "start_s": sound.start_s, "end_s": sound.end_s}


def line_bytes(row: Mapping[str, object]) -> bytes:
    """A row as it stands in the file.

    Raises:
        BadBackupLine: it cannot be written so that it is read again.
    """
    try:
        content = json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    except ValueError as error:
        raise BadBackupLine(str(error)) from error
    if len(content) > MOST_BYTES_A_LINE:
        raise BadBackupLine(f"longer than {MOST_BYTES_A_LINE:,} bytes")
    return content


def read_row(content: bytes) -> dict[str, Any]:
    """The JSON object in a line.

    Raises:
        BadBackupLine: it is none.
    """
    if len(content) > MOST_BYTES_A_LINE:
        raise BadBackupLine(f"longer than {MOST_BYTES_A_LINE:,} bytes")
    try:
        row = json.loads(content)
    except (ValueError, RecursionError):
        raise BadBackupLine("no JSON, or cut short") from None
    if not isinstance(row, dict):
        raise BadBackupLine("no JSON object")
    return row


def check_head(row: Mapping[str, Any]) -> None:
    """Refuse what is no first line of a backup that this version can read.

    Raises:
        BadBackupLine: so it is.
    """
    if row.get("kind") != HEAD:
        raise BadBackupLine("this is no backup of audiosearch")
    version = row.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise BadBackupLine(f"no version of a backup: {version!r}")
    if version > VERSION:
        raise BadBackupLine(
            f"a backup of a later version of audiosearch (form {version}, this one knows {VERSION})"
        )


def line_of(row: Mapping[str, Any]) -> BackupLine:
    """The line that a row is. A sound without a hash, known by its path, has an empty one.

    Raises:
        BadBackupLine: it is none: says why.
    """
    kind = row.get("kind")
    line = _KINDS.get(kind) if isinstance(kind, str) else None
    if line is None:
        raise BadBackupLine(f"of no known kind: {kind!r}")
    values: dict[str, Any] = {
        field.name: _READERS[field.name](row) for field in dataclasses.fields(line)
    }
    if values.get("sound", ...) is None and line is not CaptionLine:
        raise BadBackupLine("of no sound: it has neither audio_hash nor path")
    if line is CaptionLine and values["sound"] is not None and values["sound"].end_s is None:
        raise BadBackupLine("a caption of a stretch without an end (end_s)")
    return line(**values)


def _sound(row: Mapping[str, Any]) -> SoundStretch | None:
    digest, path = row.get("audio_hash"), row.get("path")
    if digest is None and path is None:
        return None
    try:
        audio_hash = b"" if digest is None else bytes.fromhex(digest)
        if "path_b64" in row:
            where = base64.b64decode(row["path_b64"], validate=True)
        else:
            where = b"" if path is None else path.encode()
    except (TypeError, ValueError, AttributeError, binascii.Error):
        raise BadBackupLine("its audio_hash or path is none") from None
    if len(audio_hash) not in (0, 32) or (digest is not None and not audio_hash):
        raise BadBackupLine(f"an audio_hash has 64 digits, not {2 * len(audio_hash)}")
    if len(where) > 1 << 16 or b"\0" in where or not (audio_hash or where):
        raise BadBackupLine("its path is none")
    start_s = 0.0 if row.get("start_s") is None else _number(row, "start_s")
    end_s = None if row.get("end_s") is None else _number(row, "end_s")
    if (
        start_s < 0
        or (end_s is not None and end_s <= start_s)
        or max(start_s, end_s or 0) > _MOST_S
    ):
        raise BadBackupLine(f"{start_s} to {end_s} s is no part of a sound")
    if end_s is None and start_s > 0:
        raise BadBackupLine("a stretch without an end (end_s)")
    return SoundStretch(audio_hash, where, start_s, end_s)


def _number(row: Mapping[str, Any], name: str) -> float:
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise BadBackupLine(f"{name} is no number: {value!r}")
    return float(value)


def _at(row: Mapping[str, Any]) -> float:
    return _number(row, "at")


def _stars(row: Mapping[str, Any]) -> int:
    stars = row.get("stars")
    if isinstance(stars, bool) or not isinstance(stars, int) or not 1 <= stars <= MOST_STARS:
        raise BadBackupLine(f"stars are 1 to {MOST_STARS}, not {stars!r}")
    return stars


def _text(name: str) -> Callable[[Mapping[str, Any]], str]:
    def read(row: Mapping[str, Any]) -> str:
        return _checked_text(row.get(name), name)

    return read


def _checked_text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BadBackupLine(f"{name} is no text: {value!r}"[:200])
    if len(value) > _MOST_LETTERS:
        raise BadBackupLine(f"{name} has more than {_MOST_LETTERS:,} letters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadBackupLine(f"{name} holds half a letter") from None
    return value


def _source(row: Mapping[str, Any]) -> str:
    source = row.get("source")
    if source not in ("user", "import"):
        raise BadBackupLine(f"a caption's source is user or import, not {source!r}")
    return str(source)


def _import_number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 1 << 62:
        raise BadBackupLine(f"no number of an import: {value!r}"[:200])
    return value


def _imports(row: Mapping[str, Any]) -> tuple[int, ...]:
    found = row.get("imports", [])
    if not isinstance(found, list):
        raise BadBackupLine("imports are numbers")
    return tuple(map(_import_number, found))


def _user(row: Mapping[str, Any]) -> str:
    text = _checked_text(row["user"], "user") if row.get("user") else ""
    name = user_name(text)
    if name is None:
        raise BadBackupLine(f"no name of a user: {text!r}"[:200])
    return name


def _digest(row: Mapping[str, Any]) -> bytes:
    try:
        found = bytes.fromhex(row.get("digest"))  # type: ignore[arg-type]  # checked by trying
    except (TypeError, ValueError):
        found = b""
    if len(found) != 32:
        raise BadBackupLine("a digest has 64 digits")
    return found


def _arguments(row: Mapping[str, Any]) -> tuple[str, ...]:
    found = row.get("arguments")
    if not isinstance(found, list) or not 0 < len(found) <= _MOST_ARGUMENTS:
        raise BadBackupLine(f"arguments are 1 to {_MOST_ARGUMENTS} texts")
    if not all(isinstance(each, str) for each in found):
        raise BadBackupLine("an argument is no text")
    return tuple(each and _checked_text(each + ".", "an argument")[:-1] for each in found)


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], object]]] = {
    "sound": _sound,
    "at": _at,
    "user": _user,
    "stars": _stars,
    "tag": _text("tag"),
    "note": _text("note"),
    "caption": _text("caption"),
    "collection": _text("collection"),
    "search": _text("search"),
    "source": _source,
    "number": lambda row: _import_number(row.get("number")),
    "file": _text("file"),
    "format": _text("format"),
    "digest": _digest,
    "imports": _imports,
    "arguments": _arguments,
}
