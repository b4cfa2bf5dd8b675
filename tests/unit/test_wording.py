"""Counts with their nouns, and the nearest of known names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch._wording import counted, did_you_mean, nearest


def test_one_is_singular_and_all_else_plural():
    assert [counted(n, "file") for n in (0, 1, 2)] == ["0 files", "1 file", "2 files"]
    assert counted(1, "stretch", "stretches") == "1 stretch"
    assert counted(3, "stretch", "stretches") == "3 stretches"
    assert counted(1, "file is gone", "files are gone") == "1 file is gone"


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("fnd", "find"),
        ("FIND", "find"),
        ("stauts", "status"),
        ("worker_memory", "worker-memory"),
        ("worker memory", "worker-memory"),
        ("xyzzy", None),
        ("", None),
    ],
)
def test_the_nearest_name(word: str, found: str | None):
    assert nearest(word, ["find", "status", "worker-memory"]) == found


def test_a_suggestion_stands_after_a_message():
    assert did_you_mean("serch", ["search"], form="[{}]") == "; did you mean [search]?"
    assert did_you_mean("zzz", ["search"]) == ""


@given(st.text(), st.lists(st.text(), max_size=5))
def test_only_known_names_are_suggested(word: str, known: list[str]):
    assert nearest(word, known) in {None, *known}


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5))
def test_a_name_is_nearest_to_itself(known: list[str]):
    assert nearest(known[-1], known) == known[-1]
