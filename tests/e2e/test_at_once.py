"""The real commands beside a process that answers: the same bytes, and said who answered."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.command import Answer, Command

pytestmark = pytest.mark.slow


ASKED: dict[str, tuple[str, ...]] = {
    "find": ("find", "--json", "--explain", "--min-score", "0", "zorp, a dog barks"),
    "find for people": ("find", "--min-score", "0", "-n", "2", "a", "low", "tone"),
    "find nothing": ("find", "--min-score", "1", "a dog"),
    "find in a folder": ("find", "-0", "--min-score", "0", "--in", "deep", "a tone"),
    "find in no folder": ("find", "--in", "/nowhere", "a tone"),
    "similar": ("similar", "--json", "low high.wav"),
    "similar part": ("similar", "--min-score", "0", "long.wav@2-9"),
    "describe": ("describe", "--json", "long.wav", "notes.wav", "deep/hiss.ogg"),
    "describe for people": ("describe", "-n", "2", "long.wav@2-9"),
    "describe nothing": ("describe", "absent.wav"),
}
NOBODY = {"find in no folder", "describe nothing"}  # an error is told, not who met it


@contextmanager
def answering(command: Command) -> Iterator[subprocess.Popen[bytes]]:
    """A process that answers for the library of `command`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "audiosearch.server"],
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
def beside(filled: Command, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """The command with a copy of the library, for which a process answers."""
    data_dir = tmp_path_factory.mktemp("beside") / "data"
    shutil.copytree(filled.data_dir, data_dir, ignore=shutil.ignore_patterns("answers"))
    command = replace(filled, data_dir=data_dir)
    with answering(command):
        yield command


def _remarks(answer: Answer) -> list[str]:
    """Stderr without what `-v` adds."""
    added = ("answered ", " in all, ")
    return [line for line in answer.err.splitlines() if not any(each in line for each in added)]


@pytest.mark.parametrize("name", ASKED)
def test_the_answer_is_the_same(filled: Command, beside: Command, sounds: Path, name: str) -> None:
    alone = filled(*ASKED[name], "-v", cwd=sounds)
    told = beside(*ASKED[name], "-v", cwd=sounds)
    assert told.out == alone.out
    assert told.status == alone.status
    assert _remarks(told) == _remarks(alone)
    if name in NOBODY:
        assert alone.status == 2
    else:
        assert alone.err.endswith("answered without the daemon: no daemon is running\n")
        assert "answered by the daemon (process " in told.err


def imported(command: Command, *words: str, cwd: Path) -> tuple[Answer, set[str]]:
    """The answer of a command, and all modules that it imported."""
    watched = replace(command, program=(sys.executable, "-X", "importtime", "-m", "audiosearch"))
    answer = watched(*words, "-v", cwd=cwd)
    lines = [line for line in answer.err.splitlines() if line.startswith("import time:")]
    return answer, {line.rpartition("|")[2].strip() for line in lines}


def test_nothing_that_computes_is_loaded(beside: Command, sounds: Path) -> None:
    heavy = {"numpy", "sqlalchemy", "onnxruntime", "av", "rich", "asyncio"}
    for name in ("find", "similar", "describe for people"):
        answer, loaded = imported(beside, *ASKED[name], cwd=sounds)
        assert "answered by the daemon (process " in answer.err
        assert "audiosearch" in loaded
        assert not (loaded & heavy), sorted(loaded & heavy)


def test_words_alone_load_nothing_that_hears_or_writes(filled: Command, sounds: Path) -> None:
    """What a `find` without the daemon takes is what a person waits for."""
    answer, loaded = imported(filled, *ASKED["find for people"], cwd=sounds)
    assert answer.status == 0
    assert "audiosearch.search.engine" in loaded
    ours = {each.removeprefix("audiosearch.") for each in loaded if each.startswith("audiosearch.")}
    assert not {each for each in ours if each.partition(".")[0] in ("indexing", "watch", "api")}
    hearing = {"model.encoder", "audio.decode", "library.clips", "search.similar"}
    telling = {"search.describe", "search.zero_shot", "model.captioner", "search.caption_stats"}
    writing = {"library.library", "library.captions", "library.roots", "store.queries.recordings"}
    assert not ours & (hearing | telling | writing)
    assert "numpy" in loaded
    nothing, loaded_for_nothing = imported(filled, "find", "a spaceship lands", cwd=sounds)
    assert nothing.status == 1
    loaded |= loaded_for_nothing
    assert not loaded & {"sqlalchemy", "alembic", "rich", "asyncio", "simsimd", "numpy.ma"}


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_one_that_was_killed_is_done_without(filled: Command, sounds: Path) -> None:
    with answering(filled) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    answer = filled(*ASKED["find"], "-v", cwd=sounds)
    assert answer.rows
    assert f"answered without the daemon: the daemon (process {process.pid}) has gone" in answer.err
