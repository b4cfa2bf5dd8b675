"""`audiosearch index` with single files, and with captions switched on later."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.command import Command
from tests.sounds import tones, write_audio

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "sounds"
    folder.mkdir()
    write_audio(folder / "first.wav", tones([300, 1500]))
    return folder


def test_a_file_in_a_folder_of_the_library_is_taken_in_alone(fresh: Command, folder: Path):
    assert fresh("index", folder).status == 0
    second = write_audio(folder / "second.wav", tones([900, 100]))
    write_audio(folder / "third.wav", tones([700, 200]))
    [row] = fresh("index", second, "--json").rows
    assert (row["files"], row["new"], row["missing"]) == (1, 1, 0)
    [row] = fresh("index", "--json").rows
    assert (row["files"], row["new"], row["unchanged"], row["missing"]) == (3, 1, 2, 0)


def test_a_file_elsewhere_is_refused_with_its_folder_as_remedy(fresh: Command, folder: Path):
    answer = fresh("index", folder / "first.wav")
    assert answer.status == 2
    assert f"audiosearch index {folder}" in answer.err
    [row] = fresh("index", folder, folder / "first.wav", "--json").rows  # in a folder given with it
    assert (row["files"], row["new"]) == (1, 1)


def test_a_file_that_indexing_passes_over_is_refused(fresh: Command, folder: Path):
    (folder / "notes.txt").write_text("no sound")
    assert fresh("index", folder).status == 0
    answer = fresh("index", folder / "notes.txt")
    assert answer.status == 2
    assert "passed over" in answer.err


def test_captions_switched_on_later(fresh: Command, folder: Path):
    silent = replace(fresh, environ={"AUDIOSEARCH_INDEX_CAPTIONS": "false"})
    assert silent("index", folder).status == 0
    assert fresh("captions", "list", "--json").rows == []
    [row] = fresh("index", "--json").rows
    assert (row["windows_encoded"], row["windows_captioned"]) == (0, 1)
    assert len(fresh("captions", "list", "--json").rows) == 1
    assert fresh("index", "--json").rows[0]["windows_captioned"] == 0


def test_loudness_is_measured_unless_it_is_not_wanted(fresh: Command, folder: Path):
    quick = replace(fresh, environ={"AUDIOSEARCH_INDEX_LOUDNESS": "false"})
    assert quick("index", folder).status == 0
    [info] = fresh("info", folder / "first.wav", "--json").rows
    assert info["loudness_lufs"] is None
    assert info["peak_db"] is not None
    other = write_audio(folder / "other.wav", tones([900, 100]))
    assert fresh("index").status == 0
    [info] = fresh("info", other, "--json").rows
    assert info["loudness_lufs"] < 0


def test_what_is_passed_over_is_told_on_the_last_line(fresh: Command, folder: Path, tmp_path: Path):
    for name in ("a.TXT", "b.txt", "c.jpg", "README", ".hidden", "Thumbs.db"):
        (folder / name).write_text("no sound")
    (folder / "linked").symlink_to(tmp_path)
    (folder / "linked.wav").symlink_to(folder / "first.wav")
    write_audio(folder / "#recycle.wav", tones([900, 100]))  # a file may be called so
    (folder / "#recycle").mkdir()
    write_audio(folder / "#recycle" / "old.wav", tones([700, 200]))
    answer = fresh("index", folder)
    assert answer.status == 0
    assert answer.err.splitlines()[-1] == (
        "passed over: 2 .txt, 1 without an ending, 1 .jpg, 1 linked file, 1 linked folder"
    )
    [row] = fresh("index", "--json").rows
    assert row["files"] == 2
    assert row["passed_over"] == {
        "endings": {".txt": 2, "": 1, ".jpg": 1},
        "other_endings": 0,
        "linked_files": 1,
        "linked_folders": 1,
    }
    assert fresh("index", "--quiet").err == ""


def test_of_many_kinds_that_are_passed_over_the_most_frequent_are_told(
    fresh: Command, folder: Path
):
    for number in range(12):
        for copy in range(12 - number):
            (folder / f"{copy}.kind{number:02}").write_text("no sound")
    last = fresh("index", folder).err.splitlines()[-1]
    assert last.startswith("passed over: 12 .kind00, 11 .kind01, 10 .kind02, ")
    assert last.endswith(", 5 .kind07, and 10 of 4 more kinds")


def test_nothing_is_told_where_nothing_is_passed_over(fresh: Command, folder: Path):
    assert "passed over" not in fresh("index", folder).err


def test_a_recycle_bin_is_refused(fresh: Command, folder: Path):
    assert fresh("index", folder).status == 0
    (folder / "$RECYCLE.BIN").mkdir()
    write_audio(folder / "$RECYCLE.BIN" / "x.wav", tones([900, 100]))
    for path in (folder / "$RECYCLE.BIN" / "x.wav", folder / "$RECYCLE.BIN"):
        answer = fresh("index", path)
        assert answer.status == 2
        assert "recycle bin" in answer.err


def test_a_link_that_the_next_look_would_pass_over_is_refused(
    fresh: Command, folder: Path, tmp_path: Path
):
    away = tmp_path / "away"
    away.mkdir()
    write_audio(away / "x.wav", tones([900, 100]))
    (folder / "linked").symlink_to(away)
    assert fresh("index", folder).status == 0
    for path in (folder / "linked", folder / "linked" / "x.wav"):
        answer = fresh("index", path)
        assert answer.status == 2
        assert "a link below" in answer.err
        assert f"audiosearch index {away}" in answer.err
    assert fresh("index", away).status == 0
    assert fresh("files", "--paths", "--in", away).text == f"{away / 'x.wav'}\n"
