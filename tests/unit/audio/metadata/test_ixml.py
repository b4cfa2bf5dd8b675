"""iXML of recorders, editors and sound libraries, well formed or not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.audio.metadata import read_metadata
from audiosearch.audio.metadata.fields import MetadataFields
from audiosearch.audio.metadata.ixml import read_ixml
from audiosearch.audio.metadata.tags import tags_of
from audiosearch.audio.metadata.unreadable import Unreadable
from audiosearch.audio.metadata.xml import MAX_DEPTH
from tests.sounds import bext_chunk, chunk, tone, wav_bytes


def fields_of(content: str | bytes) -> dict[str, tuple[str, ...]]:
    fields = MetadataFields()
    raw = content if isinstance(content, bytes) else content.encode()
    read_ixml(raw, fields, sample_rate=1000)
    return fields.bounded()


def test_latin_1_without_a_declaration() -> None:
    content = "<BWFXML><NOTE>Brücke</NOTE></BWFXML>"
    assert fields_of(content.encode("latin-1")) == {"ixml.note": ("Brücke",)}
    wrong = '<?xml version="1.0" encoding="UTF-8"?>' + content
    assert fields_of(wrong.encode("latin-1")) == {"ixml.note": ("Brücke",)}
    right = '<?xml version="1.0" encoding="ISO-8859-1"?>' + content
    assert fields_of(right.encode("latin-1")) == {"ixml.note": ("Brücke",)}
    assert fields_of(content.encode("utf-16")) == {"ixml.note": ("Brücke",)}
    assert fields_of(content) == {"ixml.note": ("Brücke",)}


def test_attributes_of_steinberg() -> None:
    found = fields_of(
        "<BWFXML><STEINBERG><ATTR_LIST><ATTR><TYPE>string</TYPE><NAME>MediaCategoryPost</NAME>"
        "<VALUE>Ambience|Forest</VALUE></ATTR><ATTR><TYPE>string</TYPE><NAME>MediaComment</NAME>"
        "<VALUE>owl far off</VALUE></ATTR></ATTR_LIST></STEINBERG></BWFXML>"
    )
    assert found["ixml.steinberg.comment"] == ("owl far off",)
    assert tags_of(found) == ("Ambience", "Forest")


def test_bext_inside() -> None:
    found = fields_of("<BWFXML><BEXT><BWF_DESCRIPTION>kiln</BWF_DESCRIPTION></BEXT></BWFXML>")
    assert found == {"bwf.description": ("kiln",)}


def test_bext_inside_and_beside(tmp_path: Path) -> None:
    ixml = b"<BWFXML><BEXT><BWF_DESCRIPTION>%s</BWF_DESCRIPTION></BEXT></BWFXML>"
    path = tmp_path / "a.wav"
    for inside, expected in ((b"kiln", ("kiln",)), (b"oven", ("kiln", "oven"))):
        chunks = bext_chunk(description=b"kiln") + chunk(b"iXML", ixml % inside)
        path.write_bytes(wav_bytes(tone(), before=chunks))
        assert read_metadata(os.fsencode(path))["bwf.description"] == expected


def test_tracks_and_their_functions() -> None:
    found = fields_of(
        "<BWFXML><TRACK_LIST><TRACK_COUNT>2</TRACK_COUNT>"
        "<TRACK><NAME>Boom</NAME><FUNCTION>M-MID_SIDE</FUNCTION></TRACK>"
        "<TRACK><NAME>Lav</NAME><FUNCTION>S-MID_SIDE</FUNCTION></TRACK></TRACK_LIST></BWFXML>"
    )
    assert found["ixml.tracks"] == ("Boom", "Lav")
    assert found["ixml.track_functions"] == ("M-MID_SIDE", "S-MID_SIDE")


def test_categories_of_user_and_aswg() -> None:
    found = fields_of(
        "<BWFXML><USER><CATEGORY>Doors</CATEGORY><SUBCATEGORY>Wood</SUBCATEGORY>"
        "<KEYWORDS>oak, squeak\nhinge</KEYWORDS></USER><ASWG><catId>WATRDrip</catId>"
        "<category>WATER</category><subCategory>DRIP</subCategory><userCategory>Cave</userCategory>"
        "<keywords>dark</keywords></ASWG></BWFXML>"
    )
    expected = {"Doors", "Wood", "oak", "squeak", "hinge", "WATRDrip", "WATER", "DRIP", "Cave"}
    assert set(tags_of(found)) == expected | {"dark"}


def test_free_text_of_the_user() -> None:
    assert fields_of("<BWFXML><USER>gulls</USER></BWFXML>") == {"ixml.user": ("gulls",)}


def test_sync_points_are_markers() -> None:
    found = fields_of(
        "<BWFXML><SYNC_POINT_LIST><SYNC_POINT><SYNC_POINT_TYPE>RELATIVE</SYNC_POINT_TYPE>"
        "<SYNC_POINT_COMMENT>clap</SYNC_POINT_COMMENT><SYNC_POINT_LOW>1500</SYNC_POINT_LOW>"
        "<SYNC_POINT_HIGH>0</SYNC_POINT_HIGH><SYNC_POINT_EVENT_DURATION>250"
        "</SYNC_POINT_EVENT_DURATION></SYNC_POINT></SYNC_POINT_LIST></BWFXML>"
    )
    assert found == {"markers": ("1.500-1.750 s clap",)}


def test_what_is_not_well_formed_is_read_as_far_as_it_goes() -> None:
    assert fields_of("<BWFXML><SCENE>12A</SCENE><NOTE>dog")["ixml.scene"] == ("12A",)
    found = fields_of("<BWFXML><NOTE>rock & roll &amp; more</NOTE></BWFXML>\0\0\0")
    assert found == {"ixml.note": ("rock & roll & more",)}


def test_entities_refuse_the_document() -> None:
    lol = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><BWFXML><NOTE>&b;</NOTE></BWFXML>'
    for content in (lol.encode(), lol.encode("utf-16")):
        with pytest.raises(Unreadable, match="entities"):
            fields_of(content)


def test_depth_and_number_are_bounded() -> None:
    deep = "<SCENE>1</SCENE>" + "<A>" * 100 * MAX_DEPTH
    assert fields_of(f"<BWFXML>{deep}") == {"ixml.scene": ("1",)}
    wide = "".join(f"<A{number}>x</A{number}>" for number in range(100_000))
    assert len(fields_of(f"<BWFXML>{wide}</BWFXML>")) == 64


def test_fields_without_a_meaning_leave_room_for_those_that_have_one() -> None:
    others = "".join(f"<A{number}>x</A{number}>" for number in range(200))
    attribute = "<ATTR><NAME>MediaLibrary</NAME><VALUE>Trains</VALUE></ATTR>"
    found = fields_of(
        f"<BWFXML>{others}<STEINBERG><ATTR_LIST>{attribute}</ATTR_LIST></STEINBERG><TRACK_LIST>"
        "<TRACK><NAME>Boom</NAME><FUNCTION>M-MID_SIDE</FUNCTION></TRACK></TRACK_LIST></BWFXML>"
    )
    assert found["ixml.steinberg.library"] == ("Trains",)
    assert found["ixml.track_functions"] == ("M-MID_SIDE",)


@given(st.binary(max_size=200) | st.text(alphabet="<>/&;BWFXML \"'=!?-[]é\0", max_size=80))
def test_anything_is_read_or_refused(content: str | bytes) -> None:
    try:
        found = fields_of(content if isinstance(content, bytes) else content.encode())
    except Unreadable:
        return
    assert all(value.isprintable() for values in found.values() for value in values)
