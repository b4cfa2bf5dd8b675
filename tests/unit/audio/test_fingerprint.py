"""Identity of a sound: tags, names and places do not touch it, the sound does."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.audio.fingerprint import HASH_BYTES, fingerprint
from audiosearch.errors import DecodeError
from tests.sounds import (
    LOSSLESS,
    LOSSY,
    RATES,
    ape_tag,
    bext_chunk,
    chunk,
    cue_chunks,
    id3v1_tag,
    id3v2_tag,
    info_chunk,
    noise,
    tone,
    wav_bytes,
    write_audio,
)

# Behind these, taggers append ID3v1 and APEv2.
APPENDED_TO = (".mp3", ".aac", ".tta", ".wv", ".ac3")


def hash_of(path: Path) -> bytes:
    return fingerprint(os.fsencode(path)).audio_hash


def hash_of_bytes(folder: Path, content: bytes, *, suffix: str) -> bytes:
    path = folder / f"variant{suffix}"
    path.write_bytes(content)
    return hash_of(path)


@pytest.mark.parametrize("suffix", [*LOSSLESS, *LOSSY])
def test_tags_do_not_touch_it(tmp_path: Path, suffix: str) -> None:
    rate = RATES.get(suffix, 16_000)
    sound = noise(seconds=2, rate=rate)
    bare = write_audio(tmp_path / f"a{suffix}", sound, rate=rate)
    tags = {"title": "A quite different title", "comment": "x" * 5_000, "artist": "Somebody"}
    tagged = write_audio(tmp_path / f"b{suffix}", sound, rate=rate, tags=tags)
    other = write_audio(tmp_path / f"c{suffix}", noise(seconds=2, rate=rate, seed=1), rate=rate)
    assert hash_of(bare) == hash_of(tagged)
    assert hash_of(bare) != hash_of(other)
    assert len(hash_of(bare)) == HASH_BYTES


@pytest.mark.parametrize("suffix", APPENDED_TO)
def test_tags_behind_the_sound_do_not_touch_it(tmp_path: Path, suffix: str) -> None:
    rate = RATES.get(suffix, 16_000)
    bare = write_audio(tmp_path / f"bare{suffix}", noise(seconds=2, rate=rate), rate=rate)
    content = bare.read_bytes()
    ape = ape_tag({b"Title": b"T" * 3_000, b"Artist": b"A"})
    for tail in (id3v1_tag(b"title"), ape, ape + id3v1_tag(b"title")):
        assert hash_of_bytes(tmp_path, content + tail, suffix=suffix) == hash_of(bare)


def test_id3v2_and_its_pictures_do_not_touch_mp3(tmp_path: Path) -> None:
    bare = write_audio(tmp_path / "bare.mp3", noise(seconds=2), options={"id3v2_version": "0"})
    content = bare.read_bytes()
    sound = content[content.index(b"\xff\xf3") if content[:3] == b"ID3" else 0 :]
    title = id3v2_tag({b"TIT2": b"\0A title"})
    picture = id3v2_tag({b"APIC": b"\0image/png\0\x03\0" + bytes(3 << 20)})
    variants = [title + sound, picture + sound, title + sound + id3v1_tag(b"t")]
    assert len({hash_of_bytes(tmp_path, variant, suffix=".mp3") for variant in variants}) == 1


def test_chunks_around_the_sound_do_not_touch_wav(tmp_path: Path) -> None:
    sound = noise(seconds=1)
    info = info_chunk({b"INAM": b"title", b"ICMT": b"comment"})
    bext = bext_chunk(description=b"a scene")
    variants = [
        wav_bytes(sound),
        wav_bytes(sound, before=bext),
        wav_bytes(sound, before=info + bext, after=cue_chunks([(100, b"here")])),
        wav_bytes(sound, before=chunk(b"JUNK", bytes(10_000)), after=info),
        wav_bytes(sound, after=chunk(b"id3 ", id3v2_tag({b"TIT2": b"\0x"}))),
        wav_bytes(sound, rf64=True),
    ]
    assert len({hash_of_bytes(tmp_path, content, suffix=".wav") for content in variants}) == 1


def test_one_sample_more_is_another_sound(tmp_path: Path) -> None:
    sound = noise(seconds=1)
    changed = sound.copy()
    changed[5_000] += 0.01
    variants = [wav_bytes(sound), wav_bytes(sound[:-1]), wav_bytes(changed)]
    assert len({hash_of_bytes(tmp_path, content, suffix=".wav") for content in variants}) == 3


def test_the_same_bytes_at_another_rate_are_another_sound(tmp_path: Path) -> None:
    sound = noise(seconds=1)
    slow, fast = wav_bytes(sound, rate=8_000), wav_bytes(sound, rate=16_000)
    stereo = wav_bytes(sound.reshape(-1, 2), rate=16_000)
    variants = [slow, fast, stereo]
    assert len({hash_of_bytes(tmp_path, content, suffix=".wav") for content in variants}) == 3


def test_a_name_is_not_part_of_it(tmp_path: Path) -> None:
    first = write_audio(tmp_path / "first.ogg", tone(seconds=1))
    second = tmp_path / "second.mp3"  # a wrong suffix, too
    second.write_bytes(first.read_bytes())
    assert hash_of(first) == hash_of(second)


def test_another_container_of_the_same_packets_is_the_same_sound(tmp_path: Path) -> None:
    sound = noise(seconds=2, rate=48_000)
    ogg = write_audio(tmp_path / "a.opus", sound, rate=48_000)
    matroska = write_audio(tmp_path / "a.mka", sound, rate=48_000)
    assert fingerprint(os.fsencode(matroska)).container == "matroska"
    assert hash_of(ogg) == hash_of(matroska)


def test_it_knows_what_headers_say(tmp_path: Path) -> None:
    sound = np.stack([noise(rate=44_100)] * 2, axis=1)
    found = fingerprint(os.fsencode(write_audio(tmp_path / "a.flac", sound, rate=44_100)))
    assert (found.codec, found.container) == ("flac", "flac")
    assert (found.sample_rate, found.channels, found.bit_depth) == (44_100, 2, 16)


def test_progress_is_told(tmp_path: Path) -> None:
    calls: list[int] = []
    path = write_audio(tmp_path / "a.flac", noise(seconds=2))
    fingerprint(os.fsencode(path), progress=lambda: calls.append(1))
    assert len(calls) > 10


@given(junk=st.binary(max_size=400))
def test_any_bytes_fail_cleanly(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "junk.bin"
    path.write_bytes(junk)
    with pytest.raises(DecodeError):
        fingerprint(os.fsencode(path))
