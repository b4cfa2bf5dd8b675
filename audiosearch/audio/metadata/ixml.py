"""iXML (http://www.gallery.co.uk/ixml/): project, scene, tracks, and what programs add to it."""

from __future__ import annotations

from audiosearch.audio.metadata.fields import MetadataFields
from audiosearch.audio.metadata.xml import Element, parse

# Parts that describe samples or sync, not what is heard.
_TECHNICAL = frozenset({"IXML_VERSION", "SPEED", "FILE_SET", "LOUDNESS"})
_BEXT = {
    "BWF_DESCRIPTION": "bwf.description",
    "BWF_ORIGINATOR": "bwf.originator",
    "BWF_ORIGINATOR_REFERENCE": "bwf.originator_reference",
    "BWF_ORIGINATION_DATE": "bwf.date",
    "BWF_ORIGINATION_TIME": "bwf.time",
    "BWF_CODING_HISTORY": "bwf.coding_history",
}
_MAX_DEPTH = 5


def read_ixml(content: bytes, fields: MetadataFields, *, sample_rate: int) -> None:
    """All of an iXML chunk.

    Raises:
        UnreadableXml: it is no XML.
    """
    root = parse(content)
    for element in root.children:
        name = element.name.upper()
        if name in _TECHNICAL:
            continue
        if name == "TRACK_LIST":
            _tracks(element, fields)
        elif name == "BEXT":
            for each in element.children:
                if each.name.upper() in _BEXT:
                    fields.add(_BEXT[each.name.upper()], each.text)
        elif name == "STEINBERG":
            _attributes(element, fields)
        elif name == "HISTORY":
            fields.add("ixml.original_filename", element.child_text("ORIGINAL_FILENAME"))
        elif name == "SYNC_POINT_LIST":
            _sync_points(element, fields, sample_rate=sample_rate)
        else:
            _leaves(element, f"ixml.{element.name}", fields, depth=1)


def _leaves(element: Element, key: str, fields: MetadataFields, *, depth: int) -> None:
    """Texts below an element, where ASWG, USER and LOCATION keep theirs, by their path."""
    if element.text.strip():
        fields.add(key, element.text)
    if depth < _MAX_DEPTH:
        for child in element.children:
            _leaves(child, f"{key}.{child.name}", fields, depth=depth + 1)


def _tracks(tracks: Element, fields: MetadataFields) -> None:
    for track in tracks.children:
        if track.name.upper() == "TRACK":
            fields.add("ixml.tracks", track.child_text("NAME"))
            fields.add("ixml.track_functions", track.child_text("FUNCTION"))


def _attributes(steinberg: Element, fields: MetadataFields) -> None:
    """Nuendo's and Cubase's attributes: pairs of a name and a value, beside plain elements."""
    for element in steinberg.walk():
        if element.name.upper() == "ATTR":
            name = element.child_text("NAME").removeprefix("Media")
            fields.add(f"ixml.steinberg.{name}", element.child_text("VALUE"))
    for element in steinberg.children:
        if element.name.upper() != "ATTR_LIST" and not element.children:
            fields.add(f"ixml.steinberg.{element.name}", element.text)


def _sync_points(points: Element, fields: MetadataFields, *, sample_rate: int) -> None:
    for point in points.children:
        words = point.child_text("SYNC_POINT_COMMENT")
        low, high = (
            int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0
            for text in (point.child_text("SYNC_POINT_LOW"), point.child_text("SYNC_POINT_HIGH"))
        )
        length = point.child_text("SYNC_POINT_EVENT_DURATION")
        if point.child_text("SYNC_POINT_TYPE").upper() == "RELATIVE" and sample_rate:
            start_s = (high * 2**32 + low) / sample_rate
            held = length.isascii() and length.isdigit() and len(length) <= 18
            end_s = start_s + int(length) / sample_rate if held else None
            fields.add_marker(start_s, words, end_s=end_s)
        else:  # counted from midnight
            fields.add("ixml.sync_points", words)
