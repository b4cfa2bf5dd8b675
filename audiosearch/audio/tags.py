"""Which fields of embedded metadata name kinds of sound: they become tags (`--tag`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_TAG_FIELDS = ("genre", "keywords", "ucs.category", "ucs.category_id", "ucs.subcategory")


def tags_of(metadata: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The tags that a file's metadata carries."""
    parts = [
        part.strip()
        for field in _TAG_FIELDS
        for value in metadata.get(field, ())
        for part in value.replace(";", ",").split(",")
    ]
    return tuple(dict.fromkeys(part for part in parts if part))
