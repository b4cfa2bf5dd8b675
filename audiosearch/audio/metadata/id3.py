"""ID3 tags, wherever they stand: before MP3 and FLAC, in chunks of WAV and AIFF, at the end of DSF.

mutagen reads them, after `id3_frames` has taken out what is too much.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

from audiosearch.audio.metadata.fields import MetadataFields
from audiosearch.audio.metadata.id3_frames import declared_size, worth_reading
from audiosearch.audio.metadata.text import decode
from audiosearch.audio.metadata.unreadable import FROM_MUTAGEN, Unreadable, reading
from audiosearch.audio.metadata.xmp import read_xmp

if TYPE_CHECKING:
    from mutagen.id3 import ID3

MAX_TAG_BYTES = 32 << 20  # of pictures, all but a little
ID3V1_BYTES = 128
_MAX_TAGS = 8  # one after the other

_KEYS = {
    "GRP1": "grouping",
    "MVNM": "movement",
    "TALB": "album",
    "TBPM": "bpm",
    "TCAT": "category",
    "TCMP": "",
    "TCOM": "composer",
    "TCON": "genre",
    "TCOP": "copyright",
    "TDES": "description",
    "TDOR": "original_date",
    "TDRC": "date",
    "TDRL": "release_date",
    "TENC": "encoded_by",
    "TEXT": "lyricist",
    "TFLT": "",
    "TIT1": "grouping",
    "TIT2": "title",
    "TIT3": "subtitle",
    "TKEY": "key",
    "TKWD": "keywords",
    "TLAN": "language",
    "TLEN": "duration",
    "TMED": "medium",
    "TMOO": "mood",
    "TOAL": "original_album",
    "TOFN": "original_filename",
    "TOPE": "original_artist",
    "TPE1": "artist",
    "TPE2": "album_artist",
    "TPE3": "performer",
    "TPE4": "remixer",
    "TPOS": "disc",
    "TPUB": "publisher",
    "TRCK": "track",
    "TRSN": "station",
    "TSRC": "isrc",
    "TSSE": "encoder",
    "TSST": "disc_subtitle",
}
_COMMENTS = frozenset(("", "comment", "comments", "description", "id3v1 comment", "c0", "xxx"))


def tags_before(file: BinaryIO) -> Iterator[bytes]:
    """The ID3v2 tags that stand at the file's place, which it is left after.

    Raises:
        Unreadable: one claims to be larger than any honest one.
    """
    for _ in range(_MAX_TAGS):
        start = file.tell()
        head = file.read(10)
        if len(head) < 10 or head[:3] != b"ID3":
            file.seek(start)
            return
        size = declared_size(head)
        file.seek(start + 10 + size)
        if size > MAX_TAG_BYTES:
            raise Unreadable(f"an ID3 tag of {size} bytes")
        file.seek(start)
        yield file.read(10 + size)
        file.seek(start + 10 + size)


def read_dsf(path: bytes, fields: MetadataFields, _sample_rate: int) -> bool:
    """The tag that a DSF file's head points at.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:  # noqa: PTH123  (paths are bytes here)
        head = file.read(28)
        place = int.from_bytes(head[20:28], "little")
        if head[:4] != b"DSD " or not place or place >= file.seek(0, os.SEEK_END):
            return False
        file.seek(place)
        read = False
        with reading("the ID3 tag"):
            for tag in tags_before(file):
                read_id3(tag, fields)
            read = True
    return read


def read_id3(content: bytes, fields: MetadataFields) -> None:
    """A whole ID3v2 tag.

    Raises:
        Unreadable: it is none that can be read.
    """
    from mutagen import MutagenError  # noqa: PLC0415  (40 ms, and most files have no tag)
    from mutagen.id3 import ID3  # noqa: PLC0415

    with reading("ID3", MutagenError, *FROM_MUTAGEN, passed_on=True):
        tag = ID3(io.BytesIO(worth_reading(content)), load_v1=False)
        _read_frames(tag, fields)


def read_id3v1(content: bytes, fields: MetadataFields) -> None:
    """The 128 bytes at the end of MP3 files; what an ID3v2 tag says in full is left out."""
    if content[:3] != b"TAG":
        return
    texts = {"title": content[3:33], "artist": content[33:63], "album": content[63:93]}
    comment = content[97:127]
    texts["comment"] = comment[:28] if comment[28:29] == b"\0" else comment
    for key, raw in texts.items():
        text = decode(raw.partition(b"\0")[0]).rstrip()
        if text and not fields.has_value_beginning(key, text):
            fields.add(key, text)


def _read_frames(tag: ID3, fields: MetadataFields) -> None:
    for frame in tag.values():
        kind = frame.FrameID
        if kind in _SPECIAL:
            _SPECIAL[kind](frame, fields)
        elif kind[0] == "T" or kind in _KEYS:
            for text in frame.text:
                fields.add(_KEYS.get(kind, kind), _text(str(text), frame.encoding))


def _chapter(frame: Any, fields: MetadataFields) -> None:
    title = frame.sub_frames.get("TIT2")
    words = _text(title.text[0], title.encoding) if title is not None and title.text else ""
    fields.add_marker(frame.start_time / 1000, words, end_s=frame.end_time / 1000)


def _private(frame: Any, fields: MetadataFields) -> None:
    if frame.owner == "XMP":
        with reading("XMP"):
            read_xmp(frame.data, fields)


def _lyrics(frame: Any, fields: MetadataFields) -> None:
    fields.add("lyrics", _text(frame.text, frame.encoding))


def _people(frame: Any, fields: MetadataFields) -> None:
    for role, person in frame.people:
        fields.add("credits", _text(f"{role}: {person}", frame.encoding))


def _genres(frame: Any, fields: MetadataFields) -> None:
    for genre in frame.genres:
        fields.add("genre", _text(genre, frame.encoding))


def _described(frame: Any, fields: MetadataFields) -> None:
    """A comment, in any language, or a text under a name of one's own."""
    name = _text(frame.desc, frame.encoding).strip()
    is_comment = frame.FrameID == "COMM" and name.lower() in _COMMENTS
    for text in frame.text:
        fields.add("comment" if is_comment else name or "text", _text(text, frame.encoding))


_SPECIAL: Mapping[str, Callable[[Any, MetadataFields], None]] = {
    "CHAP": _chapter,
    "COMM": _described,
    "IPLS": _people,
    "PRIV": _private,
    "TCON": _genres,
    "TIPL": _people,
    "TMCL": _people,
    "TXXX": _described,
    "USLT": _lyrics,
}


def _text(text: str, encoding: int) -> str:
    """A frame's text; what is declared Latin-1 may be UTF-8 or Windows' letters all the same."""
    if encoding == 0 and not text.isascii():
        try:
            return decode(text.encode("latin-1"))
        except UnicodeEncodeError:  # mutagen has changed it already
            return text
    return text
