"""Files of every ending that is listed are found by a walk and really decode; others are not."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest

from audiosearch.audio.decode import Decoding
from audiosearch.indexing.passed_over import PassedOverTally
from audiosearch.indexing.walk import (
    AUDIO_EXTENSIONS,
    Problem,
    has_audio_extension,
    is_named_alike,
    walk,
)
from tests.sounds import pcm_bytes, tone, tones, write_audio

# ending -> FFmpeg's muxer and encoder: all that the FFmpeg inside PyAV can write
WRITTEN = {
    "wav": ("wav", "pcm_s16le"),
    "w64": ("w64", "pcm_s16le"),
    "amb": ("wav", "pcm_s16le"),  # Ambisonics
    "aifc": ("aiff", "pcm_s16be"),
    "caf": ("caf", "pcm_s16le"),
    "au": ("au", "pcm_s16be"),
    "voc": ("voc", "pcm_u8"),
    "sox": ("sox", "pcm_s32le"),
    "ircam": ("ircam", "pcm_s16le"),
    "flac": ("flac", "flac"),
    "wv": ("wv", "wavpack"),
    "tta": ("tta", "tta"),
    "mp2": ("mp2", "mp2"),
    "mp3": ("mp3", "libmp3lame"),
    "aac": ("adts", "aac"),
    "latm": ("latm", "aac"),
    "oga": ("oga", "flac"),
    "ogx": ("ogg", "flac"),
    "ogv": ("ogv", "vorbis"),
    "opus": ("opus", "libopus"),
    "ac3": ("ac3", "ac3"),
    "ec3": ("eac3", "eac3"),
    "rm": ("rm", "ac3"),
    "ra": ("rm", "ac3"),
    "m4a": ("ipod", "aac"),
    "m4b": ("ipod", "aac"),
    "m4r": ("ipod", "aac"),
    "mp4": ("mp4", "aac"),
    "m4v": ("mp4", "aac"),
    "f4v": ("f4v", "aac"),
    "mov": ("mov", "aac"),
    "qta": ("mov", "pcm_s16le"),
    "3gp": ("3gp", "aac"),
    "3ga": ("3gp", "aac"),
    "3g2": ("3g2", "aac"),
    "mka": ("matroska", "flac"),
    "mkv": ("matroska", "aac"),
    "webm": ("webm", "libopus"),
    "weba": ("webm", "libopus"),
    "avi": ("avi", "pcm_s16le"),
    "wma": ("asf", "wmav2"),
    "wmv": ("asf", "wmav2"),
    "asf": ("asf", "wmav2"),
    "wtv": ("wtv", "mp2"),
    "flv": ("flv", "libmp3lame"),
    "mpg": ("mpeg", "mp2"),
    "vob": ("vob", "mp2"),
    "ts": ("mpegts", "mp2"),
    "mts": ("mpegts", "mp2"),
    "nut": ("nut", "pcm_s16le"),
    "adx": ("adx", "adpcm_adx"),
    "ast": ("ast", "pcm_s16be_planar"),
}


def seconds_heard(path: Path) -> float:
    rate = 16_000
    return sum(len(block) for block in Decoding(os.fsencode(path), sample_rate=rate)) / rate


def listed(folder: Path) -> list[str]:
    problems: list[Problem] = []
    found = [os.fsdecode(f.path) for f in walk(os.fsencode(folder), on_problem=problems.append)]
    assert problems == []
    return found


@pytest.mark.parametrize("ending", WRITTEN)
def test_what_is_written_so_is_found_and_heard(tmp_path: Path, ending: str) -> None:
    container, codec = WRITTEN[ending]
    rate = 44_100 if codec == "wmav2" else 48_000
    stereo = np.stack([tones([300, 1500], rate=rate)] * 2, axis=1)
    path = tmp_path / f"Sound.{ending.upper()}"
    write_audio(path, stereo, rate=rate, codec=codec, container=container)
    assert listed(tmp_path) == [path.name]
    assert seconds_heard(path) == pytest.approx(1.0, abs=0.05)


def test_recordings_of_telephones_in_wide_band(tmp_path: Path) -> None:
    frames = np.random.default_rng(1).integers(0, 256, (50, 17), dtype=np.uint8)
    body = b"".join(b"\x04" + frame.tobytes() for frame in frames)  # mode 0, 20 ms each
    (tmp_path / "call.awb").write_bytes(b"#!AMR-WB\n" + body)
    assert listed(tmp_path) == ["call.awb"]
    assert seconds_heard(tmp_path / "call.awb") == pytest.approx(1.0)


def test_minidiscs(tmp_path: Path) -> None:
    header = bytearray(96)
    header[:8] = b"EA3\x01\x00\x60\xff\xff"
    header[32] = 4  # linear PCM, 44.1 kHz, stereo, big-endian
    samples = np.stack([tone(rate=44_100)] * 2, axis=1)
    swapped = np.frombuffer(pcm_bytes(samples), "<i2").byteswap().tobytes()
    (tmp_path / "disc.oma").write_bytes(bytes(header) + swapped)
    assert listed(tmp_path) == ["disc.oma"]
    assert seconds_heard(tmp_path / "disc.oma") == pytest.approx(1.0)


def test_an_amiga_sample(tmp_path: Path) -> None:
    sound = (100 * tone(rate=8000)).astype(np.int8).tobytes()
    voice = struct.pack(">IIIHBBI", len(sound), 0, 0, 8000, 1, 0, 65536)
    body = b"8SVXVHDR" + struct.pack(">I", len(voice)) + voice
    body += b"BODY" + struct.pack(">I", len(sound)) + sound
    (tmp_path / "drum.8svx").write_bytes(b"FORM" + struct.pack(">I", len(body)) + body)
    assert listed(tmp_path) == ["drum.8svx"]
    assert seconds_heard(tmp_path / "drum.8svx") == pytest.approx(1.0)


def test_what_issues_and_people_named() -> None:
    named = "3gp 3ga mp4 qta m4r amb amr awb webm oma mka mkv mov avi m4b caf w64 rf64 bw64"
    named += " bwf aifc ac3 dts tak ape wv mpc opus oga spx tta au snd voc wma asf mxf flv dsf dff"
    named += " mts m2ts"
    assert set(named.encode().split()) <= AUDIO_EXTENSIONS


def test_lists_of_other_files_and_what_mostly_means_something_else_is_left_out() -> None:
    lists = "m3u m3u8 pls cue asx sdp mpd ffconcat"
    others = "jpg txt dat bin act vpk mid swf"
    for ending in (lists + " " + others).split():
        assert not has_audio_extension(f"a.{ending}".encode())
    assert not has_audio_extension(b"wav")
    assert has_audio_extension(b"x.OGG")


@pytest.mark.parametrize("name", ["index.ts", "Global.d.ts", "vite.config.mts"])
@pytest.mark.parametrize("text", ["Global = 1;\n", "import G from 'G';\n" * 50, "G" * 100, ""])
def test_programs_that_share_an_ending_are_passed_over(
    tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    assert is_named_alike(os.fsencode(tmp_path / name))
    tally = PassedOverTally()
    assert list(walk(os.fsencode(tmp_path), on_problem=print, tally=tally)) == []
    ending = "." + name.rpartition(".")[2]
    assert dict(tally.total().endings) == {ending: 1}
    single = walk(os.fsencode(tmp_path), under=name.encode(), on_problem=print)
    assert list(single) == []


def test_a_camcorder_puts_a_time_before_each_packet(tmp_path: Path) -> None:
    plain = write_audio(tmp_path / "a.ts", tone(rate=48_000), rate=48_000, codec="mp2",
                        container="mpegts").read_bytes()  # fmt: skip
    packets = [plain[at : at + 188] for at in range(0, len(plain), 188)]
    (tmp_path / "b.mts").write_bytes(b"".join(b"\0\0\0\1" + packet for packet in packets))
    assert listed(tmp_path) == ["a.ts", "b.mts"]
    assert seconds_heard(tmp_path / "b.mts") == pytest.approx(1.0, abs=0.05)
