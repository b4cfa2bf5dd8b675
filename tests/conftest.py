"""Fixtures that every suite may use."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sounds import noise, tones, write_audio


@pytest.fixture
def sound_folder(tmp_path: Path) -> Path:
    """A folder with three short, different sounds in three formats."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    write_audio(folder / "low-high.wav", tones([300, 1500]))
    write_audio(folder / "high-low.flac", tones([1500, 300]))
    write_audio(folder / "hiss.ogg", noise(seconds=1.5))
    return folder
