"""Names of new files: of a template, fit for Linux, macOS and Windows, each once.

What goes into a name comes from strangers (captions, file names): nothing of it can lead out of
the folder, hide the file, or be taken for an option.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from audiosearch._wording import did_you_mean
from audiosearch.audio.metadata.ucs import in_its_case, subcategories, ucs_names
from audiosearch.errors import QueryError
from audiosearch.exchange.stretches import LabelledStretch

TEMPLATE = "{ucs}_{caption}_{stem}_{start}"
MAX_BYTES = 180  # of a name without its ending; 255 are allowed, with what is put behind it

_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\..*)?")
_SPEC = re.compile(r"0?\d{0,2}")
_EMPTY = re.compile(r"([_\- ]*)\0([_\- ]*)")
FIELDS = (
    *("ucs", "category", "subcategory", "fxname", "creator", "source", "caption", "label"),
    *("stem", "folder", "start", "end", "rank", "score"),
)


def safe_name(text: str, *, otherwise: str = "sound") -> str:
    """Text as a file's name, without an ending, on every system; never empty.

    No separators, control or invisible characters, no dot or space at its ends, no device of
    Windows', no dash in front, at most `MAX_BYTES` bytes.
    """
    text = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode("utf-8"))
    text = _FORBIDDEN.sub("-", text)
    kept = (
        " " if each.isspace() else each
        for each in text
        if each.isspace() or (each.isprintable() and unicodedata.category(each) != "Cf")
    )
    text = " ".join("".join(kept).split()).lstrip(".- ").rstrip(". ")
    while len(text.encode("utf-8")) > MAX_BYTES:
        text = text[:-1]
        while text and unicodedata.combining(text[-1]):  # a mark goes with its letter
            text = text[:-1]
        text = text.rstrip(". ")
    if not text:
        return otherwise
    return f"_{text}" if _DEVICES.fullmatch(text) else text


class DistinctNames:
    """Gives each name once, ` (2)` behind what was given before, as file systems compare."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, stem: str, ending: str) -> str:
        """`stem` with `ending`, or the first of `stem (2)`, `stem (3)` ... that is free."""
        number = 1
        while True:
            name = f"{stem}{'' if number == 1 else f' ({number})'}{ending}"
            key = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).casefold())
            if key not in self._taken:
                self._taken.add(key)
                return name
            number += 1


class NameTemplate:
    """A name with fields in braces, such as `{ucs}_{caption}_{stem}`.

    A field of which nothing is known goes, and a separator with it. Fields are `FIELDS`; of
    `rank`, a width may be given: `{rank:03}`.
    """

    def __init__(self, text: str, *, ucs: str | None = None) -> None:
        """Of a template; `ucs` is the CatID of every name where it is given.

        Raises:
            QueryError: it is none, or there is no such CatID.
        """
        try:
            self._parts = list(string.Formatter().parse(text))
        except ValueError as error:
            raise QueryError(f"{text!r} is no template of a name: {error}") from None
        for literal, name, spec, conversion in self._parts:
            if re.search(r"[/\\\0]", literal):
                raise QueryError(
                    f"{text!r} names a folder; clips of one export lie in one",
                    remedy="give the folder by --to",
                )
            if name is None:
                continue
            if name not in FIELDS:
                known = ", ".join(FIELDS)
                raise QueryError(
                    f"there is no field {{{name}}}{did_you_mean(name, FIELDS)}",
                    remedy=f"fields: {known}",
                )
            if conversion or (spec and not (name == "rank" and _SPEC.fullmatch(spec))):
                raise QueryError(f"{{{name}}} takes no such form; only a width: {{rank:03}}")
        self._ucs = None if ucs is None else known_category(ucs)

    def stem(self, stretch: LabelledStretch) -> str:
        """A file's name for a stretch, without its ending."""
        fields = name_fields(stretch, ucs=self._ucs)
        made = ""
        for literal, name, spec, _ in self._parts:
            made += literal
            if name is not None:
                value = fields[name]
                made += (value.zfill(int(spec)) if spec and value else value) or "\0"
        made = _EMPTY.sub(lambda found: found[1] and found[2] and found[2], made)
        return safe_name(made.strip("_ -"))


def known_category(text: str) -> str:
    """A CatID of the Universal Category System, in its case.

    Raises:
        QueryError: there is none.
    """
    listed = subcategories()
    category = text if text in listed else in_its_case(text)
    if category not in listed:
        raise QueryError(
            f"{text!r} is no CatID of the Universal Category System{did_you_mean(text, listed)}",
            remedy="such as DOORWood; see universalcategorysystem.com",
        )
    return category


def name_fields(stretch: LabelledStretch, *, ucs: str | None = None) -> Mapping[str, str]:
    """What the fields of a template are for a stretch, each fit for a name; "" is not known."""
    facts, rank = stretch.facts, stretch.row.get("rank")
    category = ucs or facts.first("ucs.category_id")
    names = ucs_names(category) if category else ("", "")
    caption = stretch.row.get("caption")
    if not isinstance(caption, str) or not caption.strip():
        # Named after its file for want of words: the stem says that already.
        caption = "" if stretch.label == stretch.stem else stretch.label
    fields = {
        "ucs": category,
        "category": names[0],
        "subcategory": names[1],
        "fxname": facts.first("ucs.fx_name"),
        "creator": facts.first("ucs.creator_id"),
        "source": facts.first("ucs.source_id"),
        "caption": caption,
        "label": stretch.label,
        "stem": stretch.stem,
        "folder": Path(stretch.path.decode("utf-8", "replace")).parent.name,
        "start": clock_name(stretch.start_s),
        "end": clock_name(stretch.end_s),
        "rank": str(rank) if isinstance(rank, int) else "",
        "score": "" if stretch.score is None else f"{stretch.score:.2f}",
    }
    return {key: safe_name(value, otherwise="") for key, value in fields.items()}


def clock_name(seconds: float) -> str:
    """A time that sorts and that every file system takes: `01m03.500s`, `01h02m03.500s`."""
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    clock = f"{minutes:02d}m{rest // 1000:02d}.{rest % 1000:03d}s"
    return f"{hours:02d}h{clock}" if hours else clock


def recording_names(paths: Iterable[bytes], ending: str) -> dict[bytes, str]:
    """A file's name for each recording: its own stem with another ending."""
    names = DistinctNames()
    found = {}
    for path in paths:
        stem = Path(path.decode("utf-8", "replace")).stem
        found[path] = names.take(safe_name(stem), ending)
    return found
