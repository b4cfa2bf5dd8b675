"""Labels of other programs become captions of stretches, and an import is taken back whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.command import Command
from tests.sounds import tones, write_audio


@pytest.fixture
def own(fresh: Command, tmp_path: Path) -> Command:
    """The command with a library of two sounds in `in`."""
    folder = tmp_path / "in"
    folder.mkdir()
    write_audio(folder / "night one.wav", tones([300, 500, 900, 200], seconds=2.0))
    write_audio(folder / "day.flac", tones([900, 400]))
    answer = fresh("index", folder)
    assert answer.status == 0, answer.err
    return fresh


def given(own: Command) -> list[tuple[str, str, float, float]]:
    """What stretches are said to be: caption, file, start and end."""
    rows = own("captions", "list", "--source", "import", "--json").rows
    return sorted(
        (place["caption"], Path(place["path"]).name, place["start_s"], place["end_s"])
        for row in rows
        for place in row["places"]
        if row["given"]
    )


def put(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


CASES = {
    "night one.txt": ("0.500000\t1.500000\tA Dog\n2.0\t2.0\towl\n", "audacity"),
    "night one.Table.1.selections.txt": (
        "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)"
        "\tAnnotation\n1\tSpectrogram 1\t1\t0.5\t1.5\t0.0\t8000.0\tA Dog\n"
        "2\tSpectrogram 1\t1\t2.0\t3.0\t0.0\t8000.0\towl\n",
        "raven",
    ),
    "night one.csv": ("start;label;end\n0,5;A Dog;1,5\n2,0;owl;3,0\n", "table"),
    "labels.csv": (
        "path,start_s,end_s,caption\nnight one.wav,0.5,1.5,A Dog\nnight one.wav,2,3,owl\n",
        "table",
    ),
    "regions.csv": ("", "reaper"),
    "night one.srt": (
        "1\n00:00:00,500 --> 00:00:01,500\nA Dog\n\n2\n00:00:02,000 --> 00:00:03,000\nowl\n",
        "subrip",
    ),
}
CASES["night one.tsv"] = (CASES["labels.csv"][0].replace(",", "\t"), "table")
del CASES["regions.csv"]


@pytest.mark.parametrize("name", CASES)
def test_stretches_get_the_captions_of_stretches(name: str, own: Command, tmp_path: Path):
    content, kind = CASES[name]
    file = put(tmp_path / "in", name, content)
    answer = own("captions", "import", file, "--json")
    assert answer.status == 0, answer.err
    [row] = answer.rows
    assert (row["kind"], row["new"], row["given"]) == (kind, 2, 2)
    assert given(own) == [("A Dog", "night one.wav", 0.5, 1.5), ("owl", "night one.wav", 2.0, 3.0)]
    [hit] = own("find", "a dog", "--json", "-n", "1").rows
    assert Path(hit["path"]).name == "night one.wav"
    again = own("captions", "import", file, "--json").rows[0]
    assert (again["new"], again["import_id"]) == (0, row["import_id"])
    assert len(own("captions", "imports", "--json").rows) == 1
    taken = own("captions", "remove", "--import", str(row["import_id"]))
    assert taken.status == 0, taken.err
    assert "2 captions removed, taken from 2 stretches" in taken.err
    assert given(own) == []
    assert own("captions", "list", "--source", "import", "--json").rows == []
    assert own("captions", "imports").status == 1
    assert own("captions", "remove", "--import", str(row["import_id"])).status == 2
    assert own("verify").status == 0


def test_a_cue_sheet_names_its_file(own: Command, tmp_path: Path):
    sheet = (
        'FILE "day.wav" WAVE\n  TRACK 01 AUDIO\n    TITLE "First"\n    INDEX 01 00:00:00\n'
        '  TRACK 02 AUDIO\n    TITLE "Second"\n    INDEX 01 00:00:37\n'
    )
    assert own("captions", "import", put(tmp_path / "in", "x.cue", sheet)).status == 0
    found = given(own)  # of the .flac, which the sheet calls .wav
    assert [(row[0], row[1]) for row in found] == [("First", "day.flac"), ("Second", "day.flac")]
    assert found[0][2:] == (0.0, pytest.approx(37 / 75))
    assert found[1][3] == pytest.approx(1.0)


def test_regions_are_for_the_sound_that_is_named(own: Command, tmp_path: Path):
    text = "#,Name,Start,End,Length\nR1,dog,0:00.500,0:01.500,0:01.000\nM1,owl,0:02.000,,\n"
    file = put(tmp_path, "regions.csv", text)
    answer = own("captions", "import", file)
    assert answer.status == 2
    assert "--for SOUND" in answer.err
    sound = tmp_path / "in" / "night one.wav"
    assert own("captions", "import", file, "--for", sound).status == 0
    assert given(own) == [("dog", "night one.wav", 0.5, 1.5), ("owl", "night one.wav", 2.0, 3.0)]
    later = own("captions", "import", file, "--for", f"{sound}@3-")
    assert later.status == 0, later.err
    assert ("dog", "night one.wav", 3.5, 4.5) in given(own)
    stranger = write_audio(tmp_path / "new.wav", tones([300]))
    assert "not in the library" in own("captions", "import", file, "--for", stranger).err


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("bad.txt", "a dog barks\n0.5\t1.0\tdog\n", "line 2"),
        ("bad.txt", "a dog barks\n{}\n", "line 2"),
        ("bad.csv", "path,caption\nday.flac,x\nday.flac,x,y\n", "line 3"),
        ("night one.txt", "0.5\t1.0\tdog\n90\t91\tcat\n", "line 2"),
        ("night one.txt", "".join(f"{n}\t{n}.5\tdog {n}\n" for n in (1, 2)) + "?\n", "line 3"),
        ("day.srt", "1\n00:00:00,500 --> 00:00:01,500\nA\n\nx\n", "line 5"),
    ],
)
def test_what_is_none_of_these_is_refused_and_nothing_kept(
    name: str, content: str, said: str, own: Command, tmp_path: Path
):
    answer = own("captions", "import", put(tmp_path / "in", name, content))
    assert answer.status == 2
    assert said in answer.err
    assert name in answer.err
    assert own("captions", "list", "--source", "import", "--json").rows == []
    assert own("captions", "imports").status == 1


def test_an_error_after_thousands_of_lines_keeps_nothing(own: Command, tmp_path: Path):
    lines = "".join(f"sentence number {n}\n" for n in range(5000))
    answer = own("captions", "import", put(tmp_path, "many.txt", lines + "1,2,3\n"))
    assert answer.status == 2
    assert "line 5001" in answer.err
    assert own("captions", "list", "--source", "import", "--json").rows == []


def test_only_what_an_import_alone_brought_goes_with_it(own: Command, tmp_path: Path):
    sound = tmp_path / "in" / "night one.wav"
    folder = tmp_path / "in"
    assert own("captions", "add", "an owl hoots", "--for", f"{sound}@0-1").status == 0
    head = "path,start_s,end_s,caption\n"
    row = "night one.wav,{},{},{}\n".format
    first = head + row(0, 1, "an owl hoots") + row(2, 3, "an owl hoots") + row(4, 5, "a fox")
    second = head + row(4, 5, "a fox") + row(5, 6, "a fox") + row(6, 7, "a hen")
    one = own("captions", "import", put(folder, "1.csv", first), "--json").rows[0]["import_id"]
    two = own("captions", "import", put(folder, "2.csv", second), "--json").rows[0]["import_id"]
    assert one != two
    assert own("captions", "add", "a hen", "--for", f"{sound}@6-7").status == 0
    counts = {
        r["import_id"]: (r["captions"], r["given"])
        for r in own("captions", "imports", "--json").rows
    }
    assert counts == {one: (1, 2), two: (1, 2)}

    def all_given() -> list[tuple[str, float, float]]:
        rows = own("captions", "list", "--json").rows
        return sorted(
            (place["caption"], place["start_s"], place["end_s"])
            for r in rows
            for place in r["places"]
            if r["given"]
        )

    assert own("captions", "remove", "--import", str(one)).status == 0
    assert all_given() == [
        ("a fox", 4.0, 5.0),
        ("a fox", 5.0, 6.0),
        ("a hen", 6.0, 7.0),
        ("an owl hoots", 0.0, 1.0),
    ]
    assert own("captions", "remove", "--import", str(two)).status == 0
    assert all_given() == [("a hen", 6.0, 7.0), ("an owl hoots", 0.0, 1.0)]
    assert own("verify").status == 0
    assert own("captions", "remove", "--import", "1", "x").status == 2


def test_what_was_exported_is_taken_in(own: Command, tmp_path: Path):
    sound = tmp_path / "in" / "night one.wav"
    rows = [
        {"path": str(sound), "start_s": 1.25, "end_s": 2.5, "caption": "a dog, far"},
        {"path": str(sound), "start_s": 3, "end_s": 4.5, "caption": 'an "owl"'},
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    import subprocess  # noqa: PLC0415

    for kind, name in (("csv", "x.csv"), ("raven", "night one.txt"), ("reaper", "r.csv")):
        done = subprocess.run(
            [*own.program, "export", kind, "--to", tmp_path / name],
            input=text.encode(),
            capture_output=True,
            env=own.environment(),
            check=False,
        )
        assert done.returncode == 0, done.stderr
        options = ("--for", sound) if kind == "reaper" else ()
        answer = own("captions", "import", tmp_path / name, *options, "--json")
        assert answer.status == 0, answer.err
        assert {row[2:] for row in given(own)} == {(1.25, 2.5), (3.0, 4.5)}
        assert own("captions", "remove", "--import", str(answer.rows[0]["import_id"])).status == 0
