"""Header and file at odds over how much sound there is: all that is there is heard, and said."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

import av
import numpy as np
import pytest

from audiosearch.audio.decode import Decoding
from audiosearch.audio.fingerprint import survey_of
from audiosearch.audio.headers.chunks import sound_chunk
from audiosearch.audio.headers.wave import RIFF
from audiosearch.audio.sound import open_sound
from audiosearch.errors import DecodeCode, DecodeError
from tests.sounds import (
    LOSSLESS,
    LOSSY,
    RATES,
    chunk,
    id3v1_tag,
    info_chunk,
    noise,
    pcm_bytes,
    tone,
    wav_bytes,
    write_audio,
)

SECONDS = 2.0
# Where the size of the sound stands, how it is written, and what it counts besides the sound.
SIZE_FIELDS = {
    ".wav": (b"data", 4, "<I", 0),
    ".aiff": (b"SSND", 4, ">I", 8),
    ".caf": (b"data", 4, ">q", 4),
    ".w64": (b"data\xf3\xac\xd3\x11", 16, "<q", 24),
    ".au": (b".snd", 8, ">I", 0),
}


def remark_of(path: Path) -> str | None:
    with open_sound(os.fsencode(path)) as sound:
        return survey_of(sound).remark


def hash_of(path: Path) -> bytes:
    with open_sound(os.fsencode(path)) as sound:
        return survey_of(sound).fingerprint.audio_hash


def seconds_of(path: Path) -> float:
    decoding = Decoding(os.fsencode(path), sample_rate=16_000)
    n_samples = sum(len(block) for block in decoding)
    assert decoding.facts.duration_s == pytest.approx(n_samples / 16_000, abs=1e-3)
    return n_samples / 16_000


def claiming(content: bytes, suffix: str, size: int, *, raw: bool = False) -> bytes:
    """`content` with `size` bytes of sound claimed."""
    mark, offset, form, besides = SIZE_FIELDS[suffix]
    patched = bytearray(content)
    at = content.index(mark) + offset
    struct.pack_into(form, patched, at, size if raw else size + besides)
    return bytes(patched)


@pytest.mark.parametrize("suffix", SIZE_FIELDS)
@pytest.mark.parametrize("claimed_s", [0.1, 0.5, 1.9])
def test_sound_behind_the_claimed_end_is_heard(
    tmp_path: Path, suffix: str, claimed_s: float
) -> None:
    """A recorder that lost its power has written its header now and then, or at the start."""
    whole = write_audio(tmp_path / f"whole{suffix}", noise(seconds=SECONDS))
    lying = tmp_path / f"lying{suffix}"
    lying.write_bytes(claiming(whole.read_bytes(), suffix, round(claimed_s * 32_000)))
    assert seconds_of(lying) == SECONDS
    assert hash_of(lying) == hash_of(whole)
    assert remark_of(lying) == f"its header tells of {claimed_s} s, 2.0 s are there"


@pytest.mark.parametrize("suffix", SIZE_FIELDS)
def test_an_unfinished_header_claims_nothing_and_all_is_heard(tmp_path: Path, suffix: str) -> None:
    whole = write_audio(tmp_path / f"whole{suffix}", noise(seconds=SECONDS))
    lying = tmp_path / f"lying{suffix}"
    for size, raw in ((0, True), (0, False)):
        lying.write_bytes(claiming(whole.read_bytes(), suffix, size, raw=raw))
        assert seconds_of(lying) == SECONDS
        assert hash_of(lying) == hash_of(whole)
        assert remark_of(lying) is None


@pytest.mark.parametrize("suffix", SIZE_FIELDS)
def test_a_file_cut_short_is_heard_and_named(tmp_path: Path, suffix: str) -> None:
    whole = write_audio(tmp_path / f"whole{suffix}", noise(seconds=SECONDS))
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole.read_bytes()[:-32_000])
    assert seconds_of(cut) == SECONDS - 1
    assert remark_of(cut) == "its header tells of 2.0 s, 1.0 s are there"


@pytest.mark.parametrize("claimed", [0, 1000, 10**9, 2**64 - 1])
def test_rf64_with_a_wrong_size(tmp_path: Path, claimed: int) -> None:
    whole = tmp_path / "whole.wav"
    whole.write_bytes(wav_bytes(noise(seconds=SECONDS), rf64=True))
    content = bytearray(whole.read_bytes())
    struct.pack_into("<Q", content, content.index(b"ds64") + 16, claimed)
    lying = tmp_path / "lying.wav"
    lying.write_bytes(content)
    assert seconds_of(lying) == SECONDS
    assert hash_of(lying) == hash_of(whole)
    assert (remark_of(lying) is None) == (claimed in (0, 2**64 - 1))


@pytest.mark.parametrize("odd", [False, True])
def test_chunks_behind_the_sound_are_no_sound(tmp_path: Path, odd: bool) -> None:
    sound = noise(seconds=SECONDS)[: -1 if odd else None]
    bare = tmp_path / "bare.wav"
    bare.write_bytes(wav_bytes(sound, bits=8))
    texts = info_chunk({b"INAM": b"Rain"}) + chunk(b"bext", bytes(602)) + chunk(b"MyOw", b"12345")
    tagged = tmp_path / "tagged.wav"
    for behind in (texts, texts[:-3], texts + bytes(100), id3v1_tag(b"Rain"), bytes(5000)):
        tagged.write_bytes(wav_bytes(sound, bits=8, after=behind))
        assert hash_of(tagged) == hash_of(bare)
        assert seconds_of(tagged) == len(sound) / 16_000
        assert remark_of(tagged) is None


def test_a_header_that_claims_nothing_before_chunks_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "empty.wav"
    for claimed in (0, 0xFFFFFFFF):
        texts = info_chunk({b"INAM": b"a title that is no sound"})
        path.write_bytes(wav_bytes(np.zeros(0), declared_bytes=claimed, after=texts))
        with pytest.raises(DecodeError) as caught:
            seconds_of(path)
        assert caught.value.code is DecodeCode.NO_SAMPLES


def test_more_sound_than_32_bits_can_tell_ends_where_its_chunks_begin(tmp_path: Path) -> None:
    """5 GB of sound whose size field has gone round once; a sparse file."""
    path = tmp_path / "long.wav"
    size, claimed = (1 << 32) + 1000, 1000
    with path.open("wb") as file:
        file.write(b"\x01" * 44)
        file.seek(44 + claimed)
        file.write(b"\xff\xfe" * 100)
        file.seek(44 + size)
        file.write(info_chunk({b"INAM": b"Rain"}))
    with path.open("rb") as file:
        found = sound_chunk(
            file, 44, claimed, RIFF, open_ended=False, wraps=1 << 32, ignored_bytes=100
        )
    assert found.present == size


@pytest.mark.parametrize("suffix", [*LOSSLESS, *LOSSY])
def test_of_files_in_order_there_is_nothing_to_say(tmp_path: Path, suffix: str) -> None:
    rate = RATES.get(suffix, 16_000)
    for seconds in (0.3, 3.0):
        path = write_audio(tmp_path / f"a{suffix}", noise(seconds=seconds, rate=rate), rate=rate)
        assert remark_of(path) is None


@pytest.mark.parametrize(
    "suffix", [".flac", ".mp3", ".mka", ".tta", ".wma", ".wav", ".aiff", ".ogg", ".opus"]
)
def test_every_container_that_tells_its_length_is_held_to_it(tmp_path: Path, suffix: str) -> None:
    rate = RATES.get(suffix, 44_100)
    whole = write_audio(tmp_path / f"whole{suffix}", noise(seconds=6, rate=rate), rate=rate)
    content = whole.read_bytes()
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(content[: len(content) // 2])
    said = remark_of(cut)
    assert said is not None
    if suffix in (".ogg", ".opus"):  # which never tells how long it is
        assert said == "it breaks off in the middle of a page"
    else:
        assert said.startswith("its header tells of 6.0 s, ")


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize(
    ("suffix", "codec", "said"),
    [
        (".wav", "adpcm_ima_wav", "its header tells of 6.0 s, "),
        (".wav", "adpcm_ms", "its header tells of 6.0 s, "),
        (".wav", "libmp3lame", "its header tells of 24242 bytes of sound, "),
        (".flv", "libmp3lame", "its header tells of 6.0 s, "),
        (".voc", "pcm_u8", "it breaks off in the middle of a block"),
    ],
)
def test_containers_of_other_codecs_too(
    tmp_path: Path, suffix: str, codec: str, said: str, share: float
) -> None:
    whole = tmp_path / f"whole{suffix}"
    write_audio(whole, noise(seconds=6, rate=22_050), rate=22_050, codec=codec)
    assert remark_of(whole) is None
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole.read_bytes()[: round(whole.stat().st_size * share)])
    assert str(remark_of(cut)).startswith(said)


def test_8svx_that_breaks_off(tmp_path: Path) -> None:
    header = struct.pack(">IIIHBBI", 16_000, 0, 0, 8_000, 1, 0, 0x10000)
    body = b"8SVX" + b"VHDR" + struct.pack(">I", 20) + header
    body += b"BODY" + struct.pack(">I", 16_000) + bytes(range(250)) * 64
    content = b"FORM" + struct.pack(">I", len(body)) + body
    path = tmp_path / "a.8svx"
    path.write_bytes(content)
    assert seconds_of(path) == 2
    assert remark_of(path) is None
    path.write_bytes(content[:-4_000])
    assert seconds_of(path) == 1.5
    assert remark_of(path) == "its header tells of 16000 bytes of sound, 12000 are there"


@pytest.mark.parametrize("claimed", [0, 0xFFFFFFFF, 0x7FFFFFFF - 36, 20_000])
@pytest.mark.parametrize(
    "after",
    [chunk(b"LIST", b"INFO" + chunk(b"INAM", b"bell\0")), chunk(b"PAD ", bytes(3_000))],
    ids=["texts", "padding"],
)
def test_chunks_behind_sound_of_unknown_size_are_not_heard(
    tmp_path: Path, claimed: int, after: bytes
) -> None:
    content = wav_bytes(noise(seconds=SECONDS), declared_bytes=claimed, after=after)
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    whole = tmp_path / "whole.wav"
    whole.write_bytes(wav_bytes(noise(seconds=SECONDS), after=after))
    assert seconds_of(path) == SECONDS
    assert hash_of(path) == hash_of(whole)
    expected = "its header tells of 0.6 s, 2.0 s are there" if claimed == 20_000 else None
    assert remark_of(path) == expected


@pytest.mark.parametrize("claimed", [0x7F000000, 0x7F000008])
def test_aiff_from_a_pipe_is_in_order(tmp_path: Path, claimed: int) -> None:
    """sox cannot know how long it will be, and claims nearly 2 GiB."""
    path = write_audio(tmp_path / "a.aiff", noise(seconds=SECONDS))
    content = bytearray(path.read_bytes())
    struct.pack_into(">I", content, content.index(b"SSND") + 4, claimed)
    struct.pack_into(">I", content, content.index(b"COMM") + 10, 0x7F000000 // 2)
    path.write_bytes(content)
    assert seconds_of(path) == SECONDS
    assert remark_of(path) is None


@pytest.mark.parametrize("size", [-1, 0])
def test_wave64_from_a_pipe_is_in_order(tmp_path: Path, size: int) -> None:
    whole = write_audio(tmp_path / "whole.w64", noise(seconds=SECONDS))
    content = bytearray(whole.read_bytes())
    struct.pack_into("<q", content, 16, size)
    mark = content.index(SIZE_FIELDS[".w64"][0])
    struct.pack_into("<q", content, mark + 16, (1 << 63) - 1 if size else 0)
    path = tmp_path / "a.w64"
    path.write_bytes(content)
    assert seconds_of(path) == SECONDS
    assert hash_of(path) == hash_of(whole)
    assert remark_of(path) is None


def test_a_picture_that_runs_on_after_the_sound(tmp_path: Path) -> None:
    """The length that ASF tells is that of the longest stream."""
    path = tmp_path / "a.wmv"
    with av.open(str(path), "w", format="asf") as output:
        picture = output.add_stream("mpeg4", rate=10, width=64, height=64)
        sound = output.add_stream("wmav2", rate=44_100, layout="mono", bit_rate=64_000)
        for number in range(60):
            frame = av.VideoFrame(64, 64, "yuv420p")
            frame.pts = number
            output.mux(picture.encode(frame))
        output.mux(picture.encode(None))
        block = noise(seconds=3, rate=44_100)[None].astype(np.float32)
        piece = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
        piece.sample_rate = 44_100
        resampler = av.AudioResampler("fltp", "mono", 44_100, frame_size=sound.frame_size)
        for each in [*resampler.resample(piece), None]:
            output.mux(sound.encode(each))
    assert remark_of(path) is None
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 3])
    assert str(remark_of(path)).startswith("its header tells of ")


def test_gsm_ends_where_its_fact_chunk_says(tmp_path: Path) -> None:
    """Three blocks of 65 bytes and one that makes the chunk even, which sox counts as sound."""
    blocks = np.random.default_rng(0).integers(0, 256, 195, np.uint8).tobytes()
    form = struct.pack("<HHIIHHHH", 0x31, 1, 8_000, 1_625, 65, 0, 2, 320)
    body = b"WAVE" + chunk(b"fmt ", form) + chunk(b"fact", struct.pack("<I", 900))
    body += chunk(b"data", blocks + b"\0")
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    decoding = Decoding(os.fsencode(path), sample_rate=8_000)
    assert sum(len(block) for block in decoding) == 900
    assert decoding.facts.remark is None
    assert remark_of(path) is None


@pytest.mark.parametrize("zeros", [True, False])
def test_a_hole_in_the_midst_of_flac(tmp_path: Path, zeros: bool) -> None:
    """Its frames tell when they start, so the last one is where the header has the end."""
    path = write_audio(tmp_path / "a.flac", noise(seconds=6))
    content = path.read_bytes()
    size = len(content) // 4
    path.write_bytes(content[:size] + bytes(size) * zeros + content[2 * size :])
    decoding = Decoding(os.fsencode(path), sample_rate=16_000)
    assert sum(len(block) for block in decoding) / 16_000 == pytest.approx(4.5, abs=0.6)
    assert re.match(r"1\.\d s of it are missing or damaged", decoding.facts.remark or "")


@pytest.mark.parametrize("suffix", [".ogg", ".opus"])
def test_missing_pages_of_ogg(tmp_path: Path, suffix: str) -> None:
    path = write_audio(tmp_path / f"a{suffix}", noise(seconds=8, rate=48_000), rate=48_000)
    content = path.read_bytes()
    pages = [match.start() for match in re.finditer(b"OggS", content)]
    assert remark_of(path) is None
    middle = len(pages) // 2
    path.write_bytes(content[: pages[middle]] + content[pages[middle + 1] :])
    assert seconds_of(path) < 7.5
    assert remark_of(path) == "1 of its pages are missing or damaged"
    # A recording of a broadcast has the headers of its beginning and pages of its middle.
    path.write_bytes(content[: pages[2]] + content[pages[middle] :])
    assert remark_of(path) is None


@pytest.mark.parametrize("bits", [16, 24])
def test_all_chunks_of_sound_are_heard(tmp_path: Path, bits: int) -> None:
    """FFmpeg reads the last one only."""
    sounds = [tone(hz, seconds=1) for hz in (440, 660, 880)]
    more = chunk(b"LIST", b"INFO") + b"".join(
        chunk(b"data", pcm_bytes(sound, bits=bits)) for sound in sounds[1:]
    )
    path = tmp_path / "a.wav"
    path.write_bytes(wav_bytes(sounds[0], bits=bits, after=more))
    samples = np.concatenate(list(Decoding(os.fsencode(path), sample_rate=16_000)))
    assert np.abs(samples - np.concatenate(sounds)).max() < 1e-4
    assert remark_of(path) is None
    other = tmp_path / "b.wav"
    other.write_bytes(wav_bytes(sounds[0], bits=bits))
    assert hash_of(path) != hash_of(other)


def test_a_movie_atom_before_sound_that_is_cut_off(tmp_path: Path) -> None:
    options = {"movflags": "faststart"}
    whole = write_audio(tmp_path / "a.m4a", noise(seconds=6), container_options=options)
    content = whole.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    cut = tmp_path / "cut.m4a"
    cut.write_bytes(content[: content.index(b"mdat") + len(content) // 3])
    assert remark_of(whole) is None
    assert str(remark_of(cut)).startswith("its header tells of 6.0 s, ")


@pytest.mark.parametrize("n_frames", [20, 2000])
def test_a_wrong_count_of_frames_in_mp3(tmp_path: Path, n_frames: int) -> None:
    path = write_audio(tmp_path / "a.mp3", noise(seconds=4))
    content = bytearray(path.read_bytes())
    mark = max(content.find(b"Xing"), content.find(b"Info"))
    struct.pack_into(">I", content, mark + 8, n_frames)
    path.write_bytes(content)
    assert seconds_of(path) == pytest.approx(4, abs=0.1)
    assert str(remark_of(path)).startswith(f"its header tells of {n_frames * 576 / 16_000:.1f} s")


@pytest.mark.parametrize("n_samples", [0, 16_000])
def test_a_wrong_count_of_samples_in_flac(tmp_path: Path, n_samples: int) -> None:
    path = write_audio(tmp_path / "a.flac", noise(seconds=4))
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    struct.pack_into(">I", content, 22, n_samples)
    path.write_bytes(content)
    assert seconds_of(path) == 4
    expected = "its header tells of 1.0 s, 4.0 s are there" if n_samples else None
    assert remark_of(path) == expected


@pytest.mark.parametrize("codec", ["adpcm_ima_wav", "adpcm_ms"])
def test_the_last_block_of_adpcm_ends_where_its_fact_chunk_says(tmp_path: Path, codec: str) -> None:
    path = write_audio(tmp_path / "a.wav", noise(seconds=1, rate=44_100), rate=44_100, codec=codec)
    content = bytearray(path.read_bytes())
    at = content.index(b"fact") + 8
    struct.pack_into("<I", content, at, 44_100)
    path.write_bytes(content)
    assert seconds_of(path) == pytest.approx(1, abs=1e-3)
    struct.pack_into("<I", content, at, 4_410)  # much less than there is: then it is wrong
    path.write_bytes(content)
    assert seconds_of(path) > 1


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_the_end_of_m4a_is_cut_by_its_edit_list(tmp_path: Path, rate: int) -> None:
    path = write_audio(tmp_path / "a.m4a", noise(seconds=1, rate=rate), rate=rate)
    assert seconds_of(path) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("suffix", [".wav", ".aiff", ".w64", ".m4a", ".wma"])
def test_files_joined_end_to_end_are_told_of(tmp_path: Path, suffix: str) -> None:
    rate = RATES.get(suffix, 16_000)
    first = write_audio(tmp_path / f"a{suffix}", noise(seconds=1, rate=rate), rate=rate)
    joined = tmp_path / f"joined{suffix}"
    joined.write_bytes(first.read_bytes() * 2)
    assert remark_of(joined) == "another file is joined to its end, and is not heard"


@pytest.mark.parametrize(("n_frames", "said"), [(0, None), (100, None), (64_000, "4.0 s, 2.0 s")])
def test_a_wrong_count_of_frames_in_aiff(tmp_path: Path, n_frames: int, said: str | None) -> None:
    path = write_audio(tmp_path / "a.aiff", noise(seconds=SECONDS))
    content = bytearray(path.read_bytes())
    struct.pack_into(">I", content, content.index(b"COMM") + 10, n_frames)
    path.write_bytes(content)
    assert seconds_of(path) == SECONDS
    assert remark_of(path) == (said and f"its header tells of {said} are there")


@pytest.mark.parametrize("name", [b"RIFF", b"RF64", b"riff", b"FORM", b"caff", b".snd", b"OggS"])
def test_headers_of_garbage_are_left_to_the_decoder(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / "garbage"
    random = np.random.default_rng(0)
    for _ in range(100):
        path.write_bytes(name + random.bytes(int(random.integers(0, 300))))
        with pytest.raises(DecodeError):
            remark_of(path)
