"""Captions for sounds: real SQLite, the toy bundle, generated sounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from audiosearch.model.bundle import load_bundle
from audiosearch.model.scoring import CaptionScorer
from audiosearch.search import describe
from audiosearch.search.normalise import Normalise, Scale
from audiosearch.search.results import Description, EncodedWindow
from audiosearch.store.database import open_database
from audiosearch.store.queries import captions
from audiosearch.store.queries.frames import window_frames
from audiosearch.store.schema import CaptionSource
from tests.search_library import LibraryBuilder, Models, sound_number

WORDS = ("dog", "bird", "rain", "man", "woman", "bell", "car", "wind", "door", "beep")


def ask(
    library: LibraryBuilder, i: int, *, limit: int = 5, how: Normalise | None = None
) -> list[Description]:
    windows = [
        EncodedWindow(start_s=2.0 * place, end_s=2.0 * place + 2.0, encoded=encoded)
        for place, encoded in enumerate(library.models.encode(sound_number(i)))
    ]
    return library.engine(scale="8").describe(windows, limit=limit, normalise=how)


def add_captions(builder: LibraryBuilder, texts: list[str], *, source: CaptionSource) -> None:
    with builder.database.session() as session:
        captions.ensure_captions(session, texts, source=source)


def test_the_models_own_sentence_comes_first(library: LibraryBuilder, models: Models) -> None:
    descriptions = ask(library, 9)
    assert [d.start_s for d in descriptions] == [0.0, 2.0, 4.0]
    own = models.captioner.captions([e.frames for e in models.encode(sound_number(9))])
    for description, caption in zip(descriptions, own, strict=True):
        first, *others = description.captions
        assert (first.rank, first.source, first.text) == (0, "model", caption.text)
        assert [fit.rank for fit in others] == [1, 2, 3, 4, 5]
        assert {fit.source for fit in others} == {"auto"}
        assert caption.text not in {fit.text for fit in others}
        assert first.scaled is None
        assert all(fit.scaled is not None for fit in others)


@pytest.mark.parametrize("how", [each for each in Normalise if each is not Normalise.MEAN])
def test_captions_are_ordered_as_asked_and_scored_as_always(
    library: LibraryBuilder, models: Models, how: Normalise
) -> None:
    [description] = ask(library, 0, how=how, limit=100)
    scorer = CaptionScorer(models.decoder)
    memory = models.decoder.memory([models.encode(sound_number(0))[0].frames])
    costs = []
    for fit in description.captions:
        tokens = scorer.encode(fit.text)
        [cross_entropy] = scorer.cross_entropy([tokens], memory)
        [alone] = scorer.without_sound([tokens])
        assert fit.cross_entropy == pytest.approx(cross_entropy, abs=1e-5)
        assert fit.lift == pytest.approx(alone - cross_entropy, abs=1e-5)
        scale = by_hand(library, scorer, fit.text)
        if fit.rank:
            assert fit.scaled == pytest.approx(scale.scaled(fit.cross_entropy), abs=1e-4)
            costs.append(
                {
                    Normalise.MINMAX: fit.scaled,
                    Normalise.ZSCORE: (fit.cross_entropy - scale.mean) / scale.deviation,
                    Normalise.LIFT: -fit.lift,
                    Normalise.NONE: fit.cross_entropy,
                }[how]
            )
    assert np.diff(np.array(costs)).min() > -1e-4
    assert len(costs) > 5


def by_hand(library: LibraryBuilder, scorer: CaptionScorer, words: str, *, size: int = 8) -> Scale:
    """A caption's scale over the eight windows with the least lots."""
    with library.database.reading() as session:
        rows = session.execute(
            text("SELECT window_id FROM window_draw ORDER BY draw LIMIT :size"),
            {"size": size},
        ).all()
        ids = [row[0] for row in rows]
        frames = window_frames(session, ids, dim=scorer.decoder.bundle.frame_dim)
    memory = scorer.decoder.memory(frames)
    return Scale.of(scorer.cross_entropies([scorer.encode(words)], memory)[0])


def test_silence_is_not_described(library: LibraryBuilder) -> None:
    [heard] = [
        EncodedWindow(start_s=2.0, end_s=4.0, encoded=e)
        for e in library.models.encode(sound_number(0))
    ]
    silent = EncodedWindow(start_s=0.0, end_s=2.0, encoded=None)
    first, second = library.engine().describe([silent, heard], limit=1)
    assert (first.captions, first.start_s) == ((), 0.0)
    assert len(second.captions) == 2
    assert library.engine().describe([silent], limit=1)[0].captions == ()


def test_the_limit_is_kept(library: LibraryBuilder) -> None:
    assert [len(ask(library, 0, limit=n)[0].captions) for n in (0, 1, 3)] == [1, 2, 4]


def test_captions_of_people_count_even_if_the_model_says_the_same(builder: LibraryBuilder) -> None:
    own = ask(builder, 0)[0].captions[0].text
    add_captions(builder, [own], source=CaptionSource.USER)
    fits = ask(builder, 0)[0].captions
    assert [(fit.rank, fit.text, fit.source) for fit in fits] == [
        (0, own, "model"),
        (1, own, "user"),
    ]
    assert fits[0].cross_entropy == pytest.approx(fits[1].cross_entropy, abs=1e-5)


def test_an_empty_library_still_describes(builder: LibraryBuilder) -> None:
    [description] = ask(builder, 0)
    assert [fit.rank for fit in description.captions] == [0]


@pytest.mark.parametrize("kind", ["toy_bundle", "plain_bundle"])
def test_of_many_captions_some_are_tried(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(describe, "TRIED", 6)
    models = Models.of(load_bundle(request.getfixturevalue(kind)))
    with open_database(tmp_path / "data" / "library.sqlite3") as database:
        builder = LibraryBuilder(database, models)
        for i, word in enumerate(WORDS):
            builder.add(f"{i}.wav".encode(), sound_number(i), said=f"a {word}")
        [description] = ask(builder, 0, limit=100)
        texts = {fit.text for fit in description.captions[1:]}
        assert len(texts) == 6
        if kind == "plain_bundle":
            # Said of the windows that sound most alike: first of all of this very sound.
            assert "a dog" in texts
