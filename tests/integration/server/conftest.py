"""A library in a data folder, settings for it, and a server that tests may start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from audiosearch.config import Config, ModelConfig
from audiosearch.model.bundle import load_bundle
from audiosearch.server.server import AnswerServer
from audiosearch.store.database import open_database
from tests.search_library import LibraryBuilder, Models, sound_number


@pytest.fixture(scope="session")
def models(toy_bundle: Path) -> Models:
    return Models.of(load_bundle(toy_bundle))


@pytest.fixture
def config(models: Models, tmp_path: Path, toy_bundle: Path) -> Config:
    """The settings of a library of six sounds."""
    data_dir = tmp_path / "data"
    with open_database(data_dir / "library.sqlite3") as database:
        LibraryBuilder(database, models).fill(6)
    return Config(
        data_dir=data_dir,
        config_file=tmp_path / "config.toml",
        model=ModelConfig(bundle=str(toy_bundle), device="cpu", threads=1),
    )


@pytest.fixture
def server(config: Config) -> Iterator[AnswerServer]:
    with AnswerServer(config) as server:
        yield server


def add_sound(config: Config, models: Models, number: int) -> None:
    """One more sound in the library, as a run of `index` would add it."""
    with open_database(config.database) as database:
        LibraryBuilder(database, models).add(f"new_{number}.wav".encode(), sound_number(number))


def with_limit(config: Config, limit: int) -> Config:
    return replace(config, search=replace(config.search, limit=limit))
