"""Embedded texts: found in every place people write them, cleaned and bounded."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest

from audiosearch.audio.metadata import read_metadata
from audiosearch.audio.metadata.fields import MAX_ENTRIES, MetadataFields
from audiosearch.audio.metadata.riff import MAX_CHUNK_BYTES, read_riff
from audiosearch.audio.metadata.text import MAX_VALUE_CHARACTERS
from tests.sounds import (
    bext_chunk,
    chunk,
    cue_chunks,
    id3v2_tag,
    info_chunk,
    noise,
    tone,
    wav_bytes,
    write_audio,
)

IXML = b"""<?xml version="1.0" encoding="UTF-8"?>
<BWFXML><IXML_VERSION>1.61</IXML_VERSION><PROJECT>Harbour</PROJECT><SCENE>12A</SCENE>
<TAKE>3</TAKE><TAPE>DAY2</TAPE><NOTE>gulls, distant horn</NOTE>
<SPEED><FILE_SAMPLE_RATE>48000</FILE_SAMPLE_RATE></SPEED>
<LOCATION><LOCATION_NAME>Pier 4</LOCATION_NAME></LOCATION>
<ASWG><category>BIRDS</category><subCategory>SEA</subCategory></ASWG>
<TRACK_LIST><TRACK_COUNT>2</TRACK_COUNT><TRACK><NAME>Boom</NAME></TRACK>
<TRACK><NAME>Lav</NAME></TRACK></TRACK_LIST></BWFXML>"""


def texts_of(
    folder: Path, content: bytes, *, name: str = "sound.wav"
) -> dict[str, tuple[str, ...]]:
    path = folder / name
    path.write_bytes(content)
    return read_metadata(os.fsencode(path))


@pytest.mark.parametrize("suffix", [".mp3", ".ogg", ".flac", ".m4a", ".opus", ".wav", ".aiff"])
def test_common_tags_of_every_container(tmp_path: Path, suffix: str) -> None:
    rate = 48_000 if suffix == ".opus" else 16_000
    tags = {"title": "Möwen am Kai", "artist": "A. Recordist", "comment": "two gulls"}
    path = write_audio(tmp_path / f"a{suffix}", tone(rate=rate), rate=rate, tags=tags)
    found = read_metadata(os.fsencode(path))
    assert found["title"] == (tags["title"],)
    if suffix != ".aiff":  # whose texts have other places
        assert found["artist"] == (tags["artist"],)
        # FFmpeg writes a comment into Vorbis' field of that other name.
        vorbis = suffix in (".ogg", ".flac", ".opus")
        assert found["description" if vorbis else "comment"] == (tags["comment"],)
    assert not {key for key in found if "encoder" in key or "brand" in key}


def test_broadcast_wave(tmp_path: Path) -> None:
    bext = bext_chunk(
        description="Hafen, Möwen".encode(),
        originator=b"Recorder 7",
        reference=b"REF1",
        time_reference=4_800_000,
    )
    found = texts_of(tmp_path, wav_bytes(tone(), before=bext))
    assert found["bwf.description"] == ("Hafen, Möwen",)
    assert found["bwf.originator"] == ("Recorder 7",)
    assert found["bwf.originator_reference"] == ("REF1",)
    assert found["bwf.date"] == ("2024-05-01",)
    assert found["bwf.time"] == ("12:34:56",)
    assert found["bwf.time_reference"] == ("4800000",)
    assert "description" not in found  # FFmpeg's second reading of the same


def test_broadcast_wave_in_windows_letters(tmp_path: Path) -> None:
    bext = bext_chunk(description="Möwen".encode("latin-1"))
    assert texts_of(tmp_path, wav_bytes(tone(), before=bext))["bwf.description"] == ("Möwen",)


def test_ixml(tmp_path: Path) -> None:
    found = texts_of(tmp_path, wav_bytes(tone(), after=chunk(b"iXML", IXML)))
    assert found["ixml.project"] == ("Harbour",)
    assert found["ixml.scene"] == ("12A",)
    assert found["ixml.take"] == ("3",)
    assert found["ixml.tape"] == ("DAY2",)
    assert found["ixml.note"] == ("gulls, distant horn",)
    assert found["ixml.location.location_name"] == ("Pier 4",)
    assert found["ixml.aswg.category"] == ("BIRDS",)
    assert found["ixml.tracks"] == ("Boom", "Lav")
    assert not {key for key in found if "speed" in key}


def test_markers_with_their_times(tmp_path: Path) -> None:
    markers = cue_chunks([(32_000, b"door"), (8_000, "Möwe".encode())])
    found = texts_of(tmp_path, wav_bytes(tone(seconds=3), after=markers))
    assert found["markers"] == ("0.500 s Möwe", "2.000 s door")


def test_riff_info_in_windows_letters(tmp_path: Path) -> None:
    info = info_chunk({b"INAM": "Möwen".encode("cp1252"), b"IART": b"Somebody"})
    found = texts_of(tmp_path, wav_bytes(tone(), after=info))
    assert found["title"] == ("Möwen",)
    assert found["artist"] == ("Somebody",)


def test_chunks_in_rf64(tmp_path: Path) -> None:
    content = wav_bytes(tone(), rf64=True, before=bext_chunk(description=b"deep"))
    content += chunk(b"iXML", IXML)
    found = texts_of(tmp_path, content)
    assert found["bwf.description"] == ("deep",)
    assert found["ixml.scene"] == ("12A",)


def test_a_ucs_name_speaks(tmp_path: Path) -> None:
    found = texts_of(tmp_path, wav_bytes(tone()), name="BIRDSea_Gulls At Pier_JD_HARB.wav")
    assert found["ucs.fx_name"] == ("Gulls At Pier",)


def test_one_broken_chunk_costs_itself(tmp_path: Path) -> None:
    broken = [
        chunk(b"bext", b"short"),
        chunk(b"iXML", b"<BWFXML><SCENE>12A</SCE"),
        chunk(b"iXML", b"\0\0\0"),
        chunk(b"cue ", b"\xff\xff\xff\xff"),
        chunk(b"cue ", struct.pack("<I", 1 << 30)) + chunk(b"LIST", b"adtl" + b"labl\xff"),
        chunk(b"LIST", b"adtl"),
    ]
    info = info_chunk({b"INAM": b"still here"})
    for bad in broken:
        found = texts_of(tmp_path, wav_bytes(tone(), before=bad + info))
        assert found["title"] == ("still here",)


def test_a_chunk_that_claims_more_than_the_file(tmp_path: Path) -> None:
    liar = b"iXML" + struct.pack("<I", MAX_CHUNK_BYTES) + b"<BWFXML/>"
    content = wav_bytes(tone(), before=bext_chunk(description=b"before"), after=liar)
    assert texts_of(tmp_path, content)["bwf.description"] == ("before",)


def test_other_files_have_no_riff(tmp_path: Path) -> None:
    for content in (b"", b"RIFF", b"RIFF\0\0\0\0AVI ", np.random.default_rng(0).bytes(999)):
        path = tmp_path / "other.wav"
        path.write_bytes(content)
        fields = MetadataFields()
        assert not read_riff(os.fsencode(path), fields, 48_000)
        assert fields.bounded() == {}


def test_entities_in_ixml_are_not_fetched_or_blown_up(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("SECRET")
    outside = f"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file://{secret}">
    <!ENTITY a "ha"><!ENTITY b "{"&a;" * 1000}"><!ENTITY c "{"&b;" * 1000}">]>
    <BWFXML><SCENE>&e;</SCENE><NOTE>&c;</NOTE><TAKE>1</TAKE></BWFXML>""".encode()
    found = texts_of(tmp_path, wav_bytes(tone(), after=chunk(b"iXML", outside)))
    assert not [key for key in found if key.startswith("ixml.")]


def test_values_are_one_printable_line_of_bounded_length(tmp_path: Path) -> None:
    wild = "a\nb\tc\x1b[31m\u202ed\x00"
    path = write_audio(tmp_path / "a.flac", tone(), tags={"title": wild, "comment": "x" * 50_000})
    found = read_metadata(os.fsencode(path))
    assert found["title"][0].startswith("a b c")
    assert all(value.isprintable() for values in found.values() for value in values)
    assert len(found["description"][0]) == MAX_VALUE_CHARACTERS


def test_the_number_of_entries_is_bounded(tmp_path: Path) -> None:
    tags = {f"field{number}": "value" for number in range(500)}
    path = write_audio(tmp_path / "a.flac", tone(), tags=tags)
    assert len(read_metadata(os.fsencode(path))) == MAX_ENTRIES


def test_a_huge_picture_is_not_among_them(tmp_path: Path) -> None:
    plain = write_audio(tmp_path / "a.mp3", noise(seconds=2))
    picture = id3v2_tag({b"TIT2": b"\0Gulls", b"APIC": b"\0image/jpeg\0\x03\0" + bytes(8 << 20)})
    found = texts_of(tmp_path, picture + plain.read_bytes(), name="b.mp3")
    assert found["title"] == ("Gulls",)
    assert all(len(value) < 100 for values in found.values() for value in values)
