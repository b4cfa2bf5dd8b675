"""Metadata as other programs write it, by hand: chunks, blocks, boxes and packets as bytes.

Beside `tests/sounds.py`, which makes the sound around them.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from tests.sounds import chunk, pcm_bytes, tone

RATE = 16_000


def adtl_chunk(
    labels: Sequence[tuple[bytes, int, bytes]] = (),
    *,
    regions: Sequence[tuple[int, int, bytes, int]] = (),
) -> bytes:
    """Associated data: (b"labl" or b"note", point, text), and (point, length, text, page)."""
    content = b"".join(
        chunk(kind, struct.pack("<I", point) + text + b"\0") for kind, point, text in labels
    )
    content += b"".join(
        chunk(b"ltxt", struct.pack("<II4sHHHH", point, length, b"rgn ", 0, 0, 0, page) + text)
        for point, length, text, page in regions
    )
    return chunk(b"LIST", b"adtl" + content)


def cue_chunk(points: Sequence[tuple[int, int]]) -> bytes:
    """Cue points: (number, frame)."""
    return chunk(
        b"cue ",
        struct.pack("<I", len(points))
        + b"".join(
            struct.pack("<II4sIII", number, frame, b"data", 0, 0, frame) for number, frame in points
        ),
    )


def wave64(*chunks: tuple[bytes, bytes]) -> bytes:
    """A Wave64 file of a tone; chunks are (four letters, content)."""
    tail = bytes.fromhex("f3acd3118cd100c04f8edb8a")
    sound = pcm_bytes(tone())
    form = struct.pack("<HHIIHH", 1, 1, RATE, RATE * 2, 2, 16)
    body = b"wave" + tail
    for name, content in ((b"fmt ", form), *chunks, (b"data", sound)):
        guid = name if len(name) == 16 else name + tail
        body += guid + struct.pack("<Q", 24 + len(content)) + content
        body += b"\0" * (-len(content) % 8)
    riff = bytes.fromhex("726966662e91cf11a5d628db04c10000")
    return riff + struct.pack("<Q", 24 + len(body)) + body


def aiff(*chunks: tuple[bytes, bytes]) -> bytes:
    """An AIFF file of a tone."""
    sound = b"\0" * 8 + pcm_bytes(tone())
    common = struct.pack(">hIh", 1, RATE, 16) + bytes.fromhex("400cfa00000000000000")
    body = b"AIFF" + big_chunk(b"COMM", common)
    body += b"".join(big_chunk(name, content) for name, content in chunks)
    body += big_chunk(b"SSND", sound)
    return b"FORM" + struct.pack(">I", len(body)) + body


def big_chunk(name: bytes, content: bytes) -> bytes:
    """A chunk with its size the other way round, padded."""
    return name + struct.pack(">I", len(content)) + content + b"\0" * (len(content) % 2)


def flac_with(plain: bytes, *blocks: tuple[int, bytes]) -> bytes:
    """A FLAC file with further metadata blocks (kind, content) after the first."""
    assert plain[:4] == b"fLaC"
    after = 4 + 4 + int.from_bytes(plain[5:8], "big")
    inserted = b"".join(
        bytes([kind]) + len(content).to_bytes(3, "big") + content for kind, content in blocks
    )
    return plain[:4] + bytes([plain[4] & 0x7F]) + plain[5:after] + inserted + plain[after:]


def comment_block(*comments: str | bytes) -> bytes:
    """Vorbis comments, as FLAC has them."""
    raw = [each if isinstance(each, bytes) else each.encode() for each in comments]
    fields = b"".join(struct.pack("<I", len(each)) + each for each in raw)
    return struct.pack("<I", 4) + b"test" + struct.pack("<I", len(raw)) + fields


def ogg_with(plain: bytes, comments: bytes) -> bytes:
    """An Ogg Opus file with other comments: its second page made anew."""
    pages = plain.split(b"OggS")[1:]
    packet = b"OpusTags" + comments
    sizes = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    assert len(sizes) < 256
    old = pages[1]
    head = b"OggS" + old[:18] + b"\0\0\0\0" + bytes([len(sizes)]) + sizes
    page = bytearray(head + packet)
    page[22:26] = struct.pack("<I", _ogg_crc(bytes(page)))
    rest = b"".join(b"OggS" + each for each in pages[2:])
    return b"OggS" + pages[0] + bytes(page) + rest


def _ogg_crc(page: bytes) -> int:
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1) ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1
        crc &= 0xFFFFFFFF
    return crc


def box(name: bytes, content: bytes) -> bytes:
    """An MP4 box."""
    return struct.pack(">I", 8 + len(content)) + name + content


def guano(*lines: str, encoding: str = "utf-8") -> bytes:
    """A GUANO chunk."""
    return chunk(b"guan", "\n".join(("GUANO|Version: 1.0", *lines)).encode(encoding))


def wamd(fields: Mapping[int, bytes]) -> bytes:
    """A Wildlife Acoustics chunk."""
    return chunk(
        b"wamd",
        b"".join(struct.pack("<HI", number, len(text)) + text for number, text in fields.items()),
    )


XMP = b"""<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:xmpDM="http://ns.adobe.com/xmp/1.0/DynamicMedia/" xmpDM:genre="Nature">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Lagune bei Ebbe</rdf:li></rdf:Alt></dc:title>
<dc:subject><rdf:Bag><rdf:li>waders</rdf:li><rdf:li>mud flat</rdf:li></rdf:Bag></dc:subject>
<xmpDM:logComment>wind picks up</xmpDM:logComment>
<xmpDM:Tracks><rdf:Bag><rdf:li rdf:parseType="Resource">
<xmpDM:frameRate>f16000</xmpDM:frameRate><xmpDM:markers><rdf:Seq>
<rdf:li xmpDM:startTime="8000" xmpDM:duration="4000" xmpDM:name="curlew" xmpDM:comment="far"/>
<rdf:li rdf:parseType="Resource"><xmpDM:startTime>12000</xmpDM:startTime>
<xmpDM:name>plover</xmpDM:name></rdf:li>
</rdf:Seq></xmpDM:markers></rdf:li></rdf:Bag></xmpDM:Tracks>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""
