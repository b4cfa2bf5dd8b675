"""Sound over HTTP: the bytes of files and of ranges of them, and what is decoded of the others."""

from __future__ import annotations

import base64
import io
import os
import re
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from audiosearch import open as open_sounds
from audiosearch.library import open_library
from tests.served_library import EVIL, Served
from tests.sounds import tone, write_audio


def without_uid(content: bytes) -> bytes:
    """A clip but for the number that each clip ever cut has for itself."""
    return re.sub(rb"(?<=<FILE_UID>)[0-9a-f-]+", b"", content)


@pytest.mark.parametrize("name", ["plain.wav", "both.flac", "song.mp3", "voice.opus"])
def test_what_browsers_play_is_the_file_itself(served: Served, name: str) -> None:
    content = (served.folder / name).read_bytes()
    reply = served.client.get(served.audio(name))
    assert reply.status_code == 200
    assert reply.content == content
    assert reply.headers["accept-ranges"] == "bytes"
    assert reply.headers["content-length"] == str(len(content))
    assert reply.headers["content-type"].startswith("audio/")


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-299", 100, 300),
        ("bytes=1000-", 1000, None),
        ("bytes=-77", -77, None),
        ("bytes=50-999999999", 50, None),
    ],
)
@pytest.mark.parametrize("name", ["plain.wav", "apple.aiff"])
def test_a_range_is_those_bytes(
    served: Served, name: str, wanted: str, start: int, end: int | None
) -> None:
    url = served.audio(name)
    whole = served.client.get(url).content
    reply = served.client.get(url, headers={"range": wanted})
    assert reply.status_code == 206
    assert reply.content == whole[start:end]
    first = start % len(whole)
    last = first + len(reply.content) - 1
    assert reply.headers["content-range"] == f"bytes {first}-{last}/{len(whole)}"
    head = served.client.head(url, headers={"range": wanted})
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole))


@pytest.mark.parametrize("name", ["plain.wav", "apple.aiff"])
def test_conditions_of_requests(served: Served, name: str) -> None:
    url = served.audio(name)
    first = served.client.get(url)
    etag = first.headers["etag"]
    known = served.client.get(url, headers={"if-none-match": f'"other", {etag}'})
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", etag)
    ranged = {"range": "bytes=10-19"}
    same = served.client.get(url, headers={**ranged, "if-range": etag})
    assert (same.status_code, same.content) == (206, first.content[10:20])
    other = served.client.get(url, headers={**ranged, "if-range": '"other"'})
    assert (other.status_code, other.content) == (200, first.content)
    beyond = served.client.get(url, headers={"range": f"bytes={len(first.content)}-"})
    assert beyond.status_code == 416
    assert beyond.headers["content-range"] == f"bytes */{len(first.content)}"
    for odd in ("bytes=5-2", "bytes=a-b", "lines=1-2", "bytes=0-1,5-6", "bytes=--1", "bytes="):
        reply = served.client.get(url, headers={"range": odd})
        assert (reply.status_code, reply.content) == (200, first.content), odd


@pytest.mark.parametrize(
    ("name", "start_s", "end_s"),
    [
        ("apple.aiff", 0, None),
        ("apple.aiff", 6.25, 7.5),
        ("plain.wav", 5.5, 5.75),
        ("both.flac", 7.1, None),
        ("both.flac", 0.1, 0.2),
        ("film.mka", 0, None),
        ("film.mka", 6.5, 7.0),
        ("song.mp3", 6.125, 7.5),
        ("voice.opus", 5.625, None),
    ],
)
def test_a_decoded_stretch_is_what_a_program_reads(
    served: Served, name: str, start_s: float, end_s: float | None
) -> None:
    given = {} if end_s is None else {"end": end_s}
    url = served.audio(name, format="wav", start=start_s, **given)
    reply = served.client.get(url)
    assert reply.status_code == 200, reply.text
    samples, rate = soundfile.read(io.BytesIO(reply.content), dtype="float32", always_2d=True)
    with open_sounds(served.config.data_dir) as library:
        own, own_rate = library.read(served.folder / name, start_s=start_s, end_s=end_s)
    assert rate == own_rate
    assert len(samples) == len(own)
    mono = samples.astype(np.float64).mean(axis=1).astype(np.float32)
    lossless = name.endswith((".wav", ".flac", ".aiff"))
    # Decoders of lossy codecs that begin in the middle differ in what ears do not hear.
    np.testing.assert_allclose(mono, own, atol=1e-7 if lossless else 1e-3)


def test_more_channels_than_two_are_heard_as_the_library_hears_them(served: Served) -> None:
    reply = served.client.get(served.audio("many.w64", start=5.5, end=6.5))
    samples, _ = soundfile.read(io.BytesIO(reply.content), dtype="float32", always_2d=True)
    with open_sounds(served.config.data_dir) as library:
        own, _ = library.read(served.folder / "many.w64", start_s=5.5, end_s=6.5)
    assert samples.shape == (len(own), 1)
    np.testing.assert_allclose(samples[:, 0], own, atol=1 / 32768)


def test_flac_is_the_same_sound(served: Served) -> None:
    for name, atol in (("apple.aiff", 0.0), ("song.mp3", 2.0**-23)):
        wave = served.client.get(served.audio(name, format="wav", start=2, end=3.5))
        flac = served.client.get(served.audio(name, format="flac", start=2, end=3.5))
        assert flac.status_code == 200
        assert flac.headers["content-type"] == "audio/flac"
        assert flac.headers["accept-ranges"] == "none"
        own, _ = soundfile.read(io.BytesIO(wave.content), dtype="float64", always_2d=True)
        with av.open(io.BytesIO(flac.content)) as container:
            frames = [each.to_ndarray() for each in container.decode(audio=0)]
            assert container.streams.audio[0].duration == len(own)  # what its header tells
        assert sum(each.shape[1] for each in frames) == own.size
        told = np.concatenate(frames, axis=1).reshape(-1, own.shape[1])
        full = 2.0 ** (15 if told.dtype == np.int16 else 31)
        np.testing.assert_allclose(told / full, own, atol=atol)


def test_a_file_to_keep_has_its_name(served: Served) -> None:
    reply = served.client.get(served.audio(EVIL, download="true"))
    assert reply.content == (served.folder / EVIL).read_bytes()
    told = reply.headers["content-disposition"]
    assert told == 'attachment; filename="<img src=x onerror=alert(1)>.wav"'
    aiff = served.client.get(served.audio("apple.aiff", download="true"))
    assert aiff.content == (served.folder / "apple.aiff").read_bytes()


def test_names_that_are_no_text_stay_names(served: Served) -> None:
    """A line break, a quote and bytes that are no UTF-8: neither header nor JSON breaks."""
    name = b'a\r\nSet-Cookie: x=1 "caf\xe9".wav'
    path = os.path.join(os.fsencode(served.folder), name)  # noqa: PTH118 - bytes
    with open(path, "wb") as file:  # noqa: PTH123
        file.write((served.folder / "plain.wav").read_bytes()[:20_044])
    with open_library(served.config, writable=True) as library:
        library.index([served.folder])
    wanted = served.id_of(os.fsdecode(name))
    reply = served.client.get(f"/api/recordings/{wanted}/audio?download=true")
    assert reply.status_code == 200
    assert "set-cookie" not in reply.headers
    assert reply.headers["content-disposition"].isprintable()
    told = served.client.get(f"/api/recordings/{wanted}").json()
    assert base64.b64decode(told["path_b64"]) == path
    rows = [{"recording_id": wanted, "start_s": 0.0, "end_s": 0.5}]
    for kind in ("csv", "clips", "m3u8"):
        made = served.client.post("/api/export", json={"format": kind, "rows": rows})
        assert made.status_code == 200, made.text
        assert made.headers["content-disposition"].isprintable()
        assert "set-cookie" not in made.headers


def test_a_cut_to_keep_is_what_the_command_cuts(served: Served, tmp_path: Path) -> None:
    for name, form in (("both.flac", "wav"), ("plain.wav", "flac"), ("song.mp3", "wav")):
        url = served.audio(
            name, start=1.5, end=2.75, download="true", format=form, caption="a%20low%20tone"
        )
        reply = served.client.get(url)
        assert reply.status_code == 200, reply.text
        row = {"start_s": 1.5, "end_s": 2.75, "caption": "a low tone"}
        with open_sounds(served.config.data_dir) as library:
            (own,) = library.export(
                [{"path": str(served.folder / name), **row}],
                "clips",
                tmp_path / f"{name}-{form}",
                clip_format=form,
            )
        assert without_uid(reply.content) == without_uid(own.read_bytes())
        assert f'filename="{own.name}"' in reply.headers["content-disposition"]
        assert served.client.head(url).status_code == 200


def test_what_is_gone_or_another_is_told_so(served: Served, tmp_path: Path) -> None:
    """Not served as something else: the file vanished, was replaced, or is a link by now."""
    file = served.folder / "passing.wav"
    write_audio(file, tone(640, seconds=1.5))
    with open_library(served.config, writable=True) as library:
        library.index([served.folder])
    url = served.audio("passing.wav")
    assert served.client.get(url).status_code == 200
    content, times = file.read_bytes(), file.stat()
    file.unlink()
    gone = served.client.get(url)
    assert gone.status_code == 404
    assert "not there" in gone.json()["error"]
    file.write_bytes(content[:-2])
    changed = served.client.get(url)
    assert (changed.status_code, "changed" in changed.json()["error"]) == (404, True)
    file.unlink()
    elsewhere = tmp_path / "secret.wav"
    elsewhere.write_bytes(content)
    os.utime(elsewhere, ns=(times.st_atime_ns, times.st_mtime_ns))
    file.symlink_to(elsewhere)
    linked = served.client.get(url)
    assert (linked.status_code, "link" in linked.json()["error"]) == (404, True)
    file.unlink()
    for other in (10**9, "9" * 30, "-1", "1e3", "..", "%2e%2e"):
        assert served.client.get(f"/api/recordings/{other}/audio").status_code == 404


@pytest.mark.parametrize(
    "parameters",
    [
        {"start": "9"},
        {"start": "nan"},
        {"start": "-1"},
        {"start": "2", "end": "2"},
        {"start": "3", "end": "1"},
        {"end": "inf"},
        {"format": "mp3"},
        {"path": "/etc/passwd"},
        {"download": "maybe"},
        {"start": "1e999"},
    ],
)
def test_bad_parameters(served: Served, parameters: dict[str, str]) -> None:
    reply = served.client.get(served.audio("plain.wav", **parameters))
    assert reply.status_code == 400
    assert set(reply.json()) == {"error", "remedy"}


def test_peaks(served: Served) -> None:
    url = f"/api/recordings/{served.id_of('both.flac')}/peaks"
    told = served.client.get(f"{url}?width=64").json()
    sound, rate = soundfile.read(served.folder / "both.flac", always_2d=True)
    bins = sound.reshape(64, -1)
    assert (told["start_s"], told["end_s"]) == (0.0, len(sound) / rate)
    np.testing.assert_allclose(told["maximum"], bins.max(axis=1) * 127, atol=1.0)
    np.testing.assert_allclose(told["minimum"], bins.min(axis=1) * 127, atol=1.0)
    near = served.client.get(f"{url}?start=6&end=6.01&width=160").json()
    some = sound[6 * rate : 6 * rate + 160]
    np.testing.assert_allclose(near["maximum"], some.max(axis=1) * 127, atol=0.51)
    assert served.client.get(f"{url}?width=4001").status_code == 400


def test_pictures_are_made_once(served: Served) -> None:
    url = f"/api/recordings/{served.id_of('plain.wav')}/spectrogram?width=80&height=64"
    first = served.client.get(url)
    assert first.headers["content-type"] == "image/png"
    with av.open(io.BytesIO(first.content)) as picture:
        (frame,) = picture.decode(video=0)
    grey = frame.to_ndarray(format="gray")
    assert grey.shape == (64, 80)
    # Four tones of two seconds: each row where one is loudest lies at its height.
    loudest = [int(grey[:, column].argmax()) for column in (10, 30, 50, 70)]
    assert loudest[1] < loudest[3] < loudest[2] < loudest[0]
    known = served.client.get(url, headers={"if-none-match": first.headers["etag"]})
    assert known.status_code == 304
    views = served.config.data_dir / "views"
    before = {path: path.stat().st_mtime_ns for path in views.iterdir()}
    assert served.client.get(url).content == first.content
    assert {path: path.stat().st_mtime_ns for path in views.iterdir()} == before
    for path in views.iterdir():  # damaged files are made anew
        path.write_bytes(path.read_bytes()[:-3] + b"???")
    assert served.client.get(url).content == first.content
