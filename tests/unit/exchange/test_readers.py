"""What is exported is read back by the readers of the programs that it is for."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiosearch.audio.sandbox.client import WorkerLimits
from audiosearch.exchange.clips import ClipForm, Cut, clip_targets, cut_clips
from audiosearch.exchange.documents import DocumentOptions, documents
from audiosearch.exchange.documents import document as one_document
from audiosearch.exchange.names import NameTemplate
from audiosearch.exchange.stretches import LabelledStretch, RecordingFacts, Row
from audiosearch.exchange.tables import csv_table, json_lines, save_parquet, save_vectors
from audiosearch.exchange.timelines import FRAME_RATES

FACTS = RecordingFacts(duration_s=60.0, sample_rate=44_100, channels=2)
LABELS = [
    "a dog barks",
    "NA",
    '"so" he said',
    "5",
    "true",
    "Grüße – 犬",
    "x\ty\nz",
    " ",
    "1e5",
    "#",
]
TOLD = ["a dog barks", "(NA)", "'so' he said", "5", "true", "Grüße – 犬", "x y z", "sound", "1e5"]
TOLD += ["#"]
OPTIONS = DocumentOptions(title="night", created=datetime(2026, 5, 1, 12))


def stretches(path: str = "/s/a.wav", **more: Any) -> list[LabelledStretch]:
    return [
        LabelledStretch(
            path=path.encode(),
            start_s=2.0 * number,
            end_s=2.0 * number + 1.5,
            label=label,
            score=0.5,
            facts=FACTS,
            **more,
        )
        for number, label in enumerate(LABELS)
    ]


def written(kind: str, some: list[LabelledStretch], target: Path) -> Path:
    target.write_text(one_document(kind, some, OPTIONS), encoding="utf-8")
    return target


@pytest.fixture
def lenient() -> Iterator[None]:
    """Other programs' warnings are theirs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.usefixtures("lenient")
def test_crowsetta_reads_audacity_labels(tmp_path: Path):
    crowsetta = pytest.importorskip("crowsetta")
    target = written("audacity", stretches(), tmp_path / "a.txt")
    read = crowsetta.formats.seq.AudSeq.from_file(target)
    assert [str(each) for each in read.labels] == TOLD
    assert read.start_times.tolist() == [2.0 * n for n in range(len(LABELS))]
    assert read.end_times.tolist() == [2.0 * n + 1.5 for n in range(len(LABELS))]
    segments = read.to_seq().segments
    assert len(segments) == len(LABELS)


@pytest.mark.usefixtures("lenient")
def test_crowsetta_reads_audacity_labels_with_frequencies(tmp_path: Path):
    crowsetta = pytest.importorskip("crowsetta")
    some = stretches(low_hz=100, high_hz=8000.5)
    target = written("audacity", some, tmp_path / "a.txt")
    boxes = crowsetta.formats.bbox.AudBBox.from_file(target).to_bbox()
    assert [each.label for each in boxes] == TOLD
    assert {(each.low_freq, each.high_freq) for each in boxes} == {(100.0, 8000.5)}


@pytest.mark.usefixtures("lenient")
def test_crowsetta_reads_raven_tables(tmp_path: Path):
    crowsetta = pytest.importorskip("crowsetta")
    target = written("raven", stretches(), tmp_path / "a.txt")
    read = crowsetta.formats.bbox.Raven.from_file(target)
    boxes = read.to_bbox()
    assert [each.label for each in boxes] == TOLD
    assert [each.onset for each in boxes] == [2.0 * n for n in range(len(LABELS))]
    assert {(each.low_freq, each.high_freq) for each in boxes} == {(0.0, 22_050.0)}


@pytest.mark.usefixtures("lenient")
def test_opensoundscape_reads_raven_tables_and_its_own(tmp_path: Path):
    reason = "opensoundscape brings gigabytes: pip install 'audiosearch[interchange]'"
    opensoundscape = pytest.importorskip("opensoundscape", reason=reason)
    two = [*stretches(), *stretches("/s/b.wav")]
    for name, text in documents("raven", two, OPTIONS).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    tables = sorted(tmp_path.iterdir())
    boxed = opensoundscape.BoxedAnnotations
    read = boxed.from_raven_files(tables, "Annotation", audio_files=["/s/a.wav", "/s/b.wav"])
    assert read.df.annotation.tolist() == TOLD * 2
    assert read.df.start_time.tolist() == [2.0 * n for n in range(len(LABELS))] * 2
    own = tmp_path / "own.csv"
    options = DocumentOptions(layout="opensoundscape")
    own.write_text(one_document("csv", two, options), encoding="utf-8")
    frame = boxed.from_csv(own).df
    assert frame.annotation.tolist() == TOLD * 2
    assert frame.audio_file.tolist() == ["/s/a.wav"] * 10 + ["/s/b.wav"] * 10
    labels = boxed.from_csv(own).clip_labels(
        audio_files=["/s/a.wav", "/s/b.wav"],
        class_subset=TOLD,
        full_duration=30,
        clip_duration=2,
        clip_overlap=0,
        min_label_overlap=0.1,
    )
    assert labels.shape == (2 * 15, len(TOLD))
    assert (labels.to_numpy().sum(axis=0) >= 2).all()  # each label, in both recordings


@pytest.mark.usefixtures("lenient")
def test_soundevent_reads_annotation_sets(tmp_path: Path):
    pytest.importorskip("soundevent")
    from soundevent import io  # noqa: PLC0415

    some = [*stretches(), *stretches("/s/b.wav", low_hz=100, high_hz=200)]
    target = written("aoef", some, tmp_path / "a.json")
    read = io.load(target)
    clips = read.clip_annotations
    assert [str(each.clip.recording.path) for each in clips] == ["/s/a.wav", "/s/b.wav"]
    assert [len(each.sound_events) for each in clips] == [len(LABELS)] * 2
    for clip in clips:
        assert (clip.clip.start_time, clip.clip.end_time) == (0.0, 60.0)
        assert [each.tags[0].value for each in clip.sound_events] == TOLD
        assert all(len(each.tags) == 1 for each in clip.sound_events)
        assert {each.sound_event.features[0].value for each in clip.sound_events} == {0.5}
    first, boxed = clips[0].sound_events[1], clips[1].sound_events[1]
    assert first.sound_event.geometry.coordinates == [2.0, 3.5]
    assert boxed.sound_event.geometry.coordinates == [2.0, 100.0, 3.5, 200.0]
    again = tmp_path / "again.json"
    io.save(read, again)
    assert len(json.loads(again.read_text())["data"]["sound_events"]) == 2 * len(LABELS)


ROWS: list[Row] = [
    {
        "path": "/s/a, b.wav",
        "start_s": 0.0,
        "end_s": 1.5,
        "score": 0.25,
        "caption": 'a "dog"\nbarks',
        "offline": False,
        "matched": [{"field": "name", "words": ["a"]}],
    },
    {"path": "/s/b.wav", "start_s": 2, "end_s": 3, "caption": None, "offline": True, "rank": 2},
]


@pytest.mark.usefixtures("lenient")
def test_pandas_reads_tables(tmp_path: Path):
    pandas = pytest.importorskip("pandas")
    (tmp_path / "t.csv").write_text(csv_table(ROWS), encoding="utf-8")
    frame = pandas.read_csv(tmp_path / "t.csv")
    assert frame.path.tolist() == ["/s/a, b.wav", "/s/b.wav"]
    assert frame.start_s.tolist() == [0.0, 2.0]
    assert frame.caption[0] == 'a "dog"\nbarks'
    assert frame.caption.isna().tolist() == [False, True]
    assert frame.offline.tolist() == [False, True]
    assert json.loads(frame.matched[0]) == ROWS[0]["matched"]
    (tmp_path / "t.jsonl").write_text(json_lines(ROWS), encoding="utf-8")
    lines = pandas.read_json(tmp_path / "t.jsonl", lines=True)
    assert lines.path.tolist() == frame.path.tolist()
    assert lines.matched[0] == ROWS[0]["matched"]


@pytest.mark.usefixtures("lenient")
def test_pandas_reads_parquet(tmp_path: Path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    save_parquet(ROWS, tmp_path / "t.parquet")
    frame = pandas.read_parquet(tmp_path / "t.parquet")
    assert list(frame.columns) == [*ROWS[0], "rank"]
    assert frame.start_s.tolist() == [0.0, 2.0]
    assert frame.caption.tolist()[0] == 'a "dog"\nbarks'
    assert list(frame.matched[0][0]["words"]) == ["a"]


def test_numpy_and_pyarrow_read_vectors(tmp_path: Path):
    ids, matrix = np.array([3, 7]), np.eye(2, 4, dtype=np.float32)
    columns = {"path": ["/s/a.wav", None], "start_s": [0.0, 5.0], "caption": ["é", None]}
    save_vectors(tmp_path / "v.npz", ids, matrix, columns, about="{}")
    with np.load(tmp_path / "v.npz", allow_pickle=False) as read:
        assert read["ids"].tolist() == [3, 7]
        assert np.array_equal(read["vectors"], matrix)
        assert read["path"].tolist() == ["/s/a.wav", ""]
        assert read["start_s"].tolist() == [0.0, 5.0]
        assert str(read["about"]) == "{}"
    parquet = pytest.importorskip("pyarrow.parquet")
    save_vectors(tmp_path / "v.parquet", ids, matrix, columns, about='{"a": 1}')
    table = parquet.read_table(tmp_path / "v.parquet")
    assert table.column("window_id").to_pylist() == [3, 7]
    assert table.column("vector").to_pylist() == matrix.tolist()
    assert table.column("path").to_pylist() == ["/s/a.wav", None]
    assert table.schema.metadata[b"audiosearch"] == b'{"a": 1}'


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize(("rate", "frames"), [("24", 36), ("25", 38), ("30", 45), ("29.97df", 45)])
def test_opentimelineio_reads_edit_lists(rate: str, frames: int, tmp_path: Path):
    reason = "pip install 'audiosearch[interchange]'"
    opentimelineio = pytest.importorskip("opentimelineio", reason=reason)
    options = DocumentOptions(title="night", rate=FRAME_RATES[rate])
    target = tmp_path / "night.edl"
    target.write_text(one_document("edl", stretches(), options), encoding="utf-8")
    number = float(FRAME_RATES[rate].exact)
    read = opentimelineio.adapters.read_from_file(str(target), rate=number)
    assert read.name == "night"
    track = read.audio_tracks()[0]
    assert [clip.name for clip in track] == ["a.wav"] * len(LABELS)
    lengths = [clip.source_range.duration.value for clip in track]
    assert all(abs(length - frames) <= 1 for length in lengths)
    starts = [clip.source_range.start_time.to_seconds() for clip in track]
    assert starts == pytest.approx([2.0 * n for n in range(len(LABELS))], abs=0.05)


def test_wavinfo_reads_what_clips_say(tmp_path: Path):
    wavinfo = pytest.importorskip("wavinfo")
    source = tmp_path / "source.wav"
    soundfile.write(source, np.zeros((44_100, 2)), 44_100, "PCM_24")
    some = LabelledStretch(
        path=os.fsencode(source), start_s=0.25, end_s=0.75, label="ein Hund – laut", facts=FACTS
    )
    form = ClipForm(template=NameTemplate("{label}"))
    [target] = clip_targets([some], tmp_path, form)
    facts_agree = [LabelledStretch(**{**vars(some), "facts": RecordingFacts(duration_s=1.0)})]
    [done] = cut_clips(facts_agree, [target], form, limits=WorkerLimits())
    assert isinstance(done, Cut)
    assert not done.decoded
    read = wavinfo.WavInfoReader(str(target))
    assert (read.fmt.sample_rate, read.fmt.channel_count, read.fmt.bits_per_sample) == (
        44_100,
        2,
        24,
    )
    assert read.data.frame_count == 22_050
    assert read.bext.time_reference == 11_025
    assert read.bext.description == "ein Hund ? laut"
    assert read.bext.originator.startswith("audiosearch")
    assert "cut from source.wav" in read.bext.coding_history
    assert read.ixml.raw_xml.findtext("NOTE") == "ein Hund – laut"
    tracks = read.ixml.to_dict()["track_list"]
    assert [each["channel_index"] for each in tracks] == ["1", "2"]
