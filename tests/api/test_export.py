"""Hits taken to other programs by a program, as the command takes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

import audiosearch


@pytest.fixture(scope="module")
def library(examples: Path) -> Iterator[audiosearch.SoundLibrary]:
    with audiosearch.open(examples / "library") as library:
        yield library


def test_hits_and_windows_become_files(library: audiosearch.SoundLibrary, tmp_path: Path):
    hits = library.find("a bell rings", min_score=0, limit=3)
    clips = library.export(hits, "clips", tmp_path / "clips", template="{rank}_{stem}")
    assert [each.name for each in clips] == [f"{h.rank}_{h.path.stem}.wav" for h in hits]
    first = soundfile.info(clips[0])
    assert first.duration == pytest.approx(hits[0].end_s - hits[0].start_s, abs=1e-4)
    tables = library.export(hits[:2], "raven", tmp_path / "tables", label="bell")
    assert len(tables) == 2
    assert "\tbell\t" in tables[0].read_text()
    ids, _ = library.embeddings()
    [table] = library.export(library.windows(ids[:4]), "csv", tmp_path / "windows.csv")
    assert len(table.read_text().splitlines()) == 5
    assert library.export([], "csv", tmp_path / "none.csv") == []
    assert not (tmp_path / "none.csv").exists()


def test_rows_are_a_table(library: audiosearch.SoundLibrary):
    pandas = pytest.importorskip("pandas")
    hits = library.find("a bell rings", min_score=0, limit=3)
    frame = pandas.DataFrame(hits.rows())
    assert frame.path.tolist() == [str(hit.path) for hit in hits]
    assert frame.score.tolist() == [hit.score for hit in hits]
    assert "similarity" not in frame
    assert frame.to_dict("records")[0]["matched"] == hits.rows()[0]["matched"]
    assert pandas.DataFrame(library.similar(hits[0], include_self=True).rows()).similarity[0] > 0.99


def test_mappings_are_rows_too(library: audiosearch.SoundLibrary, examples: Path, tmp_path: Path):
    row = {"path": examples / "sounds" / "bell.wav", "start_s": 1, "end_s": 2, "label": "ding"}
    [labels] = library.export([row], "audacity", tmp_path / "a.txt")
    assert labels.read_text() == "1.000000\t2.000000\tding\n"
    with pytest.raises(audiosearch.QueryError, match="there already"):
        library.export([row], "audacity", labels)
    library.export([{**row, "end_s": 3}], "audacity", labels, force=True)
    assert labels.read_text() == "1.000000\t3.000000\tding\n"
    for bad in ({"fps": "26"}, {"template": "{nosuch}"}):
        kind = "edl" if "fps" in bad else "clips"
        with pytest.raises(audiosearch.QueryError):
            library.export([row], kind, tmp_path / "x", **bad)  # type: ignore[arg-type]
    with pytest.raises(audiosearch.QueryError, match="row 1"):
        library.export([{"start_s": 1}], "csv", tmp_path / "y.csv")
