"""Who waits for changes is told of them; a connection that is cut, and a copy, are no fault."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from types import SimpleNamespace

import pytest

from audiosearch.config import Config, ModelConfig, StoreConfig
from audiosearch.server.page_address import open_page
from audiosearch.server.server import AnswerServer
from audiosearch.server.status_source import StatusSource
from audiosearch.store.database import Database, open_database
from audiosearch.store.dialects import commit_token
from audiosearch.store.postgresql.changes import ChangeListener
from audiosearch.store.postgresql.engine import server_url
from audiosearch.store.postgresql.lock import ServerLock
from audiosearch.store.queries.roots import add_root
from audiosearch.store.schema import LibraryRoot
from tests.postgres_server import PostgresServer
from tests.search_library import LibraryBuilder, Models, sound_number

LONG_S = 30.0  # for what comes in a moment, on a machine that does much else


def until(is_so: Callable[[], object], what: str) -> None:
    """Wait for what another thread or the server does."""
    limit = time.monotonic() + LONG_S
    while not is_so():
        assert time.monotonic() < limit, what
        time.sleep(0.01)


@pytest.fixture
def listener(url: str, database: Database) -> Iterator[ChangeListener]:
    """One that hears already; the library is there."""
    with closing(ChangeListener(server_url(url))) as listener:
        until(lambda: listener.listening, "nobody listens")
        yield listener


def test_a_commit_is_told_and_a_look_is_not(database: Database, listener: ChangeListener) -> None:
    before = listener.n_told
    with database.session():
        pass  # nothing is written: told first, if it were told
    with database.reading():
        pass
    with suppress(ZeroDivisionError), database.session() as session:
        add_root(session, b"/undone")
        raise ZeroDivisionError
    with database.session() as session:
        add_root(session, b"/sounds")
    until(lambda: listener.n_told > before, "nothing was told")
    with database.session() as session:
        add_root(session, b"/more")
    until(lambda: listener.n_told > before + 1, "the second was not told")
    assert listener.n_told == before + 2


def test_what_waits_for_the_commit_is_a_change(
    database: Database, listener: ChangeListener
) -> None:
    before = listener.n_told
    with database.session() as session:
        session.add(LibraryRoot(path=b"/added", added_at=0.0))  # written at the end only
    until(lambda: listener.n_told > before, "nothing was told")


def test_others_databases_change_nothing(
    server: PostgresServer, database: Database, listener: ChangeListener
) -> None:
    """Of one server: what was derived from the library is kept while others write to theirs."""
    with database.reading() as session:
        mark, stamp = commit_token(session), database.stamp()
    told = listener.n_told
    server.execute("CREATE TABLE a (b int)", database="postgres")
    server.execute("DROP TABLE a", database="postgres")
    server.execute("NOTIFY audiosearch", database="postgres")
    with database.reading() as session:
        assert commit_token(session) == mark
    assert database.stamp() == stamp
    with database.session() as session:
        assert commit_token(session) == mark
        add_root(session, b"/sounds")
        assert commit_token(session) != commit_token(session)  # of a state that nobody has yet
    with database.reading() as session:
        assert commit_token(session) != mark
    assert database.stamp() != stamp
    until(lambda: listener.n_told > told, "nothing was told")
    assert listener.n_told == told + 1


@pytest.mark.parametrize("fault", ["cut", "restart"])
def test_a_lost_connection_is_made_anew_and_nothing_is_missed(
    server: PostgresServer, name: str, url: str, tmp_path: Path, fault: str
) -> None:
    def open_writer() -> Database:
        return open_database(tmp_path / "library.sqlite3", store=StoreConfig(url=url))

    open_writer().close()
    with closing(ChangeListener(server_url(url))) as listener:
        until(lambda: listener.listening, "nobody listens")
        for _ in range(2):  # and once more
            before = listener.n_told
            if fault == "cut":
                server.cut_connections(name)
            else:
                server.restart()
            until(lambda before=before: listener.n_told > before, "whoever listens looks not anew")
        with open_writer() as database:
            until(lambda: listener.listening, "nobody listens")
            before = listener.n_told
            with database.session() as session:
                add_root(session, b"/sounds")
            until(lambda: listener.n_told > before, "nothing is told after that")


def test_the_page_is_told_and_does_not_ask_meanwhile(
    database: Database, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(
        "audiosearch.server.status_source.time", SimpleNamespace(monotonic=lambda: clock.now)
    )
    config = Config(data_dir=tmp_path / "data", config_file=tmp_path / "config.toml")
    store = StoreConfig(url=url)
    with open_database(config.database, read_only=True, store=store) as seen:
        listener = seen.change_listener()
        assert listener is not None
        until(lambda: listener.listening, "nobody listens")
        source, n_asked = StatusSource(config), 0
        asked = seen.stamp

        def count() -> object:
            nonlocal n_asked
            n_asked += 1
            return asked()

        monkeypatch.setattr(seen, "stamp", count)
        with open_database(config.database, read_only=True, store=store) as other:
            other.stamp()
        first = source.row(seen)
        assert first["roots"] == 0
        assert n_asked == 1
        for _ in range(10):  # a second each
            clock.now += 1
            assert source.row(seen) == first
        assert n_asked == 1
        before = listener.n_told
        with database.session() as session:
            add_root(session, b"/sounds")
        until(lambda: listener.n_told > before, "nothing was told")
        assert source.is_told()
        clock.now += 0.1  # at once: it was a while ago that it was asked
        assert source.row(seen)["roots"] == 1
        assert not source.is_told()
        assert n_asked == 2
        clock.now += 60  # should a server fail to tell
        source.row(seen)
        assert n_asked == 3


def test_a_page_on_another_machine_hears_of_what_is_indexed(
    database: Database,
    url: str,
    models: Models,
    tmp_path: Path,
    toy_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("audiosearch.server.status_source.TOLD_LOOK_S", 3600.0)  # only when told
    builder = LibraryBuilder(database, models)
    builder.fill(2)
    config = Config(
        data_dir=tmp_path / "another",
        config_file=tmp_path / "config.toml",
        model=ModelConfig(bundle=str(toy_bundle), device="cpu", threads=1),
        store=StoreConfig(url=url),
    )
    page = open_page(config)
    with AnswerServer(config, page=page):
        port = page.socket.port
        with closing(HTTPConnection("127.0.0.1", port, timeout=LONG_S)) as connection:
            connection.request("GET", "/api/events")
            lines = iter(connection.getresponse().readline, b"")

            def wait_for(is_so: Callable[[dict[str, object]], bool]) -> None:
                for line in lines:
                    if line.startswith(b"data: ") and is_so(json.loads(line[6:])):
                        return
                raise AssertionError("the stream ended")

            wait_for(lambda row: row["recordings"] == 2 and row["writer"] is not None)
            builder.add(b"late.wav", sound_number(9))
            wait_for(lambda row: row["recordings"] == 3)
            database.close()
            wait_for(lambda row: row["writer"] is None)  # which no commit tells


def test_a_copy_tells_of_nothing_and_is_looked_at(
    server: PostgresServer, name: str, url: str, database: Database, tmp_path: Path
) -> None:
    config = Config(data_dir=tmp_path / "data", config_file=tmp_path / "config.toml")
    with server.standby() as standby:
        standby.wait_for(server)
        store = StoreConfig(url=url, replica=standby.url(name))
        with (
            open_database(config.database, read_only=True, store=store) as seen,
            closing(ChangeListener(server_url(standby.url(name)))) as listener,
        ):
            assert seen.change_listener() is None
            source = StatusSource(config)
            assert source.row(seen)["roots"] == 0
            with seen.reading() as session:
                mark = commit_token(session)
            with database.session() as session:
                add_root(session, b"/sounds")
            standby.wait_for(server)
            with seen.reading() as session:
                assert commit_token(session) != mark
            until(lambda: source.row(seen)["roots"] == 1, "the copy is not looked at")
            assert not source.is_told()
            assert not listener.listening
            assert listener.n_told == 0


def test_who_gives_way_hears_of_who_waits(url: str, database: Database) -> None:
    database.close()
    holder = ServerLock(server_url(url), yields_to_waiters=True)
    holder.acquire()
    with ThreadPoolExecutor(1) as pool, closing(SimpleNamespace(close=holder.release)):
        for _ in range(3):  # just looked at: so it is told, or found much later
            assert not holder.has_waiters()
        waiter = ServerLock(server_url(url))
        waiting = pool.submit(waiter.acquire)
        began = time.monotonic()
        until(holder.has_waiters, "it was not told that somebody waits")
        assert time.monotonic() - began < 10.0
        holder.release()
        waiting.result(timeout=LONG_S)
        waiter.release()
