"""Words that the decoder never learned, with a bundle that has bridges and a tower of pieces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from audiosearch.model.bundle import load_bundle
from audiosearch.search.results import TextQuery
from audiosearch.store.database import open_database
from tests.search_library import LibraryBuilder, Models


@pytest.fixture(scope="module")
def library(
    tmp_path_factory: pytest.TempPathFactory, meaning_bundle: Path
) -> Iterator[LibraryBuilder]:
    folder = tmp_path_factory.mktemp("meaning")
    models = Models.of(load_bundle(meaning_bundle))
    with open_database(folder / "library.sqlite3") as database:
        builder = LibraryBuilder(database, models)
        builder.fill(8)
        yield builder


def _find(library: LibraryBuilder, text: str, *, explain: bool = False):
    return library.engine().find(TextQuery(text=text, min_score=0.0, explain=explain))


def test_a_bridged_word_is_judged_as_the_word_it_leads_to(library: LibraryBuilder) -> None:
    bridged, known = _find(library, "a canine barks"), _find(library, "a dog barks")
    assert bridged.read_as == {"canine": "dog"}
    assert bridged.unknown_words == ()
    assert known.read_as == {}
    # The text tower knows the word itself, and may prefer other windows of a recording for it.
    by_window = {hit.window_id: hit for hit in known.hits}
    both = [(hit, by_window[hit.window_id]) for hit in bridged.hits if hit.window_id in by_window]
    assert len(both) > 1
    assert all(one.cross_entropy == other.cross_entropy for one, other in both)
    assert any(one.score != other.score for one, other in both)


def test_explanations_say_what_a_word_was_read_as(library: LibraryBuilder) -> None:
    hit = _find(library, "a canine barks", explain=True).hits[0]
    assert hit.words is not None
    assert [word.read_as for word in hit.words] == [None, "dog", None]


def test_words_that_only_the_tower_knows_are_ranked_by_the_joint_space(
    library: LibraryBuilder,
) -> None:
    result = _find(library, "purple", explain=True)
    assert result.unknown_words == ()
    assert len(result.hits) > 1
    scores = [hit.score for hit in result.hits]
    assert None not in scores
    assert scores == sorted(scores, reverse=True)
    assert {hit.cross_entropy for hit in result.hits} == {None}
    assert not result.weak


def test_words_in_parts_are_still_said_to_be_unknown(library: LibraryBuilder) -> None:
    assert _find(library, "a zyxxy dog").unknown_words == ("zyxxy",)
