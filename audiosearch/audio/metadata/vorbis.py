"""Vorbis comments, the tags of FLAC and of everything in Ogg: names of one's own choice."""

from __future__ import annotations

import re
import struct

from audiosearch.audio.metadata.fields import MAX_MARKERS, Fields
from audiosearch.audio.metadata.text import decode
from audiosearch.audio.metadata.unreadable import Unreadable

_MAX_COMMENTS = 20_000
_MAX_COMMENT_BYTES = 1 << 18  # pictures are longer
_KEYS = {
    "albumartist": "album_artist",
    "discnumber": "disc",
    "keyword": "keywords",
    "tracknumber": "track",
    "unsyncedlyrics": "lyrics",
}
_CHAPTER = re.compile(r"chapter(\d{2,4})(name)?")
_TIME = re.compile(r"(\d{1,4}):(\d{1,2}):(\d{1,2}(?:\.\d{1,9})?)")
_CUE_INDEX = re.compile(r"INDEX\s+0*1\s+(\d{1,5}):(\d{1,2}):(\d{1,2})")
_CUE_TITLE = re.compile(r'TITLE\s+(?:"([^"]*)"|(\S.*))')
_CUE_FRAMES = 75  # a second


def read_comments(content: bytes, fields: Fields) -> None:
    """A comment block, from the vendor's name on; what there is of one that is cut short.

    Raises:
        Unreadable: it is none.
    """
    if len(content) < 8:
        raise Unreadable("Vorbis comments of less than eight bytes")
    place = 4 + int.from_bytes(content[:4], "little")
    if place + 4 > len(content):
        raise Unreadable("Vorbis comments that end in the vendor's name")
    (count,) = struct.unpack_from("<I", content, place)
    place += 4
    starts: dict[str, float] = {}
    names: dict[str, str] = {}
    for _ in range(min(count, _MAX_COMMENTS)):
        if place + 4 > len(content):
            break
        (size,) = struct.unpack_from("<I", content, place)
        place += 4
        if size <= _MAX_COMMENT_BYTES:
            name, _, value = decode(content[place : place + size]).partition("=")
            _comment(name.strip().lower(), value, fields, starts=starts, names=names)
        place += size
    for number in sorted(starts, key=lambda each: starts[each])[:MAX_MARKERS]:
        fields.add_marker(starts[number], names.get(number, ""))


def _comment(
    name: str, value: str, fields: Fields, *, starts: dict[str, float], names: dict[str, str]
) -> None:
    chapter = _CHAPTER.fullmatch(name)
    if chapter and chapter[2]:
        names[chapter[1]] = value
    elif chapter:
        time = _TIME.fullmatch(value.strip())
        if time:
            starts[chapter[1]] = int(time[1]) * 3600 + int(time[2]) * 60 + float(time[3])
    elif name in ("cuesheet", "cue_sheet"):
        read_cue_sheet(value, fields)
    else:
        fields.add(_KEYS.get(name, name), value)


def read_cue_sheet(text: str, fields: Fields) -> None:
    """A cue sheet, as CD burners and players keep it: a title and a start for each track."""
    title = ""
    in_track = False
    for line in text.splitlines()[: 10 * MAX_MARKERS]:
        line = line.strip()  # noqa: PLW2901
        if line.upper().startswith("TRACK"):
            in_track, title = True, ""
        elif in_track and (found := _CUE_TITLE.match(line)):
            title = found[1] if found[1] is not None else found[2]
        elif in_track and (found := _CUE_INDEX.match(line)):
            frames = int(found[3]) / _CUE_FRAMES
            fields.add_marker(int(found[1]) * 60 + int(found[2]) + frames, title)
