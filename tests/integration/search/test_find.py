"""Finding by words: real SQLite, the toy bundle, generated sounds."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiosearch.errors import QueryError
from audiosearch.model.bundle import load_bundle
from audiosearch.model.scoring import CaptionScorer
from audiosearch.search.filters import Filters
from audiosearch.search.results import FindResult, TextQuery
from audiosearch.store.database import open_database
from audiosearch.store.queries import files
from tests.search_library import ROOT, WINDOW_S, LibraryBuilder, Models, sound_number
from tests.sounds import noise

QUERIES = ("a dog barks", "rain falls", "bell", "a man speaks then a bird sings", "loud engine")


def ask(library: LibraryBuilder, text: str, **options: object) -> FindResult:
    query = {"min_score": 0.0, "limit": 100} | options
    return library.engine(fold_similarity=2.0).find(TextQuery(text=text, **query))  # type: ignore[arg-type]


def as_pairs(result: FindResult) -> list[tuple[int, float | None]]:
    return [(hit.window_id, hit.score) for hit in result.hits]


def test_hits_hold_what_they_say(library: LibraryBuilder) -> None:
    result = ask(library, "a dog barks")
    assert len(result.hits) == 12
    assert result.exhaustive
    assert result.n_windows == result.n_candidates > 12
    assert [hit.rank for hit in result.hits] == list(range(1, 13))
    scores = [hit.score for hit in result.hits]
    assert scores == sorted(scores, reverse=True)
    for hit in result.hits:
        assert hit.path.startswith(ROOT + b"/box/sound_")
        assert hit.start_s % WINDOW_S == 0
        assert hit.start_s < hit.end_s <= hit.duration_s
        assert hit.caption
        assert hit.similarity is None
    assert list(result.timings) == [
        *("words", "filters", "spelling", "candidates", "decoder", "texts", "hits")
    ]


def test_the_order_is_that_of_the_formula(library: LibraryBuilder, models: Models) -> None:
    text = "a dog barks"
    scorer = CaptionScorer(models.decoder)
    tokens = scorer.encode(text)
    [alone] = scorer.without_sound([tokens])
    assert models.tower is not None
    [vector] = models.tower.embed([text])
    best: dict[int, float] = {}
    for i in range(12):
        for one in models.encode(sound_number(i)):
            [heard] = scorer.cross_entropy([tokens], models.decoder.memory([one.frames]))
            evidence = 2.0 * (alone - heard) + 5.0 * float(vector @ one.joint)
            best[i] = max(best.get(i, -1.0), 1 / (1 + math.exp(-evidence)))
    hits = ask(library, text).hits
    found = {int(hit.path[-6:-4]): hit.score for hit in hits}
    assert found == pytest.approx(best, abs=2e-3)  # the store keeps half precision
    for hit in hits:
        assert hit.lift is not None
        assert hit.cross_entropy is not None
        assert hit.lift + hit.cross_entropy == pytest.approx(alone, abs=1e-4)


@pytest.mark.parametrize("text", QUERIES)
def test_two_steps_with_room_for_all_equal_one(library: LibraryBuilder, text: str) -> None:
    every = ask(library, text, exhaustive=True)
    engine = library.engine(fold_similarity=2.0, exhaustive_below=0, candidates=every.n_windows)
    stepped = engine.find(TextQuery(text=text, min_score=0.0, limit=100))
    assert not stepped.exhaustive
    assert as_pairs(stepped) == as_pairs(every)


def test_few_candidates_are_judged_as_all_are(library: LibraryBuilder) -> None:
    every = dict(as_pairs(ask(library, "rain falls", exhaustive=True)))
    engine = library.engine(fold_similarity=2.0, exhaustive_below=0, candidates=7)
    few = engine.find(TextQuery(text="rain falls", min_score=0.0, limit=100))
    assert few.n_candidates == 7
    windows = {hit.window_id: hit.score for hit in few.hits}
    for window_id in windows.keys() & every.keys():
        assert windows[window_id] == pytest.approx(every[window_id], abs=1e-6)


@pytest.mark.parametrize("text", QUERIES)
def test_the_ranking_is_stable(library: LibraryBuilder, text: str) -> None:
    assert as_pairs(ask(library, text)) == as_pairs(ask(library, text))


def test_punctuation_and_capitals_change_nothing(library: LibraryBuilder) -> None:
    assert as_pairs(ask(library, "A dog, barks!")) == as_pairs(ask(library, "a dog barks"))


def test_the_order_of_words_changes_the_answer(library: LibraryBuilder) -> None:
    one = ask(library, "a dog barks then a man speaks").hits[0]
    other = ask(library, "a man speaks then a dog barks").hits[0]
    assert one.cross_entropy != other.cross_entropy


def test_the_limit_is_kept(library: LibraryBuilder) -> None:
    every = ask(library, "rain")
    assert as_pairs(ask(library, "rain", limit=3)) == as_pairs(every)[:3]


def test_weak_hits_are_left_out_and_counted(library: LibraryBuilder) -> None:
    every = ask(library, "rain")
    middle = every.hits[5].score
    some = ask(library, "rain", min_score=middle)
    assert as_pairs(some) == as_pairs(every)[:6]
    assert some.n_below_min_score == 6
    assert not some.weaker  # the least score was chosen by a person


@pytest.mark.parametrize("limit", [100, 4])
def test_what_comes_next_is_shown_as_weak(
    library: LibraryBuilder, models: Models, limit: int
) -> None:
    every = ask(library, "rain")
    scores = [hit.score for hit in every.hits]
    least = replace(models.bundle.score, min_score=scores[2], weak_score=scores[9])
    engine = library.engine(fold_similarity=2.0, score=least)
    found = engine.find(TextQuery(text="rain", limit=limit))
    assert as_pairs(found) == as_pairs(every)[:3]
    n_weak = min(5, limit - 3)
    assert [(hit.window_id, hit.score) for hit in found.weaker] == as_pairs(every)[3 : 3 + n_weak]
    assert [hit.rank for hit in found.weaker] == list(range(4, 4 + n_weak))
    assert all(hit.weak for hit in found.weaker)
    assert not any(hit.weak for hit in found.hits)
    assert found.n_below_min_score == 9


def test_weak_matches_reach_the_least_score_of_weak_ones(
    library: LibraryBuilder, models: Models
) -> None:
    every = ask(library, "rain")
    scores = [hit.score for hit in every.hits]
    least = replace(models.bundle.score, min_score=1.0, weak_score=scores[1])
    found = library.engine(fold_similarity=2.0, score=least).find(TextQuery(text="rain"))
    assert found.hits == ()
    assert [(hit.window_id, hit.score) for hit in found.weaker] == as_pairs(every)[:2]


def test_what_is_excluded_is_no_weak_match_either(library: LibraryBuilder, models: Models) -> None:
    least = replace(models.bundle.score, min_score=0.9999, weak_score=1e-3)
    engine = library.engine(fold_similarity=2.0, score=least)
    plain = engine.find(TextQuery(text="rain"))
    without = engine.find(TextQuery(text="rain", without=("rain",)))
    assert len(plain.weaker) == 5
    assert all((hit.score or 0.0) < (plain.weaker[0].score or 0.0) for hit in without.weaker)
    assert all(hit.excluded[0].text == "rain" for hit in without.weaker)
    none = ask(library, "rain", min_score=1.0)
    assert none.hits == ()
    assert none.n_below_min_score == 12


def test_the_bundle_advises_the_least_score(library: LibraryBuilder, models: Models) -> None:
    advised = ask(library, "rain", min_score=None)
    assert as_pairs(advised) == as_pairs(
        ask(library, "rain", min_score=models.bundle.score.min_score)
    )
    engine = library.engine(fold_similarity=2.0, min_score=0.0)
    assert len(engine.find(TextQuery(text="rain", limit=100)).hits) == 12


def test_one_hit_a_recording_and_its_best_window(builder: LibraryBuilder) -> None:
    recording_id = builder.add(b"long.wav", noise(seconds=9.0, seed=3))
    result = ask(builder, "rain")
    assert [hit.recording_id for hit in result.hits] == [recording_id]
    assert result.n_candidates == 5


def test_silent_windows_are_never_heard(builder: LibraryBuilder) -> None:
    builder.add(b"a.wav", noise(seconds=4.0, seed=1), silent=[1])
    builder.add(b"b.wav", noise(seconds=2.0, seed=2), silent=[0])
    result = ask(builder, "rain")
    assert [(hit.path, hit.start_s) for hit in result.hits] == [(b"/sounds/a.wav", 0.0)]
    assert (result.n_windows, result.n_candidates) == (3, 1)


def test_several_files_of_one_sound_show_the_first(builder: LibraryBuilder) -> None:
    sound = noise(seconds=1.0, seed=1)
    assert builder.add(b"z.wav", sound) == builder.add(b"b.wav", sound)
    assert builder.add(b"a.wav", sound, root=b"/zoo") == builder.add(b"c.wav", sound)
    [hit] = ask(builder, "rain").hits
    assert hit.path == b"/sounds/b.wav"


def test_missing_files_are_not_shown(builder: LibraryBuilder) -> None:
    both, one = noise(seconds=1.0, seed=1), noise(seconds=1.0, seed=2)
    builder.add(b"a.wav", both)
    builder.add(b"b.wav", both)
    builder.add(b"c.wav", one)
    with builder.database.session() as session:
        ids = {known.path: known.file_id for known in files.known_files(session, 1)}
        files.set_missing(session, [ids[b"a.wav"], ids[b"c.wav"]])
    result = ask(builder, "rain")
    assert [hit.path for hit in result.hits] == [b"/sounds/b.wav"]
    assert result.n_candidates == 1
    names = ask(builder, "c", exhaustive=False)
    assert all(hit.path != b"/sounds/c.wav" for hit in names.hits)


def test_near_duplicates_are_folded_and_counted(builder: LibraryBuilder) -> None:
    sound = noise(seconds=2.0, seed=1)
    for name, gain in ((b"a.wav", 1.0), (b"b.wav", 1.0001), (b"c.wav", 0.9999)):
        builder.add(name, sound * gain)
    other = builder.add(b"d.wav", sound_number(4))
    query = TextQuery(text="rain", min_score=0.0)
    hits = builder.engine(fold_similarity=0.9999).find(query).hits
    assert len(hits) == 2
    assert {hit.recording_id: hit.n_alike for hit in hits}[other] == 0
    assert sum(hit.n_alike for hit in hits) == 2
    assert [hit.rank for hit in hits] == [1, 2]
    assert len(builder.engine(fold_similarity=2.0).find(query).hits) == 4


def test_names_count_where_the_model_knows_no_word(builder: LibraryBuilder) -> None:
    builder.fill(3)
    builder.add(b"Zanzibar_harbour.wav", noise(seconds=1.0, seed=9))
    result = ask(builder, "Zanzibar", min_score=None)
    assert result.weak
    assert result.unknown_words == ("zanzibar",)
    [hit] = result.hits
    assert hit.path == b"/sounds/Zanzibar_harbour.wav"
    assert hit.score == builder.models.bundle.score.text_match
    assert hit.cross_entropy is None
    assert [(match.field, match.words) for match in hit.matched] == [("name", ("zanzibar",))]


def test_unknown_words_are_reported_and_the_rest_is_answered(library: LibraryBuilder) -> None:
    result = ask(library, "a purple dog barks at a purple zebra")
    assert result.unknown_words == ("purple", "zebra")
    assert not result.weak
    assert len(result.hits) == 12


def test_names_bring_candidates(builder: LibraryBuilder) -> None:
    builder.fill(6)
    wanted = builder.add(b"wind/Takes-07.wav", noise(seconds=1.0, seed=9))
    engine = builder.engine(exhaustive_below=0, candidates=1, fold_similarity=2.0)
    # Three rankings want the one place; that of names alone knows "takes".
    result = engine.find(TextQuery(text="takes", min_score=None))
    assert [hit.recording_id for hit in result.hits] == [wanted]


def test_captions_bring_candidates(builder: LibraryBuilder) -> None:
    builder.fill(6)
    wanted = builder.add(b"x.wav", noise(seconds=1.0, seed=9), said="a bell rings in the wind")
    engine = builder.engine(exhaustive_below=0, candidates=1, fold_similarity=2.0)
    result = engine.find(TextQuery(text="a bell rings in the wind", min_score=0.0))
    assert [hit.recording_id for hit in result.hits] == [wanted]


def test_words_beyond_what_the_model_takes_are_counted(
    library: LibraryBuilder, models: Models
) -> None:
    most = models.bundle.decoder.max_positions - 1
    result = ask(library, "dog " * (most + 5))
    assert result.n_left_out == 5
    assert as_pairs(result) == as_pairs(ask(library, "dog " * most))
    assert ask(library, "dog " * most).n_left_out == 0


@pytest.mark.parametrize("text", ["", "   ", "...", "?!", "<pad>", "\n\t", "“”"])
def test_a_query_without_words_is_refused(library: LibraryBuilder, text: str) -> None:
    with pytest.raises(QueryError, match="no word"):
        ask(library, text)


AWKWARD = [
    "🐕",
    "🐕 barks",
    "'; DROP TABLE recording; --",
    '" OR 1=1',
    "caption_text : dog",
    "dog AND",
    "NOT dog",
    "NEAR(dog bark, 3)",
    "dog* ^bark",
    "col:dog + (bark",
    "dog\0bark",
    "\udcff\udc80 dog",
    "%_",
    "ｄｏｇ",
    "dog " * 5000,
    "x" * 1_000_000,
    pytest.param("ab " * 340_000, marks=pytest.mark.slow),
    "İSTANBUL ﬁre Straße",
    "- -- ---",
    "-A",
    "a" + "\u0301" * 500,
]


@pytest.mark.parametrize("text", AWKWARD, ids=range(len(AWKWARD)))
def test_awkward_queries_have_an_answer(library: LibraryBuilder, text: str) -> None:
    try:
        result = ask(library, text)
    except QueryError:
        return
    assert len(result.unknown_words) < 100
    assert result.n_windows > 0


@given(text=st.text(max_size=60))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_has_an_answer(library: LibraryBuilder, text: str) -> None:
    engine = library.engine(exhaustive_below=0, candidates=3)
    try:
        result = engine.find(TextQuery(text=text, min_score=0.0))
    except QueryError:
        return
    # Where words are only to be kept out ("-A"), all sounds are candidates.
    only_without = any(hit.excluded for hit in result.hits)
    assert len(result.hits) <= (10 if only_without else 3)


def test_an_empty_library_and_another_bundle_answer_nothing(
    builder: LibraryBuilder, other_bundle: Path
) -> None:
    assert ask(builder, "dog").n_windows == 0
    builder.fill(2)
    other = Models.of(load_bundle(other_bundle))
    result = ask(LibraryBuilder(builder.database, other), "dog")
    assert result.hits == ()
    assert result.n_windows == 0


def test_two_bundles_never_mix(builder: LibraryBuilder, other_bundle: Path) -> None:
    builder.fill(3)
    before = as_pairs(ask(builder, "dog"))
    other = LibraryBuilder(builder.database, Models.of(load_bundle(other_bundle)))
    other.add(b"new.wav", noise(seconds=1.0, seed=70))
    assert as_pairs(ask(builder, "dog")) == before
    assert [hit.path for hit in ask(other, "dog").hits] == [b"/sounds/new.wav"]


def test_a_bundle_without_joint_space_ranks_by_cross_entropy(
    plain_bundle: Path, tmp_path: Path
) -> None:
    plain = Models.of(load_bundle(plain_bundle))
    with open_database(tmp_path / "data" / "library.sqlite3") as database:
        builder = LibraryBuilder(database, plain)
        builder.fill(5)
        hits = ask(builder, "a dog barks").hits
        losses = [hit.cross_entropy for hit in hits]
        assert losses == sorted(losses)  # type: ignore[type-var]
        engine = builder.engine(exhaustive_below=0, candidates=4)
        named = engine.find(TextQuery(text="sound 03"))
        assert named.hits[0].path == b"/sounds/box/sound_03.wav"


def test_new_sounds_are_found_without_reopening(builder: LibraryBuilder) -> None:
    builder.fill(2)
    engine = builder.engine(fold_similarity=2.0)
    query = TextQuery(text="rain", min_score=0.0)
    assert len(engine.find(query).hits) == 2
    builder.add(b"new.wav", noise(seconds=1.0, seed=70))
    assert len(engine.find(query).hits) == 3


def test_a_long_recording_leaves_room_for_others(builder: LibraryBuilder) -> None:
    long = builder.add(b"long.wav", noise(seconds=60.0, seed=1), said="a dog barks")
    others = {
        builder.add(f"{i}.wav".encode(), sound_number(i), said="a bird sings") for i in range(5)
    }
    engine = builder.engine(exhaustive_below=0, candidates=10, fold_similarity=2.0)
    result = engine.find(TextQuery(text="a dog barks", min_score=0.0))
    assert result.n_candidates == 10
    found = {hit.recording_id for hit in result.hits}
    assert long in found
    assert found & others


def test_filters_come_before_candidates(library: LibraryBuilder) -> None:
    """One window is wanted, and the filter leaves one recording: it must be that one's."""
    for name in (b"sound_03", b"sound_08"):
        path = Path((ROOT + b"/box/" + name + b".wav").decode())
        engine = library.engine(exhaustive_below=0, candidates=1)
        [hit] = engine.find(
            TextQuery(text="a dog barks", min_score=0.0, filters=Filters(folders=(path,)))
        ).hits
        assert hit.path == bytes(path)


def test_scores_are_finite(library: LibraryBuilder) -> None:
    for text in QUERIES:
        values = [(hit.score, hit.cross_entropy, hit.lift) for hit in ask(library, text).hits]
        assert values
        assert np.isfinite(np.array(values, dtype=float)).all()
