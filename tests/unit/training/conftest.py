"""Made sounds, and a small imported bundle, that the tests of training share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from audiosearch.model.bundle import Bundle, load_bundle
from audiosearch.training.data.dataset import ManifestClip, SoundCache, Split

RATE = 16_000
LABELS = ("dog", "bell", "rain", "siren", "wind", "door_slam", "cat", "engine")


@pytest.fixture(scope="session")
def made_sounds() -> SoundCache:
    """Eight sounds of three clips each; clip k is a tone of its own pitch for 1 + k % 2 s."""
    clips, waves = [], []
    for label in LABELS:
        for number, split in enumerate((Split.TRAIN, Split.TRAIN, Split.TEST)):
            clips.append(
                ManifestClip(
                    path=f"{label}{number}.wav",
                    label=label,
                    source="made",
                    group=f"{label}{number}",
                    fold="",
                    licence="CC0",
                    attribution="nobody",
                    split=split,
                )
            )
            count = RATE * (1 + number % 2)
            hz = 200 + 150 * len(waves)
            waves.append(8000 * np.sin(2 * np.pi * hz * np.arange(count) / RATE))
    offsets = np.cumsum([0, *(len(wave) for wave in waves)])
    samples = np.concatenate(waves).astype(np.int16)
    return SoundCache(tuple(clips), offsets.astype(np.int64), samples, RATE)


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Networks of a few neurons lose time by sharing their work between threads."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A published model in small, with random weights, as the importer makes it."""
    pytest.importorskip("torch")
    from audiosearch.convert.importer import import_published  # noqa: PLC0415 - an extra
    from tests.published_checkpoints import write_hub_folder  # noqa: PLC0415 - an extra

    hub = write_hub_folder(tmp_path_factory.mktemp("hub"))
    folder = tmp_path_factory.mktemp("models")
    return load_bundle(import_published([hub], name="small", folder=folder))
