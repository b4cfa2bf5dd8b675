"""What a file name says when it follows the Universal Category System of sound libraries.

The form (https://universalcategorysystem.com) is

    CatID[-UserCategory]_FXName_CreatorID_SourceID[_UserData].wav
    DOORWood-Int_Creaky Old Door_ABC_LIB1_Take 3.wav

A name that begins with a CatID of the list need not be complete. CatIDs outside the list (newer
ones, a studio's own) are known by their shape, in complete names only; words of capitals alone
(RAIN, TEST), which any name may begin with, likewise.
"""

from __future__ import annotations

import re
from functools import lru_cache

from audiosearch.audio.metadata.ucs_table import categories, subcategories

_CATEGORY = re.compile(r"(?P<id>[A-Z]{2,6}(?:[a-z][A-Za-z]{0,6})?)(?:-(?P<user>[^_]+))?")
_PREFIX = re.compile(r"([A-Z]+)[A-Z][a-z]")
_NEEDED_PARTS = 4  # user data is the fifth and may hold further underscores


def ucs_from_name(name: str) -> dict[str, str]:
    """The parts of a UCS file name, keyed `ucs.category_id`, `ucs.fx_name` ...; {} for others."""
    stem = name.rpartition(".")[0] or name
    parts = stem.split("_", _NEEDED_PARTS)
    head = _CATEGORY.fullmatch(parts[0])
    if head is None:
        return {}
    complete = len(parts) >= _NEEDED_PARTS and all(parts[1:_NEEDED_PARTS])
    listed = head["id"] in subcategories()
    known = (listed and complete) if head["id"].isupper() else (listed or complete)
    if not known:
        return {}
    category, subcategory = ucs_names(head["id"])
    parts += [""] * (_NEEDED_PARTS + 1 - len(parts))
    found = {
        "ucs.category_id": head["id"],
        "ucs.category": category,
        "ucs.subcategory": subcategory,
        "ucs.user_category": head["user"] or "",
        "ucs.fx_name": parts[1],
        "ucs.creator_id": parts[2],
        "ucs.source_id": parts[3],
        "ucs.user_data": parts[4],
    }
    return {key: value for key, value in found.items() if value}


def in_its_case(category_id: str) -> str:
    """A CatID as the list has it, whatever case a field has it in; others as they are.

    Those of capitals alone (RAIN) are words in any other case.
    """
    return _listed_ids().get(category_id.lower(), category_id)


@lru_cache(maxsize=1)
def _listed_ids() -> dict[str, str]:
    return {each.lower(): each for each in subcategories() if not each.isupper()}


def ucs_names(category_id: str) -> tuple[str, str]:
    """Category and subcategory that a CatID stands for, "" for what is not known of it."""
    listed = subcategories().get(category_id)
    if listed is not None:
        return listed
    prefix = _PREFIX.match(category_id)
    return (categories().get(prefix[1], "") if prefix else "", "")
