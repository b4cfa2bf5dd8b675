"""What fails on the way to a server: nothing is lost, and what is said names the remedy."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from audiosearch.config import Config, ServeConfig, StoreConfig, load_config
from audiosearch.errors import LibraryLocked, LibraryReplaced, SchemaTooNew, StoreError
from audiosearch.library.answers import reading_database
from audiosearch.library.status_rows import counts_row
from audiosearch.search.results import SoundQuery, TextQuery
from audiosearch.search.rows import json_line
from audiosearch.server.page_address import open_page, renew_token
from audiosearch.server.server import AnswerServer
from audiosearch.store.database import Database, open_database
from audiosearch.store.integrity.verify import verify
from audiosearch.store.queries import roots
from audiosearch.store.queries.status import library_status
from tests.postgres_server import PostgresServer
from tests.search_library import LibraryBuilder, Models, sound_number

AGAIN = "goes on where it stopped"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "data" / "library.sqlite3"


def fill(url: str, place: Path, models: Models, n: int = 2) -> None:
    with open_database(place, store=StoreConfig(url=url)) as database:
        LibraryBuilder(database, models).fill(n)


@pytest.mark.parametrize("fault", ["restart", "cut"])
def test_a_batch_that_is_broken_off_leaves_nothing(
    server: PostgresServer, name: str, url: str, place: Path, models: Models, fault: str
) -> None:
    fill(url, place, models)
    with open_database(place, store=StoreConfig(url=url)) as database:
        builder = LibraryBuilder(database, models)
        with pytest.raises(StoreError, match=AGAIN):
            _break_off(database, server, name, fault)
        # The right to write went with the connection: another may have written since.
        with pytest.raises(StoreError, match=AGAIN):
            builder.add(b"late.wav", sound_number(7))
        # Those who read go on by themselves.
        assert len(builder.engine().find(TextQuery(text="sound", min_score=0.0)).hits) == 2
    with open_database(place, store=StoreConfig(url=url)) as database:  # the same command again
        with database.reading() as session:
            assert [root.path for root in roots.list_roots(session)] == [b"/sounds"]
        LibraryBuilder(database, models).add(b"late.wav", sound_number(7))
        assert verify(database) == []


def _break_off(database: Database, server: PostgresServer, name: str, fault: str) -> None:
    with database.session() as session:
        roots.add_root(session, b"/half")
        server.restart() if fault == "restart" else server.cut_connections(name)
        roots.add_root(session, b"/other half")


def test_a_server_that_is_not_there_is_said(server: PostgresServer, url: str, place: Path) -> None:
    nowhere = "postgresql+psycopg://nobody:secret@127.0.0.1:1/library"
    with pytest.raises(StoreError, match="see that the server runs") as told:
        open_database(place, store=StoreConfig(url=nowhere))
    assert "secret" not in str(told.value)
    with pytest.raises(StoreError, match="no_such_library"):
        open_database(place, store=StoreConfig(url=server.url("no_such_library")))
    with pytest.raises(StoreError, match="mysql"):
        open_database(place, store=StoreConfig(url="mysql://host/library"))


def test_one_writes_at_a_time(url: str, place: Path) -> None:
    with open_database(place, store=StoreConfig(url=url)) as database:
        with pytest.raises(LibraryLocked, match=r"audiosearch \d+@"):
            open_database(place, store=StoreConfig(url=url), turn_s=0.1)
        with (
            open_database(place, store=StoreConfig(url=url), read_only=True) as reader,
            reader.spare() as session,
        ):
            assert session is None  # what can be computed again is kept another time
        assert not database.has_waiters()
    open_database(place, store=StoreConfig(url=url)).close()


def test_who_waits_is_seen_and_let_in(url: str, place: Path) -> None:
    with open_database(place, store=StoreConfig(url=url), yields_to_waiters=True) as database:
        entered = threading.Event()

        def wait() -> None:
            with open_database(place, store=StoreConfig(url=url), turn_s=60):
                entered.set()

        other = threading.Thread(target=wait)
        other.start()
        while not database.has_waiters():
            assert other.is_alive()
        assert not entered.is_set()
    other.join(60)
    assert entered.is_set()


def test_an_older_program_leaves_a_newer_library_alone(
    server: PostgresServer, name: str, url: str, place: Path
) -> None:
    open_database(place, store=StoreConfig(url=url)).close()
    server.execute("UPDATE alembic_version SET version_num = '9999'", database=name)
    for read_only in (True, False):
        with pytest.raises(SchemaTooNew, match="upgrade audiosearch"):
            open_database(place, store=StoreConfig(url=url), read_only=read_only)


def test_another_program_s_database_is_left_alone(
    server: PostgresServer, name: str, url: str, place: Path
) -> None:
    server.execute("CREATE TABLE invoices (id int)", database=name)
    with pytest.raises(StoreError, match="not an audiosearch library"):
        open_database(place, store=StoreConfig(url=url))
    assert server.execute("SELECT count(*) FROM invoices", database=name) == [(0,)]


def test_another_library_in_its_place_is_noticed(
    server: PostgresServer, name: str, database: Database
) -> None:
    with database.reading() as session:
        number = session.scalar(text("SELECT value FROM library_state WHERE name = 'identity'"))
    other = "UPDATE library_state SET value = {} WHERE name = 'identity'"
    server.execute(other.format(1), database=name)
    with pytest.raises(LibraryReplaced), database.session():
        pass
    assert not database.is_current()
    server.execute(other.format(number), database=name)
    assert database.is_current()


def test_a_user_who_may_only_read_can_search(
    server: PostgresServer, name: str, url: str, place: Path, models: Models
) -> None:
    fill(url, place, models, n=3)
    server.execute("DO $$ BEGIN CREATE ROLE reader LOGIN; EXCEPTION WHEN OTHERS THEN NULL; END $$")
    server.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader", database=name)
    theirs = server.url(name, user="reader")
    config = load_config(environ={"AUDIOSEARCH_DATA_DIR": str(place.parent)})
    config = replace(config, store=replace(config.store, url=theirs))
    with reading_database(config) as database:
        builder = LibraryBuilder(database, models)
        hits = builder.engine().find(TextQuery(text="sound", min_score=0.0)).hits
        assert len(hits) == 3
        embeddings = models.encode(sound_number(0))[0].embedding[None]
        assert builder.engine().similar(SoundQuery(embeddings=embeddings, limit=3)).hits
        with database.spare() as session:
            assert session is None
        assert verify(database) == []
    with (
        pytest.raises(StoreError, match="may only read"),
        open_database(place, store=StoreConfig(url=theirs)) as database,
        database.session() as session,
    ):
        roots.add_root(session, b"/mine")


def test_what_is_counted_can_be_told_in_json(url: str, place: Path, models: Models) -> None:
    fill(url, place, models)
    with (
        open_database(place, store=StoreConfig(url=url), read_only=True) as database,
        database.reading() as session,
    ):
        told = json.loads(json_line(counts_row(library_status(session))))
    assert [each["silent"] for each in told["bundles"]] == [0]


def test_a_page_is_known_as_ours_when_its_token_is_renewed(
    url: str, place: Path, models: Models
) -> None:
    fill(url, place, models)
    config = Config(
        data_dir=place.parent,
        config_file=place.with_name("config.toml"),
        serve=ServeConfig(port=0, access="token"),
        store=StoreConfig(url=url),
    )
    page = open_page(config)
    with AnswerServer(config, page=page):
        given = replace(config, serve=replace(config.serve, port=page.socket.port))
        token, where, is_due = renew_token(given)
    assert token != page.new_token
    assert (where, is_due) == (page.socket.url, True)


def test_many_read_while_one_writes(url: str, place: Path, models: Models) -> None:
    fill(url, place, models)
    failures: list[BaseException] = []
    counts: set[int] = set()

    def read() -> None:
        try:
            with open_database(place, store=StoreConfig(url=url), read_only=True) as database:
                engine = LibraryBuilder(database, models).engine()
                for _ in range(4):
                    hits = engine.find(TextQuery(text="sound", min_score=0.0)).hits
                    counts.add(len(hits))
        except BaseException as error:  # noqa: BLE001 - the test raises it
            failures.append(error)

    with open_database(place, store=StoreConfig(url=url)) as database:
        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        LibraryBuilder(database, models).add(b"third_sound.wav", sound_number(7))
        for reader in readers:
            reader.join()
    assert not failures
    assert counts <= {2, 3}
