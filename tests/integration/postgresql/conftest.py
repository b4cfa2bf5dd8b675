"""A real server, started once; skipped, with what to install, where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from audiosearch.config import StoreConfig
from audiosearch.model.bundle import load_bundle
from audiosearch.store.database import Database, open_database
from audiosearch.store.integrity.verify import verify
from tests.postgres_server import REMEDY, PostgresServer, find_programs, running_server
from tests.search_library import Models


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    programs = find_programs()
    if programs is None:
        pytest.skip(REMEDY)
    with running_server(programs) as running:
        yield running


@pytest.fixture
def name(server: PostgresServer) -> str:
    """The name of an empty database."""
    return server.new_database()


@pytest.fixture
def url(server: PostgresServer, name: str) -> str:
    return server.url(name)


@pytest.fixture
def database(url: str, tmp_path: Path) -> Iterator[Database]:
    """An empty library on the server, open for writing; it ends up sound."""
    with open_database(
        tmp_path / "data" / "library.sqlite3", store=StoreConfig(url=url)
    ) as database:
        yield database
        assert verify(database) == []


@pytest.fixture(scope="session")
def models(toy_bundle: Path) -> Models:
    return Models.of(load_bundle(toy_bundle))
