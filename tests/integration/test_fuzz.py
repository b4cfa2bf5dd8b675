"""Damaged files of every format through real decoding processes; ten thousand in `make soak`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.fuzz import LIMITS, Fuzz, report

pytestmark = pytest.mark.slow


N_FILES = 200


@pytest.mark.timeout(1200)  # some seconds on a machine that has nothing else to do
@pytest.mark.skipif(os.name != "posix", reason="limits of decoding processes are POSIX")
def test_damaged_files_harm_nobody(tmp_path: Path, toy_bundle: Path) -> None:
    fuzz = Fuzz(tmp_path, bundle=toy_bundle, seed=2)
    fuzz.batch(0, N_FILES)
    tally = fuzz.tally
    assert tally.amiss == []
    assert tally.n_sound == 8
    assert sum(tally.ends.values()) == tally.n_damaged == N_FILES - 8
    indexed = sum(n for (_, code), n in tally.ends.items() if code == "indexed")
    assert 20 < indexed < 180  # some damage can be heard through, some cannot
    assert 0 < tally.peak_bytes <= LIMITS.memory_bytes
    assert f"{tally.n_damaged} damaged files" in "\n".join(report(tally))
