"""What the readers of a file found, by key: all values of a field, cleaned, and in bounds.

The limits cut what tells least: titles, genres, keywords, categories and markers stay longest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from audiosearch.audio.metadata.tags import is_tag_key
from audiosearch.audio.metadata.text import key_of, one_line

MAX_ENTRIES = 64  # keys that are kept of a file
MAX_VALUES = 256  # of one key
MAX_MARKERS = 1000
MAX_CHARACTERS = 200_000  # of all values together
_MAX_COLLECTED = 2000  # keys looked at
_TELLING = 2  # ranks up to this one

# What writing programs leave behind, which nobody searches for.
_TECHNICAL = re.compile(
    r"encoder|encoded_?by|encoding(_?settings)?|encoder_?settings|major_brand|minor_version|"
    r"compatible_brands|handler_name|vendor_id|duration|itun.*|replaygain_.*|r128_.*|umid|"
    r"language|id3v2_priv.*|metadata_block_picture|waveformatextensible.*|coverart(mime)?|"
    r"cover_art.*|tool(name|version)?|musicbrainz_.*|acoustid_.*|mp3gain_.*|isvbr|"
    r"devicecon.*|wm_?encodingtime|timecode|chapter\d+(name|url)?|cuesheet|cue_sheet"
)
_MAIN = frozenset(
    (
        *("artist", "album", "comment", "description", "bwf.description", "date", "grouping"),
        *(
            "ixml.track_functions",
            "subtitle",
            "ixml.scene",
            "ixml.take",
            "ixml.note",
            "ixml.project",
            "ixml.tracks",
        ),
        *("guano.note", "guano.species_manual_id", "guano.species_auto_id", "wamd.notes"),
        *("wamd.manual_id", "wamd.auto_id", "cart.artist", "lyrics"),
    )
)


@dataclass
class _Seen:
    n_keys: int = 0
    n_characters: int = 0


@dataclass
class MetadataFields:
    """Collects values by key; adding never fails."""

    _found: dict[str, dict[str, None]] = field(default_factory=dict)
    _values: set[str] = field(default_factory=set)  # of all keys
    # So that what is told at length leaves room for what tells more: (others, telling).
    _seen: tuple[_Seen, _Seen] = field(default_factory=lambda: (_Seen(), _Seen()))

    def add(self, key: str, text: str) -> None:
        """One more value of `key`; of fields of tags, one for each line."""
        key = key_of(key)
        if not key or _TECHNICAL.fullmatch(key):
            return
        if is_tag_key(key) and ("\0" in text or "\n" in text or "\r" in text):
            for part in re.split(r"[\0\r\n]+", text[: 8 * MAX_CHARACTERS])[: 2 * MAX_VALUES]:
                self._keep(key, part)
        else:
            self._keep(key, text)

    def add_unless_known(self, key: str, text: str) -> None:
        """As `add`, where no field has this value, whole or in parts, and none this key."""
        if key_of(key) in self._found:
            return
        parts = {one_line(part) for part in text.split(";")} - {""}  # as FFmpeg joins several
        if one_line(text) not in self._values and not parts <= self._values:
            self.add(key, text)

    def add_marker(self, start_s: float, text: str, *, end_s: float | None = None) -> None:
        """A point of the sound, or, with an end after its start, a stretch of it."""
        text = one_line(text)
        if not text:
            return
        end = f"-{end_s:.3f}" if end_s is not None and end_s > start_s else ""
        self._keep("markers", f"{start_s:.3f}{end} s {text}")

    def _keep(self, key: str, text: str) -> None:
        value = one_line(text)
        telling = _rank(key) <= _TELLING
        seen = self._seen[telling]
        if not value or (seen.n_keys >= _MAX_COLLECTED and key not in self._found):
            return
        values = self._found.get(key)
        if values is None:
            values = self._found[key] = {}
            seen.n_keys += 1
        limit = MAX_MARKERS if key == "markers" else MAX_VALUES
        if value not in values and len(values) < limit:
            if values and seen.n_characters > 2 * MAX_CHARACTERS:
                return
            values[value] = None
            self._values.add(value)
            seen.n_characters += len(value)

    def has_value(self, text: str) -> bool:
        """Whether some field has this value."""
        return one_line(text) in self._values

    def has_value_beginning(self, key: str, start: str) -> bool:
        """Whether a value of `key` begins so."""
        return any(value.startswith(one_line(start)) for value in self._found.get(key, ()))

    def __contains__(self, key: str) -> bool:
        return key in self._found

    def bounded(self) -> dict[str, tuple[str, ...]]:
        """What is kept of it: the most telling keys first."""
        ranked = sorted(self._found, key=_rank)[:MAX_ENTRIES]
        left = MAX_CHARACTERS
        kept: dict[str, tuple[str, ...]] = {}
        for key in ranked:
            values = tuple(_within(self._found[key], left))
            if values:
                kept[key] = values
                left -= sum(map(len, values))
        return kept


def _rank(key: str) -> int:
    last = key.rpartition(".")[2]
    if key.startswith("ucs.") or last == "title":
        return 0
    if is_tag_key(key):
        return 1
    if key == "markers":
        return 2
    return 3 if key in _MAIN or key.startswith("ixml.steinberg.") else 4


def _within(values: Iterable[str], limit: int) -> Iterable[str]:
    for value in values:
        limit -= len(value)
        if limit < 0:
            return
        yield value
