"""Scales and captions when others write, and when the id of a caption is given to another one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from sqlalchemy import select

from audiosearch.errors import StorageFull
from audiosearch.library.answers import keep
from audiosearch.library.captions import NewCaption, add
from audiosearch.model.scoring import CaptionScorer
from audiosearch.search import describe
from audiosearch.search.caption_stats import CaptionStats, DecoderListener
from audiosearch.search.engine import SearchEngine
from audiosearch.search.normalise import ScaleTable
from audiosearch.search.results import EncodedWindow
from audiosearch.store.database import Database, open_database
from audiosearch.store.queries import captions
from audiosearch.store.queries.caption_stats import StoredScale, write_scales
from audiosearch.store.queries.search import StoredText
from audiosearch.store.schema import (
    CaptionScale,
    CaptionSource,
    CaptionVector,
    WindowRow,
    WindowSampleKey,
)
from audiosearch.store.vectors import unit_rows
from tests.search_library import LibraryBuilder, Models, sound_number


def heard(builder: LibraryBuilder, i: int) -> list[EncodedWindow]:
    return [
        EncodedWindow(start_s=0.0, end_s=2.0, encoded=builder.models.encode(sound_number(i))[0])
    ]


def more(builder: LibraryBuilder) -> None:
    """Two sounds after the first four."""
    for i in (4, 5):
        builder.add(f"more/{i}.wav".encode(), sound_number(i))


def described(builder: LibraryBuilder) -> None:
    """Scales are computed for an answer, and kept."""
    engine = builder.engine(scale="8")
    engine.describe(heard(builder, 0), limit=9)
    assert keep(builder.database, engine.take_derived()) > 0


def refreshed(engine: SearchEngine, database: Database, *, limit: int = 50) -> int:
    """How many outdated scales are up to date in the library now."""
    engine.refresh_scales(limit=limit)
    return keep(database, engine.take_derived())


def samples(database: Database) -> set[int]:
    """The samples that the stored scales are of."""
    with database.reading() as session:
        return set(session.scalars(select(CaptionScale.sample)))


def write(builder: LibraryBuilder, *texts: str) -> dict[str, int]:
    models = builder.models
    new = [NewCaption(each) for each in texts]
    add(
        builder.database,
        new,
        source=CaptionSource.USER,
        bundle=models.bundle,
        tower=models.tower,
    )
    with builder.database.reading() as session:
        return captions.find_captions(session, texts)


def test_refresh_brings_all_scales_up_to_date(builder: LibraryBuilder):
    builder.fill(4)
    write(builder, "a dog barks", "rain falls", "a bell rings")
    described(builder)
    [before] = samples(builder.database)
    more(builder)
    engine = builder.engine(scale="8")
    counts = [refreshed(engine, builder.database, limit=2)]
    while counts[-1]:
        counts.append(refreshed(engine, builder.database, limit=2))
    assert sum(counts) >= 3
    [after] = samples(builder.database)
    assert after != before


def test_refresh_does_not_go_round_in_circles_while_another_process_writes(
    builder: LibraryBuilder, models: Models
):
    builder.fill(4)
    write(builder, "a dog barks", "rain falls")
    described(builder)
    more(builder)
    held = builder.database
    with open_database(held.path, read_only=True) as reader:
        engine = LibraryBuilder(reader, models).engine(scale="8")
        before = samples(reader)
        assert [refreshed(engine, reader) for _ in range(3)] == [0, 0, 0]
        assert samples(reader) == before
        held._lock.release()  # type: ignore[union-attr]
        assert refreshed(engine, reader) >= 2  # known already; only kept now
        assert refreshed(engine, reader) == 0
        assert samples(reader) != before
        held._lock.acquire()  # type: ignore[union-attr]


def test_a_full_disk_costs_the_keeping_not_the_answer(
    builder: LibraryBuilder, monkeypatch: pytest.MonkeyPatch
):
    builder.fill(4)
    write(builder, "a dog barks", "rain falls")

    @contextmanager
    def full(database: Database) -> Iterator[None]:
        raise StorageFull("the disk is full", path=database.path)
        yield

    monkeypatch.setattr(Database, "spare", full)
    engine = builder.engine(scale="8")
    [description] = engine.describe(heard(builder, 0), limit=9)
    assert all(fit.scaled is not None for fit in description.captions[1:])
    assert keep(builder.database, engine.take_derived()) == 0
    assert samples(builder.database) == set()


def test_scales_of_likeness_are_over_the_sample(builder: LibraryBuilder, models: Models):
    builder.fill(6)
    vectors = unit_rows(np.random.default_rng(0).normal(size=(3, models.bundle.joint_dim)))
    with builder.database.reading() as session:
        wanted = select(WindowRow.joint).join(
            WindowSampleKey, WindowSampleKey.window_id == WindowRow.id
        )
        blobs = session.scalars(wanted.order_by(WindowSampleKey.draw).limit(4)).all()
        bundle_id = session.scalars(select(WindowSampleKey.bundle_id)).first()
        listener = DecoderListener(CaptionScorer(models.decoder))
        scales = CaptionStats(listener=listener, size=4)
        found = scales.of_likeness(session, vectors, bundle_id=bundle_id)
        assert scales.of_likeness(session, vectors, bundle_id=bundle_id + 1) is None
    joints = np.stack([np.frombuffer(blob, "<f2").astype(np.float32) for blob in blobs])
    by_hand = ScaleTable.of(unit_rows(joints) @ vectors.T)
    assert found is not None
    for name in ("n", "minimum", "maximum", "mean", "deviation"):
        assert getattr(found, name) == pytest.approx(getattr(by_hand, name), abs=1e-6)


def test_a_scale_is_never_kept_for_the_heir_of_an_id(builder: LibraryBuilder):
    builder.fill(2)
    [(_, old)] = write(builder, "a dog barks").items()
    scale = StoredScale(
        sample=1, n=1, minimum=0, maximum=1, mean=0.5, deviation=0, draws=None, losses=None
    )
    gone = StoredText(old, "a dog barks", "user")
    with builder.database.session() as session:
        bundle_id = session.scalars(select(CaptionVector.bundle_id)).first()
        assert write_scales(session, [(gone, scale)], bundle_id=bundle_id) == 1
        captions.remove_captions(session, [old])
    [(_, new)] = write(builder, "rain falls").items()
    assert new == old  # SQLite gives the last id again
    with builder.database.session() as session:
        assert session.scalars(select(CaptionScale)).all() == []
        assert write_scales(session, [(gone, scale)], bundle_id=bundle_id) == 0


def test_the_heir_of_an_id_is_found_by_its_own_words(
    builder: LibraryBuilder, monkeypatch: pytest.MonkeyPatch
):
    # Within one process, whose tables of vectors are in memory, and in the next one.
    monkeypatch.setattr(describe, "TRIED", 1)
    # Not said by the model itself, whose own sentence is no answer.
    builder.add(b"hum.wav", sound_number(0), said="a hum")
    ids = write(builder, "a dog barks", "a bell rings", "rain falls")
    engine = builder.engine(scale="8")
    [encoded] = [each.encoded for each in heard(builder, 0)]
    assert encoded is not None
    engine.describe(heard(builder, 0), limit=1)
    for words in ("wind blows", "a man speaks"):
        last = max(ids.values())
        with builder.database.session() as session:
            captions.remove_captions(session, [last])
        ids = {text: each for text, each in ids.items() if each != last}
        ids |= write(builder, words)
        assert ids[words] == last
        for each in (engine, builder.engine(scale="8")):
            [description] = each.describe(heard(builder, 0), limit=1)
            assert [fit.text for fit in description.captions[1:]] == [nearest(builder, encoded)]


def nearest(builder: LibraryBuilder, encoded) -> str:  # type: ignore[no-untyped-def]
    """Of all the captions that are stored, the one nearest to a sound, by hand."""
    with builder.database.reading() as session:
        texts = [each.text for each in captions.list_captions(session)]
    assert builder.models.tower is not None
    likeness = builder.models.tower.embed(texts) @ encoded.joint
    return texts[int(np.argmax(likeness))]
