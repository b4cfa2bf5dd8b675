"""Clips are the source's own samples, with what it says of itself moved along."""

from __future__ import annotations

import dataclasses
import io
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from mutagen.flac import FLAC
from mutagen.wave import WAVE

from audiosearch.audio.metadata.xml import parse
from audiosearch.audio.sandbox.client import WorkerLimits
from audiosearch.errors import DecodeError, QueryError
from audiosearch.exchange import clip_files
from audiosearch.exchange.broadcast import BextChunk
from audiosearch.exchange.clips import ClipForm, Cut, clip_targets, cut_clips
from audiosearch.exchange.names import NameTemplate
from audiosearch.exchange.stretches import LabelledStretch, RecordingFacts
from tests.sounds import noise, tone, write_audio

RATE = 44_100
NAMES = NameTemplate("{stem}_{rank}")


def stretch(path: Path, start_s: float, end_s: float, **more: object) -> LabelledStretch:
    row = {"caption": "Ein Hund bellt – laut"}
    return LabelledStretch(
        path=os.fsencode(path), start_s=start_s, end_s=end_s, label="dog", row=row, **more
    )


def cut(some: LabelledStretch, folder: Path, **form: object) -> Cut:
    asked = ClipForm(template=NAMES, **form)
    clips = folder / "clips"
    clips.mkdir(exist_ok=True)
    [target] = clip_targets([some], clips, asked)
    [done] = cut_clips([some], [target], asked, limits=WorkerLimits())
    if not isinstance(done, Cut):
        raise done
    return done


def two_channels(seconds: float = 2.0) -> np.ndarray:
    return np.stack([tone(440, seconds=seconds, rate=RATE), noise(seconds=seconds, rate=RATE)], 1)


@pytest.mark.parametrize(
    ("form", "subtype", "written"),
    [
        ("WAV", "PCM_U8", "PCM_U8"),
        ("WAV", "PCM_16", "PCM_16"),
        ("WAV", "PCM_24", "PCM_24"),
        ("WAV", "PCM_32", "PCM_32"),
        ("WAV", "FLOAT", "FLOAT"),
        ("WAV", "DOUBLE", "DOUBLE"),
        ("WAVEX", "PCM_24", "PCM_24"),
        ("RF64", "PCM_24", "PCM_24"),
        ("W64", "PCM_16", "PCM_16"),
        ("AIFF", "PCM_S8", "PCM_U8"),
        ("AIFF", "PCM_24", "PCM_24"),
        ("CAF", "PCM_24", "PCM_24"),
        ("CAF", "ALAC_24", "PCM_24"),
        ("AU", "PCM_16", "PCM_16"),
        ("FLAC", "PCM_16", "PCM_16"),
        ("FLAC", "PCM_24", "PCM_24"),
    ],
)
@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_what_is_lossless_is_cut_sample_by_sample(
    form: str, subtype: str, written: str, kind: str, tmp_path: Path
):
    source = tmp_path / f"source.{form.lower()}"
    soundfile.write(source, two_channels(), RATE, subtype, format=form)
    done = cut(stretch(source, 0.123456, 1.75), tmp_path, kind=kind)
    info = soundfile.info(done.target)
    assert (info.samplerate, info.channels) == (RATE, 2)
    first, last = round(0.123456 * RATE), round(1.75 * RATE)
    assert info.frames == done.n_samples == last - first
    assert not done.decoded
    with soundfile.SoundFile(source) as file:
        file.seek(first)
        wanted = file.read(last - first, dtype="float64")
    got, _ = soundfile.read(done.target, dtype="float64")
    wide = subtype in ("PCM_32", "FLOAT", "DOUBLE")
    assert done.narrowed == (kind == "flac" and wide)
    if done.narrowed:
        assert np.abs(got - wanted).max() <= 2**-23
    else:
        assert info.subtype == (written if kind == "wav" else written.replace("U8", "S8"))
        assert np.array_equal(got, wanted)


@pytest.mark.parametrize(
    ("suffix", "codec", "form", "subtype"),
    [
        (".tta", None, "s16", "PCM_16"),
        (".m4a", "alac", "s16p", "PCM_16"),
        (".wv", None, "s16p", "FLOAT"),  # does not say how many bits it has
    ],
)
def test_what_libsndfile_cannot_read_is_decoded_without_loss(
    suffix: str, codec: str | None, form: str, subtype: str, tmp_path: Path
):
    samples = np.round(two_channels() * 20_000) / 32_768
    source = write_audio(
        tmp_path / f"s{suffix}", samples, rate=RATE, codec=codec, sample_format=form
    )
    done = cut(stretch(source, 0.5, 1.5), tmp_path)
    got, _ = soundfile.read(done.target)
    assert done.decoded
    assert soundfile.info(done.target).subtype == subtype
    assert np.abs(got - samples[RATE // 2 : RATE // 2 + RATE]).max() <= 2**-15


@pytest.mark.parametrize("suffix", [".mp3", ".ogg", ".m4a"])
def test_lossy_sources_keep_their_channels_and_their_times(suffix: str, tmp_path: Path):
    quiet = np.zeros((RATE, 2))
    samples = np.concatenate([quiet, two_channels(1.0) * [1, 0], quiet])
    source = write_audio(tmp_path / f"s{suffix}", samples, rate=RATE)
    facts = RecordingFacts(duration_s=3.0)
    done = cut(stretch(source, 0.5, 1.5, facts=facts), tmp_path)
    got, rate = soundfile.read(done.target)
    assert done.decoded
    assert (rate, got.shape) == (RATE, (RATE, 2))
    assert soundfile.info(done.target).subtype == "FLOAT"
    loud = np.flatnonzero(np.abs(got[:, 0]) > 0.2)
    assert abs(loud[0] - RATE // 2) < 0.03 * RATE
    assert np.abs(got[:, 0]).max() > 3 * np.abs(got[:, 1]).max()


def test_a_header_that_lies_is_not_believed(tmp_path: Path):
    """The library heard three seconds; the header tells of one."""
    source = tmp_path / "s.wav"
    soundfile.write(source, two_channels(3.0), RATE, "PCM_16")
    content = bytearray(source.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", RATE * 4)
    source.write_bytes(content)
    done = cut(stretch(source, 2.0, 2.5, facts=RecordingFacts(duration_s=3.0)), tmp_path)
    assert done.decoded
    assert done.n_samples == RATE // 2


def test_clips_beyond_four_gigabytes_are_rf64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The limit is lowered, not the disk filled."""
    source = tmp_path / "s.wav"
    soundfile.write(source, two_channels(), RATE, "PCM_24")
    monkeypatch.setattr(clip_files, "MAX_RIFF_BYTES", 50_000)
    done = cut(stretch(source, 0.5, 1.5), tmp_path)
    info = soundfile.info(done.target)
    assert (info.format, info.frames) == ("RF64", RATE)
    got, _ = soundfile.read(done.target, dtype="int32")
    wanted, _ = soundfile.read(source, dtype="int32", start=RATE // 2, stop=RATE // 2 + RATE)
    assert np.array_equal(got, wanted)


def test_fades_are_at_both_ends_alone(tmp_path: Path):
    source = tmp_path / "s.wav"
    soundfile.write(source, np.full(RATE, 0.5), RATE, "PCM_24")
    done = cut(stretch(source, 0.0, 1.0), tmp_path, fade_s=0.1)
    got, _ = soundfile.read(done.target)
    n = RATE // 10
    assert 0 <= got[0] < 0.001
    assert 0 <= got[-1] < 0.001
    assert np.all(np.diff(got[:n]) >= 0)
    assert np.allclose(got[n:-n], 0.5)
    assert np.allclose(got[:n], got[-n:][::-1])


def broadcast_wave(path: Path, *, time_reference: int, day: bytes, time: bytes) -> Path:
    buffer = io.BytesIO()
    soundfile.write(buffer, two_channels(), RATE, "PCM_24", format="WAV")
    plain = buffer.getvalue()
    bext = BextChunk(
        description=b"Schl\xe4ge",  # Latin-1, as recorders write it
        originator=b"Recorder",
        reference=b"REF1",
        date=day,
        time=time,
        time_reference=time_reference,
        history=b"A=PCM,F=44100\r\n",
    ).pack()
    ixml = (
        b"<BWFXML><PROJECT>Film</PROJECT><SCENE>12</SCENE><NOTE>wind</NOTE>"
        b"<FILE_UID>abc</FILE_UID><TRACK_LIST><TRACK><NAME>Boom</NAME></TRACK></TRACK_LIST>"
        b"<SPEED><TIMECODE_RATE>25/1</TIMECODE_RATE></SPEED>"
        b"<SYNC_POINT_LIST><SYNC_POINT/></SYNC_POINT_LIST></BWFXML>"
    )
    chunks = b"".join(
        name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
        for name, content in ((b"bext", bext), (b"iXML", ixml))
    )
    body = plain[8:] + chunks
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


def chunks_of(path: Path) -> dict[bytes, bytes]:
    content = path.read_bytes()
    assert content[:4] == b"RIFF"
    assert int.from_bytes(content[4:8], "little") == len(content) - 8
    found, at = {}, 12
    while at < len(content):
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        found[content[at : at + 4]] = content[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    assert at == len(content)
    return found


def test_the_time_reference_moves_along(tmp_path: Path):
    start = 10 * 3600 * RATE
    source = broadcast_wave(
        tmp_path / "s.wav", time_reference=start, day=b"2026-05-01", time=b"10:00:00"
    )
    done = cut(stretch(source, 1.25, 2.0), tmp_path)
    chunks = chunks_of(done.target)
    assert list(chunks) == [b"bext", b"iXML", b"fmt ", b"data"]
    bext = BextChunk.read(chunks[b"bext"])
    assert bext is not None
    assert bext.time_reference == start + round(1.25 * RATE)
    assert (bext.date, bext.time) == (b"2026-05-01", b"10:00:01")
    assert (bext.description, bext.originator, bext.reference) == (
        b"Schl\xe4ge",
        b"Recorder",
        b"REF1",
    )
    assert bext.history.startswith(b"A=PCM,F=44100\r\nA=PCM,F=44100,W=24,M=stereo,T=audiosearch")
    root = parse(chunks[b"iXML"])
    assert root.child_text("SCENE") == "12"
    assert root.child_text("NOTE") == "wind; Ein Hund bellt – laut"
    assert root.child("SYNC_POINT_LIST") is None
    speed, history = root.child("SPEED"), root.child("HISTORY")
    assert speed is not None
    assert history is not None
    assert speed.child_text("TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO") == str(bext.time_reference)
    assert speed.child_text("TIMECODE_RATE") == "25/1"
    assert history.child_text("PARENT_UID") == "abc"
    assert history.child_text("ORIGINAL_FILENAME") == "s.wav"


def test_a_recording_over_midnight_has_clips_of_the_next_day(tmp_path: Path):
    day = 86_400 * RATE
    source = broadcast_wave(
        tmp_path / "s.wav", time_reference=day - RATE, day=b"2026-12-31", time=b"23:59:59"
    )
    bext = BextChunk.read(chunks_of(cut(stretch(source, 1.5, 2.0), tmp_path).target)[b"bext"])
    assert bext is not None
    assert bext.time_reference == RATE // 2
    assert (bext.date, bext.time) == (b"2027-01-01", b"00:00:00")


def test_a_source_that_says_nothing_has_clips_that_count_from_it(tmp_path: Path):
    source = tmp_path / "plain.wav"
    soundfile.write(source, two_channels(), RATE)
    chunks = chunks_of(cut(stretch(source, 1.0, 2.0), tmp_path).target)
    bext = BextChunk.read(chunks[b"bext"])
    assert bext is not None
    assert bext.time_reference == RATE
    assert bext.description == b"Ein Hund bellt ? laut"
    assert (bext.date, bext.time) == (b"", b"")
    assert "Ein Hund bellt – laut" in parse(chunks[b"iXML"]).child_text("NOTE")


def test_a_recorders_clock_gives_the_time_of_day(tmp_path: Path):
    """As the names of AudioMoth's files tell it."""
    source = tmp_path / "20260501_215950.wav"
    soundfile.write(source, two_channels(), RATE)
    some = stretch(source, 1.5, 2.0)
    row = {**some.row, "clock_start": "2026-05-01T21:59:51.500+02:00"}
    done = cut(dataclasses.replace(some, row=row), tmp_path)
    bext = BextChunk.read(chunks_of(done.target)[b"bext"])
    assert bext is not None
    assert (bext.date, bext.time) == (b"2026-05-01", b"21:59:51")
    assert bext.time_reference == round((21 * 3600 + 59 * 60 + 51.5) * RATE)
    told = broadcast_wave(
        tmp_path / "b.wav", time_reference=RATE, day=b"2026-05-01", time=b"00:00:01"
    )
    kept = BextChunk.read(
        chunks_of(cut(dataclasses.replace(stretch(told, 1, 2), row=row), tmp_path).target)[b"bext"]
    )
    assert kept is not None
    assert kept.time_reference == 2 * RATE


def test_a_category_is_told_where_it_is_known(tmp_path: Path):
    source = tmp_path / "plain.wav"
    soundfile.write(source, two_channels(), RATE)
    some = stretch(source, 0, 1)
    form = ClipForm(template=NameTemplate("{ucs}_{stem}", ucs="DOORWood"), ucs="DOORWood")
    [target] = clip_targets([some], tmp_path, form)
    [done] = cut_clips([some], [target], form, limits=WorkerLimits())
    assert isinstance(done, Cut)
    assert done.target.name == "DOORWood_plain.wav"
    user = parse(chunks_of(done.target)[b"iXML"]).child("USER")
    assert user is not None
    told = [user.child_text(each) for each in ("CATID", "CATEGORY", "SUBCATEGORY")]
    assert told == ["DOORWood", "DOORS", "WOOD"]


def test_a_channel_mask_stays(tmp_path: Path):
    """Four channels of an ambisonic recording are no quadrophony."""
    form = struct.pack("<HHIIHHHHI", 0xFFFE, 4, RATE, RATE * 12, 12, 24, 22, 24, 0)
    form += bytes.fromhex("0100000000001000800000aa00389b71")
    sound = bytes(12 * RATE)
    chunks = b"".join(
        name + struct.pack("<I", len(content)) + content
        for name, content in ((b"fmt ", form), (b"data", sound))
    )
    source = tmp_path / "b.wav"
    source.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)
    done = cut(stretch(source, 0.25, 0.5), tmp_path)
    assert chunks_of(done.target)[b"fmt "] == form
    assert soundfile.info(done.target).channels == 4


def test_flac_says_it_in_comments_and_as_a_wave_would(tmp_path: Path):
    source = broadcast_wave(
        tmp_path / "s.wav", time_reference=5 * RATE, day=b"2026-05-01", time=b"00:00:05"
    )
    done = cut(stretch(source, 1.0, 2.0), tmp_path, kind="flac")
    tags = FLAC(done.target)
    assert tags["DESCRIPTION"] == ["Ein Hund bellt – laut"]
    assert tags["DATE"] == ["2026-05-01"]
    foreign = [b.data[4:] for b in tags.metadata_blocks if b.code == 2 and b.data[:4] == b"riff"]
    assert [each[:4] for each in foreign] == [b"RIFF", b"bext", b"iXML", b"fmt ", b"data"]
    bext = BextChunk.read(foreign[1][8:])
    assert bext is not None
    assert bext.time_reference == 6 * RATE


def test_wave_files_are_read_by_mutagen(tmp_path: Path):
    source = tmp_path / "plain.wav"
    soundfile.write(source, two_channels(), RATE, "PCM_24")
    info = WAVE(cut(stretch(source, 0.5, 1.0), tmp_path).target).info
    assert (info.sample_rate, info.channels, info.bits_per_sample) == (RATE, 2, 24)
    assert info.length == pytest.approx(0.5)


def test_one_bad_source_costs_its_own_clips(tmp_path: Path):
    good, bad = tmp_path / "good.wav", tmp_path / "bad.wav"
    soundfile.write(good, two_channels(), RATE)
    bad.write_bytes(b"no sound")
    some = [
        stretch(bad, 0, 1),
        stretch(tmp_path / "none.wav", 0, 1),
        stretch(good, 5, 6),
        stretch(good, 1.5, 9),
    ]
    form = ClipForm(template=NameTemplate("{stem}_{start}"))
    targets = clip_targets(some, tmp_path, form)
    done = list(cut_clips(some, targets, form, limits=WorkerLimits()))
    assert [type(each) for each in done] == [DecodeError, DecodeError, QueryError, Cut]
    assert not any(target.exists() for target in targets[:3])
    assert isinstance(done[3], Cut)
    assert done[3].n_samples == RATE // 2
    assert not list(tmp_path.glob("*.unfinished"))


def test_what_flac_cannot_hold_is_refused(tmp_path: Path):
    source = tmp_path / "nine.wav"
    soundfile.write(source, np.zeros((RATE, 9)), RATE)
    with pytest.raises(QueryError, match=r"9 channels .* flac"):
        cut(stretch(source, 0, 1), tmp_path, kind="flac")
    assert cut(stretch(source, 0, 1), tmp_path).n_samples == RATE
