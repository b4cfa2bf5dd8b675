"""A toy model, a few clips with captions, and a place for half-done work."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiosearch.evaluation.datasets import Dataset, DatasetClip
from audiosearch.evaluation.work_folder import WorkFolder
from audiosearch.model.loaded import Model
from audiosearch.model.runtime.session import RuntimeOptions
from tests.sounds import noise, tones, write_audio


@pytest.fixture(scope="session")
def model(toy_bundle: Path) -> Model:
    return Model.open(toy_bundle, options=RuntimeOptions(device="cpu", threads=1))


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Four clips, one of them longer than a window, with two captions each, one of them shared."""
    folder = tmp_path_factory.mktemp("clips")
    sounds = {
        "low.wav": tones([300, 500]),
        "high.wav": tones([2500, 1500]),
        "hiss.wav": noise(seconds=1.5),
        "long.wav": tones([400, 900, 1600], seconds=5.0),
    }
    captions = {
        "low.wav": ("a dog barks", "a bell rings before rain falls"),
        "high.wav": ("birds chirping then a bell rings", "a dog barks"),
        "hiss.wav": ("wind blows while rain falls", "a gramophone"),
        "long.wav": ("a man speaks and then a woman speaks", "a door after a car"),
    }
    clips = tuple(
        DatasetClip(
            name=name,
            path=write_audio(folder / name, samples),
            captions=captions[name],
            label=label,
            group=f"group-{name}",
            fold="4",
        )
        for (name, samples), label in zip(
            sounds.items(), ("dog", "bird", "rain", "dog"), strict=True
        )
    )
    return Dataset(name="small", clips=clips)


@pytest.fixture
def work(tmp_path: Path) -> WorkFolder:
    return WorkFolder(tmp_path / "work")


class Watch:
    """A `Progress` that remembers, and can stop the work as a user would."""

    def __init__(self, *, stop_after: int | None = None) -> None:
        self.stages: list[tuple[str, int, int]] = []
        self.n = 0
        self._stop_after = stop_after

    def start(self, stage: str, *, total: int, done: int = 0) -> None:
        self.stages.append((stage, total, done))

    def advance(self, n: int) -> None:
        self.n += n
        if self._stop_after is not None and self.n >= self._stop_after:
            raise KeyboardInterrupt


@pytest.fixture
def watch() -> type[Watch]:
    return Watch
