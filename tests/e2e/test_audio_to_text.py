"""The contract of describe, label and captions, with the real command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.command import Command

pytestmark = pytest.mark.slow


LABEL = ["path", "start_s", "end_s", "rank", "label", "score", "cross_entropy", "scaled"]


def test_label_json(own: Command, sounds: Path):
    answer = own("label", sounds / "high-low.flac", "--labels", "dog,rain , bell", "--json")
    assert answer.status == 0, answer.err
    assert all(list(row) == LABEL for row in answer.rows)
    assert [row["rank"] for row in answer.rows] == [1, 2, 3]
    assert {row["label"] for row in answer.rows} == {"dog", "rain", "bell"}
    again = own("label", sounds / "high-low.flac", "--labels", "dog,rain,bell", "--json")
    assert again.rows == answer.rows
    assert own("verify").status == 0
    assert own("label", sounds / "high-low.flac").status == 2
    assert own("label", sounds / "high-low.flac", "--labels", " ,").status == 2


def test_a_folder_is_labelled_and_goes_on(own: Command, sounds: Path, tmp_path: Path):
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    arguments = ("label", sounds, "--labels", "dog,rain", "--output")
    assert own(*arguments, whole).status == 0
    lines = whole.read_bytes().splitlines(keepends=True)
    assert len(lines) == 2 * 5
    cut.write_bytes(b"".join(lines[:5]) + lines[5][:20])
    answer = own(*arguments, cut)
    assert answer.status == 0
    assert "2 of 6 are done already" in answer.err
    assert "could not be read" in answer.err
    assert cut.read_bytes() == whole.read_bytes()


def test_a_persons_caption_brings_its_sound_to_the_front(own: Command, sounds: Path):
    clip = f"{sounds / 'deep' / 'hiss.ogg'}@0.2-1"
    assert own("captions", "add", "Grandmother's old clock", "--for", clip).status == 0
    first = own("find", "the old clock", "--json").rows[0]
    assert (Path(first["path"]).name, first["score"]) == ("hiss.ogg", 1.0)
    listed = own("captions", "list", "--source", "user", "--json").rows
    assert [(row["caption"], row["given"]) for row in listed] == [("Grandmother's old clock", 1)]
    assert own("captions", "search", "clocks", "--json").rows == listed
    assert own("captions", "remove", "grandmother's old clock").status == 0
    assert own("captions", "search", "clock").status == 1
    assert own("verify").status == 0


def test_captions_are_imported_once(own: Command, sounds: Path, tmp_path: Path):
    table = tmp_path / "captions.csv"
    table.write_text(
        f"caption,path,start_s,end_s\nan odd hum,{sounds / 'long.wav'},2,4\n...,,,\nrain,,,\n"
        f"a lost sound,{tmp_path / 'gone.wav'},,\n"
    )
    row = own("captions", "import", table, "--json").rows[0]
    counts = {"new": 3, "known": 0, "given": 1, "empty": 1, "not_indexed": 1}
    assert row == {**counts, "kind": "table", "import_id": 1}
    row = own("captions", "import", table, "--json").rows[0]
    assert (row["new"], row["known"]) == (0, 3)
    assert Path(own("find", "odd hum", "--json").rows[0]["path"]).name == "long.wav"
    table.write_text("words\nrain\n")
    assert own("captions", "import", table).status == 2


def test_words_are_explained(own: Command, sounds: Path):
    rows = own("find", "a dog gramophone", "--min-score", "0", "--explain", "--json").rows
    for row in rows:
        assert [word["word"] for word in row["words"]] == ["a", "dog", "gramophone"]
        assert row["words"][2]["lift"] is None
    rows = own("describe", sounds / "high-low.flac", "--explain", "--json").rows
    assert all([w["word"] for w in row["words"]] == row["caption"].split() for row in rows)


def test_runs_fold_into_a_timeline(own: Command, sounds: Path):
    single = own("describe", sounds / "long.wav", "--json", "-n", "0").rows
    folded = own("describe", sounds / "long.wav", "--json", "--fold", "-n", "0").rows
    runs = [row["caption"] for row in single]
    assert [row["caption"] for row in folded] == [
        text for i, text in enumerate(runs) if i == 0 or runs[i - 1] != text
    ]
    assert folded[0]["start_s"] == single[0]["start_s"]
    assert folded[-1]["end_s"] == single[-1]["end_s"]
