"""Asking changes nothing; what an answer took time to compute is kept in one step of its own."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import audiosearch
from audiosearch.config import load_config
from audiosearch.library import Library, open_library
from audiosearch.library.answers import keep
from audiosearch.search import describe
from audiosearch.search.results import Description

LABELS = ["dog", "church bell"]


@pytest.fixture
def copied(examples: Path, tmp_path: Path) -> Path:
    """The examples' library, in which no caption has a vector or a scale yet."""
    shutil.copytree(examples / "library", tmp_path / "library")
    with sqlite3.connect(tmp_path / "library" / "library.sqlite3") as database:
        database.execute("DELETE FROM caption_vector")
        database.execute("DELETE FROM caption_scale")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return tmp_path / "library"


@contextmanager
def opened(data_dir: Path) -> Iterator[Library]:
    """A library as commands open it that do not fill it."""
    with open_library(replace(load_config(), data_dir=data_dir)) as library:
        yield library


def stored(data_dir: Path) -> dict[str, int]:
    """How many rows there are of what can be computed again."""
    with closing(sqlite3.connect(data_dir / "library.sqlite3")) as database:
        return {
            table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("caption", "caption_vector", "caption_scale")
        }


def contents(data_dir: Path) -> dict[str, bytes]:
    """The database, page for page, and what was not merged into it yet."""
    files = (data_dir / "library.sqlite3", data_dir / "library.sqlite3-wal")
    return {file.name: file.read_bytes() for file in files if file.exists() and file.stat().st_size}


ASKED: list[Callable[[audiosearch.SoundLibrary, Path], object]] = [
    lambda library, _: library.find("a bell rings", explain=True),
    lambda library, sounds: library.similar(sounds / "bell.wav"),
    lambda library, sounds: library.describe(sounds / "bell.wav", limit=3),
    lambda library, sounds: library.label(sounds / "bell.wav", LABELS),
    lambda library, _: library.embeddings("joint"),
]


def test_a_library_opened_for_reading_is_not_written_to(copied: Path, examples: Path):
    before = contents(copied)
    rows = stored(copied)
    with (
        closing(sqlite3.connect(copied / "library.sqlite3")) as observer,
        audiosearch.open(copied) as library,
    ):
        version = observer.execute("PRAGMA data_version").fetchone()
        for ask in ASKED:
            assert ask(library, examples / "sounds")
            assert contents(copied) == before
            assert observer.execute("PRAGMA data_version").fetchone() == version
    assert stored(copied) == rows


@pytest.mark.parametrize("writable", [False, True])
def test_what_is_kept_is_kept_by_one_step(
    writable: bool, copied: Path, examples: Path, monkeypatch: pytest.MonkeyPatch
):
    clip = str(examples / "sounds" / "bell.wav")
    rows = stored(copied)
    with open_library(replace(load_config(), data_dir=copied), writable=writable) as library:
        with monkeypatch.context() as patch:
            patch.setattr(Library, "keep_derived", lambda _: 0)
            list(library.describe(clip, limit=3)[1])
            library.label(clip, LABELS)
            assert stored(copied) == rows
        assert library.keep_derived() > 0
        assert library.keep_derived() == 0
    kept = stored(copied)
    assert kept["caption_vector"] > rows["caption_vector"] == 0
    assert kept["caption_scale"] > rows["caption_scale"] == 0
    assert kept["caption"] > rows["caption"]  # the labels' sentences, which scales hang on


def test_commands_that_only_ask_take_the_step(copied: Path, examples: Path):
    clip = str(examples / "sounds" / "bell.wav")
    with opened(copied) as library:
        library.find("a bell rings")
        assert stored(copied)["caption_scale"] == 0
        list(library.describe(clip, limit=3)[1])
        described = stored(copied)
        assert described["caption_scale"] > 0
        assert described["caption_vector"] > 0
        library.label(clip, LABELS)
        assert stored(copied)["caption_scale"] > described["caption_scale"]


def test_captions_without_a_vector_are_candidates_as_the_others_are(
    copied: Path, examples: Path, monkeypatch: pytest.MonkeyPatch
):
    """Also where their vectors cannot be kept, and where some have one and some have none."""
    monkeypatch.setattr(describe, "TRIED", 3)
    clip = str(examples / "sounds" / "bell.wav")

    def answer(library: Library) -> list[Description]:
        return list(library.describe(clip, limit=3)[1])

    with audiosearch.open(copied) as reader:
        unplaced = list(reader.describe(clip, limit=3))
    with opened(copied) as library:
        first = answer(library)
        assert answer(library) == first
    assert stored(copied)["caption_vector"] > 3
    with sqlite3.connect(copied / "library.sqlite3") as database:
        database.execute("DELETE FROM caption_vector WHERE caption_id % 2")
    database.close()
    with audiosearch.open(copied) as reader:
        mixed = list(reader.describe(clip, limit=3))
    assert unplaced == first == mixed
    assert all(len(each.captions) > 1 for each in first)  # besides the model's own sentence


def test_an_heir_of_an_id_gets_no_vector_of_another(copied: Path):
    with opened(copied) as library:
        library.engine.describe([], limit=3)
        derived = library.engine.take_derived()
        with sqlite3.connect(copied / "library.sqlite3") as database:
            database.execute("UPDATE caption SET text = text || ' twice' WHERE id % 2")
        database.close()
        keep(library.database, derived)
    with closing(sqlite3.connect(copied / "library.sqlite3")) as database:
        ids = [row[0] for row in database.execute("SELECT caption_id FROM caption_vector")]
    assert ids
    assert not [each for each in ids if each % 2]
