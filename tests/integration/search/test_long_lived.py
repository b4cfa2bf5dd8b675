"""An engine that lives for long sees what others commit, and answers as a fresh one does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import delete, update

from audiosearch.search import candidates
from audiosearch.search.filters import Filters
from audiosearch.search.results import FindResult, TextQuery
from audiosearch.store.database import Database, open_database
from audiosearch.store.queries import fulltext_windows, generations
from audiosearch.store.queries.fulltext import match_words, telling_words
from audiosearch.store.schema import FileState, SoundFile, WindowRow
from audiosearch.store.sqlite import commit_token
from audiosearch.store.vector_cache import load_vectors
from tests.search_library import LibraryBuilder, Models, sound_number

QUERIES = (
    TextQuery(text="a bell", min_score=0.0, limit=50),
    TextQuery(text="sound", min_score=0.0, limit=50),
    TextQuery(text="a bell", min_score=0.0, limit=50, filters=Filters(min_duration_s=2.0)),
)


@pytest.fixture
def reader(builder: LibraryBuilder, models: Models) -> Iterator[LibraryBuilder]:
    """A second, reading connection to the library that `builder` fills."""
    builder.fill(8)
    with open_database(builder.database.path, read_only=True) as database:
        yield LibraryBuilder(database, models)


def _set_state(database: Database, name: bytes, state: FileState) -> None:
    with database.session() as session:
        session.execute(update(SoundFile).where(SoundFile.path == name).values(state=state))


def _shown(result: FindResult) -> list[tuple[int, float | None]]:
    return [(hit.window_id, hit.score) for hit in result.hits]


@pytest.mark.parametrize("exhaustive_below", [0, 1000], ids=["candidates", "exhaustive"])
def test_changes_are_seen(
    builder: LibraryBuilder, reader: LibraryBuilder, exhaustive_below: int
) -> None:
    engine = reader.engine(exhaustive_below=exhaustive_below, fold_similarity=2.0)

    def answers() -> list[list[tuple[int, float | None]]]:
        fresh = reader.engine(exhaustive_below=exhaustive_below, fold_similarity=2.0)
        found = [_shown(engine.find(query)) for query in QUERIES]
        assert found == [_shown(fresh.find(query)) for query in QUERIES]
        return found

    before = answers()
    _set_state(builder.database, b"box/sound_03.wav", FileState.MISSING)
    without = answers()
    assert all(len(fewer) < len(all_) for fewer, all_ in zip(without, before, strict=True))
    _set_state(builder.database, b"box/sound_03.wav", FileState.INDEXED)
    assert answers() == before
    builder.add(b"box/sound_long.wav", sound_number(9))
    more = answers()
    assert all(len(all_) < len(new) for all_, new in zip(before, more, strict=True))


def test_what_comes_and_goes_is_seen_as_by_one_that_was_opened_just_now(
    builder: LibraryBuilder, reader: LibraryBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes is added to what is known already; once something went, all is loaded anew."""
    monkeypatch.setattr("audiosearch.store.vector_file.COARSE_FROM", 4)
    monkeypatch.setattr(load_vectors, "__kwdefaults__", {"cached_from": 1, "in_parts": False})
    engine = reader.engine(exhaustive_below=0, fold_similarity=2.0)
    for step in range(12):
        if step % 5 == 4:
            with builder.database.session() as session:
                session.execute(delete(WindowRow).where(WindowRow.id == step))
                generations.windows_removed(session)
        else:
            builder.add(b"box/more_%d.wav" % step, sound_number(20 + step))
        fresh = reader.engine(exhaustive_below=0, fold_similarity=2.0)
        for query in QUERIES:
            found, expected = engine.find(query), fresh.find(query)
            assert _shown(found) == _shown(expected)
            assert found.n_windows == expected.n_windows


def test_a_mark_stays_until_somebody_commits(
    builder: LibraryBuilder, reader: LibraryBuilder
) -> None:
    def mark() -> tuple[int, int, int]:
        with reader.database.reading() as session:
            return commit_token(session)

    first = mark()
    assert mark() == first
    with builder.database.reading():
        pass
    assert mark() == first
    _set_state(builder.database, b"box/sound_03.wav", FileState.MISSING)
    assert mark() != first


def test_a_mark_moves_with_commits_of_the_same_process(builder: LibraryBuilder) -> None:
    builder.fill(2)
    with builder.database.reading() as session:
        first = commit_token(session)
    _set_state(builder.database, b"box/sound_01.wav", FileState.MISSING)
    with builder.database.reading() as session:
        assert commit_token(session) != first


@pytest.mark.parametrize("limit", [1, 5, 100])
def test_texts_first_or_windows_first_is_the_same(
    reader: LibraryBuilder, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    match = match_words(telling_words("sound 03 05 box tone low noise a"))
    assert match is not None
    with reader.database.reading() as session:

        def ranked(allowed: object) -> list[list[tuple[int, float]]]:
            return fulltext_windows.ranked_windows(
                session, match, bundle_id=1, limit=limit, allowed=allowed
            )

        everything = ranked(None)
        ids = np.array(sorted({window for part in ranked(None) for window, _ in part}))
        for allowed in (ids, ids[::2], ids[:0]):
            monkeypatch.setattr(fulltext_windows, "FEW", 10_000)
            few = ranked(allowed)
            monkeypatch.setattr(fulltext_windows, "FEW", -1)
            assert ranked(allowed) == few
            if allowed is ids:
                assert few == everything


def test_few_windows_may_answer_or_many_is_the_same(
    reader: LibraryBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = reader.engine(exhaustive_below=0, candidates=3, fold_similarity=2.0)
    filtered = [replace(query, filters=Filters(min_duration_s=2.0)) for query in QUERIES]
    few = [_shown(engine.find(query)) for query in filtered]
    assert all(few)
    monkeypatch.setattr(candidates, "FEW", -1)
    monkeypatch.setattr(fulltext_windows, "FEW", -1)
    assert [_shown(engine.find(query)) for query in filtered] == few
