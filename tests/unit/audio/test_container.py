"""Opening: only sound files, only the one file that was named, and a reason for the rest."""

from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np
import pytest
from av.format import ContainerFormat, formats_available

from audiosearch.audio.container import DEMUXERS, probing_options
from audiosearch.audio.sound import open_sound
from audiosearch.audio.source import Span
from audiosearch.errors import DecodeCode, DecodeError
from tests.sounds import id3v2_tag, noise, tone, wav_bytes, write_audio

# Demuxers that open other files or addresses, or take anything for sound.
LISTS_AND_RAW = (
    "concat,dash,data,hls,image2,image2pipe,imf,lavfi,mpjpeg,rawvideo,rtp,rtsp,s16le,sap,sdp,"
    "webm_dash_manifest,f32le,u8,g722,g726,alaw,mulaw,sln,tty"
)


def code_of(path: Path) -> DecodeCode:
    with pytest.raises(DecodeError) as caught, open_sound(os.fsencode(path)):
        pass
    assert caught.value.reason
    assert caught.value.path == str(path)
    return caught.value.code


def test_allowed_demuxers_exist_and_none_opens_other_files() -> None:
    allowed = set(DEMUXERS.split(","))
    known = {name for entry in formats_available for name in entry.split(",")}
    assert allowed <= known
    assert not allowed & set(LISTS_AND_RAW.split(","))
    assert ContainerFormat("hls", "r").name == "hls"  # it is in this FFmpeg, and must be kept out


@pytest.mark.parametrize("name", ["list.mp3", "list.wav", "list.m3u8", "list.ogg"])
@pytest.mark.parametrize(
    "content",
    [
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{target}\n",
        "ffconcat version 1.0\nfile {target}\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio 49170 RTP/AVP 0\n",
        '<?xml version="1.0"?><MPD><Period><AdaptationSet><Representation><BaseURL>{target}'
        "</BaseURL></Representation></AdaptationSet></Period></MPD>",
    ],
    ids=["hls", "concat", "sdp", "dash"],
)
def test_a_playlist_opens_nothing(tmp_path: Path, name: str, content: str) -> None:
    target = write_audio(tmp_path / "target.wav", tone())
    playlist = tmp_path / name
    playlist.write_text(content.format(target=f"file://{target}"))
    # By its extension FFmpeg takes the last for an Ogg file with a damaged header.
    assert code_of(playlist) in (DecodeCode.UNSUPPORTED, DecodeCode.DAMAGED)


@pytest.mark.parametrize("suffix", [".wav", ".mp3", ".flac", ".ogg", ".m4a", ".wma", ".xyz"])
def test_garbage_is_no_sound(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"garbage{suffix}"
    path.write_bytes(np.random.default_rng(1).bytes(20_000))
    assert code_of(path) in (DecodeCode.UNSUPPORTED, DecodeCode.DAMAGED)


def test_empty_absent_folder_and_fifo(tmp_path: Path) -> None:
    empty = tmp_path / "empty.wav"
    empty.touch()
    assert code_of(empty) is DecodeCode.EMPTY
    assert code_of(tmp_path / "absent.wav") is DecodeCode.UNREADABLE
    assert code_of(tmp_path) is DecodeCode.UNREADABLE
    fifo = tmp_path / "fifo.wav"
    os.mkfifo(fifo)
    assert code_of(fifo) is DecodeCode.UNREADABLE


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "private.wav", tone())
    path.chmod(0)
    assert code_of(path) is DecodeCode.UNREADABLE


def test_a_text_and_a_picture_are_unsupported(tmp_path: Path) -> None:
    text = tmp_path / "notes.wav"
    text.write_text("no sound here\n" * 200)
    assert code_of(text) is DecodeCode.UNSUPPORTED
    picture = tmp_path / "picture.png"
    write_picture(picture)
    assert code_of(picture) in (DecodeCode.UNSUPPORTED, DecodeCode.NO_AUDIO)


def test_a_video_without_sound_has_no_audio(tmp_path: Path) -> None:
    path = tmp_path / "silent-film.mp4"
    write_picture(path, codec="mpeg4")
    assert code_of(path) is DecodeCode.NO_AUDIO


def test_cover_art_is_passed_over(tmp_path: Path) -> None:
    picture = tmp_path / "cover.png"
    write_picture(picture)
    plain = write_audio(tmp_path / "plain.mp3", tone(seconds=2))
    attached = b"\0image/png\0\x03\0" + picture.read_bytes()
    covered = tmp_path / "covered.mp3"
    covered.write_bytes(id3v2_tag({b"APIC": attached}) + plain.read_bytes())
    with open_sound(os.fsencode(covered)) as sound:
        assert len(sound.first.container.streams.video) == 1
        assert [stream.type for stream in sound.first.heard] == ["audio"]


@pytest.mark.parametrize(
    ("container", "encoder", "codec"),
    [
        ("ac3", "ac3", "ac3"),
        ("eac3", "eac3", "eac3"),
        ("mp3", "libmp3lame", "mp3float"),
        ("adts", "aac", "aac"),
    ],
)
def test_a_codec_that_hides_in_the_pcm_of_a_wav_file(
    tmp_path: Path, container: str, encoder: str, codec: str
) -> None:
    sound = noise(seconds=2, rate=48_000)
    raw = tmp_path / "a.raw"
    write_audio(raw, sound, rate=48_000, codec=encoder, container=container)
    content = raw.read_bytes()
    samples = np.frombuffer(content[: len(content) // 4 * 4], "<i2").reshape(-1, 2) / 32_768
    path = tmp_path / "hidden.wav"
    path.write_bytes(wav_bytes(samples, rate=48_000))
    with open_sound(os.fsencode(path)) as opened:
        assert opened.first.heard[0].codec_context.name == codec


@pytest.mark.parametrize("word", ["7ffe8001", "fe7f0180", "1fffe800", "ff1f00e8", "f8726fba"])
def test_ffmpeg_looks_further_where_dts_or_truehd_may_hide(tmp_path: Path, word: str) -> None:
    """Which FFmpeg's wheels cannot write."""
    path = tmp_path / "a.wav"
    content = wav_bytes(tone(seconds=5))
    path.write_bytes(content)
    assert probing_options(os.fsencode(path), None) == {"probesize": "8192"}
    assert probing_options(os.fsencode(path), Span(0, len(content))) == {}
    for at in (44, 8_000, 140_000):
        path.write_bytes(content[:at] + bytes.fromhex(word) + content[at + 4 :])
        assert probing_options(os.fsencode(path), None) == {}
    other = write_audio(tmp_path / "a.flac", tone())
    assert probing_options(os.fsencode(other), None) == {}


@pytest.mark.parametrize(
    "name",
    [
        b"caf\xe9.wav",
        b"two\nlines.wav",
        "\u202egnos.wav".encode(),
        b"a" * 251 + b".wav",
        b"http:x.wav",
        b"concat:a|b.wav",
        b"%03d.wav",
        b"-i.wav",
        b" .wav",
        "e\u0301.wav".encode(),
    ],
)
def test_any_name_is_a_name(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(wav_bytes(tone(seconds=0.1)))
    with open_sound(os.fsencode(path)) as sound:
        assert sound.first.container.format.name == "wav"


def write_picture(path: Path, *, codec: str = "png") -> None:
    with av.open(str(path), "w", format="mp4" if codec != "png" else "image2") as output:
        stream = output.add_stream(codec, rate=10)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = "rgb24" if codec == "png" else "yuv420p"
        shape = (48, 64, 3)
        frame = av.VideoFrame.from_ndarray(np.zeros(shape, np.uint8), format="rgb24")
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
