"""One random history in SQLite and in PostgreSQL: equal rows, and equal answers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from audiosearch.config import Config, StoreConfig
from audiosearch.search.filters import Filters
from audiosearch.store.database import open_database
from audiosearch.store.integrity.verify import verify
from tests.library_sounds import BUNDLE
from tests.postgres_server import PostgresServer
from tests.sounds import noise, wav_bytes
from tests.two_stores import NAMES, WORDS, Store, write

NAME = st.sampled_from(NAMES)
STEP = st.one_of(
    st.tuples(st.just("write"), NAME, st.integers(0, 4)),
    st.tuples(st.just("move"), NAME, NAME),
    st.tuples(st.just("delete"), NAME),
    st.tuples(st.just("index")),
    st.tuples(st.just("caption"), NAME, st.sampled_from(WORDS)),
    st.tuples(st.just("uncaption"), st.sampled_from(WORDS)),
    st.tuples(st.just("tag"), NAME, st.sampled_from(("Nice", "dog", "Ünïcode"))),
    st.tuples(st.just("untag"), NAME, st.just("nice")),
    st.tuples(st.just("rate"), NAME, st.integers(1, 5)),
    st.tuples(st.just("note"), NAME, st.sampled_from(("a creaking door", "barks, barks, barks"))),
    st.tuples(st.just("purge")),
    st.tuples(st.just("ask")),
)
FILTERS = (
    Filters(),
    Filters(tags=("dog",)),
    Filters(names=("*.wav",)),
    Filters(names=("door",)),
    Filters(folders=(Path("**/sub*"),)),
    Filters(rating=(3.0, None)),
    Filters(min_duration_s=0.4, formats=("wav",)),
)


@contextmanager
def two_stores(server: PostgresServer) -> Iterator[tuple[Store, Store, Path]]:
    with tempfile.TemporaryDirectory() as place:
        stores: list[Store] = []
        for kind in ("sqlite", "postgresql"):
            config = Config(data_dir=Path(place) / kind, config_file=Path(place) / "config.toml")
            url = "" if kind == "sqlite" else server.url(server.new_database())
            stores.append(Store(open_database(config.database, store=StoreConfig(url=url)), config))
        folder = Path(place) / "sounds"
        folder.mkdir()
        try:
            yield stores[0], stores[1], folder
        finally:
            for store in stores:
                store.database.close()


def outcome(action: Callable[[], object]) -> object:
    """What an action gives, or which error it raises."""
    from audiosearch.errors import AudiosearchError  # noqa: PLC0415

    try:
        return action()
    except AudiosearchError as error:
        return type(error).__name__, error.reason


def step(store: Store, folder: Path, what: str, arguments: list[object]) -> object:
    """Do to one store what a history says."""
    paths = [f"{folder}/{each}" for each in arguments[:1]]
    match what:
        case "index":
            return store.index(folder)
        case "caption":
            return store.caption(str(arguments[1]), Path(paths[0]))
        case "uncaption":
            return store.remove_captions([str(arguments[0])])
        case "tag":
            return store.annotations.tag(paths, str(arguments[1])).n_changed
        case "untag":
            return store.annotations.untag(paths, str(arguments[1])).n_changed
        case "rate":
            return store.annotations.rate(paths, int(str(arguments[1]))).n_changed
        case "note":
            return store.annotations.note(paths, str(arguments[1])).n_changed
        case "purge":
            return store.purge()
    return None


def compare(one: Store, other: Store) -> None:
    """The same rows, the same answers to all questions."""
    rows, others = one.rows(), other.rows()
    for what in rows:
        assert rows[what] == others[what], what
    for number, words in enumerate(WORDS):
        # Each question alone, and with one filter after the other.
        for filters in dict.fromkeys((FILTERS[0], FILTERS[number % len(FILTERS)])):
            answers = outcome(lambda w=words, f=filters: one.answers(w, f))  # type: ignore[misc]
            assert answers == outcome(lambda w=words, f=filters: other.answers(w, f)), words  # type: ignore[misc]
            assert one.named(words, filters) == other.named(words, filters), words
    assert one.similar(2) == other.similar(2)
    assert [(each.name, each.n_stretches) for each in one.annotations.tags()] == [
        (each.name, each.n_stretches) for each in other.annotations.tags()
    ]
    assert verify(other.database) == []


@pytest.mark.timeout(900)
def test_one_history_in_both(
    server: PostgresServer, toy_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BUNDLE, str(toy_bundle))

    @settings(
        max_examples=6,
        deadline=None,
        database=None,
        derandomize=True,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(
        first=st.lists(st.tuples(NAME, st.integers(0, 4)), min_size=3, max_size=6),
        steps=st.lists(STEP, min_size=4, max_size=14),
    )
    def history(first: list[tuple[str, int]], steps: list[tuple[object, ...]]) -> None:
        with two_stores(server) as (one, other, folder):
            for name, content in first:
                write(folder, name, content)
            assert one.index(folder) == other.index(folder)
            for what, *arguments in steps:
                _on_disk(folder, str(what), arguments)
                done = outcome(lambda w=what, a=arguments: step(one, folder, str(w), a))  # type: ignore[misc]
                assert done == outcome(lambda w=what, a=arguments: step(other, folder, str(w), a))  # type: ignore[misc]
                if what == "ask":
                    compare(one, other)
            assert one.index(folder) == other.index(folder)
            compare(one, other)

    history()


def test_what_is_said_of_a_take_goes_on_with_it_in_both(
    server: PostgresServer, toy_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BUNDLE, str(toy_bundle))
    sound = noise(seconds=50)
    with two_stores(server) as (one, other, folder):
        take = folder / "take.wav"
        for n_samples in (len(sound) // 2, len(sound)):
            take.write_bytes(wav_bytes(sound[:n_samples]))
            assert one.index(folder) == other.index(folder) > 1
            if n_samples < len(sound):
                assert one.caption("the gate at dusk", take) == 1
                assert other.caption("the gate at dusk", take) == 1
        assert len(one.rows()["recordings"]) == 1
        assert [row[0] for row in one.rows()["given"]] == ["the gate at dusk"]
        compare(one, other)


def _on_disk(folder: Path, what: str, arguments: list[object]) -> None:
    path = folder / str(arguments[0]) if arguments else folder
    if what == "write":
        write(folder, str(arguments[0]), int(str(arguments[1])))
    elif what == "move" and path.exists() and arguments[0] != arguments[1]:
        target = folder / str(arguments[1])
        target.parent.mkdir(exist_ok=True)
        path.replace(target)
    elif what == "delete":
        path.unlink(missing_ok=True)
