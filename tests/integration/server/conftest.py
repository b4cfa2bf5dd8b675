"""A library in a data folder, settings for it, and a server that tests may start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from audiosearch.config import Config, ModelConfig
from audiosearch.model.bundle import load_bundle
from audiosearch.server.page_address import open_page
from audiosearch.server.server import AnswerServer
from audiosearch.store.database import open_database
from tests.search_library import LibraryBuilder, Models, sound_number
from tests.served_library import HttpClient, Served, heard_library, served_library
from tests.sounds import noise, tones, write_audio


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


@pytest.fixture(scope="session")
def sound_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of four sounds, and of one that is none."""
    folder = tmp_path_factory.mktemp("served") / "sounds"
    (folder / "deep").mkdir(parents=True)
    write_audio(folder / "low high.wav", tones([300, 1500]))
    write_audio(folder / "high-low.flac", tones([1500, 300]))
    write_audio(folder / "deep" / "hiss.ogg", noise(seconds=1.5))
    write_audio(folder / "long.wav", tones([200, 400, 800, 1600], seconds=6.0))
    (folder / "notes.wav").write_bytes(b"not a sound at all, whatever its name says")
    return folder


@pytest.fixture(scope="session")
def heard(tmp_path_factory: pytest.TempPathFactory, toy_bundle: Path, sound_files: Path) -> Config:
    """The settings of a library that has heard `sound_files`; tests must not change it."""
    return heard_library(tmp_path_factory.mktemp("heard"), toy_bundle, sound_files)


@pytest.fixture(scope="session")
def asked(heard: Config) -> Iterator[HttpClient]:
    """What asks a server that gives the page and the API of `heard`."""
    page = open_page(heard)
    with AnswerServer(heard, page=page):
        yield HttpClient(page.socket.port)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, toy_bundle: Path) -> Iterator[Served]:
    """A library of real files behind the application, for the tests of a module."""
    with served_library(tmp_path_factory.mktemp("served"), toy_bundle) as served:
        yield served
