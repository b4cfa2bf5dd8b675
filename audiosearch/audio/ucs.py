"""What a file name says when it follows the Universal Category System of sound libraries.

In: a file name. Out: its parts, or nothing where the name is not of that form. The form
(https://universalcategorysystem.com) is

    CatID[-UserCategory]_FXName_CreatorID_SourceID[_UserData].wav
    DOORWood-Int_Creaky Old Door_ABC_LIB1_Take 3.wav

The list of categories itself is not here: a CatID is known by its shape, capitals and then a
capitalised short word (`AMBUrbn`, `UIClick`).
"""

from __future__ import annotations

import re

_CATEGORY = re.compile(r"(?P<id>[A-Z]{2,6}[a-z][A-Za-z]{0,6})(?:-(?P<user>[^_]+))?")
_NEEDED_PARTS = 4  # user data is the fifth and may hold further underscores


def ucs_from_name(name: str) -> dict[str, str]:
    """The parts of a UCS file name, keyed `ucs.category_id`, `ucs.fx_name` ...; {} for others."""
    stem = name.rpartition(".")[0] or name
    parts = stem.split("_", _NEEDED_PARTS)
    category = _CATEGORY.fullmatch(parts[0])
    if category is None or len(parts) < _NEEDED_PARTS or not all(parts[1:_NEEDED_PARTS]):
        return {}
    found = {
        "ucs.category_id": category["id"],
        "ucs.user_category": category["user"] or "",
        "ucs.fx_name": parts[1],
        "ucs.creator_id": parts[2],
        "ucs.source_id": parts[3],
        "ucs.user_data": parts[4] if len(parts) > _NEEDED_PARTS else "",
    }
    return {key: value for key, value in found.items() if value}
