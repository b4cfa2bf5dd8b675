"""Two hundred random histories of a library against a plain dict; ten thousand in `make soak`.

`AUDIOSEARCH_MACHINE_SEED=N` for others. A failure prints the steps that lead to it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.compiled_once import statements_compiled_once
from tests.library_machine import LibraryMachine
from tests.library_sounds import BUNDLE

pytestmark = pytest.mark.slow


N_HISTORIES = 200
SEED = int(os.environ.get("AUDIOSEARCH_MACHINE_SEED", "1"))

SETTINGS = settings(
    max_examples=N_HISTORIES,
    stateful_step_count=10,
    deadline=None,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.timeout(1200)  # half a minute on a machine that has nothing else to do
def test_histories_of_a_library(toy_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BUNDLE, str(toy_bundle))
    print(f"seed {SEED}")
    with statements_compiled_once():
        run_state_machine_as_test(seed(SEED)(LibraryMachine), settings=SETTINGS)
