"""WAV, RF64 and Wave64: every chunk in which people and machines write words."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from audiosearch.audio.metadata import read_metadata
from audiosearch.audio.metadata.tags import tags_of
from tests.sounds import bext_chunk, chunk, id3v2_tag, info_chunk, tone, wav_bytes
from tests.tagged_files import XMP, adtl_chunk, cue_chunk, guano, wamd, wave64

Texts = dict[str, tuple[str, ...]]


def texts_of(folder: Path, content: bytes, *, name: str = "sound.wav") -> Texts:
    path = folder / name
    path.write_bytes(content)
    return read_metadata(os.fsencode(path))


def wav_with(folder: Path, *chunks: bytes) -> Texts:
    return texts_of(folder, wav_bytes(tone(seconds=3), after=b"".join(chunks)))


def test_guano(tmp_path: Path) -> None:
    found = wav_with(
        tmp_path,
        guano(
            "Note: an der Brücke\\nstill",
            "Species Manual ID: Mylu",
            "Tags: bridge, Ufer",
            "no colon",
            "WA|Song Meter|Prefix: SMU",
            "Loc Position: 48.1 11.5",
        ),
    )
    assert found["guano.note"] == ("an der Brücke still",)
    assert found["guano.species_manual_id"] == ("Mylu",)
    assert found["guano.loc_position"] == ("48.1 11.5",)
    assert found["guano.wa.song_meter.prefix"] == ("SMU",)
    assert tags_of(found) == ("bridge", "Ufer")


def test_guano_in_latin_1(tmp_path: Path) -> None:
    found = wav_with(tmp_path, guano("Note: Brücke", encoding="latin-1"))
    assert found["guano.note"] == ("Brücke",)


def test_wildlife_acoustics(tmp_path: Path) -> None:
    fields = {0: b"\1\0", 1: b"SM4", 0x0A: "Möwen".encode(), 0x0C: b"LARARG", 0xFFFF: b"\0" * 20}
    found = wav_with(tmp_path, wamd(fields))
    assert found["wamd.model"] == ("SM4",)
    assert found["wamd.notes"] == ("Möwen",)
    assert found["wamd.manual_id"] == ("LARARG",)


def test_xmp_with_its_markers(tmp_path: Path) -> None:
    found = wav_with(tmp_path, chunk(b"_PMX", XMP))
    assert found["xmp.title"] == ("Lagune bei Ebbe",)
    assert found["xmp.subject"] == ("waders", "mud flat")
    assert found["xmp.log_comment"] == ("wind picks up",)
    assert found["markers"] == ("0.500-0.750 s curlew, far", "0.750 s plover")
    assert set(tags_of(found)) == {"waders", "mud flat", "Nature"}


def test_axml(tmp_path: Path) -> None:
    content = b"""<ebuCoreMain xmlns:dc="http://purl.org/dc/elements/1.1/"><coreMetadata>
    <title><dc:title>Kestrel over the moor</dc:title></title>
    <format><audioFormatExtended><audioProgramme audioProgrammeID="APR_1001"
    audioProgrammeName="Moorland"/></audioFormatExtended></format></coreMetadata></ebuCoreMain>"""
    found = wav_with(tmp_path, chunk(b"axml", content))
    assert found["axml.title"] == ("Kestrel over the moor",)
    assert found["axml.programme"] == ("Moorland",)


def test_long_blocks(tmp_path: Path) -> None:
    history = b"A=PCM,F=48000,T=" + b"x" * 6_000_000 + b"\r\n"
    bext = bext_chunk(description=b"heron")[8:] + history
    notes = "".join(f"<N{number}>word{number}</N{number}>" for number in range(300_000))
    ixml = f"<BWFXML><SCENE>12A</SCENE><USER>{notes}</USER></BWFXML>".encode()
    found = wav_with(tmp_path, chunk(b"bext", bext), chunk(b"iXML", ixml))
    assert found["bwf.description"] == ("heron",)
    assert found["bwf.coding_history"][0].startswith("A=PCM,F=48000")
    assert found["ixml.scene"] == ("12A",)


def test_a_description_that_fills_its_field(tmp_path: Path) -> None:
    whole = ("x" * 255 + "ü").encode()  # whose second byte is cut off
    found = wav_with(tmp_path, bext_chunk(description=whole[:256]))
    assert found["bwf.description"] == ("x" * 255,)


def test_regions_have_ends(tmp_path: Path) -> None:
    found = wav_with(
        tmp_path,
        cue_chunk([(1, 8_000), (2, 32_000), (3, 40_000)]),
        adtl_chunk(
            [(b"labl", 1, b"dog"), (b"note", 1, b"two barks"), (b"labl", 3, b"door")],
            regions=[(1, 16_000, b"", 0), (2, 4_000, "Möwe".encode("cp1252"), 1252)],
        ),
    )
    assert found["markers"] == (
        "0.500-1.500 s dog, two barks",
        "2.000-2.250 s Möwe",
        "2.500 s door",
    )


def test_several_lists_of_labels(tmp_path: Path) -> None:
    found = wav_with(
        tmp_path,
        adtl_chunk([(b"labl", 1, b"first")]),
        cue_chunk([(1, 8_000), (2, 16_000)]),
        adtl_chunk([(b"labl", 2, b"second"), (b"labl", 9, b"of no point")]),
    )
    assert found["markers"] == ("0.500 s first", "1.000 s second", "of no point")


def test_letters_are_told_for_each_label(tmp_path: Path) -> None:
    found = wav_with(
        tmp_path,
        cue_chunk([(1, 8_000), (2, 16_000)]),
        adtl_chunk([(b"labl", 1, "Möwe".encode()), (b"note", 2, "Tür".encode("latin-1"))]),
    )
    assert found["markers"] == ("0.500 s Möwe", "1.000 s Tür")


def test_titles_that_disagree_are_both_kept(tmp_path: Path) -> None:
    found = wav_with(
        tmp_path,
        info_chunk({b"INAM": b"Harbour"}),
        info_chunk({b"INAM": b"Hafen", b"IART": b"A"}),
        chunk(b"id3 ", id3v2_tag({b"TIT2": b"\0Le port", b"TPE1": b"\0A"})),
        chunk(b"DISP", struct.pack("<I", 1) + b"The port\0"),
    )
    assert found["title"] == ("Harbour", "Hafen", "Le port", "The port")
    assert found["artist"] == ("A",)


def test_keywords_of_info(tmp_path: Path) -> None:
    found = wav_with(
        tmp_path,
        info_chunk(
            {
                b"IKEY": b"gull; harbour",
                b"ISBJ": b"Birds",
                b"IGNR": b"Ambience\0Field",
                b"ICMT": b"note\0rubbish",
            }
        ),
    )
    assert set(tags_of(found)) == {"Birds", "Ambience", "Field", "gull", "harbour"}
    assert found["comment"] == ("note",)


def test_bext_is_told_once(tmp_path: Path) -> None:
    found = wav_with(tmp_path, bext_chunk(description=b"heron at dusk"))
    assert [key for key, values in found.items() if "heron at dusk" in values] == [
        "bwf.description"
    ]


def test_broadcast_wave_in_wave64(tmp_path: Path) -> None:
    bext = bext_chunk(description="Möwen".encode(), originator=b"Recorder 7")[8:]
    content = wave64(
        (b"bext", bext),
        (b"iXML", b"<BWFXML><SCENE>7</SCENE></BWFXML>"),
        (
            bytes.fromhex("bc945f925a52d21186dc00c04f8edb8a"),
            struct.pack("<I4sI", 1, b"INAM", 12) + "Hafen\0".encode("utf-16-le"),
        ),
    )
    found = texts_of(tmp_path, content, name="sound.w64")
    assert found["bwf.description"] == ("Möwen",)
    assert found["bwf.originator"] == ("Recorder 7",)
    assert found["ixml.scene"] == ("7",)
    assert found["title"] == ("Hafen",)


def test_cart(tmp_path: Path) -> None:
    content = b"0101" + b"Station ident".ljust(64, b"\0") + b"Staff".ljust(64, b"\0")
    content += b"\0" * 128 + b"JINGLE".ljust(64, b"\0") + b"\0" * 1800
    found = wav_with(tmp_path, chunk(b"cart", content))
    assert found["cart.title"] == ("Station ident",)
    assert tags_of(found) == ("JINGLE",)


def test_a_forgotten_padding_byte(tmp_path: Path) -> None:
    odd = b"axml" + struct.pack("<I", 19) + b"<a><title>x</title>"
    found = wav_with(tmp_path, odd, info_chunk({b"INAM": b"still here"}))
    assert found["title"] == ("still here",)


def test_the_telling_fields_are_not_cut(tmp_path: Path) -> None:
    many = "".join(f"<FIELD{number}>x</FIELD{number}>" for number in range(70))
    ixml = f"<BWFXML><USER>{many}<KEYWORDS>tern</KEYWORDS></USER></BWFXML>".encode()
    found = texts_of(
        tmp_path,
        wav_bytes(
            tone(seconds=3),
            before=chunk(b"iXML", ixml),
            after=info_chunk({b"INAM": b"Last of all", b"IGNR": b"Birds"})
            + cue_chunk([(1, 8_000)])
            + adtl_chunk([(b"labl", 1, b"call")]),
        ),
        name="BIRDSea_Tern Call_JD_LIB.wav",
    )
    assert len(found) == 64
    assert found["title"] == ("Last of all",)
    assert found["markers"] == ("0.500 s call",)
    assert set(tags_of(found)) == {"BIRDSea", "BIRDS", "SEA", "tern"}


@pytest.mark.parametrize("form", [b"RIFF", b"RIFX"])
def test_either_order_of_bytes(tmp_path: Path, form: bytes) -> None:
    big = form == b"RIFX"
    order = ">" if big else "<"
    sound = tone()
    data = (sound * 32767).astype(f"{order}i2").tobytes()
    fmt = struct.pack(f"{order}HHIIHH", 1, 1, 16_000, 32_000, 2, 16)
    info = b"INFO" + b"INAM" + struct.pack("<I", 4) + b"gull"
    parts = ((b"fmt ", fmt), (b"bext", bext_chunk(description=b"heron")[8:]), (b"data", data))
    body = b"WAVE" + b"".join(
        name + struct.pack(f"{order}I", len(content)) + content for name, content in parts
    )
    if not big:
        body += b"LIST" + struct.pack("<I", len(info)) + info
    found = texts_of(tmp_path, form + struct.pack(f"{order}I", len(body)) + body)
    assert found["bwf.description"] == ("heron",)
