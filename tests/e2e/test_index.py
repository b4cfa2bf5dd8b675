"""`audiosearch index` with single files, and with captions switched on later."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.command import Command
from tests.sounds import tones, write_audio


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
