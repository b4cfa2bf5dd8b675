"""What two users of one library write and see, on whatever engine it lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiosearch.errors import QueryError
from audiosearch.library.annotations import Annotations
from audiosearch.store.database import Database


def check_what_users_see(database: Database, folder: Path) -> None:
    """Tags are seen by all and taken away by those who put them there; the rest is one's own."""
    own, first, second = Annotations(database), str(folder / "0.wav"), str(folder / "1.wav")
    own.tag([first], "door")
    own.note([first], "everybody's")
    database.user = "anna"
    own.tag([first], "Creak")
    own.rate([first], 5)
    own.favourite([f"{second}@0-1"])
    own.collect("mine", [second], create=True)
    database.user = "ben"
    assert [(each.name, each.n_stretches) for each in own.tags()] == [("Creak", 1), ("door", 1)]
    rows = own.listed([first])
    assert [(row.user, row.is_own, row.tags, row.rating) for row in rows] == [
        ("", True, ("door",), None),
        ("anna", False, ("Creak",), 5),
    ]
    assert own.listed(least_stars=1) == own.listed(favourite=True) == []
    own.favourite([first])
    both = own.listed(tag="creak", favourite=True)  # of one stretch, though two people wrote it
    assert [(row.user, row.tags) for row in both] == [("anna", ("Creak",)), ("ben", ())]
    assert own.listed(tag="door", noted=True, least_stars=1) == []
    assert own.favourite([first], wanted=False).n_changed == 1
    assert [row.user for row in own.listed([second])] == ["anna"]  # her favourite, said to be hers
    assert [row.collections for row in own.listed([second])] == [()]  # not what she collects
    with pytest.raises(QueryError, match="the tag 'creak' was put there by anna"):
        own.untag([first], "creak")
    assert own.rate([first], None).n_changed == 0
    assert own.tag([first], "creak").n_changed == 1  # both say so
    assert [(each.name, each.n_stretches) for each in own.tags()] == [("creak", 1), ("door", 1)]
    assert own.untag([first], "creak").n_changed == 1
    own.note([first], "ben's")
    assert [row.note for row in own.listed([first])] == ["everybody's", None, "ben's"]
    database.user = "anna"
    assert [row.tags for row in own.listed([first], tag="creak")] == [("Creak",)]
    assert [row.note for row in own.listed([first])] == ["everybody's", None, "ben's"]
    assert [row.rating for row in own.listed(least_stars=5)] == [5]
    assert own.note([first], None).n_changed == 1  # everybody's, not ben's
    [collected] = own.collection("mine")
    assert (collected.favourite_at, collected.end_s) == (None, None)
    assert own.untag([first], "CREAK").n_changed == 1
    assert own.uncollect("mine", [second]).n_changed == 1
    database.user = ""
    assert [(row.user, row.tags, row.note) for row in own.listed([first])] == [
        ("", ("door",), None),
        ("anna", (), None),
        ("ben", (), "ben's"),
    ]
