"""Killed with SIGKILL at every fault point and at random: nothing lost, next to nothing done twice.

The commands are the real ones, with the toy bundle and real decoding processes. A long run at
random moments: `make soak`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from audiosearch import _failpoints
from benchmarks.forked import BATCH
from tests.crash_driver import N_WINDOWS
from tests.e2e.command import Command

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform"),
    pytest.mark.timeout(1200),  # half a minute on a machine that has nothing else to do
]


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory, toy_bundle: Path) -> list[dict[str, Any]]:
    work = tmp_path_factory.mktemp("crashes")
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash_driver", str(work), str(toy_bundle)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def committed(case: dict[str, Any]) -> int:
    n_windows: int = case["after_kill"]["windows"] - case["before"]["windows"]
    return n_windows


def test_each_kill_leaves_a_sound_library(cases: list[dict[str, Any]]) -> None:
    for case in cases:
        assert case["after_kill"]["violations"] == [], case
        assert case["after"]["violations"] == [], case
        assert case["status"] == 0, case


def test_the_next_run_completes_what_the_killed_one_began(cases: list[dict[str, Any]]) -> None:
    indexed = [case for case in cases if case["command"] == "index"]
    n_missing = 0
    for number, case in enumerate(indexed, start=1):
        n_missing += case["case"] == "missing.commit"
        files = {"indexed": 3 * number - n_missing, "failed": number}
        files |= {"missing": n_missing} if n_missing else {}
        assert case["after"]["files"] == files, case
        assert case["after"]["windows"] - case["before"]["windows"] == N_WINDOWS, case


def test_at_most_one_batch_is_encoded_again(cases: list[dict[str, Any]]) -> None:
    for case in cases:
        if case["command"] != "index":
            continue
        repeated = case["encoded"] - N_WINDOWS
        assert repeated == case["encoded_when_killed"] - committed(case), case
        assert 0 <= repeated <= BATCH, case


def test_what_is_committed_survives_the_kill(cases: list[dict[str, Any]]) -> None:
    """At the second passage through a point of a batch, the first batch is there; at .done both."""
    for case in cases:
        point, _, passage = case["case"].partition(":")
        if point.startswith("batch."):
            n_batches = int(passage) - (point != "batch.done")
            assert committed(case) == BATCH * n_batches, case
        if point == "captions.done":
            assert case["after_kill"]["captions"] == case["before"]["captions"] + 1
        if point in ("scale.commit", "captions.commit"):
            kind = point.partition(".")[0].rstrip("s") + "s"
            assert case["after_kill"][kind] == case["before"][kind]
        if point == "scale.done":
            assert case["after_kill"]["scales"] > case["before"]["scales"]


def test_every_point_was_died_at(cases: list[dict[str, Any]]) -> None:
    died = {case["case"].partition(":")[0] for case in cases if case["killed"]}
    elsewhere = ("migrate.", "vectors.", "repair.")  # died at in the tests of these
    assert died == {point for point in _failpoints.POINTS if not point.startswith(elsewhere)}
    past_the_last = [case for case in cases if not case["killed"]]
    assert [case["case"].partition(":")[0] for case in past_the_last] in (
        ["transaction.commit"],
        ["transaction.done"],
    )


def test_killed_at_random_moments() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.kills", "--kills=4", "--seed=3"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 amiss" in done.stdout


def test_the_variable_kills_the_command(
    tmp_path: Path, toy_bundle: Path, sound_folder: Path
) -> None:
    """As a person would: `AUDIOSEARCH_FAULT=batch.commit audiosearch index FOLDER`."""
    plain = Command(data_dir=tmp_path / "data", bundle=str(toy_bundle))
    armed = Command(
        data_dir=tmp_path / "data",
        bundle=str(toy_bundle),
        environ={"AUDIOSEARCH_FAULT": "batch.commit"},
    )
    assert armed("index", sound_folder).status == -signal.SIGKILL
    assert plain("verify").status == 0
    [row] = plain("index", "--json").rows
    assert row["windows_encoded"] == 3
    assert plain("index", "--json").rows[0]["windows_encoded"] == 0
