"""Production metadata in WAV files: Broadcast Wave (bext), iXML and cue markers.

In: a path. Out: texts by key (`bwf.description`, `ixml.scene`, `markers`). The chunks are found
by a walk of our own, which reads headers only, survives lying sizes and reads RF64; what is in
them is parsed by wavinfo, chunk by chunk, so that one broken chunk costs that chunk alone.

It does not read RIFF INFO (FFmpeg does) nor the sound.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import Any, BinaryIO

MAX_CHUNK_BYTES = 4 << 20  # larger than any honest bext, iXML or list of markers
MAX_CHUNKS = 4096
MAX_MARKERS = 256
_FORMS = (b"RIFF", b"RF64", b"BW64")
_IN_DS64 = 0xFFFFFFFF  # a size that does not fit 32 bits stands in the ds64 chunk
_WANTED = (b"bext", b"iXML", b"cue ", b"LIST", b"fmt ")

# What wavinfo and the standards call it -> what a person would look for.
_BEXT = {
    "description": "bwf.description",
    "originator": "bwf.originator",
    "originator_ref": "bwf.originator_reference",
    "originator_date": "bwf.date",
    "originator_time": "bwf.time",
    "time_reference": "bwf.time_reference",
    "coding_history": "bwf.coding_history",
}
# Parts of iXML that describe samples or sync, not what is heard.
_IXML_TECHNICAL = frozenset(
    {"BEXT", "FILE_SET", "HISTORY", "IXML_VERSION", "SPEED", "STEINBERG", "SYNC_POINT_LIST"}
)


def read_riff(path: bytes) -> dict[str, str]:
    """bext, iXML and cue markers of a WAV file; {} for files of another kind.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:  # noqa: PTH123  (paths are bytes here)
        chunks = dict(_chunks(file))
    found: dict[str, str] = {}
    for read in (_bext, _ixml, _markers):
        try:
            found |= read(chunks)
        # wavinfo asserts and unpacks without looking: whatever it says, this chunk is unreadable.
        except Exception:  # noqa: BLE001, S112
            continue
    return found


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """The wanted chunks of a WAV file, as (name, content); lists are named `LIST` + their type."""
    size_of_file = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(12)
    if head[:4] not in _FORMS or head[8:] != b"WAVE":
        return
    data_bytes = None  # of the sound itself, from ds64
    for _ in range(MAX_CHUNKS):
        header = file.read(8)
        if len(header) < 8:
            return
        name, size = header[:4], int.from_bytes(header[4:], "little")
        start = file.tell()
        if name == b"ds64":
            data_bytes = int.from_bytes(file.read(16)[8:], "little")
        elif name in _WANTED and size <= MAX_CHUNK_BYTES:
            content = file.read(size)
            yield (name + content[:4] if name == b"LIST" else name), content
        if name == b"data" and size == _IN_DS64 and data_bytes is not None:
            size = data_bytes
        if start + size > size_of_file:
            return
        file.seek(start + size + size % 2)


def _bext(chunks: dict[bytes, bytes]) -> dict[str, str]:
    if b"bext" not in chunks:
        return {}
    from wavinfo.wave_bext_reader import WavBextReader  # noqa: PLC0415  (30 ms, rarely needed)

    # The standard says ASCII; people write UTF-8 and Windows texts.
    content = chunks[b"bext"]
    bext = WavBextReader(content, _encoding(content[:320]))
    fields = {key: getattr(bext, name) for name, key in _BEXT.items()}
    found = {key: str(value) for key, value in fields.items() if value not in (None, "", 0)}
    if bext.loudness_value not in (None, 0.0, 327.67):  # 0x7FFF means not set
        found["bwf.loudness"] = f"{bext.loudness_value:g} LUFS"
    return found


def _ixml(chunks: dict[bytes, bytes]) -> dict[str, str]:
    if b"iXML" not in chunks:
        return {}
    from wavinfo.wave_ixml_reader import WavIXMLFormat  # noqa: PLC0415

    root = WavIXMLFormat(chunks[b"iXML"].rstrip(b"\0")).parsed.getroot()
    found: dict[str, str] = {}
    for element in root:
        if not isinstance(element.tag, str) or element.tag.upper() in _IXML_TECHNICAL:
            continue
        name = f"ixml.{element.tag.lower()}"
        if element.tag == "TRACK_LIST":
            names = [track.findtext("NAME") or "" for track in element.iter("TRACK")]
            found["ixml.tracks"] = "; ".join(text for text in names if text)
        elif len(element) == 0:
            found[name] = element.text or ""
        else:
            found |= _leaves(element, name)
    return {key: value for key, value in found.items() if value.strip()}


def _leaves(element: Any, name: str) -> dict[str, str]:
    """Texts one level below an lxml `element`, where ASWG, USER and LOCATION keep theirs."""
    return {
        f"{name}.{child.tag.lower()}": child.text or ""
        for child in element
        if isinstance(child.tag, str) and len(child) == 0
    }


def _markers(chunks: dict[bytes, bytes]) -> dict[str, str]:
    """Labels and notes of cue points, in the order of time: "12.500 s dog; 20.100 s door"."""
    if b"cue " not in chunks or b"LISTadtl" not in chunks:
        return {}
    from wavinfo.riff_parser import ChunkDescriptor  # noqa: PLC0415
    from wavinfo.wave_cues_reader import WavCuesReader  # noqa: PLC0415

    sizes = {name: len(chunks[name]) for name in (b"cue ", b"LISTadtl")}
    stream = io.BytesIO(chunks[b"cue "] + chunks[b"LISTadtl"])
    cue = ChunkDescriptor(b"cue ", 0, sizes[b"cue "], None)
    labels, notes = (
        [
            ChunkDescriptor(kind, start, size, None)
            for name, start, size in _listed(chunks[b"LISTadtl"], offset=sizes[b"cue "])
            if name == kind
        ]
        for kind in (b"labl", b"note")
    )
    encoding = _encoding(chunks[b"LISTadtl"], binary=True)
    cues = WavCuesReader.read_all(stream, cue, labels, [], notes, encoding)
    rate = int.from_bytes(chunks.get(b"fmt ", b"")[4:8], "little")
    texts: list[str] = []
    for ident, frame in sorted(cues.each_cue(), key=lambda cue: cue[1])[:MAX_MARKERS]:
        label, note = cues.label_and_note(ident)
        words = ", ".join(text for text in (label, note) if text)
        if words:
            texts.append(f"{frame / rate:.3f} s {words}" if rate else words)
    return {"markers": "; ".join(texts)} if texts else {}


def _listed(content: bytes, *, offset: int) -> Iterator[tuple[bytes, int, int]]:
    """Sub-chunks of a list as (name, start, size), `offset` added to the starts."""
    place = 4  # after the type of the list
    while place + 8 <= len(content):
        name, size = (
            content[place : place + 4],
            int.from_bytes(content[place + 4 : place + 8], "little"),
        )
        place += 8
        yield name, offset + place, min(size, len(content) - place)
        place += size + size % 2


def _encoding(content: bytes, *, binary: bool = False) -> str:
    """UTF-8 where the bytes are UTF-8 (or ASCII), else Windows' western letters."""
    try:
        (bytes(byte for byte in content if byte) if binary else content).decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"
