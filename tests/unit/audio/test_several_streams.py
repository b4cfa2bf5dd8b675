"""Several audio streams in a file, Ogg files joined end to end: all is heard, all is identity."""

from __future__ import annotations

import os
import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from audiosearch.audio import container, tracks
from audiosearch.audio.decode import AudioFacts, Decoding
from audiosearch.audio.fingerprint import fingerprint, survey_of
from audiosearch.audio.headers.ogg import ogg_extent
from audiosearch.audio.sound import open_sound
from audiosearch.audio.source import Span
from tests.sounds import (
    StreamOfSound,
    noise,
    silence,
    tone,
    wav_bytes,
    write_audio,
    write_streams,
)

RATE = 16_000
RECORDED_HASH = "77eb2c32bb7c225c24856b5019e61379123b42130c7c674e08e5070fc6779f7a"
# Container and codec of captures, field recorders, cameras, television.
KINDS = [
    (".mkv", "matroska", "flac"),
    (".mka", "matroska", "pcm_s16le"),
    (".mp4", "mp4", "aac"),
    (".mov", "mov", "pcm_s16le"),
    (".avi", "avi", "pcm_s16le"),
    (".ts", "mpegts", "mp2"),
    (".ogg", "ogg", "flac"),
    (".nut", "nut", "pcm_s16le"),
]


def decode(path: Path) -> tuple[np.ndarray, AudioFacts]:
    decoding = Decoding(os.fsencode(path), sample_rate=RATE)
    return np.concatenate(list(decoding)), decoding.facts


def hash_of(path: Path) -> bytes:
    return fingerprint(os.fsencode(path)).audio_hash


def remark_of(path: Path) -> str | None:
    with open_sound(os.fsencode(path)) as sound:
        return survey_of(sound).remark


def audible(samples: np.ndarray) -> tuple[float, float]:
    """From when to when something is to be heard, in seconds."""
    loud = np.flatnonzero(np.abs(samples) > 0.05)
    return loud[0] / RATE, loud[-1] / RATE


def late_bell(rate: int) -> np.ndarray:
    """Silence, then a tone from 2 to 3 s."""
    return np.concatenate([silence(seconds=2, rate=rate), tone(440, seconds=1, rate=rate)])


@pytest.mark.parametrize(("suffix", "form", "codec"), KINDS)
def test_a_sound_in_the_second_stream_only_is_heard(
    tmp_path: Path, suffix: str, form: str, codec: str
) -> None:
    """Of another rate, length and layout than the first."""
    path = write_streams(
        tmp_path / f"capture{suffix}",
        [
            StreamOfSound(np.zeros((5 * 48_000, 2)), codec=codec),
            StreamOfSound(late_bell(44_100), rate=44_100, codec=codec),
        ],
        container=form,
    )
    samples, facts = decode(path)
    assert facts.duration_s == pytest.approx(5, abs=0.1)
    assert len(samples) / RATE == pytest.approx(facts.duration_s, abs=1e-3)
    assert facts.channels == 3
    assert facts.peak_db == pytest.approx(-6, abs=0.5)
    start_s, end_s = audible(samples)
    assert (start_s, end_s) == pytest.approx((2, 3), abs=0.05)
    assert remark_of(path) is None


def test_streams_are_channels_of_one_mean(tmp_path: Path) -> None:
    sounds = [noise(seconds=3, rate=RATE, seed=seed) for seed in range(3)]
    path = write_streams(tmp_path / "a.mka", [StreamOfSound(each, rate=RATE) for each in sounds])
    samples, _ = decode(path)
    assert np.abs(samples - np.mean(sounds, axis=0)).max() < 1e-4


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
def test_a_stream_that_starts_later_is_heard_later(tmp_path: Path, suffix: str) -> None:
    codec = {".mkv": "flac", ".mp4": "aac", ".mov": "pcm_s16le"}[suffix]
    form = {".mkv": "matroska", ".mp4": "mp4", ".mov": "mov"}[suffix]
    path = write_streams(
        tmp_path / f"a{suffix}",
        [
            StreamOfSound(silence(seconds=4, rate=48_000), codec=codec),
            StreamOfSound(tone(440, seconds=1, rate=48_000), codec=codec, start_s=2.5),
        ],
        container=form,
    )
    start_s, end_s = audible(decode(path)[0])
    assert (start_s, end_s) == pytest.approx((2.5, 3.5), abs=0.05)


def test_files_that_differ_in_their_second_stream_are_two_sounds(tmp_path: Path) -> None:
    first = StreamOfSound(noise(seconds=1, rate=48_000))
    others = [StreamOfSound(noise(seconds=1, rate=48_000, seed=seed)) for seed in (1, 2)]
    paths = [
        write_streams(tmp_path / f"{number}.mkv", [first, other], container="matroska")
        for number, other in enumerate(others)
    ]
    again = write_streams(tmp_path / "again.mkv", [first, others[0]], container="matroska")
    alone = write_streams(tmp_path / "alone.mkv", [first], container="matroska")
    assert len({hash_of(path) for path in (*paths, alone)}) == 3
    assert hash_of(again) == hash_of(paths[0])


def test_identity_of_one_stream_is_what_it_always_was(tmp_path: Path) -> None:
    """Recorded before several streams counted: libraries must not encode everything again."""
    path = tmp_path / "sound.wav"
    path.write_bytes(wav_bytes(tone(440, seconds=0.5)))
    assert hash_of(path).hex() == RECORDED_HASH


def test_streams_one_behind_the_other_are_read_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where too much of one would have to wait for the other, which gives the same sound."""
    path = write_streams(
        tmp_path / "a.mkv",
        [
            StreamOfSound(noise(seconds=6, rate=48_000)),
            StreamOfSound(late_bell(44_100), rate=44_100),
            StreamOfSound(noise(seconds=4, rate=48_000, seed=3), start_s=1.0),
        ],
        container="matroska",
    )
    together, _ = decode(path)
    for limit in (0, 20_000):
        monkeypatch.setattr(tracks, "MAX_WAITING_BYTES", limit)
        apart, _ = decode(path)
        assert np.array_equal(together, apart)


def test_a_stream_without_a_decoder_is_said_and_the_others_heard(tmp_path: Path) -> None:
    """Cameras write spatial sound of a codec of their own beside the usual one."""
    streams = [
        StreamOfSound(tone(440, seconds=1, rate=48_000), codec="pcm_s16le"),
        StreamOfSound(tone(880, seconds=1, rate=48_000), codec="flac"),
    ]
    path = write_streams(tmp_path / "a.mka", streams)
    content = path.read_bytes()
    assert content.count(b"A_FLAC") == 1
    path.write_bytes(content.replace(b"A_FLAC", b"A_NONE"))
    samples, facts = decode(path)
    assert facts.channels == 1
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.01)
    assert remark_of(path) == "1 of its 2 audio streams cannot be heard"


def test_no_more_streams_than_memory_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "MAX_STREAMS", 2)
    streams = [StreamOfSound(noise(seconds=1, rate=48_000, seed=seed)) for seed in range(3)]
    path = write_streams(tmp_path / "a.mka", streams)
    assert decode(path)[1].channels == 2
    assert remark_of(path) == "1 of its 3 audio streams cannot be heard"


def chained(path: Path, *links: Path) -> Path:
    path.write_bytes(b"".join(link.read_bytes() for link in links))
    return path


@pytest.mark.parametrize("codec", ["vorbis", "libopus", "flac"])
def test_links_of_unlike_rate_or_channels_are_all_heard(tmp_path: Path, codec: str) -> None:
    rate = 48_000
    other_rate = 48_000 if codec == "libopus" else 22_050
    quiet = np.stack([silence(seconds=3, rate=rate)] * 2, axis=1)
    first = write_audio(tmp_path / "a.ogg", quiet, rate=rate, codec=codec)
    second = write_audio(
        tmp_path / "b.ogg", tone(440, seconds=3, rate=other_rate), rate=other_rate, codec=codec
    )
    third = write_audio(tmp_path / "c.ogg", quiet, rate=rate, codec=codec)
    path = chained(tmp_path / "chain.ogg", first, second, third)
    samples, facts = decode(path)
    assert facts.duration_s == pytest.approx(9, abs=0.05)
    assert len(samples) / RATE == pytest.approx(9, abs=0.05)
    start_s, end_s = audible(samples)
    assert (start_s, end_s) == pytest.approx((3, 6), abs=0.05)
    assert remark_of(path) is None


@pytest.mark.parametrize("codec", ["vorbis", "libopus", "flac"])
def test_links_that_are_alike_keep_their_identity_and_are_heard(tmp_path: Path, codec: str) -> None:
    rate = 48_000
    links = [
        write_audio(
            tmp_path / f"{n}.ogg", noise(seconds=2, rate=rate, seed=n), rate=rate, codec=codec
        )
        for n in range(2)
    ]
    path = chained(tmp_path / "chain.ogg", *links)
    with open_sound(os.fsencode(path)) as sound:
        assert sound.n_parts == 1
    facts = decode(path)[1]
    assert facts.duration_s == pytest.approx(4, abs=0.05)
    assert facts.remark is None
    assert remark_of(path) is None


def test_links_of_flac_of_unlike_depth(tmp_path: Path) -> None:
    sixteen = write_audio(tmp_path / "a.ogg", tone(440, seconds=2), codec="flac")
    deeper = write_audio(
        tmp_path / "b.ogg", tone(440, seconds=2), codec="flac", sample_format="s32"
    )
    for links in ((sixteen, deeper), (deeper, sixteen)):
        path = chained(tmp_path / "chain.ogg", *links)
        samples, facts = decode(path)
        assert (facts.duration_s, facts.remark, remark_of(path)) == (4, None, None)
        assert np.abs(samples - np.tile(tone(440, seconds=2), 2)).max() < 1e-4


def test_many_short_links_of_flac(tmp_path: Path) -> None:
    """The headers of the later ones come as packets, which are no damage."""
    link = write_audio(tmp_path / "a.ogg", noise(seconds=0.3), codec="flac")
    path = chained(tmp_path / "chain.ogg", *[link] * 20)
    facts = decode(path)[1]
    assert facts.duration_s == pytest.approx(6)
    assert (facts.remark, remark_of(path)) == (None, None)


def test_links_of_flac_that_tell_their_lengths(tmp_path: Path) -> None:
    link = write_audio(tmp_path / "a.ogg", noise(seconds=2), codec="flac")
    content = bytearray(link.read_bytes())
    struct.pack_into(">I", content, content.index(b"fLaC") + 8 + 14, 32_000)
    link.write_bytes(with_checksum(content))
    path = chained(tmp_path / "chain.ogg", link, link)
    assert decode(path)[1].duration_s == 4
    assert remark_of(path) is None


def test_identity_covers_every_link(tmp_path: Path) -> None:
    first = write_audio(tmp_path / "a.ogg", noise(seconds=1, rate=48_000), rate=48_000)
    others = [
        write_audio(tmp_path / f"{n}.ogg", noise(seconds=1, rate=22_050, seed=n), rate=22_050)
        for n in range(2)
    ]
    chains = [chained(tmp_path / f"chain{n}.ogg", first, each) for n, each in enumerate(others)]
    assert len({hash_of(path) for path in (first, *chains)}) == 3


def test_a_link_that_cannot_be_opened_is_said_and_part_of_identity(tmp_path: Path) -> None:
    first = write_audio(tmp_path / "a.ogg", noise(seconds=1, rate=48_000), rate=48_000)
    second = write_audio(tmp_path / "b.ogg", noise(seconds=1, rate=22_050), rate=22_050)
    content = bytearray(second.read_bytes())
    at = content.index(b"\x01vorbis")
    content[at + 11] = 0  # no channels
    second.write_bytes(content)
    path = chained(tmp_path / "chain.ogg", first, second)
    assert decode(path)[1].duration_s == pytest.approx(1, abs=0.05)
    assert remark_of(path) == "1 of its 2 parts cannot be read"
    assert hash_of(path) != hash_of(first)


def test_the_gain_of_opus_is_part_of_identity(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.opus", noise(seconds=1, rate=48_000), rate=48_000)
    plain = hash_of(path)
    quiet = tmp_path / "quiet.opus"
    quiet.write_bytes(with_gain(path.read_bytes(), -20 * 256))
    assert hash_of(quiet) != plain
    assert decode(quiet)[1].peak_db == pytest.approx(decode(path)[1].peak_db - 20, abs=0.1)
    quiet.write_bytes(with_gain(path.read_bytes(), 0))
    assert hash_of(quiet) == plain


def with_gain(content: bytes, gain: int) -> bytes:
    """An Opus file with another gain."""
    patched = bytearray(content)
    struct.pack_into("<h", patched, content.index(b"OpusHead") + 16, gain)
    return with_checksum(patched)


def with_checksum(patched: bytearray) -> bytes:
    """An Ogg file whose first page has its checksum made anew (RFC 3533)."""
    end = 27 + patched[26] + sum(patched[27 : 27 + patched[26]])
    patched[22:26] = bytes(4)
    checksum = 0
    for byte in patched[:end]:
        checksum ^= byte << 24
        for _ in range(8):
            checksum = (checksum << 1 ^ (0x04C11DB7 if checksum & 1 << 31 else 0)) & 0xFFFFFFFF
    struct.pack_into("<I", patched, 22, checksum)
    return bytes(patched)


def ogg_pages(packets: list[bytes], *, serial: int, first: bool, page_bytes: int) -> bytes:
    """Packets as pages of at most `page_bytes`, unchecked: only their layout is looked at."""
    lacing = bytearray()
    for packet in packets:
        lacing += bytes([255]) * (len(packet) // 255) + bytes([len(packet) % 255])
    body = b"".join(packets)
    pages, at, n_per_page = b"", 0, max(1, page_bytes // 255)
    for start in range(0, len(lacing), n_per_page):
        piece = bytes(lacing[start : start + n_per_page])
        continued = start > 0 and lacing[start - 1] == 255
        flags = continued | (2 if first and start == 0 else 0)
        head = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, 0, serial, 0, 0, len(piece))
        size = sum(piece)
        pages += head + piece + body[at : at + size]
        at += size
    return pages


def vorbis_link(serial: int, *, codebooks: bytes, bit_rate: int, page_bytes: int) -> bytes:
    """The headers of a Vorbis stream and a bit of what follows."""
    head = b"\x01vorbis" + struct.pack("<IBIiiiBB", 0, 2, 44_100, 0, bit_rate, 0, 0xB8, 1)
    rest = [b"\x03vorbis" + bytes(300), b"\x05vorbis" + codebooks]
    pages = ogg_pages([head], serial=serial, first=True, page_bytes=page_bytes)
    pages += ogg_pages(rest, serial=serial, first=False, page_bytes=page_bytes)
    return pages + ogg_pages([bytes(700)] * 5, serial=serial, first=False, page_bytes=page_bytes)


@pytest.mark.parametrize("page_bytes", [255, 4_000, 65_000])
def test_links_of_other_codebooks_are_read_apart(page_bytes: int) -> None:
    """FFmpeg would decode the second link of a Vorbis chain with the first one's codebooks."""
    links = [
        vorbis_link(number, codebooks=books, bit_rate=number, page_bytes=page_bytes)
        for number, books in enumerate([b"a" * 5_000, b"a" * 5_000, b"b" * 5_000, b"b" * 5_000])
    ]
    content = b"".join(links)
    middle = len(links[0]) + len(links[1])
    expected = (Span(0, middle), Span(middle, len(content)))
    assert ogg_extent(BytesIO(content)).spans == expected
    alike = b"".join(links[:2])
    assert ogg_extent(BytesIO(alike)).spans == ()
