"""Damaged tags: every reader takes any bytes, in bounded time, and gives clean texts or nothing."""

from __future__ import annotations

import logging
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from audiosearch.audio.metadata.aiff import read_aiff
from audiosearch.audio.metadata.ape import read_tags_around
from audiosearch.audio.metadata.caf import read_caf
from audiosearch.audio.metadata.fields import MetadataFields
from audiosearch.audio.metadata.matroska import read_matroska
from audiosearch.audio.metadata.mp4 import read_mp4
from audiosearch.audio.metadata.of_file import read_asf
from audiosearch.audio.metadata.riff import read_riff
from audiosearch.audio.metadata.vorbis import read_flac, read_ogg
from tests.sounds import (
    ape_tag,
    bext_chunk,
    chunk,
    id3v1_tag,
    id3v2_tag,
    info_chunk,
    noise,
    wav_bytes,
    write_audio,
)
from tests.tagged_files import (
    XMP,
    adtl_chunk,
    aiff,
    comment_block,
    cue_chunk,
    flac_with,
    guano,
    wamd,
    wave64,
)

CASES = 400  # of each container
ID3 = id3v2_tag({b"TIT2": b"\0title", b"COMM": b"\0eng\0text", b"PRIV": b"XMP\0" + XMP})
WORDS = (
    bext_chunk(description=b"a door"),
    chunk(b"iXML", b"<BWFXML><SCENE>12A</SCENE><USER><A><B>x</B></A></USER></BWFXML>"),
    info_chunk({b"INAM": b"title", b"IKEY": b"a;b"}),
    cue_chunk([(1, 8), (2, 16)]),
    adtl_chunk([(b"labl", 1, b"label")], regions=[(2, 4, b"text", 1252)]),
    guano("Note: text"),
    wamd({1: b"SM4", 10: b"text"}),
    chunk(b"_PMX", XMP),
    chunk(b"id3 ", ID3),
)
SOUND = noise(seconds=0.05)


def tagged(suffix: str, folder: Path) -> bytes:
    if suffix == ".wav":
        return wav_bytes(SOUND, after=b"".join(WORDS))
    if suffix == ".w64":
        return wave64(*((each[:4], each[8:]) for each in WORDS))
    if suffix == ".aiff":
        marks = struct.pack(">HHIB", 1, 1, 8, 3) + b"cue"
        return aiff((b"NAME", b"title"), (b"MARK", marks), (b"COMT", b"\0\1" + b"\0" * 20))
    rate = 48_000 if suffix in (".opus", ".mka") else 16_000
    tags = {"title": "a title", "artist": "somebody", "genre": "Ambience"}
    plain = write_audio(folder / f"a{suffix}", SOUND, rate=rate, tags=tags).read_bytes()
    if suffix == ".flac":
        return flac_with(
            plain,
            (4, comment_block("TITLE=x", "CHAPTER01=00:00:01", "CHAPTER01NAME=y")),
            *((2, b"riff" + each) for each in WORDS),
        )
    if suffix == ".mp3":
        return ID3 + plain + ape_tag({b"Title": b"x", b"Artist": b"a\0b"}) + id3v1_tag(b"old")
    return plain


READERS: dict[str, Callable[[bytes, MetadataFields, int], bool]] = {
    ".aiff": read_aiff,
    ".caf": read_caf,
    ".flac": read_flac,
    ".m4a": read_mp4,
    ".mka": read_matroska,
    ".mp3": read_tags_around,
    ".opus": read_ogg,
    ".w64": read_riff,
    ".wav": read_riff,
    ".wma": read_asf,
}


@pytest.mark.parametrize("suffix", READERS)
def test_readers_take_anything(tmp_path: Path, suffix: str) -> None:
    whole = tagged(suffix, tmp_path)
    dice = random.Random(suffix)
    words = [at for at in range(len(whole)) if whole[at : at + 4].isalnum()]
    path = tmp_path / f"damaged{suffix}"
    for _ in range(CASES):
        content = bytearray(whole)
        for _ in range(dice.choice((1, 2, 5))):
            at = max(0, min(dice.choice(words) + dice.randint(-8, 8), len(content) - 1))
            content[at] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
        if dice.random() < 0.2:
            del content[dice.randrange(len(content)) :]
        path.write_bytes(content)
        fields = MetadataFields()
        READERS[suffix](os.fsencode(path), fields, 16_000)  # raises nothing
        for values in fields.bounded().values():
            assert values
            assert all(value.isprintable() for value in values)


def test_what_cannot_be_read_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav_bytes(SOUND, after=chunk(b"iXML", b"nothing") + WORDS[2]))
    fields = MetadataFields()
    with caplog.at_level(logging.INFO):
        read_riff(os.fsencode(path), fields, 16_000)
    assert fields.bounded()["title"] == ("title",)
    assert "ixml" in caplog.text
