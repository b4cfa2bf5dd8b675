"""A filled library, made once for the tests that only read it, and empty ones for the others."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from audiosearch.model.bundle import load_bundle
from audiosearch.store.database import open_database
from tests.search_library import LibraryBuilder, Models


@pytest.fixture(scope="session")
def models(toy_bundle: Path) -> Models:
    return Models.of(load_bundle(toy_bundle))


@pytest.fixture
def builder(models: Models, tmp_path: Path) -> Iterator[LibraryBuilder]:
    with open_database(tmp_path / "data" / "library.sqlite3") as database:
        yield LibraryBuilder(database, models)


@pytest.fixture(scope="session")
def library(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LibraryBuilder]:
    """Twelve sounds in one folder and two elsewhere; read it, do not change it."""
    folder = tmp_path_factory.mktemp("library")
    with open_database(folder / "library.sqlite3") as database:
        builder = LibraryBuilder(database, models)
        builder.fill(12)
        yield builder
