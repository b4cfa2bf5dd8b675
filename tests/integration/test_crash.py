"""Killed with SIGKILL while indexing: nothing is lost, next to nothing is done twice.

`AUDIOSEARCH_CRASHES=500 pytest tests/integration/test_crash.py` for a long run; the seed changes
with `AUDIOSEARCH_CRASH_SEED`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from audiosearch.store import faults

N_RANDOM = int(os.environ.get("AUDIOSEARCH_CRASHES", "8"))
SEED = int(os.environ.get("AUDIOSEARCH_CRASH_SEED", "0"))

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform"),
    pytest.mark.timeout(60 + 30 * N_RANDOM),
]


def drive(work: Path, *arguments: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash_driver", str(work), *arguments],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    head, *cases = (json.loads(line) for line in done.stdout.splitlines())
    return head, cases


def assert_whole(head: dict[str, Any], case: dict[str, Any]) -> None:
    assert case["violations"] == [], case
    assert case["n_windows"] == head["n_windows"], case
    files = {"indexed": 8, "failed": 1}
    if case["case"].startswith("missing"):
        files = {"indexed": 7, "failed": 1, "missing": 1}
    assert case["files"] == files, case
    assert case["n_encoded_again"] == 0, case
    n_repeated = case["n_encoded"] - head["n_windows"]
    assert 0 <= n_repeated <= case["n_kills"] * head["batch"], case


def test_killed_at_every_fault_point(tmp_path: Path) -> None:
    head, cases = drive(tmp_path, "points")
    for case in cases:
        assert_whole(head, case)
    died = {case["case"].rpartition("-")[0] for case in cases if case["n_kills"]}
    assert died == {
        point for point in faults.POINTS if point.startswith(("scan.", "batch.", "missing."))
    }


def test_killed_at_random_moments(tmp_path: Path) -> None:
    head, cases = drive(tmp_path, "random", str(N_RANDOM), str(SEED))
    assert len(cases) == N_RANDOM
    for case in cases:
        assert_whole(head, case)
