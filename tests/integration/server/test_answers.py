"""What a server answers is what the library answers, also while the library changes."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from audiosearch.config import Config, WatchConfig
from audiosearch.errors import AudiosearchError, DecodeError
from audiosearch.library import open_library
from audiosearch.model.bundle import MANIFEST
from audiosearch.search.filters import Filters
from audiosearch.search.results import Description, FindResult, TextQuery
from audiosearch.server.query_client import open_client
from audiosearch.server.server import AnswerServer
from audiosearch.store.lock import QuestionMark
from tests.integration.server.conftest import add_sound, with_limit
from tests.search_library import Models
from tests.sounds import tones, write_audio

ANY = Filters()
QUERIES = (
    TextQuery(text="a dog barks", min_score=0.0),
    TextQuery(text="zorp", min_score=0.0),
    TextQuery(text="a tone rises \udcff 🐶", min_score=0.0, limit=2, explain=True),
    TextQuery(text="a low tone", min_score=0.0, exhaustive=True, filters=Filters(formats=("wav",))),
    TextQuery(text="a low tone", filters=Filters(max_duration_s=0.1)),
    TextQuery(text="a low tone", min_score=0.0, filters=Filters(names=("sound", "*_01.wav"))),
    TextQuery(text="a low tone", min_score=0.0, sort="duration", reverse=True, limit=4),
    TextQuery(
        text="a low tone",
        min_score=0.0,
        sort="name",
        filters=Filters(
            folders=(Path("b*x"),),
            not_folders=(Path("*/none"),),
            sample_rate=(None, 96_000),
            loudness_lufs=(None, 0.0),
            bit_depth=(24, None),
            not_tags=("rain",),
            online=False,
        ),
    ),
)


def _told(config: Config, query: TextQuery) -> FindResult:
    with open_client(config) as answering:
        answer = answering.find(query)
        assert answering.who == f"answered by the daemon (process {os.getpid()})"
        assert answer.device == "cpu"
    return replace(answer.result, timings={})


def _own(config: Config, query: TextQuery) -> FindResult:
    with open_library(config) as library:
        return replace(library.engine.find(query), timings={})


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Several windows of the toy model."""
    return write_audio(tmp_path / "clip.wav", tones([300, 900, 500, 200], seconds=5.5))


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.text.encode("ascii", "replace"))
def test_find_is_the_same(config: Config, server: AnswerServer, query: TextQuery) -> None:
    assert _told(config, query) == _own(config, query)


def test_a_command_that_answers_by_itself_is_let_first(config: Config) -> None:
    mark = QuestionMark(config.data_dir)
    assert not mark.is_held()
    with open_client(config) as answering:
        answering.find(QUERIES[0])
        assert mark.is_held()
    assert not mark.is_held()


def test_similar_is_the_same(config: Config, server: AnswerServer, clip: Path) -> None:
    for given, limit, sort in ((str(clip), None, None), (f"{clip}@1-2.5", 2, "duration")):
        with open_client(config) as answering:
            told = answering.similar(given, filters=ANY, limit=limit, sort=sort).result
            assert "by the daemon" in answering.who
        with open_library(config) as library:
            own = library.similar(given, limit=limit, sort=sort)
        assert replace(told, timings={}) == replace(own, timings={})


def _described(config: Config, clip: Path | str) -> tuple[bytes, list[Description], str]:
    with open_client(config) as answering:
        path, rows = answering.describe(str(clip), limit=3, normalise=None, explain=True)
        return path, list(rows), answering.who


def test_describe_is_the_same(config: Config, server: AnswerServer, clip: Path) -> None:
    path, told, who = _described(config, clip)
    assert "by the daemon" in who
    with open_library(config) as library:
        own_path, own = library.describe(str(clip), limit=3, explain=True)
        assert (path, told) == (own_path, list(own))
    assert len(told) > 2


def test_paths_are_those_of_the_folder_where_the_command_runs(
    config: Config, server: AnswerServer, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clip.parent)
    path, told, who = _described(config, "clip.wav@0-2")
    assert path == os.fsencode(clip)
    assert "by the daemon" in who
    assert told == _described(config, f"{clip}@0-2")[1]


def test_new_windows_are_noticed(config: Config, server: AnswerServer, models: Models) -> None:
    before = _told(config, QUERIES[0])
    add_sound(config, models, 11)
    after = _told(config, QUERIES[0])
    assert after.n_windows > before.n_windows
    assert after == _own(config, QUERIES[0])


def test_a_library_that_was_put_there_anew_is_noticed(
    config: Config, server: AnswerServer, models: Models
) -> None:
    copy = config.data_dir / "copy"
    shutil.copy(config.database, copy)
    add_sound(config, models, 11)
    more = _told(config, QUERIES[0])
    for beside in ("-wal", "-shm"):
        config.database.with_name(config.database.name + beside).unlink(missing_ok=True)
    copy.replace(config.database)
    assert _told(config, QUERIES[0]).n_windows < more.n_windows


def test_another_model_under_the_same_name_is_noticed(
    config: Config, server: AnswerServer, toy_bundle: Path, other_bundle: Path
) -> None:
    named = replace(config, model=replace(config.model, bundle="mine"))
    place = config.models_dir / "mine"
    shutil.copytree(toy_bundle, place)
    assert _told(named, QUERIES[0]).n_windows > 0
    before = (place / MANIFEST).stat()
    shutil.rmtree(place)
    shutil.copytree(other_bundle, place)
    os.utime(place / MANIFEST, ns=(before.st_atime_ns, before.st_mtime_ns))  # as copies may
    assert _told(named, QUERIES[0]) == _own(named, QUERIES[0])


def test_the_settings_of_the_question_count(config: Config, server: AnswerServer) -> None:
    for limit in (1, 3, 1):
        assert len(_told(with_limit(config, limit), QUERIES[0]).hits) == limit


def test_many_ask_at_once(config: Config, server: AnswerServer, clip: Path) -> None:
    expected = [_own(config, query) for query in QUERIES]
    _, windows, _ = _described(config, clip)
    wrong: list[object] = []

    def ask(number: int) -> None:
        query = number % len(QUERIES)
        if _told(config, QUERIES[query]) != expected[query]:
            wrong.append(query)
        if number % 4 == 0 and _described(config, clip)[1] != windows:
            wrong.append("describe")

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def _eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()


def test_the_model_leaves_memory_and_comes_back(config: Config) -> None:
    with AnswerServer(replace(config, watch=WatchConfig(unload_minutes=0.3 / 60))) as server:
        assert not server.state().model_loaded
        first = _told(config, QUERIES[0])
        assert _eventually(lambda: not server.state().model_loaded)
        assert server.idle() > 0
        assert _told(config, QUERIES[0]) == first
        assert _eventually(lambda: server.state().n_questions == 2)  # counted once it is sent


def test_errors_are_told_in_the_users_own_terms(
    config: Config, server: AnswerServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "no.wav").write_bytes(b"not a sound")

    def reasons(ask: Callable[[Config], object]) -> str:
        with pytest.raises(AudiosearchError) as raised:
            ask(config)
        return str(raised.value)

    def find(config: Config, query: TextQuery) -> None:
        with open_client(config) as answering:
            answering.find(query)

    assert reasons(lambda config: find(config, TextQuery(text=" ..."))) == (
        "there is no word to search for (say what is heard)"
    )
    elsewhere = TextQuery(text="dog", filters=Filters(folders=(Path("elsewhere"),)))
    assert reasons(lambda config: find(config, elsewhere)).startswith("elsewhere: no folder")
    assert reasons(lambda config: _described(config, "absent.wav")).startswith(
        "absent.wav: no such"
    )
    with pytest.raises(DecodeError) as raised, open_library(config) as library:
        list(library.describe("no.wav", limit=1)[1])
    assert reasons(lambda config: _described(config, "no.wav")) == str(raised.value)


def test_a_clip_that_the_server_does_not_see_is_heard_here(
    config: Config, server: AnswerServer, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a service with a /tmp of its own would: nothing there, or another file of that name.
    monkeypatch.setattr("audiosearch.server.library_cache.see", lambda _: None)
    _, rows, who = _described(config, clip)
    assert rows
    assert "does not see this file" in who


def test_a_server_that_dies_in_the_middle_leaves_nothing_out(config: Config, clip: Path) -> None:
    server = AnswerServer(config)
    server.start()
    whole = _described(config, clip)[1]
    with open_client(config) as answering:
        _, rows = answering.describe(str(clip), limit=3, normalise=None, explain=True)
        got = [next(rows)]
        server.stop(timeout_s=0.0)
        got += rows
        assert answering.find(QUERIES[0]).result.hits
        assert "gone" in answering.who or "no answer" in answering.who
    assert got == whole


def test_a_command_that_leaves_in_the_middle_holds_nothing_up(
    config: Config, server: AnswerServer, clip: Path
) -> None:
    with open_client(config) as answering:
        _, rows = answering.describe(str(clip), limit=3, normalise=None, explain=True)
        first = next(rows)
        rows.close()  # type: ignore[attr-defined]  # a generator
        # The rest must not be taken for the next answer.
        _, again = answering.describe(str(clip), limit=3, normalise=None, explain=True)
        assert next(iter(again)) == first
    assert _eventually(lambda: server.idle() > 0)
    assert _told(config, QUERIES[0]) == _own(config, QUERIES[0])


def test_a_mistake_of_ours_is_survived(
    config: Config, server: AnswerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("audiosearch.server.library_cache.LibraryCache.find", fail)
    with open_client(config) as answering:
        answer = answering.find(QUERIES[0])
        assert answering.who.startswith("answered without the daemon: the daemon failed")
    assert replace(answer.result, timings={}) == _own(config, QUERIES[0])
    monkeypatch.undo()
    assert _told(config, QUERIES[0]) == _own(config, QUERIES[0])
