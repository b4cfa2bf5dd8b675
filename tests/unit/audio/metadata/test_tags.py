"""Which metadata are tags, and how fields of several are taken apart."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.audio.metadata.fields import MAX_CHARACTERS, MAX_ENTRIES, MetadataFields
from audiosearch.audio.metadata.tags import is_tag_key, tags_of


@pytest.mark.parametrize(
    "key",
    [
        *("genre", "keywords", "subject", "category", "ixml.user.category", "ixml.aswg.catid"),
        *("ixml.user.subcategory", "ixml.aswg.usercategory", "ixml.user.keywords", "guano.tags"),
        *("xmp.subject", "xmp.genre", "ucs.category", "ucs.user_category", "cart.category"),
    ],
)
def test_fields_of_tags(key: str) -> None:
    assert is_tag_key(key)
    assert tags_of({key: ("Rain",)}) == ("Rain",)


def test_other_fields_are_not() -> None:
    assert tags_of({"title": ("Rain",), "comment": ("a; b",), "ixml.project": ("x",)}) == ()


@pytest.mark.parametrize(
    "separator", [";", "; ", ",", ", ", "/", " / ", "|", " > ", "\n", "\0", "、"]
)
def test_fields_of_several(separator: str) -> None:
    assert tags_of({"keywords": (f"Dog{separator}bark",)}) == ("Dog", "bark")
    assert tags_of({"keywords": ("Dog", "bark")}) == ("Dog", "bark")


def test_each_once_as_first_spelt() -> None:
    metadata = {"genre": ("Field  Recording",), "keywords": ("field recording; RAIN; rain",)}
    assert tags_of(metadata) == ("Field Recording", "RAIN")


def test_what_a_category_stands_for() -> None:
    assert tags_of({"ucs.category_id": ("DOORWood",)}) == ("DOORWood", "DOORS", "WOOD")
    assert tags_of({"ixml.user.catid": ("WATRTap",)}) == ("WATRTap", "WATER")
    assert tags_of({"catid": ("Unknown",)}) == ("Unknown",)
    assert tags_of({"ixml.user.catid": ("doorwood",)}) == ("doorwood", "DOORS", "WOOD")
    assert tags_of({"ixml.user.categoryfull": ("DOORS-WOOD",)}) == ("DOORS-WOOD", "DOORS", "WOOD")
    assert tags_of({"category": ("Hip-Hop",)}) == ("Hip-Hop",)


def test_no_decoder_is_loaded_for_them() -> None:
    code = (
        "import sys; from audiosearch.audio.metadata.tags import tags_of;"
        "sys.exit(any(name in sys.modules for name in ('av', 'mutagen', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=50)), max_size=200))
def test_whatever_is_added_comes_out_clean_and_bounded(pairs: list[tuple[str, str]]) -> None:
    fields = MetadataFields()
    for key, text in pairs:
        fields.add(key, text)
        fields.add_unless_known(key, text)
    found = fields.bounded()
    assert len(found) <= MAX_ENTRIES
    assert all(found.values())
    for key, values in found.items():
        assert key == key.lower()
        assert len(set(values)) == len(values)
        assert all(value.isprintable() and value == " ".join(value.split()) for value in values)
        assert all(values)


def test_all_values_together_are_bounded() -> None:
    fields = MetadataFields()
    for number in range(5000):
        fields.add(f"key{number % 50}", f"{number} " + "x" * 4000)
    fields.add("title", "Möwen")
    found = fields.bounded()
    assert sum(len(value) for values in found.values() for value in values) <= MAX_CHARACTERS
    assert next(iter(found)) == "title"
