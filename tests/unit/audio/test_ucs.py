"""File names in the Universal Category System."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.audio.ucs import ucs_from_name


def test_all_parts() -> None:
    name = "DOORWood-Int_Creaky Old Door, Slow_ABC_LIB1_Take 3_Mid Side.wav"
    assert ucs_from_name(name) == {
        "ucs.category_id": "DOORWood",
        "ucs.user_category": "Int",
        "ucs.fx_name": "Creaky Old Door, Slow",
        "ucs.creator_id": "ABC",
        "ucs.source_id": "LIB1",
        "ucs.user_data": "Take 3_Mid Side",
    }


def test_only_what_must_be_there() -> None:
    assert ucs_from_name("AMBUrbn_Market Square_JD_CITY.flac") == {
        "ucs.category_id": "AMBUrbn",
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
        "DOORWood_Creak.wav",
        "DOORWood__ABC_LIB.wav",
        "doorwood_creak_abc_lib.wav",
        "",
        "___.wav",
    ],
)
def test_other_names_say_nothing(name: str) -> None:
    assert ucs_from_name(name) == {}


@given(st.text(max_size=60))
def test_any_name_is_taken(name: str) -> None:
    assert all(value for value in ucs_from_name(name).values())
