"""Fixtures that every suite may use."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from tests.sounds import noise, tones, write_audio
from tests.toy_bundles import MEANING, OTHER, PLAIN, TOY

# A shared, busy machine is no reason to fail: tests hold no times.
settings.register_profile("audiosearch", deadline=None)
settings.load_profile("audiosearch")

# Begun in the background of a shell, this process ignores interrupts, and so would each command
# that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def toy_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny bundle of the real form, with random weights; read it, do not change it."""
    return Path(shutil.copytree(TOY, tmp_path_factory.mktemp("models") / "toy"))


@pytest.fixture(scope="session")
def other_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another tiny bundle: the same form, other weights."""
    return Path(shutil.copytree(OTHER, tmp_path_factory.mktemp("models") / "other"))


@pytest.fixture(scope="session")
def plain_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny bundle without a space shared by text and sound."""
    return Path(shutil.copytree(PLAIN, tmp_path_factory.mktemp("models") / "plain"))


@pytest.fixture(scope="session")
def meaning_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny bundle whose text tower reads pieces of words, and whose decoder has bridges."""
    return Path(shutil.copytree(MEANING, tmp_path_factory.mktemp("models") / "meaning"))


@pytest.fixture
def sound_folder(tmp_path: Path) -> Path:
    """A folder with three short, different sounds in three formats."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    write_audio(folder / "low-high.wav", tones([300, 1500]))
    write_audio(folder / "high-low.flac", tones([1500, 300]))
    write_audio(folder / "hiss.ogg", noise(seconds=1.5))
    return folder
