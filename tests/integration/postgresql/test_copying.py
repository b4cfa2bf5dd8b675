"""A library copied to a server: broken off and taken up again, compared, and nothing altered."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from audiosearch.config import StoreConfig
from audiosearch.errors import StoreError
from audiosearch.library.annotations import Annotations
from audiosearch.search.results import TextQuery
from audiosearch.store.backup import write_backup
from audiosearch.store.database import Database, open_database
from audiosearch.store.integrity.verify import verify
from audiosearch.store.postgresql import copying
from audiosearch.store.postgresql.copying import copy_library
from tests.search_library import LibraryBuilder, Models


@pytest.fixture(scope="module")
def source(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library in SQLite with sounds, captions and what a person wrote."""
    path = tmp_path_factory.mktemp("source") / "library.sqlite3"
    with open_database(path) as database:
        builder = LibraryBuilder(database, models)
        builder.fill(6)
        builder.add(b"Caf\xc3\xa9\xff.wav", builder_sound(), metadata={"title": ["Ünïcode"]})
        Annotations(database).tag(["/sounds/box/sound_01.wav"], "Nice")
        Annotations(database).note(["/sounds/box/sound_02.wav"], "barks")
    return path


def builder_sound():  # type: ignore[no-untyped-def]
    from tests.sounds import tones  # noqa: PLC0415

    return tones([333, 777], seconds=1)


def said_of(database: Database, models: Models, words: str) -> list[tuple[object, ...]]:
    engine = LibraryBuilder(database, models).engine()
    hits = engine.find(TextQuery(text=words, min_score=0.0)).hits
    return [(hit.path, hit.window_id, hit.score, hit.cross_entropy) for hit in hits]


def test_the_copy_is_the_library(source: Path, url: str, models: Models, tmp_path: Path) -> None:
    told: list[str] = []
    with open_database(source) as here, open_database(source, store=StoreConfig(url=url)) as there:
        copied = copy_library(here, there, tell=lambda table, *_: told.append(table))
    assert {each.name for each in copied} >= {"window", "window_frames", "caption", "annotation"}
    assert all(each.n_new == each.n_rows for each in copied)
    assert set(told) == {each.name for each in copied}
    with (
        open_database(source, read_only=True) as here,
        open_database(source, store=StoreConfig(url=url)) as there,
    ):
        assert there.identity.number == here.identity.number
        assert verify(there) == []
        for words in ("sound", "unicode", "nice", "barks"):
            assert said_of(there, models, words) == said_of(here, models, words)
        assert write_backup(there, tmp_path / "there.jsonl") == 2
        write_backup(here, tmp_path / "here.jsonl")
        of_both = [
            (tmp_path / f"{name}.jsonl").read_bytes().split(b"\n", 1)[1]  # without when it was made
            for name in ("here", "there")
        ]
        assert of_both[0] == of_both[1]
        # New rows are numbered after those that were copied.
        Annotations(there).tag(["/sounds/box/sound_03.wav"], "new")
        assert verify(there) == []


def test_broken_off_it_goes_on(source: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "_ROWS", 3)
    monkeypatch.setattr(copying, "_FEWER", {})

    class Broken(Exception):
        pass

    def breaks(table: str, n_done: int, _n_rows: int) -> None:
        if table == "window" and n_done >= 6:
            raise Broken

    with open_database(source) as here, open_database(source, store=StoreConfig(url=url)) as there:
        with pytest.raises(Broken):
            copy_library(here, there, tell=breaks)
        with there.reading() as session:
            n_before = session.scalar(text('SELECT count(*) FROM "window"'))
        assert n_before == 6
        copied = copy_library(here, there, tell=lambda *_: None)
    windows = next(each for each in copied if each.name == "window")
    assert windows.n_new == windows.n_rows - 6
    with open_database(source, store=StoreConfig(url=url)) as there:
        assert verify(there) == []


def test_another_library_is_left_alone(
    source: Path, url: str, database: Database, models: Models
) -> None:
    LibraryBuilder(database, models).fill(1)
    with open_database(source) as here, pytest.raises(StoreError, match="another library"):
        copy_library(here, database, tell=lambda *_: None)


def test_a_row_that_differs_is_noticed(
    source: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_database(source) as here, open_database(source, store=StoreConfig(url=url)) as there:
        compare = copying._compare

        def altered(*arguments, **options):  # type: ignore[no-untyped-def]
            with there.session() as session:
                session.execute(text("UPDATE caption SET text = text || 's' WHERE id = 1"))
            monkeypatch.setattr(copying, "_compare", compare)
            return compare(*arguments, **options)

        monkeypatch.setattr(copying, "_compare", altered)
        with pytest.raises(StoreError, match="table caption is not the same"):
            copy_library(here, there, tell=lambda *_: None)
