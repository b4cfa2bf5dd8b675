"""Texts of what is not WAV: ID3, APE, Vorbis, AIFF, MP4, ASF, Matroska and Core Audio."""

from __future__ import annotations

import os
import struct
import time
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from mutagen.asf import ASF
from mutagen.id3 import CHAP, COMM, GRP1, ID3, PRIV, TCON, TIT2, TPE1, TXXX, Encoding
from mutagen.mp4 import MP4

from audiosearch.audio.metadata import read_metadata
from audiosearch.audio.metadata.tags import tags_of
from tests.sounds import (
    ape_tag,
    bext_chunk,
    chunk,
    id3v1_tag,
    id3v2_tag,
    info_chunk,
    noise,
    tone,
    wav_bytes,
    write_audio,
)
from tests.tagged_files import (
    XMP,
    adtl_chunk,
    aiff,
    big_chunk,
    box,
    comment_block,
    cue_chunk,
    flac_with,
    ogg_with,
)

Texts = dict[str, tuple[str, ...]]
IXML = chunk(b"iXML", "<BWFXML><SCENE>Brücke</SCENE></BWFXML>".encode("latin-1"))


def texts_of(path: Path, content: bytes | None = None) -> Texts:
    if content is not None:
        path.write_bytes(content)
    return read_metadata(os.fsencode(path))


def mp3(folder: Path, *, before: bytes = b"", after: bytes = b"") -> Texts:
    plain = write_audio(folder / "plain.mp3", tone(rate=44_100), rate=44_100).read_bytes()
    size = sum((plain[6 + place] & 127) << 7 * (3 - place) for place in range(4))
    sound = plain[10 + size :] if plain[:3] == b"ID3" else plain
    return texts_of(folder / "a.mp3", before + sound + after)


def id3(folder: Path, *frames: object, version: int = 4) -> bytes:
    path = folder / "tag"
    tag = ID3()
    for frame in frames:
        tag.add(frame)
    if version == 3:
        tag.update_to_v23()
    tag.save(path, v2_version=version)
    return path.read_bytes()


@pytest.mark.parametrize("version", [3, 4])
def test_id3(tmp_path: Path, version: int) -> None:
    tag = id3(
        tmp_path,
        TIT2(Encoding.UTF8, "Möwen"),
        TPE1(Encoding.UTF8, ["First", "Second"]),
        TCON(Encoding.UTF8, ["Ambience", "Nature"]),
        COMM(Encoding.UTF8, lang="eng", desc="", text="gulls"),
        COMM(Encoding.UTF8, lang="deu", desc="", text="Lachmöwen"),
        GRP1(Encoding.UTF8, "Coast"),
        TXXX(Encoding.UTF8, desc="Keywords", text="sea; bird"),
        CHAP(
            element_id="c1", start_time=250, end_time=750, sub_frames=[TIT2(Encoding.UTF8, "cry")]
        ),
        PRIV(owner="XMP", data=XMP),
        version=version,
    )
    found = mp3(tmp_path, before=tag)
    assert found["title"] == ("Möwen",)
    # Version 3 has no way to write several but a slash.
    assert found["artist"] == (("First", "Second") if version == 4 else ("First/Second",))
    assert found["comment"] == ("gulls", "Lachmöwen")
    assert found["grouping"] == ("Coast",)
    assert "0.250-0.750 s cry" in found["markers"]
    assert found["xmp.title"] == ("Lagune bei Ebbe",)
    assert {"Ambience", "Nature", "sea", "bird", "waders"} <= set(tags_of(found))


def test_id3_that_is_not_in_the_letters_it_declares(tmp_path: Path) -> None:
    tag = id3v2_tag(
        {
            b"TIT2": b"\0" + "Möwen".encode(),
            b"TPE1": b"\0" + "Zoë".encode("latin-1"),
            b"TALB": b"\0\x93quoted\x94",
            b"TCON": b"\0(37)",
        }
    )
    found = mp3(tmp_path, before=tag)
    assert found["title"] == ("Möwen",)
    assert found["artist"] == ("Zoë",)
    assert found["album"] == ("“quoted”",)
    assert found["genre"] == ("Sound Clip",)


def test_ape_tags_of_mp3(tmp_path: Path) -> None:
    ape = ape_tag({b"Title": "Möwen".encode(), b"Keywords": b"gull\0tern", b"Artist": b"A"})
    found = mp3(tmp_path, before=id3v2_tag({b"TIT2": b"\0Gulls"}), after=ape)
    assert found["title"] == ("Gulls", "Möwen")
    assert tags_of(found) == ("gull", "tern")
    found = mp3(tmp_path, after=ape + id3v1_tag(b"Old title"))
    assert found["title"] == ("Möwen", "Old title")


def test_id3v1_adds_only_what_is_not_told_in_full(tmp_path: Path) -> None:
    long = "A very long title of gulls at the pier"
    found = mp3(
        tmp_path,
        before=id3v2_tag({b"TIT2": b"\0" + long.encode()}),
        after=id3v1_tag(long[:30].encode()),
    )
    assert found["title"] == (long,)


def test_frames_that_would_blow_up_are_not_read(tmp_path: Path) -> None:
    bomb = zlib.compress(b"\0" + b"x" * 50_000_000)
    content = struct.pack(">I", 50_000_001) + bomb
    frame = b"TIT2" + struct.pack(">I", len(content)) + b"\0\x80" + content
    size = bytes((len(frame) >> shift) & 127 for shift in (21, 14, 7, 0))
    found = mp3(tmp_path, before=b"ID3\x03\0\0" + size + frame, after=ape_tag({b"Artist": b"A"}))
    assert found["artist"] == ("A",)
    assert all(len(value) <= 4000 for values in found.values() for value in values)


def test_tags_of_too_many_frames_are_not_read(tmp_path: Path) -> None:
    frame = b"TPE1" + struct.pack(">I", 3) + b"\0\0\0ab"
    many = frame * 300_000
    size = bytes((len(many) >> shift) & 127 for shift in (21, 14, 7, 0))
    started = time.process_time()
    found = mp3(tmp_path, before=b"ID3\x03\0\0" + size + many, after=ape_tag({b"Title": b"x"}))
    assert found["title"] == ("x",)
    assert time.process_time() - started < 5


def test_flac(tmp_path: Path) -> None:
    plain = write_audio(tmp_path / "plain.flac", tone()).read_bytes()
    comments = comment_block(
        "TITLE=Möwen",
        "ARTIST=First",
        "artist=Second",
        "DESCRIPTION=gulls over the pier",
        "COMMENT=wind from the left",
        "GENRE=Ambience",
        "KEYWORDS=sea; bird",
        "KEYWORD=pier",
        "CHAPTER001=00:00:00.250",
        "CHAPTER001NAME=cry",
        b"LOCATION=Br\xfccke",
        "no equals sign",
    )
    found = texts_of(tmp_path / "a.flac", flac_with(plain, (4, comments)))
    assert found["title"] == ("Möwen",)
    assert found["artist"] == ("First", "Second")
    assert found["description"] == ("gulls over the pier",)
    assert found["comment"] == ("wind from the left",)
    assert found["location"] == ("Brücke",)
    assert found["markers"] == ("0.250 s cry",)
    assert tags_of(found) == ("Ambience", "sea", "bird", "pier")


def test_what_flac_keeps_of_a_wav_file(tmp_path: Path) -> None:
    plain = write_audio(tmp_path / "plain.flac", tone()).read_bytes()
    kept = (
        b"RIFF" + struct.pack("<I", 9999) + b"WAVE",
        bext_chunk(description=b"heron at dusk"),
        b"data" + struct.pack("<I", 32_000),
        IXML,
        info_chunk({b"INAM": b"Hafen"}),
        cue_chunk([(1, 8_000)]),
        adtl_chunk([(b"labl", 1, b"splash")], regions=[(1, 1_600, b"", 0)]),
    )
    content = flac_with(plain, *((2, b"riff" + each) for each in kept))
    found = texts_of(tmp_path / "a.flac", content)
    assert found["bwf.description"] == ("heron at dusk",)
    assert found["ixml.scene"] == ("Brücke",)
    assert found["title"] == ("Hafen",)
    assert found["markers"] == ("0.500-0.600 s splash",)


def test_what_flac_keeps_of_others(tmp_path: Path) -> None:
    plain = write_audio(tmp_path / "plain.flac", tone()).read_bytes()
    of_aiff = (
        b"FORM" + struct.pack(">I", 9999) + b"AIFF",
        big_chunk(b"NAME", b"Hafen"),
        big_chunk(b"SSND", b""),
    )
    content = flac_with(plain, *((2, b"aiff" + each) for each in of_aiff))
    assert texts_of(tmp_path / "a.flac", content)["title"] == ("Hafen",)
    bext = bext_chunk(description=b"heron")[8:]
    guid = b"bext" + bytes.fromhex("f3acd3118cd100c04f8edb8a")
    content = flac_with(plain, (2, b"w64 " + guid + struct.pack("<Q", 24 + len(bext)) + bext))
    assert texts_of(tmp_path / "b.flac", content)["bwf.description"] == ("heron",)


def test_cue_sheets_of_flac(tmp_path: Path) -> None:
    plain = write_audio(tmp_path / "plain.flac", tone()).read_bytes()
    sheet = """FILE "a.flac" WAVE
  TITLE "The whole"
  TRACK 01 AUDIO
    TITLE "Gulls"
    INDEX 01 00:00:00
  TRACK 02 AUDIO
    TITLE "Ferry"
    INDEX 00 00:00:10
    INDEX 01 01:02:15"""
    found = texts_of(tmp_path / "a.flac", flac_with(plain, (4, comment_block("CUESHEET=" + sheet))))
    assert found["markers"] == ("0.000 s Gulls", "62.200 s Ferry")


def test_ogg(tmp_path: Path) -> None:
    plain = write_audio(tmp_path / "plain.opus", tone(rate=48_000), rate=48_000).read_bytes()
    comments = comment_block(
        "title=Möwen", "artist=First", "artist=Second", "description=gulls", "comment=wind",
        "chapter01=00:00:00.500", "chapter01name=cry",
    )  # fmt: skip
    found = texts_of(tmp_path / "a.opus", ogg_with(plain, comments))
    assert found["title"] == ("Möwen",)
    assert found["artist"] == ("First", "Second")
    assert (found["description"], found["comment"]) == (("gulls",), ("wind",))
    assert found["markers"] == ("0.500 s cry",)


def test_aiff(tmp_path: Path) -> None:
    def counted(text: bytes) -> bytes:
        return bytes([len(text)]) + text + b"\0" * ((len(text) + 1) % 2)

    marks = struct.pack(">H", 2)
    marks += struct.pack(">HI", 1, 8_000) + counted(b"splash")
    marks += struct.pack(">HI", 2, 4_000) + counted("Möwe".encode("latin-1"))
    comments = struct.pack(">H", 2)
    for marker, text in ((0, b"windy"), (1, b"far")):
        comments += struct.pack(">IHH", 0, marker, len(text)) + text + b"\0" * (len(text) % 2)
    content = aiff(
        (b"NAME", b"Hafen"),
        (b"AUTH", b"Somebody"),
        (b"ANNO", b"first note"),
        (b"ANNO", b"second note"),
        (b"MARK", marks),
        (b"COMT", comments),
        (b"ID3 ", id3v2_tag({b"TIT2": b"\0Harbour", b"TCON": b"\0Ambience"})),
        (b"APPL", b"XMP " + XMP),
    )
    found = texts_of(tmp_path / "a.aiff", content)
    assert found["title"] == ("Hafen", "Harbour")
    assert found["artist"] == ("Somebody",)
    assert found["comment"] == ("first note", "second note", "windy")
    assert found["markers"][-2:] == ("0.250 s Möwe", "0.500 s splash, far")
    assert found["xmp.title"] == ("Lagune bei Ebbe",)
    assert "Ambience" in tags_of(found)


def test_mp4(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.m4a", tone(rate=44_100), rate=44_100)
    tags = MP4(path)
    tags["\xa9nam"] = "Möwen"
    tags["\xa9ART"] = ["First", "Second"]
    tags["\xa9gen"] = "Ambience"
    tags["keyw"] = "sea, bird"
    tags["desc"] = "gulls"
    tags["\xa9cmt"] = "wind"
    tags["----:com.apple.iTunes:SUBCATEGORY"] = [b"Coast"]
    tags.save()
    uuid = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
    found = texts_of(path, path.read_bytes() + box(b"uuid", uuid + XMP))
    assert found["title"] == ("Möwen",)
    assert found["artist"] == ("First", "Second")
    assert (found["description"], found["comment"]) == (("gulls",), ("wind",))
    assert {"Ambience", "sea", "bird", "Coast", "waders", "Nature"} <= set(tags_of(found))
    assert found["xmp.title"] == ("Lagune bei Ebbe",)


def test_3gpp(tmp_path: Path) -> None:
    plain = write_audio(tmp_path / "plain.m4a", tone(rate=44_100), rate=44_100).read_bytes()
    at = plain.rindex(b"moov") - 4
    head = b"\0" * 4 + b"\x15\xc7"
    words = (b"sea" + b"\0", "Möwe".encode("utf-16"))
    keywords = b"\2" + b"".join(bytes([len(each)]) + each for each in words)
    texts = box(b"titl", head + "Möwen".encode() + b"\0") + box(b"kywd", head + keywords)
    content = plain[:at] + box(b"moov", plain[at + 8 :] + box(b"udta", texts))
    found = texts_of(tmp_path / "a.m4a", content)
    assert found["title"] == ("Möwen",)
    assert tags_of(found) == ("sea", "Möwe")


def test_asf(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.wma", tone(rate=44_100), rate=44_100)
    tags = ASF(path)
    tags["Title"] = "Möwen"
    tags["Author"] = ["First", "Second"]
    tags["WM/Genre"] = ["Ambience", "Nature"]
    tags["WM/Keywords"] = "sea; bird"
    tags.save()
    found = texts_of(path)
    assert found["title"] == ("Möwen",)
    assert found["artist"] == ("First", "Second")
    assert set(tags_of(found)) == {"Ambience", "Nature", "sea", "bird"}


@pytest.mark.parametrize("suffix", [".mka", ".m4a"])
def test_chapters_have_ends(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    container = "matroska" if suffix == ".mka" else "mp4"
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream("aac", rate=48_000)
        assert isinstance(stream, AudioStream)
        stream.metadata["title"] = "Boom"
        output.metadata["title"] = "Harbour"
        unit = Fraction(1, 1000)
        output.set_chapters(
            [
                {"id": n, "start": n * 300, "end": n * 300 + 200, "time_base": unit,
                 "metadata": {"title": title}}
                for n, title in enumerate(("gull", "horn"))
            ]
        )  # fmt: skip
        block = np.zeros((1, 48_000), np.float32)
        frame = AudioFrame.from_ndarray(block, format="fltp", layout="mono")
        frame.sample_rate = 48_000
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    found = texts_of(path)
    # MP4's chapters last until the next one begins.
    ends = ("0.200", "0.500") if suffix == ".mka" else ("0.300", "0.500")
    assert found["markers"] == (f"0.000-{ends[0]} s gull", f"0.300-{ends[1]} s horn")
    if suffix == ".mka":
        assert found["title"] == ("Harbour", "Boom")


def ebml(number: int, content: bytes) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big") + (
        len(content) | 1 << 56
    ).to_bytes(8, "big") + content  # fmt: skip


def test_all_tags_of_a_name_in_matroska(tmp_path: Path) -> None:
    plain = write_audio(
        tmp_path / "plain.mka", tone(rate=48_000), rate=48_000, tags={"title": "Harbour"}
    ).read_bytes()
    simple = b"".join(
        ebml(0x67C8, ebml(0x45A3, name) + ebml(0x4487, text.encode()))
        for name, text in (
            (b"ARTIST", "First"), (b"ARTIST", "Zoë"), (b"KEYWORDS", "sea, bird"),
            (b"GENRE", "Ambience"),
        )
    )  # fmt: skip
    at = plain.index(b"\x18\x53\x80\x67") + 4
    unknown_size = plain[:at] + b"\x01" + b"\xff" * 7 + plain[at + 8 :]
    tags = ebml(0x1254C367, ebml(0x7373, ebml(0x63C0, b"") + simple))
    found = texts_of(tmp_path / "a.mka", unknown_size + tags)
    assert found["title"] == ("Harbour",)
    assert found["artist"] == ("First", "Zoë")
    assert set(tags_of(found)) == {"Ambience", "sea", "bird"}


def test_core_audio(tmp_path: Path) -> None:
    plain = write_audio(tmp_path / "plain.caf", tone()).read_bytes()

    def caf_chunk(name: bytes, content: bytes) -> bytes:
        return name + struct.pack(">q", len(content)) + content

    def marker(kind: bytes, frame: float, number: int) -> bytes:
        return struct.pack(">4sdI8sI", kind, frame, number, b"\0" * 8, 0)

    strings = struct.pack(">IIqIq", 2, 1, 0, 2, 7) + b"splash\0" + "Möwe\0".encode()
    marks = struct.pack(">II", 0, 1) + marker(b"gene", 8_000, 1)
    region = struct.pack(">IIIII", 0, 1, 2, 0, 2)
    region += marker(b"rbeg", 4_000, 0) + marker(b"rend", 6_000, 0)
    info = struct.pack(">I", 2) + b"title\0Hafen\0keywords\0sea, bird\0"
    head = plain.index(b"data")
    added = b"".join(
        caf_chunk(name, content)
        for name, content in (
            (b"strg", strings), (b"mark", marks), (b"regn", region), (b"info", info),
        )
    )  # fmt: skip
    found = texts_of(tmp_path / "a.caf", plain[:head] + added + plain[head:])
    assert found["markers"] == ("0.500 s splash", "0.250-0.375 s Möwe")
    assert found["title"] == ("Hafen",)
    assert tags_of(found) == ("sea", "bird")


def test_ape_tags_of_wavpack(tmp_path: Path) -> None:
    plain = write_audio(tmp_path / "plain.wv", noise()).read_bytes()
    ape = ape_tag({b"Title": "Möwen".encode(), b"Artist": b"First\0Second"})
    found = texts_of(tmp_path / "a.wv", plain + ape)
    assert found["title"] == ("Möwen",)
    assert found["artist"] == ("First", "Second")


def test_what_wavpack_keeps_of_a_wav_file(tmp_path: Path) -> None:
    plain = write_audio(tmp_path / "plain.wv", noise()).read_bytes().partition(b"APETAGEX")[0]
    before = b"RIFF" + struct.pack("<I", 9999) + b"WAVE" + bext_chunk(description=b"heron")
    after = IXML + info_chunk({b"INAM": b"Hafen"})

    def part(kind: int, content: bytes) -> bytes:
        odd = 0x40 * (len(content) % 2)
        words = (len(content) + 1) // 2
        return (
            bytes([kind | 0x80 | odd]) + words.to_bytes(3, "little") + content + b"\0" * bool(odd)
        )

    size = int.from_bytes(plain[4:8], "little")
    head = part(0x21, before)
    first = plain[:4] + struct.pack("<I", size + len(head)) + plain[8:32] + head + plain[32:]
    tail = part(0x22, after)
    last = b"wvpk" + struct.pack("<I", 24 + len(tail)) + plain[8:20] + b"\0" * 12 + tail
    found = texts_of(tmp_path / "a.wv", first + last)
    assert found["bwf.description"] == ("heron",)
    assert found["ixml.scene"] == ("Brücke",)
    assert found["title"] == ("Hafen",)


def test_a_broken_tag_costs_itself(tmp_path: Path) -> None:
    plain = write_audio(tmp_path / "plain.flac", tone()).read_bytes()
    for bad in (b"", b"\xff" * 40, struct.pack("<II", 0, 1 << 31)):
        content = flac_with(plain, (4, bad), (4, comment_block("TITLE=still here")))
        assert texts_of(tmp_path / "a.flac", content)["title"] == ("still here",)
    cut = id3v2_tag({b"TIT2": b"\0Gulls", b"TPE1": b"\0Somebody"})[:-3]
    assert texts_of(tmp_path / "a.wav", wav_bytes(tone(), after=chunk(b"id3 ", cut)))["title"] == (
        "Gulls",
    )
    broken = id3v2_tag({b"TIT2": b"\0Gulls"})[:-4] + b"\xff" * 4
    ape = ape_tag({b"Artist": b"A"})
    assert mp3(tmp_path, before=broken, after=ape)["artist"] == ("A",)
    lying = b"APETAGEX" + struct.pack("<III", 2000, 0xFFFFFFFF, 9) + b"\xa0" + b"\0" * 11
    assert mp3(tmp_path, before=id3v2_tag({b"TIT2": b"\0Gulls"}), after=lying)["title"] == (
        "Gulls",
    )
