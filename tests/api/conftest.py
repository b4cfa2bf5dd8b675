"""The generated examples, heard by the bundled model: a library for tests that only ask it."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiosearch.audio.examples import write_examples
from tests.e2e.command import Command


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the examples in `sounds` and their library in `library`."""
    place = tmp_path_factory.mktemp("examples")
    write_examples(place / "sounds")
    command = Command(data_dir=place / "library", bundle="starter")
    answer = command("index", place / "sounds")
    assert answer.status == 0, answer.err
    return place


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the settings of who runs the tests."""
    none = tmp_path / "config.toml"
    none.touch()
    monkeypatch.setenv("AUDIOSEARCH_CONFIG", str(none))
    monkeypatch.setenv("AUDIOSEARCH_DATA_DIR", str(tmp_path / "default"))
    monkeypatch.setenv("AUDIOSEARCH_MODEL_DEVICE", "cpu")
