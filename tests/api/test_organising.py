"""What a person writes of sounds, by Python: one transaction each, guarded like the rest."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import audiosearch
from audiosearch import QueryError, StoreError


@pytest.fixture
def library(examples: Path, tmp_path: Path) -> Iterator[audiosearch.SoundLibrary]:
    """A copy of the examples' library, to write to."""
    shutil.copytree(examples / "library", tmp_path / "library")
    with audiosearch.open(tmp_path / "library", writable=True) as library:
        yield library


def test_hits_windows_and_paths_can_be_annotated(
    library: audiosearch.SoundLibrary, examples: Path, tmp_path: Path
):
    hits = library.find("a bell rings", limit=2)
    assert library.tag(hits, "bells") == len(hits)
    assert library.tag(hits[0], "BELLS") == 0
    bell = examples / "sounds" / "bell.wav"
    assert library.favourite(bell, start_s=1, end_s=2.5) == 1
    assert library.rate([bell, bytes(examples / "sounds" / "rain.wav")], 3) == 2
    rows = library.annotations(bell)
    assert {(row.start_s, row.end_s, row.favourite, row.rating) for row in rows} >= {
        (1.0, 2.5, True, None),
        (0.0, None, False, 3),
    }
    assert library.find("a bell", filters=audiosearch.Filters(favourite=True)).hits[0].path == bell
    assert library.collect("some", hits) == len(hits)
    assert [row.path for row in library.collection("some")] == [hit.path for hit in hits]
    n_lines = library.backup(tmp_path / "b.jsonl")
    assert library.favourite(bell, False) == 1
    library.delete_collection("some")
    done = library.restore(tmp_path / "b.jsonl")
    assert (done.n_lines, done.n_newer, done.n_waiting) == (n_lines, 0, 0)
    assert done.n_new == 1 + 1 + len(hits)  # the favourite, the collection and what is in it
    assert library.collections() == {"some": len(hits)}
    assert library.uncollect("some", bell) <= 1
    assert library.untag(hits, "bells") == len(hits)
    assert library.tags() == {}


def test_what_cannot_be_is_refused_and_changes_nothing(
    library: audiosearch.SoundLibrary, examples: Path, tmp_path: Path
):
    bell = examples / "sounds" / "bell.wav"
    with pytest.raises(QueryError, match=r"no sound|not in the library"):
        library.tag([bell, tmp_path / "none.wav"], "x")
    with pytest.raises(QueryError, match="which sound"):
        library.tag([bell], "x", start_s=1)
    with pytest.raises(QueryError, match="stars"):
        library.rate(bell, 0)
    with pytest.raises(QueryError, match="no word"):
        library.tag(bell, "  ")
    with pytest.raises(QueryError, match="no collection"):
        library.collection("none")
    with pytest.raises(TypeError, match="collections"):
        audiosearch.Filters(collections="trailer")  # type: ignore[arg-type]
    assert library.annotations() == []


def test_a_library_for_reading_is_not_written_to(examples: Path):
    with audiosearch.open(examples / "library") as library:
        assert library.annotations() == []
        with pytest.raises(StoreError, match="for reading only"):
            library.tag(examples / "sounds" / "bell.wav", "x")
        assert library.duplicates(identical_only=True) == []
        nowhere = audiosearch.Filters(names=("nosuch",))
        assert library.duplicates(filters=nowhere) == []
