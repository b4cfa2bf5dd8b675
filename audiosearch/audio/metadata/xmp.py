"""XMP packets (Adobe's, ISO 16684): Dublin Core, xmpDM and what else is text, and markers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from audiosearch.audio.metadata.fields import MetadataFields
from audiosearch.audio.metadata.text import key_of
from audiosearch.audio.metadata.xml import Element, parse

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DM = "http://ns.adobe.com/xmp/1.0/DynamicMedia/"
# Namespaces whose texts people write; histories, identifiers and thumbnails are elsewhere.
_WANTED = {
    "http://purl.org/dc/elements/1.1/": "",
    _DM: "",
    "http://ns.adobe.com/photoshop/1.0/": "",
    "http://ns.adobe.com/lightroom/1.0/": "",
    "http://ns.adobe.com/bwf/bext/1.0/": "bext_",
    "http://ns.adobe.com/riff/info/": "info_",
    "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/": "",
}
_TECHNICAL = frozenset(
    (
        *("format", "tracks", "start_timecode", "duration", "metadata_date", "audio_sample_rate"),
        *("audio_sample_type", "audio_channel_type", "bext_umid", "bext_version", "identifier"),
        *("bext_coding_history", "bext_time_reference"),
    )
)
_COUNT = re.compile(r"(\d{1,18})(?:f(\d{1,9})(?:s(\d{1,9}))?)?")


def read_xmp(content: bytes, fields: MetadataFields) -> None:
    """All of an XMP packet; what other chunks have said already is left out.

    Raises:
        UnreadableXml: it is no XML.
    """
    for element in parse(content).walk():
        if element.name != "Description" or element.namespace != _RDF:
            continue
        for (namespace, name), value in element.attributes.items():
            _property(namespace, name, [value], fields)
        for child in element.children:
            if child.name == "Tracks" and child.namespace == _DM:
                _markers(child, fields)
            elif child.namespace in _WANTED:
                _property(child.namespace, child.name, list(_values(child)), fields)


def _property(namespace: str, name: str, values: list[str], fields: MetadataFields) -> None:
    prefix = _WANTED.get(namespace)
    key = key_of(f"{prefix}{name}", camel=True)
    if prefix is None or key in _TECHNICAL:
        return
    if values and all(fields.has_value(value) for value in values):
        return
    for value in values:
        fields.add(f"xmp.{key}", value)


def _values(element: Element) -> Iterator[str]:
    """Its text, or those of the list in it."""
    if not element.children:
        yield element.text
    for container in element.children:
        for item in container.children:
            if item.name == "li" and not item.children:
                yield item.text


def _markers(tracks: Element, fields: MetadataFields) -> None:
    """Markers of all tracks: counts of frames, with their rate beside them or for the track."""
    for track in tracks.walk():
        rate = _rate(_field(track, "frameRate"))
        for marker in track.children:
            if marker.name != "markers":
                continue
            for item in (each for each in marker.walk() if _field(each, "startTime")):
                start_s = _seconds(_field(item, "startTime"), rate)
                length_s = _seconds(_field(item, "duration"), rate)
                words = [_field(item, "name"), _field(item, "comment")]
                if start_s is not None:
                    end_s = None if length_s is None else start_s + length_s
                    text = ", ".join(dict.fromkeys(word for word in words if word))
                    fields.add_marker(start_s, text, end_s=end_s)


def _field(element: Element, name: str) -> str:
    """A property of a struct: an attribute or a child element."""
    return element.attributes.get((_DM, name), "").strip() or element.child_text(name)


def _rate(text: str) -> float | None:
    """Frames a second: "f48000", or "f30000s1001" of a second's share."""
    found = re.fullmatch(r"f(\d{1,9})(?:s(\d{1,9}))?", text)
    if found is None or not int(found[1]) or found[2] == "0":
        return None
    return int(found[1]) / int(found[2] or 1)


def _seconds(text: str, rate: float | None) -> float | None:
    found = _COUNT.fullmatch(text)
    if found is None:
        return None
    if found[2]:
        rate = _rate(text[len(found[1]) :])
    return int(found[1]) / rate if rate else None
