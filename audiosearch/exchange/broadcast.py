"""What a Broadcast Wave says of itself: its bext and iXML chunks, moved along with a cut.

bext is EBU Tech 3285, iXML gallery.co.uk/ixml. What a source says is carried over as it is, byte
for byte; what is new is ASCII in bext, as its readers decode, and whole in iXML.
"""

from __future__ import annotations

import struct
import unicodedata
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from xml.etree import ElementTree as Xml

from audiosearch.audio.metadata.ucs import ucs_names
from audiosearch.audio.metadata.unreadable import Unreadable
from audiosearch.audio.metadata.xml import Element, parse

_FIXED = struct.Struct("<256s32s32s10s8sQH")  # up to the version
_RESERVED = 64 + 10 + 180  # UMID and loudness, of the whole and not of a part of it, and reserve
_DAY_S = 86_400
# What is written anew, and what is true of the whole recording alone.
_NOT_CARRIED = frozenset(
    (
        *("IXML_VERSION", "SPEED", "BEXT", "HISTORY", "FILE_UID", "FILE_SET", "LOUDNESS"),
        *("SYNC_POINT_LIST", "PREROLL_SAMPLE_COUNT", "POSTROLL_SAMPLE_COUNT"),
    )
)
_OF_SPEED = ("NOTE", "MASTER_SPEED", "CURRENT_SPEED", "TIMECODE_RATE", "TIMECODE_FLAG")


@dataclass(frozen=True, kw_only=True)
class BextChunk:
    """A bext chunk; texts as bytes, since nobody says which letters they are.

    Attributes:
        time_reference: samples since midnight at which the sound begins.
        history: how it was coded, a line for each step.
    """

    description: bytes = b""
    originator: bytes = b""
    reference: bytes = b""
    date: bytes = b""
    time: bytes = b""
    time_reference: int = 0
    history: bytes = b""

    @classmethod
    def read(cls, content: bytes) -> BextChunk | None:
        """What a chunk holds; None where it is cut short."""
        if len(content) < _FIXED.size:
            return None
        *texts, time_reference, _version = _FIXED.unpack_from(content)
        texts = [text.partition(b"\0")[0] for text in texts]
        history = content[_FIXED.size + _RESERVED :].partition(b"\0")[0]
        return cls(
            description=texts[0],
            originator=texts[1],
            reference=texts[2],
            date=texts[3],
            time=texts[4],
            time_reference=time_reference,
            history=history,
        )

    def pack(self) -> bytes:
        """The chunk's content, of version 1: without a UMID and without loudness."""
        head = _FIXED.pack(
            self.description[:256],
            self.originator[:32],
            self.reference[:32],
            self.date[:10],
            self.time[:8],
            self.time_reference,
            1,
        )
        return head + bytes(_RESERVED) + self.history

    def moved(self, n_samples: int, *, rate: int) -> BextChunk:
        """As of a sound that begins so much later, across midnight too.

        The time of day moves only where it is the one of the time reference: recorders write
        there when the recording began, other programs when the file was made.
        """
        day = _DAY_S * rate
        days, reference = divmod(self.time_reference + n_samples, day)
        if self.time_reference >= day:  # it counts on beyond midnight already
            return replace(self, time_reference=self.time_reference + n_samples)
        was_s = self.time_reference / rate
        told_s = _seconds_of(self.time)
        at_start = told_s is not None and self.time_reference and abs(told_s - was_s) <= 2
        return replace(
            self,
            time_reference=reference,
            date=_later_day(self.date, days),
            time=_clock(reference / rate) if at_start else self.time,
        )

    def at(self, clock: datetime, *, rate: int) -> BextChunk:
        """As of a sound that begins at this time of the day."""
        since_s = clock.hour * 3600 + clock.minute * 60 + clock.second + clock.microsecond / 1e6
        return replace(
            self,
            date=clock.date().isoformat().encode(),
            time=clock.strftime("%H:%M:%S").encode(),
            time_reference=round(since_s * rate),
        )


def _seconds_of(time: bytes) -> int | None:
    digits = time[:2] + time[3:5] + time[6:8]
    if len(time) != 8 or not digits.isdigit():
        return None
    return 3600 * int(time[:2]) + 60 * int(time[3:5]) + int(time[6:8])


def _clock(seconds: float) -> bytes:
    minutes, second = divmod(int(seconds), 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}".encode()


def _later_day(day: bytes, n_days: int) -> bytes:
    if not n_days:
        return day
    mark = day[4:5].decode("latin-1")
    try:
        then = date.fromisoformat(day.decode("ascii").replace(mark, "-")) + timedelta(days=n_days)
    except (ValueError, OverflowError):
        return day
    return then.isoformat().replace("-", mark).encode()


def ascii_text(text: str) -> bytes:
    """Words in ASCII, accents left off, `?` for what has no letter there."""
    plain = unicodedata.normalize("NFKD", text)
    kept = "".join(each for each in plain if not unicodedata.combining(each))
    return kept.encode("ascii", "replace")


@dataclass(frozen=True, kw_only=True)
class ClipStory:
    """What is written into a clip.

    Attributes:
        source_name: of the file that it was cut from.
        caption: words for it.
        start_sample: where in the source it begins.
        bits: of a sample; 32 also for floats.
        ucs: CatID; "" is not known.
        fields: further facts by name, for iXML's USER part.
        clock_start: when the clip begins, where the recorder's clock tells it.
    """

    source_name: str
    caption: str
    start_sample: int
    sample_rate: int
    channels: int
    bits: int
    ucs: str = ""
    fields: Mapping[str, str]
    program: str
    clock_start: datetime | None = None


def clip_bext(source: BextChunk | None, story: ClipStory) -> BextChunk:
    """The bext chunk of a clip: its source's, moved, or a new one.

    A new one tells the time of day, where a recorder's clock is known (from the file's name, or
    GUANO), and otherwise counts from the beginning of the source.
    """
    moved = (source or BextChunk()).moved(story.start_sample, rate=story.sample_rate)
    if story.clock_start is not None and not (moved.date and (source or moved).time_reference):
        moved = moved.at(story.clock_start, rate=story.sample_rate)
    mode = {1: ",M=mono", 2: ",M=stereo"}.get(story.channels, "")
    cut = f"T={story.program}, cut from {story.source_name}".replace("\r", " ").replace("\n", " ")
    line = f"A=PCM,F={story.sample_rate},W={story.bits}{mode},{cut}"
    history = moved.history.rstrip(b"\r\n")
    return replace(
        moved,
        description=moved.description or ascii_text(story.caption)[:256],
        originator=moved.originator or ascii_text(story.program)[:32],
        history=(history + b"\r\n" if history else b"") + ascii_text(line) + b"\r\n",
    )


def clip_ixml(source: bytes | None, bext: BextChunk, story: ClipStory) -> bytes:
    """The iXML chunk of a clip: its source's, as far as that is true of a part, and what is new."""
    root = Xml.Element("BWFXML")
    _add(root, "IXML_VERSION", "2.0")
    carried = _parsed(source)
    _add(root, "FILE_UID", uuid.uuid4().hex)
    note = "" if carried is None else carried.child_text("NOTE")
    for each in carried.children if carried is not None else ():
        if each.name.upper() not in (*_NOT_CARRIED, "NOTE", "USER"):
            root.append(_copy(each))
    _add(
        root,
        "NOTE",
        note if story.caption in note else "; ".join(filter(None, (note, story.caption))),
    )
    if root.find("TRACK_LIST") is None:
        _tracks(root, story.channels)
    _speed(root, carried, bext, story)
    history = Xml.SubElement(root, "HISTORY")
    _add(history, "ORIGINAL_FILENAME", story.source_name)
    parent = "" if carried is None else carried.child_text("FILE_UID")
    if parent:
        _add(history, "PARENT_UID", parent)
    _bext(root, bext)
    _user(root, carried, story)
    Xml.indent(root)
    text = Xml.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def _parsed(source: bytes | None) -> Element | None:
    if source is None:
        return None
    try:
        return parse(source)
    except Unreadable:
        return None


def _add(parent: Xml.Element, name: str, text: str) -> None:
    Xml.SubElement(parent, name).text = _in_xml(text)


def _in_xml(text: str) -> str:
    """What XML may hold of a text."""
    return "".join(
        each
        for each in text.encode("utf-8", "replace").decode("utf-8")
        if each in "\t\n" or (each >= " " and each not in "\ufffe\uffff")
    )


def _copy(element: Element) -> Xml.Element:
    made = Xml.Element(
        element.name, {name: _in_xml(v) for (_, name), v in element.attributes.items()}
    )
    made.text = _in_xml(element.text.strip() if element.children else element.text)
    made.extend([_copy(child) for child in element.children])
    return made


def _tracks(root: Xml.Element, channels: int) -> None:
    """A list without names: readers count on one."""
    tracks = Xml.SubElement(root, "TRACK_LIST")
    _add(tracks, "TRACK_COUNT", str(channels))
    for number in range(1, channels + 1):
        track = Xml.SubElement(tracks, "TRACK")
        _add(track, "CHANNEL_INDEX", str(number))
        _add(track, "INTERLEAVE_INDEX", str(number))


def _speed(root: Xml.Element, source: Element | None, bext: BextChunk, story: ClipStory) -> None:
    speed = Xml.SubElement(root, "SPEED")
    told = None if source is None else source.child("SPEED")
    for name in _OF_SPEED if told is not None else ():
        if told is not None and told.child_text(name):
            _add(speed, name, told.child_text(name))
    _add(speed, "FILE_SAMPLE_RATE", str(story.sample_rate))
    _add(speed, "AUDIO_BIT_DEPTH", str(story.bits))
    _add(speed, "DIGITIZER_SAMPLE_RATE", str(story.sample_rate))
    _add(speed, "TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI", str(bext.time_reference >> 32))
    _add(speed, "TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO", str(bext.time_reference & 0xFFFFFFFF))
    _add(speed, "TIMESTAMP_SAMPLE_RATE", str(story.sample_rate))


def _bext(root: Xml.Element, bext: BextChunk) -> None:
    part = Xml.SubElement(root, "BEXT")
    for name, content in (
        ("BWF_DESCRIPTION", bext.description),
        ("BWF_ORIGINATOR", bext.originator),
        ("BWF_ORIGINATOR_REFERENCE", bext.reference),
        ("BWF_ORIGINATION_DATE", bext.date),
        ("BWF_ORIGINATION_TIME", bext.time),
    ):
        _add(part, name, content.decode("utf-8", "replace"))
    _add(part, "BWF_TIME_REFERENCE_LOW", str(bext.time_reference & 0xFFFFFFFF))
    _add(part, "BWF_TIME_REFERENCE_HIGH", str(bext.time_reference >> 32))
    _add(part, "BWF_VERSION", "1")


def _user(root: Xml.Element, source: Element | None, story: ClipStory) -> None:
    """Where libraries of sounds keep what they say of it (Soundminer, Basehead, UCS)."""
    told = None if source is None else source.child("USER")
    user = Xml.Element("USER") if told is None else _copy(told)
    root.append(user)
    category, subcategory = ucs_names(story.ucs) if story.ucs else ("", "")
    fields = {
        "DESCRIPTION": story.caption,
        "CATID": story.ucs,
        "CATEGORY": category,
        "SUBCATEGORY": subcategory,
        **story.fields,
    }
    there = {each.tag.upper() for each in user}
    for name, text in fields.items():
        if text and name not in there:
            _add(user, name, text)
