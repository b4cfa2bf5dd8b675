"""Answers taken away by the real command: from a question, and from rows on stdin."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.e2e.command import Command
from tests.sounds import tones, write_audio

ALL = ("--min-score", "0")


def test_clips_are_cut_from_the_sources(filled: Command, tmp_path: Path):
    clips = tmp_path / "clips"
    rows = filled("find", "a dog", *ALL, "--json")
    answer = filled("export", "clips", "--to", clips, "--template", "{rank}_{stem}", given=rows.out)
    assert answer.status == 0, answer.err
    assert len(list(clips.iterdir())) == len(rows.rows)
    for row in rows.rows:
        [clip] = clips.glob(f"{row['rank']}_*.wav")
        info = soundfile.info(clip)
        assert info.duration == pytest.approx(row["end_s"] - row["start_s"], abs=1e-3)
        if row["path"].endswith("long.wav"):
            source, rate = soundfile.read(row["path"], dtype="int16")
            first, last = round(row["start_s"] * rate), round(row["end_s"] * rate)
            assert np.array_equal(soundfile.read(clip, dtype="int16")[0], source[first:last])
    assert "clips to" in answer.err
    assert "decoded" in answer.err  # the Ogg file
    again = filled("export", "clips", "--to", clips, "--template", "{rank}_{stem}", given=rows.out)
    assert again.status == 2
    assert f"is there already, and {len(rows.rows) - 1} more files" in again.err
    forced = filled(
        *("export", "clips", "--to", clips, "--template", "{rank}_{stem}", "--force"),
        given=rows.out,
    )
    assert forced.status == 0, forced.err
    assert len(list(clips.iterdir())) == len(rows.rows)


def test_weak_matches_are_not_exported_and_it_is_said_why(filled: Command):
    rows = filled("find", "a dog", *ALL, "--json").rows
    weak = "".join(f"{json.dumps({**row, 'weak': True})}\n\n" for row in rows).encode()
    answer = filled("export", "csv", given=weak)
    assert (answer.status, answer.out) == (1, b"")
    assert "weak matches alone (find --min-score 0 gives all)" in answer.err
    assert "weak" not in filled("export", "csv", given=b"").err


def test_a_sound_of_the_library_is_never_written_to(filled: Command, sounds: Path):
    before = {each: each.read_bytes() for each in sounds.iterdir() if each.is_file()}
    asked = ("export", "clips", "--to", sounds, "--template", "{stem}", "--force")
    answer = filled(*asked, "a dog", *ALL, "--name", "long.wav")
    assert answer.status == 2
    assert "never written to" in answer.err
    only = ("a dog", *ALL, "--name", "long.wav")
    for onto in ("long.wav", "low high.wav"):  # one of the answer, one of the library
        playlist = filled("export", "m3u8", *only, "--to", sounds / onto, "--force")
        assert playlist.status == 2
        assert "never written to" in playlist.err
    assert {each: each.read_bytes() for each in sounds.iterdir() if each.is_file()} == before


@pytest.mark.parametrize("kind", ["m3u8", "csv", "jsonl", "edl", "aoef", "raven"])
def test_a_question_is_answered_in_the_format(filled: Command, kind: str, tmp_path: Path):
    asked = ("a dog", *ALL, "--name", "long.wav")
    shown = filled("export", kind, *asked)
    assert shown.status == 0, shown.err
    assert "long.wav" in shown.text
    target = tmp_path / f"x.{'txt' if kind == 'raven' else kind}"
    kept = filled("export", kind, *asked, "--to", target)
    assert kept.status == 0, kept.err
    if kind != "aoef":  # which tells when it was made
        assert target.read_bytes() == shown.out
    assert filled("export", kind, *asked, "--to", target).status == 2


def test_a_question_is_asked_as_find_asks_it(filled: Command, sounds: Path):
    asked = ("a dog", "--moments", "--by-time", "--per-file", "2", "--min-score", "0.01", "-n9")
    found = filled("find", *asked, "--json")
    exported = filled("export", "jsonl", *asked)
    assert exported.status == 0, exported.err
    assert [{**row, "query": "a dog"} for row in found.rows] == exported.rows
    like = ("a dog", "-cat", "--like", sounds / "long.wav", *ALL, "--sort", "name", "-r")
    exported = filled("export", "jsonl", *like)
    assert exported.status == 0, exported.err
    assert [{**row, "query": "a dog"} for row in filled("find", *like, "--json").rows] == (
        exported.rows
    )
    assert all(row["excluded"] for row in exported.rows)
    assert filled("export", "csv", "--moments", given=exported.out).status == 2
    assert filled("export", "csv", "--similar", sounds / "long.wav", "--moments").status == 2


@pytest.mark.parametrize("kind", ["audacity", "raven", "reaper"])
def test_a_file_for_each_recording(filled: Command, kind: str, tmp_path: Path):
    refused = filled("export", kind, "a dog", *ALL)
    assert (refused.status, "give --to FOLDER" in refused.err) == (
        (0, False) if kind == "raven" else (2, True)
    )
    answer = filled("export", kind, "a dog", *ALL, "--to", tmp_path / "each")
    assert answer.status == 0, answer.err
    other = filled("export", kind, "a dog", *ALL, "--to", tmp_path / "labels.json")
    assert other.status == 2
    assert f"files for {kind} end in " in other.err
    names = {each.name.partition(".")[0] for each in (tmp_path / "each").iterdir()}
    assert {"low high", "high-low", "hiss", "long"} <= names


def test_rows_with_a_path_that_is_no_text(filled: Command, tmp_path: Path):
    rows = filled("find", "a dog", *ALL, "--name", "od*.wav", "--json").out
    assert b"path_b64" in rows
    answer = filled("export", "clips", "--to", tmp_path / "c", "--as", "flac", given=rows)
    assert answer.status == 0, answer.err
    [clip] = (tmp_path / "c").iterdir()
    assert soundfile.info(clip).subtype == "PCM_16"
    playlist = filled("export", "m3u8", given=rows)
    assert b"/od%FF%20d.wav" in playlist.out
    assert filled("export", "aoef", given=rows).status == 2


def test_files_and_labels_are_rows_too(own: Command, sounds: Path):
    listed = own("files", "--state", "indexed", "--json").out
    answer = own("export", "m3u8", given=listed)
    assert answer.status == 0, answer.err
    assert answer.text.count("#EXTINF") == len(listed.splitlines())
    named = own("label", sounds / "long.wav", "--labels", "dog,rain", "--json").out
    labels = own("export", "audacity", given=named)
    assert {line.split("\t")[2] for line in labels.text.splitlines()} == {"dog", "rain"}


def test_what_is_no_row_is_refused_with_its_line(filled: Command):
    answer = filled("export", "csv", given=b"0.93  dog.wav  0:00-0:05\n")
    assert answer.status == 2
    assert "line 1 " in answer.err
    assert "--json" in answer.err
    assert filled("export", "csv", given=b"").status == 1
    far = json.dumps({"path": "/nowhere/x.wav", "start_s": 0, "end_s": 1}).encode()
    gone = filled("export", "clips", "--to", "nowhere", given=far)
    assert gone.status == 2
    assert "/nowhere/x.wav" in gone.err


def test_nothing_found_writes_nothing(filled: Command, tmp_path: Path):
    answer = filled("export", "csv", "a dog", "--name", "nosuch", "--to", tmp_path / "x.csv")
    assert answer.status == 1
    assert "nothing was written" in answer.err
    assert list(tmp_path.iterdir()) == []


def test_similar_sounds_are_exported(filled: Command, sounds: Path):
    answer = filled("export", "csv", "--similar", sounds / "long.wav", "-n", "2")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    asked = filled("similar", sounds / "long.wav", "-n", "2", "--json").rows
    assert [row["path"] for row in rows] == [row["path"] for row in asked]
    assert [float(row["similarity"]) for row in rows] == [row["similarity"] for row in asked]
    assert str(sounds / "long.wav") not in [row["path"] for row in rows]
    assert filled("export", "csv", "x", "--similar", sounds / "long.wav").status == 2


def test_vectors_with_what_they_are_of(filled: Command, tmp_path: Path):
    answer = filled("export", "embeddings", "--npz", tmp_path / "v.npz")
    assert answer.status == 0, answer.err
    with np.load(tmp_path / "v.npz", allow_pickle=False) as read:
        n = len(read["ids"])
        assert read["vectors"].shape[0] == n > 5
        assert np.allclose(np.linalg.norm(read["vectors"], axis=1), 1, atol=1e-3)
        assert any(path.endswith("long.wav") for path in read["path"])
        assert (read["end_s"] > read["start_s"]).all()
        assert json.loads(str(read["about"]))["kind"] == "embedding"
    assert filled("export", "embeddings", "--npz", tmp_path / "v.npz").status == 2
    assert filled("export", "embeddings").status == 2
    assert filled("export", "embeddings", "--npz", tmp_path / "v.bin").status == 2
    if pytest.importorskip("pyarrow"):
        kept = filled("export", "embeddings", "--parquet", tmp_path / "v.parquet")
        assert kept.status == 0, kept.err


def test_what_is_heard_as_a_table(own: Command, sounds: Path):
    for asked in (("label", "--labels", "dog,rain"), ("describe",)):
        name, *options = asked
        both = (sounds / "long.wav", sounds / "deep" / "hiss.ogg")
        answer = own(name, *both, *options, "--csv")
        assert answer.status == 0, answer.err
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        told = own(name, *both, *options, "--json").rows
        assert [row["path"] for row in rows] == [row["path"] for row in told]
        assert [float(row["start_s"]) for row in rows] == [row["start_s"] for row in told]
        assert own(name, *both, *options, "--csv", "--json").status == 2


def test_captions_lead_out_of_no_folder(fresh: Command, tmp_path: Path):
    folder = tmp_path / "in"
    folder.mkdir()
    write_audio(folder / "a.wav", tones([300, 500]))
    rows = b"".join(
        json.dumps(
            {"path": str(folder / "a.wav"), "start_s": 0, "end_s": 0.5, "caption": said}
        ).encode()
        + b"\n"
        for said in ("../../up", "/etc/passwd", "..\\..\\up", "CON", "a\x00b", "-rf", "...")
    )
    out = tmp_path / "deep" / "out"
    answer = fresh("export", "clips", "--to", out, "--template", "{caption}", given=rows)
    assert answer.status == 0, answer.err
    assert len(list(out.iterdir())) == 7
    assert sorted(each.name for each in (tmp_path / "deep").iterdir()) == ["out"]
