"""Damage to sound files, in their structure rather than anywhere: seeded, the same every time.

In: tiny well-formed files and a number. Out: what that number makes of one of them. Sizes lie,
parts are missing, doubled, swapped or taken from another format, headers hold extremes, files end
early. Checksums of Ogg pages are put right now and then, since damage behind a checksum that
fails is never looked at.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.containers import Field, Layout, layout
from tests.sounds import (
    LOSSLESS,
    LOSSY,
    RATES,
    bext_chunk,
    cue_chunks,
    id3v2_tag,
    info_chunk,
    noise,
    wav_bytes,
    write_audio,
)

_MAX_BYTES = 1 << 20  # of a damaged file: what doubles again and again stays small


@dataclass(frozen=True)
class Seed:
    """A tiny well-formed file."""

    name: str  # with the suffix of its format
    content: bytes
    layout: Layout


def seeds(folder: Path) -> list[Seed]:
    """A quarter of a second in every format, some with tags, through `folder`."""
    made: dict[str, bytes] = {}
    folder.mkdir(parents=True, exist_ok=True)
    for number, suffix in enumerate((*LOSSLESS, *LOSSY)):
        rate = RATES.get(suffix, 16_000)
        path = folder / f"seed{suffix}"
        tags = {"title": "a title", "artist": "somebody"}
        write_audio(path, noise(seconds=0.25, rate=rate, seed=number), rate=rate, tags=tags)
        made[f"plain{suffix}"] = path.read_bytes()
    for name, codec, suffix in (("alac", "alac", ".m4a"), ("flac", "flac", ".ogg")):
        path = folder / f"{name}{suffix}"
        write_audio(path, noise(seconds=0.25, rate=48_000), rate=48_000, codec=codec)
        made[path.name] = path.read_bytes()
    sound = noise(seconds=0.25)
    around = info_chunk({b"INAM": b"title"}) + bext_chunk(description=b"a door")
    made["tags.wav"] = wav_bytes(sound, before=around, after=cue_chunks([(10, b"here")]))
    made["rf64.wav"] = wav_bytes(sound, rf64=True)
    made["float.wav"] = wav_bytes(sound, bits=32, floating=True)
    made["id3.mp3"] = (
        id3v2_tag({b"TIT2": b"\0title", b"APIC": b"\0image/png\0\3\0" + bytes(99)})
        + (made["plain.mp3"])
    )
    return [Seed(name, content, layout(content)) for name, content in sorted(made.items())]


def mutated(all_seeds: list[Seed], number: int, *, seed: int) -> tuple[str, bytes]:
    """The file of that number: a name with a suffix, and its damaged content."""
    dice = random.Random(f"{seed}:{number}")
    origin = all_seeds[number % len(all_seeds)]
    content = bytearray(origin.content)
    for _ in range(dice.choice((1, 1, 1, 2, 3, 5))):
        damage = dice.choice(list(_DAMAGES.values()))
        damage(content, origin.layout, dice, all_seeds)
        del content[_MAX_BYTES:]
    if dice.random() < 0.5:
        mend_checksums(content)
    return f"{number:06d}-{origin.name}", bytes(content)


def _number(content: bytearray, where: Layout, dice: random.Random, _seeds: object) -> None:
    """One of the file's numbers becomes an extreme, or nearly what it was."""
    usable = [each for each in where.fields if each.at + each.width <= len(content)]
    if usable:
        field = dice.choice(usable)
        write_number(content, field, dice.choice(_extremes(content, field)))


def _extremes(content: bytearray, field: Field) -> list[int]:
    order = "big" if field.big else "little"
    now = int.from_bytes(content[field.at : field.at + field.width], order)
    most = (1 << (8 * field.width)) - 1
    near = [now + 1, now - 1, now * 2, now // 2, now + 0x1000]
    return [0, 1, 2, 7, 8, most, most - 1, most >> 1, (most >> 1) + 1, len(content), *near]


def write_number(content: bytearray, field: Field, value: int) -> None:
    """Put a number into its place, cut to its width."""
    value &= (1 << (8 * field.width)) - 1
    order = "big" if field.big else "little"
    content[field.at : field.at + field.width] = value.to_bytes(field.width, order)


def _span(content: bytearray, where: Layout, dice: random.Random) -> tuple[int, int]:
    inside = [(start, end) for start, end in where.spans if start < end <= len(content)]
    return dice.choice(inside) if inside else (0, len(content))


def _bits(content: bytearray, where: Layout, dice: random.Random, _seeds: object) -> None:
    """A few bits near the beginning of a part flip."""
    start, end = _span(content, where, dice)
    for _ in range(dice.randint(1, 8)):
        at = dice.randrange(start, max(start + 1, min(end, start + 48)))
        if at < len(content):
            content[at] ^= 1 << dice.randrange(8)


def _bytes(content: bytearray, where: Layout, dice: random.Random, _seeds: object) -> None:
    """A stretch anywhere becomes noise, zeros or ones."""
    if content:
        start = dice.randrange(len(content))
        length = min(dice.choice((1, 4, 16, 200)), len(content) - start)
        filling = (dice.randbytes(length), bytes(length), b"\xff" * length)
        content[start : start + length] = dice.choice(filling)


def _remove(content: bytearray, where: Layout, dice: random.Random, _seeds: object) -> None:
    start, end = _span(content, where, dice)
    del content[start:end]


def _double(content: bytearray, where: Layout, dice: random.Random, _seeds: object) -> None:
    start, end = _span(content, where, dice)
    content[end:end] = content[start:end] * dice.choice((1, 1, 30))


def _swap(content: bytearray, where: Layout, dice: random.Random, _seeds: object) -> None:
    (a, b), (c, d) = sorted((_span(content, where, dice), _span(content, where, dice)))
    if b <= c:
        content[a:d] = content[c:d] + content[b:c] + content[a:b]


def _graft(content: bytearray, where: Layout, dice: random.Random, all_seeds: list[Seed]) -> None:
    """A part of another file takes a part's place, or stands before it."""
    start, end = _span(content, where, dice)
    other = dice.choice(all_seeds)
    first, last = _span(bytearray(other.content), other.layout, dice)
    content[start : dice.choice((start, end))] = other.content[first:last]


def _cut(content: bytearray, where: Layout, dice: random.Random, _seeds: object) -> None:
    """The file ends early: anywhere, or where a part begins."""
    start, _ = _span(content, where, dice)
    del content[dice.choice((start, dice.randrange(len(content) + 1))) :]


_Damage = Callable[[bytearray, Layout, random.Random, list[Seed]], None]
_DAMAGES: Mapping[str, _Damage] = {
    "number": _number,
    "more numbers": _number,  # what parsers trust most: three times as often as the rest
    "most numbers": _number,
    "bits": _bits,
    "bytes": _bytes,
    "remove": _remove,
    "double": _double,
    "swap": _swap,
    "graft": _graft,
    "cut": _cut,
}


def mend_checksums(content: bytearray) -> None:
    """Make the checksums of Ogg pages hold again, where pages can still be told apart."""
    at = content.find(b"OggS")
    while 0 <= at <= len(content) - 27:
        n_segments = content[at + 26]
        end = at + 27 + n_segments + sum(content[at + 27 : at + 27 + n_segments])
        if end <= len(content):
            content[at + 22 : at + 26] = bytes(4)
            struct.pack_into("<I", content, at + 22, _ogg_crc(content[at:end]))
        at = content.find(b"OggS", at + 4)


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1) ^ (0x04C11DB7 if value & 0x80000000 else 0)
        table.append(value & 0xFFFFFFFF)
    return table


_CRC = _crc_table()


def _ogg_crc(page: bytearray) -> int:
    """CRC-32 as Ogg has it (RFC 3533): no reflection, begins with 0."""
    value = 0
    for byte in page:
        value = (value << 8 & 0xFFFFFFFF) ^ _CRC[value >> 24 ^ byte]
    return value
