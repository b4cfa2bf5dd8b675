"""The generated examples, heard by the bundled model: a library for tests that only ask it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from audiosearch.training.synth.examples import write_examples
from tests.e2e.command import Command


@pytest.fixture(scope="session", autouse=True)
def _settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing of the settings of who runs the tests."""
    place = tmp_path_factory.mktemp("settings")
    (place / "config.toml").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUDIOSEARCH_CONFIG", str(place / "config.toml"))
        patch.setenv("AUDIOSEARCH_DATA_DIR", str(place / "default"))
        patch.setenv("AUDIOSEARCH_MODEL_DEVICE", "cpu")
        yield


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the examples in `sounds` and their library in `library`."""
    place = tmp_path_factory.mktemp("examples")
    write_examples(place / "sounds")
    command = Command(data_dir=place / "library", bundle="starter")
    answer = command("index", place / "sounds")
    assert answer.status == 0, answer.err
    return place
