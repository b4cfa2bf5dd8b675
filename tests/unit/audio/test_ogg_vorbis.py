"""Ogg Vorbis read without FFmpeg's demuxer: the same packets and sound, and the right end."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosearch._typing import Floats
from audiosearch.audio import sound as sounds
from audiosearch.audio.decode import Decoding
from audiosearch.audio.fingerprint import Survey, survey_of
from audiosearch.audio.metadata import metadata_of
from audiosearch.audio.ogg_vorbis import OggVorbis, parse_ogg_vorbis, read_ogg_vorbis
from audiosearch.audio.seeking import decode_from
from audiosearch.audio.sound import KeptPackets, open_sound
from audiosearch.audio.types import AudioFacts
from audiosearch.errors import DecodeCode, DecodeError
from tests.sounds import noise, write_audio

RATE = 16_000
DATA = Path(__file__).parents[2] / "data"


def written(folder: Path, *, seconds: float, rate: int = RATE) -> Path:
    """A file with quiet and loud parts."""
    sound = noise(seconds=seconds, rate=rate)
    sound *= np.where(np.arange(len(sound)) // (rate // 7) % 3, 0.01, 1)
    return write_audio(folder / "a.ogg", sound, rate=rate)


def read(path: Path) -> tuple[dict[str, tuple[str, ...]], Survey, Floats, AudioFacts]:
    """All that indexing takes from a file."""
    name = os.fsencode(path)
    kept = KeptPackets()
    with open_sound(name) as opened:
        texts = metadata_of(opened)
        survey = survey_of(opened, kept=kept)
        rate = opened.form.sample_rate  # no resampler: samples are what the decoder gave
        decoding = Decoding(name, sample_rate=rate, opened=(opened, kept))
        sound = np.concatenate(list(decoding))
    return texts, survey, sound, decoding.facts


def by_ffmpeg(path: Path) -> tuple[dict[str, tuple[str, ...]], Survey, Floats, AudioFacts]:
    """The same by FFmpeg's demuxer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sounds, "read_ogg_vorbis", lambda _path: None)
        return read(path)


def in_order(path: Path) -> OggVorbis:
    found = read_ogg_vorbis(os.fsencode(path))
    assert found is not None
    return found


def check_against_ffmpeg(path: Path) -> None:
    in_order(path)
    texts, survey, sound, facts = read(path)
    other_texts, other_survey, other_sound, other_facts = by_ffmpeg(path)
    assert texts == other_texts
    assert survey == other_survey
    assert (facts.codec, facts.container, facts.remark) == ("vorbis", "ogg", None)
    assert facts.channels == other_facts.channels
    assert facts.sample_rate == other_facts.sample_rate
    both = min(len(sound), len(other_sound))  # FFmpeg ends up to a block elsewhere
    assert both > 0
    assert np.array_equal(sound[:both], other_sound[:both])


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("seconds", [0.05, 0.4, 3.3])
def test_all_is_as_ffmpeg_reads_it(tmp_path: Path, rate: int, seconds: float) -> None:
    check_against_ffmpeg(written(tmp_path, seconds=seconds, rate=rate))


# Noise and tones of our own, written by libvorbis 1.3.7, which FFmpeg's wheels lack: one channel,
# blocks of two lengths, and a file whose sound is all on its last page.
LIBVORBIS = {"libvorbis-mono.ogg": 40_001, "libvorbis-short.ogg": 5_048}


@pytest.mark.parametrize("name", LIBVORBIS)
def test_files_of_libvorbis(name: str) -> None:
    check_against_ffmpeg(DATA / name)


@pytest.mark.parametrize("name", LIBVORBIS)
def test_it_ends_where_it_was_written_to_end(name: str) -> None:
    """FFmpeg ends elsewhere: see findings/ffmpeg-vorbis-ends-elsewhere.sh."""
    plain = in_order(DATA / name)
    decoding = Decoding(os.fsencode(DATA / name), sample_rate=plain.sample_rate)
    assert sum(len(block) for block in decoding) == LIBVORBIS[name] == plain.n_samples
    assert decoding.facts.duration_s == pytest.approx(LIBVORBIS[name] / plain.sample_rate)


def test_a_decoder_that_was_used_before_decodes_the_same(tmp_path: Path) -> None:
    paths = []
    for number in range(3):  # of one encoder, so that its decoder is kept
        folder = tmp_path / str(number)
        folder.mkdir()
        sound = noise(seconds=1 + number / 3, seed=number)
        paths.append(write_audio(folder / "a.ogg", sound))
    assert len({in_order(path).headers[2] for path in paths}) == 1
    alone = [by_ffmpeg(path)[2] for path in paths]
    for number in (0, 1, 1, 2, 0):
        mine = read(paths[number])[2]
        both = min(len(mine), len(alone[number]))
        assert both >= RATE
        assert np.array_equal(mine[:both], alone[number][:both])


def test_two_files_are_decoded_at_the_same_time(tmp_path: Path) -> None:
    path = os.fsencode(written(tmp_path, seconds=4))
    expected = np.concatenate(list(Decoding(path, sample_rate=RATE)))
    first, second = (iter(Decoding(path, sample_rate=RATE)) for _ in range(2))
    pairs = list(zip(first, second, strict=True))
    for side in (0, 1):
        assert np.array_equal(np.concatenate([pair[side] for pair in pairs]), expected)


def test_sound_from_any_sample_on(tmp_path: Path) -> None:
    path = os.fsencode(written(tmp_path, seconds=8))
    whole = np.concatenate(list(decode_from(path, sample_rate=RATE, start=0)))
    assert len(whole) == 8 * RATE
    for start in (1, 4_000, 90_000, 101_111, 8 * RATE - 1):
        assert np.array_equal(
            np.concatenate(list(decode_from(path, sample_rate=RATE, start=start))), whole[start:]
        )
    assert list(decode_from(path, sample_rate=RATE, start=8 * RATE)) == []


def test_a_packet_that_ends_early_is_followed_by_zeros(tmp_path: Path) -> None:
    """As FFmpeg makes packets itself; it reads on behind their ends."""
    plain = in_order(written(tmp_path, seconds=3))
    cut = replace(plain, packets=[each[:-10] for each in plain.packets])
    whole = replace(plain, packets=[each + bytes(64) for each in cut.packets])
    sounds_made = []
    for some in (cut, cut, whole):
        junk = [b"\xff" * len(each) for each in plain.packets]  # of what freed memory may hold
        del junk
        with some.decoder() as decoder:
            frames = [frame for packet in some.sound_from() for frame in decoder.decode(packet)]
        sounds_made.append(np.concatenate([frame.to_ndarray() for frame in frames], axis=1))
    for other in sounds_made[1:]:
        assert np.array_equal(sounds_made[0], other)


def test_a_damaged_set_up_header_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    plain = in_order(written(tmp_path, seconds=1))
    headers = (plain.headers[0], plain.headers[1], plain.headers[2][:40] + bytes(400))
    broken = replace(plain, headers=headers)
    with pytest.raises(DecodeError, match="set-up header") as caught, broken.decoder():
        pass
    assert caught.value.code is DecodeCode.DAMAGED
    assert caught.value.path == os.fsdecode(plain.path)


def pages_of(content: bytes) -> Iterator[tuple[int, int]]:
    """Where each page starts and ends."""
    at = 0
    while at < len(content):
        n_lacing = content[at + 26]
        end = at + 27 + n_lacing + sum(content[at + 27 : at + 27 + n_lacing])
        yield at, end
        at = end


def sealed(page: bytes) -> bytes:
    """A page with its checksum made anew, bit by bit as RFC 3533 has it."""
    blank = page[:22] + bytes(4) + page[26:]
    crc = 0
    for byte in blank:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc >> 31 else 0)) & 0xFFFFFFFF
    return blank[:22] + struct.pack("<I", crc) + blank[26:]


def changed(content: bytes, number: int, change: Callable[[bytearray], object]) -> bytes:
    """`content` with its page of that number changed, and sealed again."""
    start, end = list(pages_of(content))[number]
    page = bytearray(content[start:end])
    change(page)
    return content[:start] + sealed(bytes(page)) + content[end:]


def later(page: bytearray) -> None:
    """The page ends a sample later."""
    page[6] += 1


def other_stream(page: bytearray) -> None:
    page[14] ^= 1


def next_number(page: bytearray) -> None:
    page[18] += 1


def flagged(page: bytearray) -> None:
    page[5] ^= 4


def test_pages_sealed_anew_are_in_order(tmp_path: Path) -> None:
    content = written(tmp_path, seconds=3).read_bytes()
    assert parse_ogg_vorbis(changed(content, 2, bytearray.copy)) is not None


@pytest.mark.parametrize("change", [later, other_stream, next_number, flagged])
def test_what_is_not_in_order_is_left_to_ffmpeg(
    tmp_path: Path, change: Callable[[bytearray], None]
) -> None:
    content = written(tmp_path, seconds=8).read_bytes()
    assert len(list(pages_of(content))) > 4
    assert parse_ogg_vorbis(changed(content, 3, change)) is None


def test_damage_is_left_to_ffmpeg(tmp_path: Path) -> None:
    content = written(tmp_path, seconds=3).read_bytes()
    assert parse_ogg_vorbis(content) is not None
    for place in range(0, len(content), 97):
        flipped = bytearray(content)
        flipped[place] ^= 16
        assert parse_ogg_vorbis(bytes(flipped)) is None, place
    for end in (0, 3, 27, 60, 5_000, len(content) - 1):
        assert parse_ogg_vorbis(content[:end]) is None
    assert parse_ogg_vorbis(content + b"\0") is None
    assert parse_ogg_vorbis(content + content) is None  # a chain


@pytest.mark.parametrize("codec", ["libopus", "flac"])
def test_other_codecs_in_ogg_are_left_to_ffmpeg(tmp_path: Path, codec: str) -> None:
    sound = noise(seconds=1, rate=48_000)
    path = write_audio(tmp_path / "a.ogg", sound, rate=48_000, codec=codec, container="ogg")
    assert read_ogg_vorbis(os.fsencode(path)) is None
    assert read(path)[3].container == "ogg"


def test_a_large_file_is_left_to_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, seconds=2)
    monkeypatch.setattr("audiosearch.audio.ogg_vorbis.MOST_BYTES", path.stat().st_size - 1)
    assert read_ogg_vorbis(os.fsencode(path)) is None


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=300), st.integers(0, 400))
def test_any_bytes_are_taken(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, at: int
) -> None:
    folder = tmp_path_factory.getbasetemp() / "wild"
    path = folder / "a.ogg"
    if not path.exists():
        folder.mkdir(exist_ok=True)
        written(folder, seconds=0.1)
    content = path.read_bytes()
    for wild in (junk, b"OggS" + junk, content[:at] + junk, content[:at] + junk + content[at:]):
        parse_ogg_vorbis(wild)


@pytest.mark.parametrize("name", LIBVORBIS)
def test_each_packet_says_where_it_ends(name: str) -> None:
    path = DATA / name
    plain = in_order(path)
    with av.open(str(path)) as container:
        theirs = [packet for packet in container.demux(audio=0) if packet.size]
    assert [bytes(packet) for packet in theirs] == plain.packets
    lengths = [packet.duration for packet in theirs]
    assert lengths[1:-1] == np.diff(plain.ends)[:-1].tolist()  # the last one's is cut
    with plain.decoder() as decoder:
        made = [sum(f.samples for f in decoder.decode(each)) for each in plain.sound_from()]
    assert np.cumsum(made).tolist() == plain.ends.tolist()


def test_the_checksum_is_that_of_ogg() -> None:
    """Which is zlib's with the bits of each byte, and of itself, the other way round."""
    page = sealed(b"OggS" + bytes(range(100)))
    mirrored = bytes(int(f"{byte:08b}"[::-1], 2) for byte in page[:22] + bytes(4) + page[26:])
    crc = zlib.crc32(mirrored, 0xFFFFFFFF) ^ 0xFFFFFFFF
    assert int(f"{crc:032b}"[::-1], 2) == int.from_bytes(page[22:26], "little")
