"""Which frames of an ID3v2 tag are worth reading: a smaller tag with the same texts.

mutagen keeps every frame, takes seconds for thousands of them, and blows up compressed ones
unasked; tags come from strangers. What it is given holds few frames, of bounded size, none of
them a picture or compressed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from audiosearch.audio.metadata.unreadable import Unreadable

MAX_FRAMES = 2000  # that are kept
MAX_WALKED = 20_000
MAX_TEXT_BYTES = (1 << 16) + 1  # letters of two bytes, after the byte that says so
MAX_PRIVATE_BYTES = 4 << 20  # XMP
_NAME = re.compile(rb"[A-Z][A-Z0-9]{2,3}")
_OTHERS = frozenset(
    (b"COMM", b"COM", b"USLT", b"ULT", b"CHAP", b"PRIV", b"IPLS", b"IPL", b"GRP1", b"MVNM")
)
_UNSYNCHRONISED, _EXTENDED = 0x80, 0x40  # in the tag's flags
_CLOSED = {2: 0, 3: 0xC0, 4: 0x0C}  # compressed or encrypted, in a frame's second byte of flags


@dataclass(frozen=True)
class _Frame:
    name: bytes
    flags: bytes  # two bytes, none in version 2.2
    body: bytes


def declared_size(head: bytes) -> int:
    """The size in a tag's head, which does not count that: four times seven bits."""
    return _synchsafe(head[6:10])


def worth_reading(content: bytes) -> bytes:
    """The tag anew, with its frames of text.

    Raises:
        Unreadable: of a version that is not known.
    """
    version, flags = content[3], content[5]
    if version not in _CLOSED:
        raise Unreadable(f"an ID3 tag of version 2.{version}")
    body = content[10 : 10 + declared_size(content)]
    if flags & _UNSYNCHRONISED and version < 4:  # later ones say so for each frame
        body = body.replace(b"\xff\0", b"\xff")
        flags &= ~_UNSYNCHRONISED
    if flags & _EXTENDED and not _NAME.fullmatch(body[:4]):
        own = _synchsafe(body[:4]) if version == 4 else 4 + int.from_bytes(body[:4], "big")
        body = body[own:]
    kept = b"".join(_written(frame, version) for frame in _wanted(body, version))
    return content[:5] + bytes([flags & _UNSYNCHRONISED]) + _seven_bits(len(kept)) + kept


def _wanted(body: bytes, version: int) -> Iterator[_Frame]:
    n_kept = 0
    for frame in _frames(body, version):
        if frame.name[:1] != b"T" and frame.name not in _OTHERS:
            continue
        n_kept += 1
        if n_kept > MAX_FRAMES:
            return
        limit = MAX_PRIVATE_BYTES if frame.name == b"PRIV" else MAX_TEXT_BYTES
        text = _titled(frame.body, version) if frame.name == b"CHAP" else frame.body
        yield _Frame(frame.name, frame.flags, text[:limit])


def _titled(chapter: bytes, version: int) -> bytes:
    """A chapter with nothing inside but its title: an identifier, four numbers, frames."""
    start = chapter.find(b"\0") + 1 + 16
    titles = [each for each in _frames(chapter[start:], version) if each.name == b"TIT2"]
    return chapter[:start] + b"".join(_written(each, version) for each in titles[:1])


def _frames(body: bytes, version: int) -> Iterator[_Frame]:
    """Frames that are neither compressed nor encrypted, the last one as far as it goes."""
    if version == 4 and len(list(_walk(body, 4, plain=True))) > len(list(_walk(body, 4))):
        found = _walk(body, 4, plain=True)  # as iTunes once wrote them
    else:
        found = _walk(body, version)
    for name, flags, start, end in found:
        if not (flags and flags[1] & _CLOSED[version]):
            yield _Frame(name, flags, body[start:end])


def _walk(
    body: bytes, version: int, *, plain: bool = False
) -> Iterator[tuple[bytes, bytes, int, int]]:
    letters, head = (3, 6) if version == 2 else (4, 10)
    place = 0
    for _ in range(MAX_WALKED):
        if place + head >= len(body):
            return
        name = body[place : place + letters]
        if not _NAME.fullmatch(name):
            return
        raw = body[place + letters : place + 2 * letters]
        size = _synchsafe(raw) if version == 4 and not plain else int.from_bytes(raw, "big")
        start = place + head
        yield name, body[start - 2 : start] if version > 2 else b"", start, start + size
        place = start + size


def _written(frame: _Frame, version: int) -> bytes:
    size = len(frame.body)
    if version == 2:
        return frame.name + size.to_bytes(3, "big") + frame.body
    written = _seven_bits(size) if version == 4 else size.to_bytes(4, "big")
    return frame.name + written + frame.flags + frame.body


def _synchsafe(size: bytes) -> int:
    number = 0
    for byte in size:
        number = number << 7 | byte & 127
    return number


def _seven_bits(size: int) -> bytes:
    return bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
