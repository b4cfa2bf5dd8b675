"""Chunks of RIFF, and of what keeps RIFF's chunks: their content as texts.

bext (EBU Tech 3285), cart (AES46), INFO, DISP, axml (EBU Tech 3285-5), GUANO and Wildlife
Acoustics' wamd. Each reads what is there of a chunk that is cut short.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from audiosearch.audio.metadata.fields import MetadataFields
from audiosearch.audio.metadata.tags import is_tag_key
from audiosearch.audio.metadata.text import decode, fixed, until_nul
from audiosearch.audio.metadata.xml import parse

# What the standard calls it, where it lies -> what a person would look for.
_BEXT = (
    ("bwf.description", 0, 256),
    ("bwf.originator", 256, 32),
    ("bwf.originator_reference", 288, 32),
    ("bwf.date", 320, 10),
    ("bwf.time", 330, 8),
)
_BEXT_HISTORY = 602
_LOUDNESS_UNSET = (0, 0x7FFF)
_CART = (
    ("cart.title", 4, 64),
    ("cart.artist", 68, 64),
    ("cart.cut_id", 132, 64),
    ("cart.client_id", 196, 64),
    ("cart.category", 260, 64),
    ("cart.classification", 324, 64),
    ("cart.out_cue", 388, 64),
    ("cart.user", 680, 64),
    ("cart.url", 1024, 1024),
    ("cart.text", 2048, 4000),
)
_INFO = {
    b"IARL": "archival_location",
    b"IART": "artist",
    b"ICMS": "commissioned_by",
    b"ICMT": "comment",
    b"ICNT": "country",
    b"ICOP": "copyright",
    b"ICRD": "date",
    b"IDST": "distributor",
    b"IENG": "engineer",
    b"IGNR": "genre",
    b"IGRE": "genre",
    b"IKEY": "keywords",
    b"ILNG": "language",
    b"IMED": "medium",
    b"IMUS": "composer",
    b"INAM": "title",
    b"IPRD": "album",
    b"IPRO": "producer",
    b"IPRT": "track",
    b"ISBJ": "subject",
    b"ISFT": "encoder",
    b"ISGN": "genre",
    b"ISMP": "timecode",
    b"ISRC": "source",
    b"ISRF": "source_form",
    b"ITCH": "encoded_by",
    b"ITRK": "track",
    b"IWRI": "writer",
    b"TITL": "title",
}
_WAMD = {
    0x01: "wamd.model",
    0x04: "wamd.prefix",
    0x05: "wamd.timestamp",
    0x06: "wamd.position",
    0x0A: "wamd.notes",
    0x0B: "wamd.auto_id",
    0x0C: "wamd.manual_id",
    0x10: "wamd.program",
    0x12: "wamd.microphone",
    0x14: "wamd.last_position",
    0x15: "wamd.temperature",
}
_GUANO_TECHNICAL = ("guano.guano.version", "guano.samplerate", "guano.length", "guano.te")
_AXML = frozenset(
    (
        *("title", "alternativetitle", "creator", "subject", "description", "genre", "keyword"),
        *("location", "note", "comment"),
    )
)
_ADM_NAMES = frozenset(("audioProgrammeName", "audioContentName", "audioObjectName"))


def read_bext(content: bytes, fields: MetadataFields) -> None:
    """Broadcast Wave. The standard says ASCII; people write UTF-8 and Windows' letters."""
    for key, start, size in _BEXT:
        fields.add(key, fixed(content[start : start + size]))
    if len(content) >= 346:
        (since_midnight,) = struct.unpack_from("<Q", content, 338)
        if since_midnight:
            fields.add("bwf.time_reference", str(since_midnight))
    if len(content) >= 414 and content[346:348] >= b"\x02\0":
        (loudness,) = struct.unpack_from("<h", content, 412)
        if loudness not in _LOUDNESS_UNSET:
            fields.add("bwf.loudness", f"{loudness / 100:g} LUFS")
    fields.add("bwf.coding_history", decode(until_nul(content[_BEXT_HISTORY:])))


def read_cart(content: bytes, fields: MetadataFields) -> None:
    """What radio stations' automation writes."""
    for key, start, size in _CART:
        fields.add(key, fixed(content[start : start + size]))


def read_info(content: bytes, fields: MetadataFields) -> None:
    """A list of type INFO, after that type."""
    for name, text in listed(content):
        key = _INFO.get(name) or f"info.{name.decode('latin-1')}"
        parts = text.split(b"\0") if is_tag_key(key) else [until_nul(text)]
        fields.add(key, "\n".join(decode(part) for part in parts if part))


def read_summary(content: bytes, fields: MetadataFields) -> None:
    """Wave64's summary list: INFO's names, texts of UTF-16."""
    for name, text in listed(content[4:], padded=False):
        key = _INFO.get(name) or f"info.{name.decode('latin-1')}"
        fields.add(key, text.decode("utf-16-le", "replace").rstrip("\0"))


def read_disp(content: bytes, fields: MetadataFields) -> None:
    """DISP: a title to be shown, where its type says text."""
    if content[:4] == b"\x01\0\0\0":  # CF_TEXT
        fields.add("title", decode(until_nul(content[4:])))


def read_guano(content: bytes, fields: MetadataFields) -> None:
    """GUANO (https://guano-md.org): lines of `Namespace|Key: value`.

    (The guano package gives up a whole chunk for one line without a colon.)
    """
    for line in decode(content.strip(b"\0")).splitlines():
        name, colon, value = line.partition(":")
        key = "guano." + name.strip().replace("|", ".")
        if colon and key.lower() not in _GUANO_TECHNICAL:
            fields.add(key, value.replace("\\n", "\n"))


def read_wamd(content: bytes, fields: MetadataFields) -> None:
    """Wildlife Acoustics' recorders: numbered fields."""
    place = 0
    while place + 6 <= len(content):
        number, size = struct.unpack_from("<HI", content, place)
        place += 6
        if number in _WAMD:
            fields.add(_WAMD[number], decode(until_nul(content[place : place + size])))
        place += size


def read_axml(content: bytes, fields: MetadataFields) -> None:
    """EBU core and the audio definition model: titles, descriptions, names of programmes.

    Raises:
        UnreadableXml: it is no XML.
    """
    for element in parse(content).walk():
        if element.name.lower() in _AXML and element.text.strip():
            fields.add(f"axml.{element.name}", element.text)
        for (_, name), value in element.attributes.items():
            if name in _ADM_NAMES:
                fields.add(f"axml.{name.removeprefix('audio').removesuffix('Name')}", value)


def listed(
    content: bytes, *, big: bool = False, padded: bool = True
) -> Iterator[tuple[bytes, bytes]]:
    """Sub-chunks (name, content), the last one as far as it goes."""
    place = 0
    while place + 8 <= len(content):
        name = content[place : place + 4]
        size = int.from_bytes(content[place + 4 : place + 8], "big" if big else "little")
        place += 8
        yield name, content[place : place + size]
        place += size
        if padded:
            place += size % 2
