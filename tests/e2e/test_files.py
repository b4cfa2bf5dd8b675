"""`audiosearch files` and `info`: files by name, and all that is known of one; without a model."""

from __future__ import annotations

import base64
import os
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.command import Command
from tests.sounds import tones, write_audio

FILES = [
    *("path", "state", "error", "duration_s", "size", "mtime", "codec", "container", "tags"),
    "recording_id",
]
INFO = [
    *("path", "in_library", "state", "error", "remark", "root", "size", "mtime", "checked_at"),
    *("changed", "copies", "recording_id", "duration_s", "container", "codec", "sample_rate"),
    *("channels", "bit_depth", "loudness_lufs", "peak_db", "tags", "tags_given", "metadata"),
    *("captions_given", "rating", "favourite", "note", "collections", "annotations"),
    *("models", "windows_by", "windows"),
]
# Runs a command in a process that may not have the model's runtime, nor read a bundle.
WITHOUT_MODEL = (
    "import sys; sys.modules['onnxruntime'] = None; sys.modules['av'] = None\n"
    "import audiosearch.library.model_selection as models; models.load_bundle = None\n"
    "from audiosearch.cli.main import run; sys.exit(run(sys.argv[1:]))"
)


@pytest.fixture(scope="module")
def modelless(filled: Command) -> Command:
    """The command over the filled library, with no model at all."""
    program = (sys.executable, "-c", WITHOUT_MODEL)
    return replace(filled, bundle="no-such-model", program=program)


def names(command: Command, *arguments: str | Path) -> list[str]:
    answer = command("files", *arguments, "--paths")
    assert "Traceback" not in answer.err
    return [Path(os.fsdecode(line)).name for line in answer.out.splitlines()]


def test_files_needs_no_model(modelless: Command, sounds: Path):
    answer = modelless("files", "--json")
    assert (answer.status, answer.err) == (0, "")
    rows = answer.rows
    assert all([key for key in row if key != "path_b64"] == FILES for row in rows)
    found = {Path(row["path"]).name: row for row in rows}
    assert list(found) == [
        *("hiss.ogg", "high-low.flac", "long.wav", "low high.wav", "notes.wav", "od\\xff d.wav")
    ]
    assert base64.b64decode(found["od\\xff d.wav"]["path_b64"]).endswith(b"/od\xff d.wav")
    flac, notes = found["high-low.flac"], found["notes.wav"]
    status = (sounds / "high-low.flac").stat()
    assert (flac["state"], flac["error"], flac["duration_s"]) == ("indexed", None, 1.0)
    assert (flac["size"], flac["codec"], flac["container"]) == (status.st_size, "flac", "flac")
    assert flac["mtime"] == pytest.approx(status.st_mtime)
    assert (notes["state"], notes["error"], notes["duration_s"]) == ("failed", "unsupported", None)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["high"], ["high-low.flac", "low high.wav"]),
        (["LOW", "highs"], ["high-low.flac", "low high.wav"]),
        (["deep"], ["hiss.ogg"]),  # its folder
        (["*.WAV", "--state", "indexed"], ["long.wav", "low high.wav", "od\udcff d.wav"]),
        (["*/deep/*"], ["hiss.ogg"]),
        (["--state", "failed"], ["notes.wav"]),
        (["--state", "failed", "--state", "pending"], ["notes.wav"]),
        (["--format", "flac"], ["high-low.flac"]),
        (["--min-duration", "10", "--name", "l*"], ["long.wav"]),
        (["wav", "--name", "l*", "--max-duration", "2"], ["low high.wav"]),
        (["o?\udcff*"], ["od\udcff d.wav"]),
    ],
)
def test_files_by_name(filled: Command, arguments: list[str], expected: list[str]):
    assert names(filled, *arguments) == expected


def test_files_in_rows_and_bytes(filled: Command, sounds: Path):
    answer = filled("files", "-n", "2", cwd=sounds)
    assert answer.err == "and 4 more\n"
    assert [line.split()[-1] for line in answer.text.splitlines()] == [
        *("deep/hiss.ogg", "high-low.flac")
    ]
    assert filled("files", "-n", "2", "-q").err == ""
    assert filled("files", "hiss", "-0").out == os.fsencode(sounds / "deep" / "hiss.ogg") + b"\0"
    assert "notes.wav  (failed)" in filled("files", "notes").text


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["nothing-like-it"], 1, "'*part*'"),
        (["hisz"], 1, "did you mean 'hiss'?"),
        (["low", "hisz"], 1, "'*part*'"),  # no file has both
        (["*.nix"], 1, "no file has this name"),
        (["..."], 2, "no word"),
        (["--name", ""], 2, "no word"),
        (["x", "--in", "/no/such/folder"], 2, "no folder of this library"),
        (["x", "--state", "lost"], 2, "lost"),
        (["x", "--json", "-0"], 2, "exclude"),
    ],
)
def test_files_says_why_there_are_none(
    filled: Command, arguments: list[str], status: int, told: str
):
    answer = filled("files", *arguments)
    assert (answer.status, answer.out) == (status, b"")
    assert told in answer.err
    assert "Traceback" not in answer.err


def test_files_of_an_empty_library(fresh: Command):
    answer = fresh("files", "dog")
    assert answer.status == 1
    assert "audiosearch index" in answer.err


def test_find_and_similar_take_a_name(filled: Command, sounds: Path):
    rows = filled("find", "a dog", "--min-score", "0", "--name", "high low", "--json").rows
    found = {Path(row["path"]).name for row in rows}
    assert found == {"high-low.flac", "low high.wav"}
    rows = filled("similar", sounds / "long.wav", "--name", "*.OGG", "--json").rows
    assert [Path(row["path"]).name for row in rows] == ["hiss.ogg"]


def test_info_needs_no_model(modelless: Command, sounds: Path):
    [row] = modelless("info", sounds / "long.wav", "--json").rows
    assert list(row) == INFO
    assert (row["in_library"], row["state"], row["changed"]) == (True, "indexed", False)
    assert (row["root"], row["copies"], row["metadata"]) == (str(sounds), [], {})
    assert (row["duration_s"], row["sample_rate"], row["channels"]) == (24.0, 16000, 1)
    assert (row["container"], row["codec"], row["bit_depth"]) == ("wav", "pcm_s16le", 16)
    assert row["peak_db"] == pytest.approx(-6.02, abs=0.01)
    assert -12 < row["loudness_lufs"] < -4
    [model] = row["models"]
    assert (model["name"], model["complete"]) == ("toy", True)
    assert (model["windows"], row["windows_by"]) == (len(row["windows"]), model["fingerprint"])
    assert row["windows"][0]["start_s"] == 0
    assert row["windows"][-1]["end_s"] == pytest.approx(24.0)
    assert all(window["caption"] and not window["silent"] for window in row["windows"])
    text = modelless("info", "long.wav", cwd=sounds).text
    assert text.startswith("long.wav\n")
    assert "0:24 (24.000 s)" in text
    assert "not the current model" in text  # which is not there


def test_info_says_what_the_current_model_says(filled: Command, sounds: Path):
    answer = filled("info", sounds / "deep" / "hiss.ogg")
    assert "not the current model" not in answer.text
    assert (answer.status, answer.err) == (0, "")


def test_info_of_several_and_of_a_name_that_is_no_utf8(filled: Command, sounds: Path):
    answer = filled("info", os.fsencode(sounds) + b"/od\xff d.wav", sounds / "notes.wav", "--json")
    odd, notes = answer.rows
    assert base64.b64decode(odd["path_b64"]) == os.fsencode(sounds) + b"/od\xff d.wav"
    assert notes["error"]["code"] == "unsupported"
    assert notes["error"]["reason"]
    assert notes["windows"] == []


def test_info_of_a_file_that_is_not_in_the_library(filled: Command, sounds: Path, tmp_path: Path):
    copy = write_audio(tmp_path / "x.flac", tones([1500, 300]), tags={"title": "Else\u202ewhere"})
    new = write_audio(tmp_path / "y.wav", tones([777, 300]))
    answer = filled("info", copy, new, "--json")
    assert answer.status == 0
    known, unknown = answer.rows
    assert (known["in_library"], known["state"], known["root"]) == (False, None, None)
    assert known["copies"] == [{"path": str(sounds / "high-low.flac"), "state": "indexed"}]
    assert "where" in known["metadata"]["title"][0]
    assert (known["duration_s"], known["codec"]) == (1.0, "flac")
    assert (unknown["in_library"], unknown["copies"], unknown["windows"]) == (False, [], [])
    assert (unknown["duration_s"], unknown["codec"], unknown["sample_rate"]) == (
        *(None, "pcm_s16le", 16000),
    )
    assert answer.err.count("not in the library") == 2
    assert "\u202e" not in filled("info", copy).text


def test_info_of_a_file_that_is_gone_or_changed(fresh: Command, sound_folder: Path):
    hiss, low = sound_folder / "hiss.ogg", sound_folder / "low-high.wav"
    assert fresh("index", sound_folder).status == 0
    assert fresh("captions", "add", "Low, then HIGH!", "--for", f"{low}@0-0.5").status == 0
    hiss.unlink()
    [row] = fresh("info", hiss, "--json").rows
    assert (row["state"], row["changed"]) == ("indexed", False)  # not looked at since
    assert fresh("index", "-q").status == 0
    with closing(sqlite3.connect(fresh.data_dir / "library.sqlite3")) as connection, connection:
        connection.execute("UPDATE caption_target SET said = 'Low, then HIGH!'")
    write_audio(low, tones([300, 1500, 300]))
    gone, changed = fresh("info", hiss, low, "--json").rows
    assert (gone["state"], gone["codec"]) == ("missing", "vorbis")
    assert changed["changed"] is True
    [caption] = changed["captions_given"]
    assert (caption["start_s"], caption["end_s"], caption["source"]) == (0.0, 0.5, "user")
    assert caption["caption"] == "Low, then HIGH!"  # as it was typed
    text = fresh("info", hiss, low).text
    assert "missing" in text
    assert "has changed since it was read" in text
    assert "0:00-0:00.5" in text


def test_info_of_what_is_no_file(filled: Command, sounds: Path, tmp_path: Path):
    (tmp_path / "text.wav").write_text("no sound")
    for bad in (sounds, tmp_path / "nix.wav", tmp_path / "text.wav"):
        answer = filled("info", bad)
        assert (answer.status, answer.out) == (2, b"")
        assert str(bad) in answer.err
        assert "Traceback" not in answer.err
    answer = filled("info", tmp_path / "nix.wav", sounds / "long.wav", "--json", "-q")
    assert (answer.status, len(answer.rows)) == (2, 1)
    assert "nix.wav" in answer.err
