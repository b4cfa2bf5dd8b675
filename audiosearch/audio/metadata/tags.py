"""Which metadata of a file are tags: words that someone chose to sort sounds by.

Knows no reader and needs no decoder: the store asks here, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from audiosearch.audio.metadata.ucs import in_its_case, ucs_names

MAX_TAGS = 256  # of one file
MAX_TAG_CHARACTERS = 200  # longer is a sentence, not a tag

# The last part of a key, without what joins its words: `ixml.user.sub_category`.
_TAG_FIELDS = frozenset(
    (
        *("genre", "genres", "keyword", "keywords", "keyw", "tag", "tags", "subject", "subjects"),
        *("category", "categories", "maincategory", "mediacategory", "categorypost"),
        *("musicalcategory", "subcategory", "subcategories", "mediasubcategory"),
        *("musicalsubcategory", "usercategory", "categoryfull", "hierarchicalsubject"),
        *("catid", "categoryid", "catg", "supplementalcategories"),
    )
)
_CATEGORY_ID_FIELDS = frozenset(("catid", "categoryid"))
_SEPARATORS = re.compile(r"[;,/|>\\\0\r\n\u3001\uff0c\uff1b]")


def tags_of(metadata: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The tags that a file's metadata carries, spelt as there, each once whatever its case.

    Genres, keywords, categories, and what a CatID of the Universal Category System stands for;
    a field that names several (`dog; bark`, `Animals/Dogs`, `Animals > Dogs`) gives each.
    """
    found: dict[str, str] = {}
    for key, values in metadata.items():
        name = _field(key)
        if name not in _TAG_FIELDS:
            continue
        for value in values:
            for part in _SEPARATORS.split(value):
                _add(found, part)
                for meaning in _meanings(name, part.strip()):
                    _add(found, meaning)
    return tuple(found.values())[:MAX_TAGS]


@lru_cache(maxsize=1024)
def is_tag_key(key: str) -> bool:
    """Whether the values of a metadata field are tags."""
    return _field(key) in _TAG_FIELDS


def _field(key: str) -> str:
    return re.sub(r"[^a-z0-9]", "", key.lower().rpartition(".")[2])


def _meanings(name: str, value: str) -> Sequence[str]:
    """What the Universal Category System's own fields put into one word."""
    if name in _CATEGORY_ID_FIELDS:
        return ucs_names(in_its_case(value))
    return value.split("-", 1) if name == "categoryfull" else ()  # DOORS-WOOD


def _add(found: dict[str, str], tag: str) -> None:
    tag = " ".join(tag.split())
    if tag and len(tag) <= MAX_TAG_CHARACTERS:
        found.setdefault(tag.casefold(), tag)
