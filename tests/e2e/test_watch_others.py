"""The real daemon in the middle of its work: other commands, another model, signals that insist."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.command import Command
from tests.e2e.watched import FILES, PATIENCE_S, Watch, rows
from tests.sounds import noise, write_audio

pytestmark = pytest.mark.slow


N_LONG = 6


@pytest.fixture
def long_folder(tmp_path: Path) -> Path:
    """Sounds that take a while."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(N_LONG):
        write_audio(
            folder / f"{number}.wav", noise(seconds=240.0, rate=8000, seed=number), rate=8000
        )
    return folder


@pytest.fixture
def busy(quick: Command, long_folder: Path) -> Iterator[Watch]:
    """A daemon that has begun to listen to them."""
    quick.environ.update(
        AUDIOSEARCH_INDEX_BATCH_WINDOWS="4",
        AUDIOSEARCH_INDEX_WORKERS="1",
        AUDIOSEARCH_INDEX_WORKER_STALL_S="3600",
    )
    assert quick("roots", "add", long_folder).status == 0
    watch = Watch(quick)
    try:
        watch.until(lambda: rows(quick, "SELECT id FROM window LIMIT 1"))
        yield watch
    finally:
        watch.kill()


def log_of(watch: Watch) -> str:
    return (watch.command.data_dir / "logs" / "watch.log").read_text()


def n_pending(command: Command) -> int:
    return sum(state == "pending" for _, state in rows(command, FILES))


def test_others_ask_and_write_in_the_middle_of_a_long_pass(busy: Watch, long_folder: Path) -> None:
    command, said = busy.command, list[str]()
    answer = command("find", "rain", "--min-score", "0", "--json", "-v")
    assert "answered by the daemon" in answer.err
    assert answer.rows  # of what has been heard by now
    while "let in after the batch" not in log_of(busy):  # nearly always the first one
        assert n_pending(command), "it was done before anybody could write"
        said.append(f"caption number {len(said)}")
        added = command("captions", "add", said[-1])
        assert added.status == 0, added.err
    pending = n_pending(command)
    assert command("captions", "remove", said[0]).status == 0
    assert command("label", long_folder / "0.wav", "--labels", "rain,wind").status == 0
    wanted = [(f"{number}.wav", "indexed") for number in range(N_LONG)]
    busy.until_rows(wanted, FILES)
    busy.until(busy.is_idle)
    assert pending > 0
    own = [text for (text,) in rows(command, "SELECT text FROM caption WHERE source = 'user'")]
    assert sorted(own) == sorted(said[1:])
    (windows,) = rows(command, "SELECT sum(n_windows), count(*) FROM encoding")
    assert windows == (rows(command, "SELECT count(*) FROM window")[0][0], N_LONG)
    status, err = busy.end()
    assert status == 0, err
    assert command("verify").status == 0
    assert command("index", "--json").rows[0]["windows_encoded"] == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds processes in /proc")
@pytest.mark.parametrize("n_signals", [1, 2])
def test_it_ends_although_a_decoder_hangs(busy: Watch, n_signals: int) -> None:
    """By itself after some seconds, or at once when it is told so."""
    decoders = children(busy.process.pid)
    for each in decoders:
        os.kill(each, signal.SIGSTOP)
    try:
        busy.process.send_signal(signal.SIGTERM)
        busy.until(lambda: "once more to stop at once" in log_of(busy))
        if n_signals == 2:
            busy.process.send_signal(signal.SIGTERM)
        busy.process.communicate(timeout=PATIENCE_S)
        given_up = "the batch in hand is given up" in log_of(busy)
        # With 0 the daemon has ended itself, in order (where nobody waited for the decoder that may
        # be before the second signal comes) or at its deadline; 130 is the second signal.
        assert busy.process.returncode in ((0, 130) if n_signals == 2 else (0,))
        assert not (given_up and n_signals == 2)
    finally:
        for each in decoders:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
    assert busy.command("verify").status == 0


def children(pid: int) -> list[int]:
    """The processes that a process has begun, whichever of its threads did."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ends meanwhile
            parent = place.read_text(errors="replace").rpartition(")")[2].split()[1]
            if int(parent) == pid:
                found.append(int(place.parent.name))
    return found


def test_another_model_is_taken_up_and_answers_as_alone(
    quick: Command, sound_folder: Path, toy_bundle: Path, other_bundle: Path
) -> None:
    command = replace(quick, bundle="")
    assert command("models", "use", toy_bundle).status == 0
    assert command("roots", "add", sound_folder).status == 0
    encoded = (
        "SELECT count(*) FROM encoding JOIN bundle ON bundle.id = bundle_id"
        " WHERE bundle.version = '{}' AND n_windows IS NOT NULL"
    )
    asked = ("find", "a bell rings", "--json", "--min-score", "0", "-v")
    watch = Watch(command)
    try:
        watch.until_rows([(3,)], encoded.format("0.0"))
        before = command(*asked)
        assert "answered by the daemon" in before.err
        assert command("models", "use", other_bundle).status == 0
        watch.until_rows([(3,)], encoded.format("0.1"))
        watch.until(watch.is_idle)
        told = command(*asked)
        assert "answered by the daemon" in told.err
        write_audio(sound_folder / "new.wav", noise(seconds=1.0, seed=9))
        watch.until_rows([(4,)], encoded.format("0.1"))
        assert rows(command, encoded.format("0.0")) == [(3,)]  # what is new is heard by one only
        told_of_all = command(*asked)
        assert watch.end()[0] == 0
    finally:
        watch.kill()
    alone = command(*asked)
    assert "answered without the daemon" in alone.err
    assert told_of_all.out == alone.out
    assert len(told_of_all.rows) == 4
    assert [row["cross_entropy"] for row in told.rows] != [
        row["cross_entropy"] for row in before.rows
    ]


def test_a_model_that_was_put_there_anew_is_taken_up(
    quick: Command, sound_folder: Path, toy_bundle: Path, other_bundle: Path
) -> None:
    command = replace(quick, bundle="mine")
    place = command.data_dir / "models" / "mine"
    copy_bundle(toy_bundle, place)
    assert command("roots", "add", sound_folder).status == 0
    versions = "SELECT DISTINCT bundle.version FROM window JOIN bundle ON bundle.id = bundle_id"
    watch = Watch(command)
    try:
        watch.until_rows([("0.0",)], versions)
        watch.until(watch.is_idle)
        copy_bundle(other_bundle, place)
        watch.until_rows([("0.0",), ("0.1",)], f"{versions} ORDER BY 1")
        watch.until(watch.is_idle)
        assert watch.end()[0] == 0
    finally:
        watch.kill()
    assert command("verify").status == 0
    assert command("index", "--json").rows[0]["windows_encoded"] == 0


def copy_bundle(source: Path, place: Path) -> None:
    """Put a bundle in another's place at once, as an import does."""
    beside = place.with_name("beside")
    shutil.copytree(source, beside)
    if place.exists():
        shutil.rmtree(place)
    beside.rename(place)
