"""What the readers of other programs need, to the byte; see `test_readers` for the readers."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import uuid
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.errors import FeatureUnavailable, QueryError
from audiosearch.exchange.annotations import label_text
from audiosearch.exchange.documents import DocumentOptions, document, documents
from audiosearch.exchange.stretches import (
    LabelledStretch,
    RecordingFacts,
    Row,
    read_rows,
    stretches_of,
)
from audiosearch.exchange.tables import csv_table, json_lines, save_parquet
from audiosearch.exchange.timelines import FRAME_RATES, edit_list

OPTIONS = DocumentOptions(title="night", created=datetime(2026, 5, 1, 12))
FACTS = RecordingFacts(duration_s=60.0, sample_rate=44_100, channels=2)


def stretch(
    path: str = "/s/a.wav", start_s: float = 1.0, end_s: float = 2.5, label: str = "dog", **more
) -> LabelledStretch:
    return LabelledStretch(
        path=path.encode(), start_s=start_s, end_s=end_s, label=label, **{"facts": FACTS, **more}
    )


def test_audacity_has_points_always_and_no_header():
    text = document("audacity", [stretch(start_s=5, end_s=6)], OPTIONS)
    assert text == "5.000000\t6.000000\tdog\n"


def test_audacity_has_frequencies_for_all_labels_or_for_none():
    boxed = stretch(low_hz=100, high_hz=2000.5)
    assert document("audacity", [boxed], OPTIONS).splitlines()[1] == "\\\t100.000000\t2000.500000"
    both = document("audacity", [boxed, stretch(start_s=3, end_s=4)], OPTIONS)
    assert "\\" not in both
    assert len(both.splitlines()) == 2


def test_stretches_are_in_the_order_of_time_and_end_after_they_start():
    some = [stretch(start_s=3, end_s=3.0000001), stretch(start_s=1)]
    lines = document("audacity", some, OPTIONS).splitlines()
    assert lines == ["1.000000\t2.500000\tdog", "3.000000\t3.000001\tdog"]


@given(st.text())
def test_a_label_is_never_empty_nor_taken_for_nothing(text: str):
    label = label_text(text)
    assert label.strip()
    assert not set(label) & set("\t\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
    assert not label.startswith('"')
    assert label.lower() not in {"", "na", "nan", "none", "null", "n/a", "<na>", "#n/a"}
    label.encode()


@pytest.mark.parametrize("nothing", ["NA", "nan", "None", "null", "N/A", " ", "\t"])
def test_what_pandas_takes_for_nothing_is_a_label(nothing: str):
    assert label_text(nothing) in {f"({nothing})", "sound"}


def test_a_label_track_is_of_one_recording():
    two = [stretch(), stretch("/s/b.wav")]
    with pytest.raises(QueryError, match="2 recordings"):
        document("audacity", two, OPTIONS)
    made = documents("audacity", two, OPTIONS)
    assert made.keys() == {"a.txt", "b.txt"}


def test_recordings_of_one_name_have_files_of_two():
    two = [stretch("/s/a.wav"), stretch("/s/A.flac"), stretch("/t/a.wav")]
    assert list(documents("raven", two, OPTIONS)) == [
        "a.Table.1.selections.txt",
        "A (2).Table.1.selections.txt",
        "a (3).Table.1.selections.txt",
    ]


def raven_rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter="\t"))


def test_raven_has_every_cell_with_a_point():
    [row] = raven_rows(document("raven", [stretch(start_s=5, end_s=6, score=0.5)], OPTIONS))
    assert row == {
        "Selection": "1",
        "View": "Spectrogram 1",
        "Channel": "1",
        "Begin Time (s)": "5.000000",
        "End Time (s)": "6.000000",
        "Low Freq (Hz)": "0.0",
        "High Freq (Hz)": "22050.0",
        "Annotation": "dog",
        "Score": "0.500000",
        "Begin File": "a.wav",
        "Begin Path": "/s/a.wav",
        "File Offset (s)": "5.000000",
    }


def test_raven_lays_several_recordings_one_behind_the_other():
    some = [stretch(), stretch("/s/b.wav"), stretch(start_s=3, end_s=4)]
    rows = raven_rows(document("raven", some, OPTIONS))
    told = [(r["Begin File"], r["Begin Time (s)"], r["File Offset (s)"]) for r in rows]
    assert told == [
        ("a.wav", "1.000000", "1.000000"),
        ("a.wav", "3.000000", "3.000000"),
        ("b.wav", "61.000000", "1.000000"),
    ]
    unknown = [stretch(facts=RecordingFacts()), stretch("/s/b.wav")]
    with pytest.raises(QueryError, match="how long") as raised:
        document("raven", unknown, OPTIONS)
    assert raised.value.path == "/s/a.wav"


def test_a_path_with_a_tab_breaks_no_table():
    [row] = raven_rows(document("raven", [stretch("/s/a\tb\nc.wav")], OPTIONS))
    assert row["Begin Path"] == "/s/a\\tb\\nc.wav"
    assert row["File Offset (s)"] == "1.000000"


def test_a_playlist_holds_any_path():
    odd = LabelledStretch(path=b"/s/od\xff #1\n.wav", start_s=0, end_s=1.2, label="a, b")
    lines = document("m3u8", [stretch(), odd, stretch("/s/#x.wav")], OPTIONS).splitlines()
    assert lines[0] == "#EXTM3U"
    assert lines[1:5] == [
        "#EXTINF:2,dog - a.wav",
        "#EXTVLCOPT:start-time=1.000",
        "#EXTVLCOPT:stop-time=2.500",
        "/s/a.wav",
    ]
    assert lines[8] == "file:///s/od%FF%20%231%0A.wav"
    assert lines[12] == "/s/#x.wav"
    assert len(lines) == 13


def test_reaper_has_regions_in_minutes_or_markers():
    some = [stretch(start_s=3723.5, end_s=3725)]
    assert document("reaper", some, OPTIONS).splitlines() == [
        "#,Name,Start,End,Length",
        "R1,dog,1:02:03.500,1:02:05.000,0:01.500",
    ]
    marked = document("reaper", some, DocumentOptions(markers=True))
    assert marked.splitlines()[1] == "M1,dog,1:02:03.500,,"


def test_an_edl_tells_its_rate_and_counts_from_the_time_reference():
    facts = RecordingFacts(
        sample_rate=48_000, metadata={"bwf.time_reference": (str(48_000 * 36_000),)}
    )
    some = [stretch("/s/My Take 1.wav", facts=facts), stretch(start_s=0, end_s=0.001)]
    lines = document("edl", some, OPTIONS).splitlines()
    assert lines[:3] == ["TITLE: night", "FCM: NON-DROP FRAME", ""]
    assert lines[6] == "* FRAME RATE: 25"
    events = [line for line in lines if re.match(r"\d{3}  ", line)]
    assert events == [
        "001  MYTAKE1  AA    C        10:00:01:00 10:00:02:12 00:00:00:00 00:00:01:12",
        "002  A        AA    C        00:00:00:00 00:00:00:01 00:00:01:12 00:00:01:13",
    ]
    with pytest.raises(QueryError, match="999 at most"):
        document("edl", some * 500, OPTIONS)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (0, "00:00:00;00"),
        (1799, "00:00:59;29"),
        (1800, "00:01:00;02"),
        (17_981, "00:09:59;29"),
        (17_982, "00:10:00;00"),
        (107_892, "01:00:00;00"),
    ],
)
def test_drop_frames_leave_out_numbers_as_the_standard_says(frame: int, code: str):
    assert FRAME_RATES["29.97df"].timecode(frame) == code


@given(st.sampled_from(sorted(FRAME_RATES)), st.integers(0, 2_000_000))
def test_every_frame_has_a_timecode_of_its_own(name: str, frame: int):
    rate = FRAME_RATES[name]
    code, following = rate.timecode(frame), rate.timecode(frame + 1)
    assert code < following or following.startswith("00:00:00")
    assert int(code[-2:]) < rate.counted


def test_drop_frames_keep_up_with_the_clock():
    rate = FRAME_RATES["29.97df"]
    assert rate.frame(3600) == round(Fraction(30_000, 1001) * 3600)
    assert rate.timecode(rate.frame(3600)) == "01:00:00;00"
    edl = edit_list([stretch()], rate=rate, title="x")
    assert "FCM: DROP FRAME" in edl


def test_an_annotation_set_is_complete():
    some = [stretch(score=0.5), stretch("/s/b.wav", label="cat"), stretch(start_s=9, end_s=10)]
    told = json.loads(document("aoef", some, OPTIONS))
    data = told["data"]
    assert told["version"] == "1.1.0"
    assert len(data["recordings"]) == len(data["clips"]) == len(data["clip_annotations"]) == 2
    assert len(data["sound_events"]) == len(data["sound_event_annotations"]) == 3
    listed = [each for clip in data["clip_annotations"] for each in clip["sound_events"]]
    assert sorted(listed) == sorted(each["uuid"] for each in data["sound_event_annotations"])
    for part in ("recordings", "clips", "sound_events", "sound_event_annotations"):
        assert len({uuid.UUID(each["uuid"]) for each in data[part]}) == len(data[part])
    tags = {each["id"] for each in data["tags"]}
    assert {tag for each in data["sound_event_annotations"] for tag in each["tags"]} == tags
    assert all(isinstance(each["samplerate"], int) for each in data["recordings"])
    assert document("aoef", some, OPTIONS) == document("aoef", some, OPTIONS)
    with pytest.raises(QueryError, match="length, rate and channels"):
        document("aoef", [stretch(facts=RecordingFacts())], OPTIONS)


def test_rows_of_weak_matches_are_left_out():
    rows = [b'{"path": "/a.wav", "end_s": 2}', b'{"path": "/b.wav", "end_s": 2, "weak": true}']
    assert [row["path"] for row in read_rows(rows)] == ["/a.wav"]


def test_a_row_that_is_none_is_refused_with_its_line():
    good = b'{"path": "/a.wav", "start_s": 1, "end_s": 2}'
    for bad in (b"0.93  dog.wav  0:00-0:05", b"[1]", b"{", b"[" * 10_000):
        with pytest.raises(QueryError, match="line 3 "):
            read_rows([good, b"\n", bad])


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"start_s": 1, "end_s": 2}, "names no file"),
        ({"path": "", "end_s": 2}, "names no file"),
        ({"path": "/a", "path_b64": "!", "end_s": 2}, "base64"),
        ({"path": "/a", "start_s": 2, "end_s": 1}, "ends before it begins"),
        ({"path": "/a", "start_s": -1, "end_s": 1}, "cannot begin at -1"),
        ({"path": "/a", "start_s": "x", "end_s": 1}, "start_s is no number"),
        ({"path": "/a", "end_s": float("nan")}, "end_s is no number"),
        ({"path": "/a"}, "neither an end"),
        ({"path": 3, "end_s": 1}, "names no file"),
    ],
)
def test_rows_that_name_no_stretch_are_refused(row: Row, said: str):
    with pytest.raises(QueryError, match=rf"row 2: .*{said}"):
        stretches_of([{"path": "/a", "end_s": 1}, row])


def test_what_a_row_is_called():
    row = {"path": "/a/b c.wav", "duration_s": 4, "similarity": 0.3}
    [whole] = stretches_of([row])
    assert (whole.start_s, whole.end_s, whole.label, whole.score) == (0, 4, "b c", 0.3)
    assert stretches_of([{**row, "caption": " a\ndog "}])[0].label == "a dog"
    assert stretches_of([{**row, "caption": "x", "label": "y"}])[0].label == "y"
    assert stretches_of([{**row, "caption": "x"}], label="z")[0].label == "z"
    coded = {**row, "path": "shown", "path_b64": "L3Mv/w=="}
    assert stretches_of([coded])[0].path == b"/s/\xff"


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text())


@given(st.lists(st.dictionaries(st.text(min_size=1), values), max_size=4))
def test_any_rows_become_tables(rows: list[dict[str, object]]):
    table = csv_table(rows)
    table.encode()
    names = {name for row in rows for name in row}
    if names:
        read = list(csv.reader(io.StringIO(table, newline="")))
        assert len(read) == len(rows) + 1
        assert {len(line) for line in read} == {len(names)}
    lines = json_lines(rows)
    lines.encode()
    assert len([json.loads(line) for line in lines.split("\n") if line]) == len(rows)


def test_a_column_of_several_kinds_is_no_parquet(tmp_path: Path):
    pytest.importorskip("pyarrow")
    with pytest.raises(QueryError, match="'a'"):
        save_parquet([{"a": 1}, {"a": "x"}], tmp_path / "t.parquet")


def test_parquet_without_its_extra_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(FeatureUnavailable, match=r"extra \[parquet\].*audiosearch\[parquet\]"):
        save_parquet([{"a": 1}], tmp_path / "t.parquet")
    assert list(tmp_path.iterdir()) == []
