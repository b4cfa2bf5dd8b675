"""The real commands beside a process that answers: the same bytes, and said who answered."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.command import Answer, Command

ASKED: dict[str, tuple[str, ...]] = {
    "find": ("find", "--json", "--min-score", "0", "a dog barks"),
    "find for people": ("find", "--min-score", "0", "-n", "2", "a", "low", "tone"),
    "find nothing": ("find", "--min-score", "1", "a dog"),
    "find unknown words": ("find", "--json", "zorp", "hiss"),
    "find paths": ("find", "-0", "--min-score", "0", "a tone"),
    "find explained": ("find", "--json", "--explain", "--min-score", "0", "a tone"),
    "find in a folder": ("find", "--json", "--min-score", "0", "--in", "deep", "a tone"),
    "find in no folder": ("find", "--in", "/nowhere", "a tone"),
    "similar": ("similar", "--json", "low high.wav"),
    "similar part": ("similar", "--min-score", "0", "long.wav@2-9"),
    "describe": ("describe", "--json", "long.wav"),
    "describe for people": ("describe", "-n", "2", "long.wav", "deep/hiss.ogg"),
    "describe no sound": ("describe", "notes.wav"),
    "describe some": ("describe", "--json", "notes.wav", "low high.wav"),
    "describe nothing": ("describe", "absent.wav"),
}


@dataclass(frozen=True)
class Compared:
    """What a command said by itself and beside a process that answers."""

    alone: Answer
    beside: Answer


@contextmanager
def answering(command: Command) -> Iterator[subprocess.Popen[bytes]]:
    """A process that answers for the library of `command`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "audiosearch.serving"],
        env=command.environment(),
        stderr=subprocess.DEVNULL,
    )
    try:
        address = command.data_dir / "answers" / "address.json"
        deadline = time.monotonic() + 120
        while not address.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def compared(filled: Command, sounds: Path) -> dict[str, Compared]:
    """All of `ASKED`, first without and then with a process that answers."""
    alone = {name: filled(*asked, "-v", cwd=sounds) for name, asked in ASKED.items()}
    with answering(filled):
        beside = {name: filled(*asked, "-v", cwd=sounds) for name, asked in ASKED.items()}
    return {name: Compared(alone[name], beside[name]) for name in ASKED}


def _remarks(answer: Answer) -> list[str]:
    """Stderr without what `-v` adds."""
    return [
        line
        for line in answer.err.splitlines()
        if "answered " not in line and " in all, " not in line
    ]


@pytest.mark.parametrize("name", ASKED)
def test_the_answer_is_the_same(compared: dict[str, Compared], name: str) -> None:
    alone, beside = compared[name].alone, compared[name].beside
    assert beside.out == alone.out
    assert beside.status == alone.status
    assert _remarks(beside) == _remarks(alone)


@pytest.mark.parametrize("name", [name for name in ASKED if "no folder" not in name])
def test_it_is_said_who_answered(compared: dict[str, Compared], name: str) -> None:
    alone, beside = compared[name].alone, compared[name].beside
    if alone.status == 2:  # nobody did
        assert "answered" not in beside.err
    else:
        assert alone.err.endswith("answered without the daemon: no daemon is running\n")
        assert "answered by the daemon (process " in beside.err


def test_nothing_that_computes_is_loaded(filled: Command, sounds: Path) -> None:
    told = Command(
        filled.data_dir,
        filled.bundle,
        program=(sys.executable, "-X", "importtime", "-m", "audiosearch"),
    )
    heavy = ("numpy", "sqlalchemy", "onnxruntime", "av", "rich", "asyncio")
    with answering(filled):
        for asked in (ASKED["find"], ASKED["similar"], ASKED["describe"]):
            answer = told(*asked, "-v", cwd=sounds)
            assert "answered by the daemon (process " in answer.err
            loaded = {
                line.rpartition("|")[2].strip().partition(".")[0]
                for line in answer.err.splitlines()
                if line.startswith("import time:")
            }
            assert "audiosearch" in loaded
            assert not loaded.intersection(heavy)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_one_that_was_killed_is_done_without(filled: Command, sounds: Path) -> None:
    with answering(filled) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    answer = filled(*ASKED["find"], "-v", cwd=sounds)
    assert answer.rows
    assert f"answered without the daemon: the daemon (process {process.pid}) has gone" in answer.err
