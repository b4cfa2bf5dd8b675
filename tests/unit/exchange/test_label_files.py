"""Labels of other programs are read as they mean them; what is none of theirs is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosearch.errors import QueryError
from audiosearch.exchange.documents import DocumentOptions, document
from audiosearch.exchange.label_files import read_label_file
from audiosearch.exchange.stretches import LabelledStretch, RecordingFacts

CUE = """REM GENRE Field
PERFORMER "Somebody"
TITLE "Album"
FILE "album one.wav" WAVE
  TRACK 01 AUDIO
    TITLE "First, rain"
    INDEX 00 00:00:00
    INDEX 01 00:02:00
  TRACK 02 AUDIO
    TITLE "Second"
    INDEX 01 01:03:37
FILE "two.wav" WAVE
  TRACK 03 AUDIO
    TITLE Third
    INDEX 01 00:00:00
"""
SRT = """1
00:00:01,500 --> 00:00:03,000
<i>a dog</i> barks

2
00:01:02,250 --> 00:01:04,000 X1:10
two
lines
"""


def read(tmp_path: Path, name: str, content: str | bytes):
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_label_file(file)


def told(tmp_path: Path, name: str, content: str | bytes) -> list[tuple[object, ...]]:
    found = read(tmp_path, name, content).labels
    return [(each.text, each.names, each.start_s, each.end_s) for each in found]


def refused(tmp_path: Path, name: str, content: str | bytes) -> str:
    with pytest.raises(QueryError) as raised:
        read(tmp_path, name, content)
    assert raised.value.path is not None
    return raised.value.reason


def test_audacity(tmp_path: Path):
    content = "0.500000\t1.000000\ta dog\n\\\t100.0\t2000.0\n2,5\t2,5\tpoint\r\n3.0\t4.0\t\n"
    assert told(tmp_path, "labels.txt", content) == [
        ("a dog", (), 0.5, 1.0),
        ("point", (), 2.5, 3.5),
        ("", (), 3.0, 4.0),
    ]
    assert read(tmp_path, "labels.txt", content).kind == "audacity"
    assert refused(tmp_path, "l.txt", "0.5\t1.0\tdog\nnot a label\n").startswith("line 2: ")
    assert "ends (1 s) before it begins" in refused(tmp_path, "l.txt", "2\t1\tdog\n")
    assert "line 2" in refused(tmp_path, "l.txt", "1\t2\tdog\n-1\t2\tdog\n")


def test_raven(tmp_path: Path):
    head = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)"
    content = f'{head}\tAnnotation\n1\tSpectrogram 1\t1\t1.5\t2.0\t0.0\t8000.0\ta "dog\n'
    assert told(tmp_path, "x.Table.1.selections.txt", content) == [('a "dog', (), 1.5, 2.0)]
    several = (
        f"{head}\tBegin File\tFile Offset (s)\tAnnotation\n"
        "1\tSpectrogram 1\t1\t61.5\t62.0\t0.0\t8000.0\tb.wav\t1.5\tdog\n"
    )
    assert told(tmp_path, "all.txt", several) == [("dog", ("b.wav",), 1.5, 2.0)]
    assert read(tmp_path, "all.txt", several).kind == "raven"
    no_words = f"{head}\n1\tSpectrogram 1\t1\t1.5\t2.0\t0.0\t8000.0\n"
    assert "line 1" in refused(tmp_path, "x.csv", no_words)


def test_tables(tmp_path: Path):
    content = "path,start_s,end_s,caption\na.wav,1,2.5,a dog\n,1,2,for none\nb.wav,,,whole\n"
    assert told(tmp_path, "t.csv", content) == [
        ("a dog", ("a.wav",), 1.0, 2.5),
        ("for none", (), None, None),
        ("whole", ("b.wav",), None, None),
    ]
    several = "file_name,caption_1,caption_2\na.wav,one,\nb.wav,two,three\n"
    assert [row[0] for row in told(tmp_path, "t.csv", several)] == ["one", "two", "three"]
    german = "Datei;label;start;end\nx;Hund;1,5;2,5\n"
    assert told(tmp_path, "t.csv", german) == [("Hund", (), 1.5, 2.5)]
    tabs = "start\tduration\tlabel\n0:01.5\t2\tdog\n"
    assert told(tmp_path, "t.tsv", tabs) == [("dog", (), 1.5, 3.5)]
    birdnet = (
        "Start (s),End (s),Scientific name,Common name,Confidence,File\n"
        "3.0,6.0,Turdus merula,Eurasian Blackbird,0.81,/r/night.wav\n"
    )
    assert told(tmp_path, "b.csv", birdnet) == [("Eurasian Blackbird", ("/r/night.wav",), 3.0, 6.0)]
    wide = "path,caption\na.wav,é\n".encode("utf-16")
    assert told(tmp_path, "t.csv", wide) == [("é", ("a.wav",), None, None)]
    odd = "path,path_b64,caption\nshown,L3Mv/w==,x\n"
    [(_, [name], _, _)] = told(tmp_path, "t.csv", odd)
    assert name.encode("utf-8", "surrogateescape") == b"/s/\xff"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("path,what\na,b\n", "line 1: has no column"),
        ("0.5,1.2,dog\n", "line 1: has no column"),
        ("", "line 1: has no column"),
        ("path,caption\na.wav,a dog, loudly\n", "line 2: has 3 cells"),
        ('caption\nx\n"no end\n', "line 3: cannot be read"),
        ("caption,start_s\nx,abc\n", "line 2: 'abc' is no time"),
        ("caption,start_s\nx,nan\n", "line 2: 'nan' is no time"),
        ("caption,start_s\nx,inf\n", "line 2: 'inf' is no time"),
        ("caption,start_s\nx,-1\n", "line 2: '-1' is no time"),
        ("caption,start_s,end_s\nx,2,1\n", "line 2: ends"),
        ("#,Name,Start,End,Length\nR1,dog,5.1.00,9.1.00,4\n", "line 2: .*measures"),
        ('caption\n"a\nb"\nx\n\n"' + "y" * 3000 + '"\n', "line 6: 3000 characters"),
    ],
)
def test_tables_that_are_none(content: str, said: str, tmp_path: Path):
    reason = refused(tmp_path, "t.csv", content)
    assert re.match(said, reason), reason


def test_reaper(tmp_path: Path):
    content = (
        "#,Name,Start,End,Length,Color\nM1,here,0:05.000,,,\n"
        "R1,dog,1:02:03.500,1:02:04.000,0:00.500,\n"
    )
    assert told(tmp_path, "r.csv", content) == [
        ("here", (), 5.0, 6.0),
        ("dog", (), 3723.5, 3724.0),
    ]
    assert read(tmp_path, "r.csv", content).kind == "reaper"


def test_subtitles(tmp_path: Path):
    for name, content in (("s.srt", SRT), ("s.txt", SRT.replace("\n", "\r\n"))):
        assert told(tmp_path, name, content) == [
            ("a dog barks", (), 1.5, 3.0),
            ("two lines", (), 62.25, 64.0),
        ]
    vtt = "WEBVTT - x\n\n00:01.500 --> 00:02.000\ndog\n"
    assert told(tmp_path, "s.vtt", vtt) == [("dog", (), 1.5, 2.0)]
    assert refused(tmp_path, "s.srt", SRT + "\nnot one\n").startswith("line 10: ")
    assert "line 2" in refused(tmp_path, "s.srt", "1\n00:99:00,000 --> 01:00:00,000\nx\n")


def test_cue_sheets(tmp_path: Path):
    one, two = ("album one.wav",), ("two.wav",)
    assert told(tmp_path, "album.cue", CUE) == [
        ("First, rain", one, 2.0, pytest.approx(63 + 37 / 75)),
        ("Second", one, pytest.approx(63 + 37 / 75), None),
        ("Third", two, 0.0, None),
    ]
    assert read(tmp_path, "album.txt", CUE).kind == "cue"
    assert refused(tmp_path, "x.cue", CUE + "NONSENSE\n").startswith("line 16: ")
    assert refused(tmp_path, "x.cue", CUE.replace("01:03:37", "01:03:75")).startswith("line 11: ")
    without = "TRACK 01 AUDIO\nTITLE x\n"
    assert refused(tmp_path, "x.cue", without) == "line 1: a track without its INDEX 01"


def test_sentences(tmp_path: Path):
    content = "a dog barks\n\nDe l'eau, 3 fois\n...\n犬が吠える\n"
    found = read(tmp_path, "c.txt", content)
    assert found.kind == "captions"
    assert [(each.text, each.line) for each in found.labels] == [
        ("a dog barks", 1),
        ("", 2),
        ("De l'eau, 3 fois", 3),
        ("...", 4),
        ("犬が吠える", 5),
    ]


@pytest.mark.parametrize(
    "bad",
    [
        '{"caption": "x"}',
        "[1, 2]",
        "<xml/>",
        "#EXTM3U",
        "0.5,1.2,dog",
        "12",
        "3.5 ; dog",
        "dog.wav,a dog barks",
        "a\tb",
        "001  BELL AA C 00:00:00:00 00:00:06:00 00:00:00:00 00:00:06:00",
        "x\x00y",
        "\\\t100\t200",
        "y" * 3000,
    ],
)
def test_what_is_no_sentence_is_refused_with_its_line(bad: str, tmp_path: Path):
    reason = refused(tmp_path, "c.txt", f"a dog barks\nrain falls\n\n{bad}\nwind\n")
    assert reason.startswith("line 4: ")


def test_bytes_that_are_no_text(tmp_path: Path):
    assert (
        refused(tmp_path, "c.txt", b"a dog\nb\xe9b\xe9\n") == "cannot be read: line 2 is no UTF-8"
    )
    assert "cannot be read" in refused(tmp_path, "c.txt", b"RIFF\xff\xfe\x00\x00WAVE")


@given(
    st.lists(
        st.tuples(st.floats(0, 1e5), st.floats(1e-3, 1e4), st.text(max_size=40)),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(["audacity", "raven", "reaper"]),
)
def test_what_is_exported_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, float, str]], kind: str
):
    facts = RecordingFacts(duration_s=1e6, sample_rate=44_100, channels=1)
    some = [
        LabelledStretch(path=b"/s/a.wav", start_s=s, end_s=s + n, label=text, facts=facts)
        for s, n, text in rows
    ]
    name = {"audacity": "a.txt", "raven": "a.txt", "reaper": "a.csv"}[kind]
    file = tmp_path_factory.getbasetemp() / name
    file.write_text(document(kind, some, DocumentOptions()), encoding="utf-8", newline="")
    found = read_label_file(file)
    assert found.kind == kind
    assert len(found.labels) == len(some)
    ordered = sorted(some, key=lambda each: (each.start_s, each.end_s))
    for label, stretch in zip(found.labels, ordered, strict=True):
        assert label.text
        assert label.start_s == pytest.approx(stretch.start_s, abs=2e-3)
        assert label.end_s == pytest.approx(stretch.end_s, abs=3e-3)
