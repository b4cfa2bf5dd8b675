"""The profile of `index` tells of all that the command and its decoding processes take."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.index_profile import profile
from benchmarks.index_stages import CHILD_DECODE, CHILD_OPEN, CHILD_START, END, IMPORTS, LINES
from tests.sounds import noise, write_audio

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads clocks of other processes")


def test_its_lines_add_up_to_the_whole(tmp_path: Path):
    sounds = tmp_path / "sounds"
    sounds.mkdir()
    for number in range(3):
        write_audio(sounds / f"{number}.flac", noise(seconds=12.0, seed=number))
    found = profile(sounds)
    assert (found.n_files, found.n_windows) == (3, 6)
    assert set(found.seconds) <= set(LINES)
    assert sum(found.seconds.values()) == pytest.approx(found.whole_s)
    for stage in (IMPORTS, "encode", "caption", CHILD_START, CHILD_OPEN, CHILD_DECODE):
        assert found.seconds[stage] > 0, stage
    # What is left over when all else is told is little, so all else is told.
    assert 0 <= found.seconds[END] < 0.2 * found.whole_s
