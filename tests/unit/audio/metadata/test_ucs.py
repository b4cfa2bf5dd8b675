"""File names in the Universal Category System."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.audio.metadata.ucs import ucs_from_name, ucs_names


def test_all_parts() -> None:
    name = "DOORWood-Int_Creaky Old Door, Slow_ABC_LIB1_Take 3_Mid Side.wav"
    assert ucs_from_name(name) == {
        "ucs.category_id": "DOORWood",
        "ucs.category": "DOORS",
        "ucs.subcategory": "WOOD",
        "ucs.user_category": "Int",
        "ucs.fx_name": "Creaky Old Door, Slow",
        "ucs.creator_id": "ABC",
        "ucs.source_id": "LIB1",
        "ucs.user_data": "Take 3_Mid Side",
    }


def test_only_what_must_be_there() -> None:
    assert ucs_from_name("AMBUrbn_Market Square_JD_CITY.flac") == {
        "ucs.category_id": "AMBUrbn",
        "ucs.category": "AMBIENCE",
        "ucs.subcategory": "URBAN",
        "ucs.fx_name": "Market Square",
        "ucs.creator_id": "JD",
        "ucs.source_id": "CITY",
    }


@pytest.mark.parametrize(
    "name",
    [
        "rain.wav",
        "IMG_2024_05_01.wav",
        "ZOOM0001_Tr1_Tr2_LR.wav",
        "DOORZzzz_Creak.wav",  # not of the list, and not complete
        "RAIN_on_roof.wav",
        "TEST 1.wav",
        "GREATest_hits.wav",
        "doorwood_creak_abc_lib.wav",
        "",
        "___.wav",
    ],
)
def test_other_names_say_nothing(name: str) -> None:
    assert ucs_from_name(name) == {}


def test_a_name_that_begins_with_a_category_of_the_list_need_not_be_complete() -> None:
    assert ucs_from_name("DOORWood_Cupboard Door Close.wav") == {
        "ucs.category_id": "DOORWood",
        "ucs.category": "DOORS",
        "ucs.subcategory": "WOOD",
        "ucs.fx_name": "Cupboard Door Close",
    }
    assert ucs_from_name("RAIN_On Tent_ABC_LIB.wav")["ucs.subcategory"] == "GENERAL"


def test_categories_outside_the_list_are_told_by_how_they_begin() -> None:
    found = ucs_from_name("WATRTap_Kitchen_ABC_LIB.wav")
    assert found["ucs.category_id"] == "WATRTap"
    assert found["ucs.category"] == "WATER"
    assert "ucs.subcategory" not in found
    assert ucs_names("UIClick") == ("USER INTERFACE", "CLICK")
    assert ucs_names("UINewer") == ("USER INTERFACE", "")
    assert ucs_names("XYZOther") == ("", "")


@given(st.text(max_size=60))
def test_any_name_is_taken(name: str) -> None:
    assert all(value for value in ucs_from_name(name).values())
