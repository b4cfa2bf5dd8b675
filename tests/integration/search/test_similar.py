"""Finding by sound: real SQLite, the toy bundle, generated sounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audiosearch.errors import QueryError
from audiosearch.search.filters import Filters
from audiosearch.search.results import FindResult, MomentOptions, SoundQuery, TextQuery
from tests.search_library import ROOT, LibraryBuilder, Models, sound_number
from tests.sounds import noise


def embeddings(models: Models, sound: np.ndarray) -> np.ndarray:
    return np.stack([one.embedding for one in models.encode(sound)])


def ask(library: LibraryBuilder, vectors: np.ndarray, **options: object) -> FindResult:
    query = SoundQuery(embeddings=vectors, **({"limit": 100} | options))  # type: ignore[arg-type]
    return library.engine().similar(query)


@pytest.mark.parametrize("i", range(12))
def test_a_clip_finds_itself_first(library: LibraryBuilder, models: Models, i: int) -> None:
    result = ask(library, embeddings(models, sound_number(i)))
    assert result.hits[0].path == f"/sounds/box/sound_{i:02d}.wav".encode()
    assert result.hits[0].similarity == pytest.approx(1.0, abs=1e-6)
    assert len(result.hits) == 12
    similarities = [hit.similarity for hit in result.hits]
    assert similarities == sorted(similarities, reverse=True)  # type: ignore[type-var]
    assert all(hit.score is None for hit in result.hits)


def test_a_part_of_a_clip_finds_its_window(library: LibraryBuilder, models: Models) -> None:
    vectors = embeddings(models, sound_number(9))
    assert len(vectors) == 3
    for place in range(3):
        hit = ask(library, vectors[place : place + 1]).hits[0]
        assert hit.path == b"/sounds/box/sound_09.wav"
        assert hit.start_s == pytest.approx(2.0 * place)


def test_it_equals_brute_force(library: LibraryBuilder, models: Models) -> None:
    asked = embeddings(models, noise(seconds=5.0, amplitude=0.3, seed=99))
    expected = {
        f"/sounds/box/sound_{i:02d}.wav".encode(): float(
            (asked @ embeddings(models, sound_number(i)).T).max()
        )
        for i in range(12)
    }
    found = {hit.path: hit.similarity for hit in ask(library, asked).hits}
    assert found == pytest.approx(expected, abs=2e-3)  # the store keeps half precision


def test_how_many_more_are_as_like(library: LibraryBuilder, models: Models) -> None:
    asked = embeddings(models, sound_number(9))  # three windows, as many others have
    assert ask(library, asked, limit=12).n_more == 0
    few = ask(library, asked, limit=2)
    assert (len(few.hits), few.n_more, few.n_more_is_least) == (2, 10, False)
    least = ask(library, asked).hits[4].similarity
    assert ask(library, asked, limit=2, min_similarity=least).n_more == 3
    assert ask(library, asked, limit=5, min_similarity=least).n_more == 0
    here = Filters(names=("sound_0*",))
    assert ask(library, asked, limit=2, filters=here).n_more == 8


def test_the_least_similarity_and_the_limit(library: LibraryBuilder, models: Models) -> None:
    asked = embeddings(models, sound_number(3))
    every = ask(library, asked)
    fourth = every.hits[3].similarity
    some = ask(library, asked, min_similarity=fourth)
    assert some.hits == every.hits[:4]
    assert some.n_below_min_score == 8
    assert ask(library, asked, limit=2).hits == every.hits[:2]


def test_nothing_is_like_a_sound_where_all_is_silent(
    builder: LibraryBuilder, models: Models
) -> None:
    builder.add(b"a.wav", noise(seconds=1.0, seed=1), silent=[0])
    asked = embeddings(models, sound_number(3))
    found = ask(builder, asked)
    assert (found.hits, found.n_more, found.n_windows) == ((), 0, 1)
    joint = models.encode(sound_number(3))[0].joint[None]
    engine = builder.engine()
    for query in (
        TextQuery(text="rain", like=(joint,)),
        TextQuery(text="rain", without=("wind",)),
        TextQuery(text="rain", moments=MomentOptions()),
    ):
        assert engine.find(query).hits == ()


def test_filters_apply(library: LibraryBuilder, models: Models) -> None:
    folder = Path((ROOT + b"/box/sound_05.wav").decode())
    result = ask(library, embeddings(models, sound_number(3)), filters=Filters(folders=(folder,)))
    assert [hit.path for hit in result.hits] == [bytes(folder)]


def test_near_duplicates_are_shown(builder: LibraryBuilder, models: Models) -> None:
    sound = noise(seconds=1.0, seed=1)
    builder.add(b"a.wav", sound)
    builder.add(b"b.wav", sound * 1.0001)
    hits = ask(builder, embeddings(models, sound)).hits
    assert {hit.path for hit in hits} == {b"/sounds/a.wav", b"/sounds/b.wav"}
    assert [hit.n_alike for hit in hits] == [0, 0]


def test_many_windows_of_one_recording_do_not_hide_others(
    builder: LibraryBuilder, models: Models
) -> None:
    long = noise(seconds=600.0, amplitude=0.1, seed=1)  # 300 windows that sound alike
    builder.add(b"long.wav", long)
    builder.add(b"other.wav", sound_number(4))
    hits = ask(builder, embeddings(models, long[: 2 * 16_000]), limit=2).hits
    assert [hit.path for hit in hits] == [b"/sounds/long.wav", b"/sounds/other.wav"]


def test_nothing_to_hear_is_an_error(library: LibraryBuilder, models: Models) -> None:
    nothing = np.zeros((0, models.bundle.embedding_dim), np.float32)
    with pytest.raises(QueryError, match="nothing to hear"):
        ask(library, nothing)


def test_an_empty_library_has_nothing(builder: LibraryBuilder, models: Models) -> None:
    result = ask(builder, embeddings(models, sound_number(1)))
    assert result.hits == ()
    assert result.n_windows == 0
