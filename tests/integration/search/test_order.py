"""In what order hits and lists are shown, how many more there are, and all paths of a sound."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from audiosearch.errors import QueryError
from audiosearch.library.lookup import list_files
from audiosearch.search.filters import Filters
from audiosearch.search.order import SORT_KEYS, name_order
from audiosearch.search.results import SoundQuery, TextQuery
from tests.search_library import LibraryBuilder
from tests.sounds import noise

NAMES = (b"b/take 10.wav", b"a/take 9.wav", b"c/Atake 9.wav", b"a/other.wav")
LOUDNESS = (-30.0, -12.0, None, -20.0)
ORDERS = {
    "name": ["Atake 9.wav", "other.wav", "take 9.wav", "take 10.wav"],
    "duration": ["other.wav", "Atake 9.wav", "take 9.wav", "take 10.wav"],
    "date": ["take 9.wav", "Atake 9.wav", "other.wav", "take 10.wav"],
    "loudness": ["take 9.wav", "other.wav", "take 10.wav", "Atake 9.wav"],
}


@pytest.fixture
def four(builder: LibraryBuilder) -> LibraryBuilder:
    for number, name in enumerate(NAMES):
        builder.add(
            name,
            noise(seconds=1.0 + number / 2, seed=number),
            loudness_lufs=LOUDNESS[number],
            mtime_s=(1000.0, 4000.0, 3000.0, 2000.0)[number],
        )
    return builder


def names(paths: list[bytes]) -> list[str]:
    return [Path(os.fsdecode(path)).name for path in paths]


def reversed_order(sort: str) -> list[str]:
    if sort == "loudness":  # what has none stays last
        return ORDERS[sort][-2::-1] + ORDERS[sort][-1:]
    return ORDERS[sort][::-1]


@pytest.mark.parametrize("sort", SORT_KEYS)
@pytest.mark.parametrize("reverse", [False, True])
def test_find_similar_and_files_agree(four: LibraryBuilder, sort: str, reverse: bool) -> None:
    expected = reversed_order(sort) if reverse else ORDERS[sort]
    engine = four.engine(fold_similarity=2.0)
    found = engine.find(TextQuery(text="rain", min_score=0.0, sort=sort, reverse=reverse))
    assert names([hit.path for hit in found.hits]) == expected
    assert sorted(hit.rank for hit in found.hits) == [1, 2, 3, 4]  # by score, whatever the order
    embeddings = four.models.encode(noise(seconds=1.0, seed=0))[0].embedding[None]
    alike = engine.similar(SoundQuery(embeddings=embeddings, sort=sort, reverse=reverse))
    assert names([hit.path for hit in alike.hits]) == expected
    listed = list_files(four.database, Filters(), sort=sort, reverse=reverse)
    assert names([file.path for file in listed.files]) == expected


def test_an_order_does_not_choose(four: LibraryBuilder) -> None:
    engine = four.engine(fold_similarity=2.0)
    best = engine.find(TextQuery(text="rain", min_score=0.0, limit=2)).hits
    found = engine.find(TextQuery(text="rain", min_score=0.0, limit=2, sort="duration"))
    assert {hit.path for hit in found.hits} == {hit.path for hit in best}
    turned = engine.find(TextQuery(text="rain", min_score=0.0, limit=2, reverse=True)).hits
    assert turned == best[::-1]
    # A list has no best: there the longest are shown.
    listed = list_files(four.database, Filters(), sort="duration", limit=2)
    assert names([file.path for file in listed.files]) == ORDERS["duration"][:2]


def test_an_order_that_there_is_not_is_refused(four: LibraryBuilder) -> None:
    with pytest.raises(QueryError, match="no order by"):
        four.engine().find(TextQuery(text="rain", sort="colour"))
    with pytest.raises(QueryError, match="no order by"):
        list_files(four.database, Filters(), sort="colour")


def test_names_with_and_without_numbers_compare() -> None:
    given = [
        b"x/a.wav",
        b"a1.wav",
        b"a01.wav",
        b"a",
        b"a10",
        b"a9",
        b"\xff.wav",
        b"1",
        b"",
        b"y/a.wav",
    ]
    ordered = sorted(given, key=name_order)
    assert ordered.index(b"a9") < ordered.index(b"a10")
    assert ordered.index(b"x/a.wav") + 1 == ordered.index(b"y/a.wav")


def test_how_many_more(four: LibraryBuilder) -> None:
    engine = four.engine(fold_similarity=2.0)
    assert engine.find(TextQuery(text="rain", min_score=0.0, limit=1)).n_more == 3
    assert engine.find(TextQuery(text="rain", min_score=0.0, limit=4)).n_more == 0
    some = engine.find(TextQuery(text="rain", min_score=0.0)).hits[1].score
    assert engine.find(TextQuery(text="rain", min_score=some, limit=1)).n_more == 1


def test_all_paths_of_a_folded_sound(builder: LibraryBuilder) -> None:
    sound = noise(seconds=1.0, seed=1)
    for name in (b"z/copy.wav", b"b/first.wav", b"a/gone.wav"):
        builder.add(name, sound)
    builder.add(b"c/nearly.wav", sound * 1.0001)
    builder.add(b"c/nearly \xff.wav", sound * 1.0001)
    builder.add(b"other.wav", noise(seconds=2.0, amplitude=0.9, seed=5) ** 3)
    query = TextQuery(text="rain", min_score=0.0, filters=Filters(not_folders=(Path("/sounds/a"),)))
    hits = builder.engine(fold_similarity=0.9999).find(query).hits
    [hit] = [hit for hit in hits if hit.n_alike]
    everything = {hit.path, *hit.also}
    assert everything == {
        b"/sounds/b/first.wav",
        b"/sounds/z/copy.wav",
        b"/sounds/c/nearly.wav",
        b"/sounds/c/nearly \xff.wav",
    }
    assert len(hit.also) == 3
    assert builder.engine(fold_similarity=0.9999).find(query).n_more == 0  # alike is not more


def test_all_paths_of_a_sound_in_several_files(builder: LibraryBuilder) -> None:
    sound = noise(seconds=1.0, seed=1)
    for name in (b"z/copy.wav", b"b/first.wav", b"a/gone.wav"):
        builder.add(name, sound)
    builder.add(b"other.wav", noise(seconds=2.0, amplitude=0.9, seed=5) ** 3)
    found = builder.engine(fold_similarity=2.0).find(TextQuery(text="rain", min_score=0.0))
    embeddings = builder.models.encode(sound)[0].embedding[None]
    alike = builder.engine().similar(SoundQuery(embeddings=embeddings))
    for result in (found, alike):
        assert {hit.path: hit.also for hit in result.hits} == {
            b"/sounds/a/gone.wav": (b"/sounds/b/first.wav", b"/sounds/z/copy.wav"),
            b"/sounds/other.wav": (),
        }
    # With the words in its name, another file stands for the sound.
    named = builder.engine().find(TextQuery(text="copy", min_score=0.0)).hits[0]
    assert named.path == b"/sounds/z/copy.wav"
    assert named.also == (b"/sounds/a/gone.wav", b"/sounds/b/first.wav")
