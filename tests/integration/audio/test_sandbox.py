"""Decoding processes: what comes through the pipe, and what a process that dies takes with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from audiosearch.audio.decode import Decoding
from audiosearch.audio.fingerprint import fingerprint
from audiosearch.audio.sandbox.client import Worker, WorkerClosed, WorkerLimits, worker_command
from audiosearch.errors import AudiosearchError, DecodeCode, DecodeError
from tests import sounds
from tests.sounds import noise, tone, wav_bytes, write_audio

RATE = 32_000
POISON_WORKER = Path(sounds.__file__).with_name("poison_worker.py")


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as shared:
        yield shared


def poisoned(limits: WorkerLimits) -> Worker:
    usual = worker_command(limits)
    paths, arguments = usual[4], usual[5:]
    return Worker(limits, command=[sys.executable, str(POISON_WORKER), paths, *arguments])


def read(worker: Worker, path: Path, *, rate: int = RATE) -> np.ndarray:
    worker.open(os.fsencode(path), sample_rate=rate)
    return np.concatenate(list(worker.blocks()))


def code_of(worker: Worker, path: Path) -> DecodeCode:
    with pytest.raises(DecodeError) as caught:
        read(worker, path)
    assert caught.value.path is not None
    assert caught.value.reason
    return caught.value.code


def long_sound(path: Path, *, seconds: int = 60) -> Path:
    """More sound than a pipe holds."""
    path.write_bytes(wav_bytes(noise(seconds=seconds, rate=8_000), rate=8_000, bits=8))
    return path


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    threads = Path(f"/proc/{pid}/task")  # a zombie's last threads may still hold its pipes
    if not threads.exists():
        return sys.platform != "linux"
    return any(not zombie(thread / "stat") for thread in threads.iterdir())


def zombie(stat: Path) -> bool:
    try:
        return stat.read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_the_pipe_changes_nothing(worker: Worker, tmp_path: Path) -> None:
    path = write_audio(tmp_path / "sound.flac", noise(seconds=3), tags={"title": "Hiss"})
    name = os.fsencode(path)
    direct = Decoding(name, sample_rate=RATE)
    expected = np.concatenate(list(direct))
    opened = worker.open(name, sample_rate=RATE)
    samples = np.concatenate(list(worker.blocks()))
    assert np.array_equal(samples, expected)
    assert worker.facts() == direct.facts
    assert opened.fingerprint == fingerprint(name)
    assert opened.metadata["title"] == ("Hiss",)
    found = path.stat()
    assert (opened.size, opened.mtime_ns) == (found.st_size, found.st_mtime_ns)


def test_a_file_may_be_skipped(worker: Worker, tmp_path: Path) -> None:
    path = write_audio(tmp_path / "sound.wav", tone())
    worker.open(os.fsencode(path), sample_rate=RATE)
    worker.skip()
    with pytest.raises(RuntimeError):
        worker.facts()
    assert len(read(worker, path)) == RATE


def test_names_are_bytes(worker: Worker, tmp_path: Path) -> None:
    for name in (b"caf\xe9.wav", b"a\nb.wav", b"x" * 251 + b".wav", "e\u0301\u202e.wav".encode()):
        path = tmp_path / os.fsdecode(name)
        path.write_bytes(wav_bytes(tone()))
        assert len(read(worker, path)) == RATE


def test_bad_files_fail_by_themselves(worker: Worker, tmp_path: Path) -> None:
    good = write_audio(tmp_path / "good.wav", tone())
    empty = tmp_path / "empty.wav"
    empty.touch()
    garbage = tmp_path / "garbage.wav"
    garbage.write_bytes(np.random.default_rng(0).bytes(5_000))
    headless = tmp_path / "no-sound.wav"
    headless.write_bytes(wav_bytes(np.zeros(0)))
    fifo = tmp_path / "fifo.wav"
    os.mkfifo(fifo)
    assert len(read(worker, good)) == RATE
    pid = worker.pid
    assert code_of(worker, empty) is DecodeCode.EMPTY
    assert code_of(worker, garbage) is DecodeCode.UNSUPPORTED
    assert code_of(worker, headless) is DecodeCode.NO_SAMPLES
    assert code_of(worker, fifo) is DecodeCode.UNREADABLE
    assert code_of(worker, tmp_path / "absent.wav") is DecodeCode.UNREADABLE
    assert len(read(worker, good)) == RATE
    assert worker.pid == pid  # none of these is worth a new process


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("segfault.wav", DecodeCode.CRASHED),
        ("exit.wav", DecodeCode.CRASHED),
        ("raise.wav", DecodeCode.PROGRAM),
        ("hang.wav", DecodeCode.TIMEOUT),
        ("spin.wav", DecodeCode.TIMEOUT),
        ("eat.wav", DecodeCode.MEMORY),
    ],
)
def test_a_poisoned_file_fails_alone(tmp_path: Path, name: str, code: DecodeCode) -> None:
    good = write_audio(tmp_path / "good.wav", tone())
    poison = write_audio(tmp_path / name, noise(seconds=3))
    stall_s = 2 if code is DecodeCode.TIMEOUT else 60
    with poisoned(WorkerLimits(memory_bytes=256 << 20, stall_s=stall_s)) as worker:
        assert len(read(worker, good)) == RATE
        assert code_of(worker, poison) is code
        assert len(read(worker, good)) == RATE
        assert code_of(worker, poison) is code
        assert len(read(worker, good)) == RATE


@pytest.mark.slow
def test_cpu_time_without_progress_ends_a_process_nobody_waits_for(tmp_path: Path) -> None:
    poison = write_audio(tmp_path / "spin.wav", noise(seconds=3))
    with poisoned(WorkerLimits(stall_s=2)) as worker:
        worker.open(os.fsencode(poison), sample_rate=RATE)
        blocks = worker.blocks()
        next(blocks)
        pid = worker.pid
        assert pid is not None
        deadline = time.monotonic() + 200
        while alive(pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        with pytest.raises(DecodeError) as caught:
            list(blocks)
    assert caught.value.code is DecodeCode.TIMEOUT
    assert "calculates" in caught.value.reason


@pytest.mark.slow
def test_a_slow_reader_is_not_held_against_the_file(tmp_path: Path) -> None:
    path = long_sound(tmp_path / "long.wav")
    with Worker(WorkerLimits(stall_s=2)) as worker:
        worker.open(os.fsencode(path), sample_rate=RATE)
        n_samples = 0
        for count, block in enumerate(worker.blocks()):
            n_samples += len(block)
            if count == 2:
                time.sleep(3.5)
    assert n_samples == pytest.approx(60 * RATE, abs=2)


@pytest.mark.parametrize("how", ["written to", "replaced", "removed"])
def test_a_file_that_changes_while_it_is_decoded(worker: Worker, tmp_path: Path, how: str) -> None:
    path = long_sound(tmp_path / "sound.wav")
    worker.open(os.fsencode(path), sample_rate=RATE)
    blocks = worker.blocks()
    next(blocks)
    if how == "written to":
        with path.open("ab") as file:
            file.write(b"\0" * 1000)
    elif how == "replaced":
        other = long_sound(tmp_path / "other.wav")
        os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
        other.replace(path)
    else:
        path.unlink()
    with pytest.raises(DecodeError) as caught:
        list(blocks)
    assert caught.value.code is DecodeCode.CHANGED


def test_a_file_that_changes_between_opening_and_decoding(worker: Worker, tmp_path: Path) -> None:
    path = write_audio(tmp_path / "sound.wav", tone())
    worker.open(os.fsencode(path), sample_rate=RATE)
    path.write_bytes(b"gone")
    with pytest.raises(DecodeError) as caught:
        list(worker.blocks())
    assert caught.value.code is DecodeCode.CHANGED


def test_leaving_a_file_early(worker: Worker, tmp_path: Path) -> None:
    path = long_sound(tmp_path / "long.wav")
    short = write_audio(tmp_path / "short.wav", tone())
    worker.open(os.fsencode(path), sample_rate=RATE)
    for _ in worker.blocks():
        break
    assert len(read(worker, short)) == RATE


def test_hours_of_sound_in_constant_memory(tmp_path: Path) -> None:
    """Half an hour, whose samples alone would need twice the memory that is allowed."""
    path = tmp_path / "long.wav"
    content = wav_bytes(tone(seconds=1, rate=8_000), rate=8_000, bits=8, declared_bytes=14_400_000)
    path.write_bytes(content)
    os.truncate(path, 44 + 14_400_000)
    with Worker(WorkerLimits(memory_bytes=48 << 20)) as worker:
        worker.open(os.fsencode(path), sample_rate=16_000)
        n_samples = sum(len(block) for block in worker.blocks())
        assert worker.facts().duration_s == 1800
    assert n_samples == 1800 * 16_000


def test_a_process_that_died_between_files_is_replaced(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "sound.wav", tone())
    with Worker() as worker:
        assert len(read(worker, path)) == RATE
        pid = worker.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        while alive(pid):
            time.sleep(0.01)
        assert len(read(worker, path)) == RATE
        assert worker.pid != pid


def test_a_process_that_cannot_start_says_why() -> None:
    command = [sys.executable, "-c", "import no_such_module"]
    with Worker(command=command) as worker, pytest.raises(AudiosearchError, match="no_such_module"):
        worker.open(b"/any.wav", sample_rate=RATE)


def test_ctrl_c_is_not_for_the_worker(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "sound.wav", tone())
    with Worker() as worker:
        read(worker, path)
        pid = worker.pid
        assert pid is not None
        os.kill(pid, signal.SIGINT)
        assert len(read(worker, path)) == RATE
        assert worker.pid == pid


def test_closing_from_another_thread_ends_the_waiting(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "hang.wav", noise(seconds=3))
    worker = poisoned(WorkerLimits())
    worker.open(os.fsencode(path), sample_rate=RATE)
    blocks = worker.blocks()
    next(blocks)
    threading.Timer(0.2, worker.close).start()
    with pytest.raises(WorkerClosed):
        list(blocks)
    with pytest.raises(WorkerClosed):
        worker.open(os.fsencode(path), sample_rate=RATE)


@pytest.mark.parametrize("name", ["hang.wav", "good.wav"])
def test_no_worker_outlives_a_killed_parent(tmp_path: Path, name: str) -> None:
    path = write_audio(tmp_path / name, noise(seconds=30))
    parent = f"""
import os, sys, time
sys.path[:] = {sys.path!r}
from tests.integration.audio.test_sandbox import poisoned, RATE
from audiosearch.audio.sandbox.client import WorkerLimits
worker = poisoned(WorkerLimits())
worker.open({os.fsencode(path)!r}, sample_rate=RATE)
next(worker.blocks())
print(worker.pid, flush=True)
time.sleep(600)
"""
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        pid = int(process.stdout.readline())
        process.kill()
        process.wait()
    deadline = time.monotonic() + 60
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(pid)


@pytest.mark.slow
def test_a_stopped_program_holds_nothing_against_a_file(tmp_path: Path) -> None:
    """Ctrl-Z and `fg`, longer than the patience."""
    path = long_sound(tmp_path / "long.wav")
    program = f"""
import sys
sys.path[:] = {sys.path!r}
from audiosearch.audio.sandbox.client import Worker, WorkerLimits
with Worker(WorkerLimits(stall_s=2)) as worker:
    print("ready", flush=True)
    for _ in range(10):
        worker.open({os.fsencode(path)!r}, sample_rate={RATE})
        for block in worker.blocks():
            pass
print("done", flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.4)
        os.killpg(process.pid, signal.SIGSTOP)
        time.sleep(3.5)
        os.killpg(process.pid, signal.SIGCONT)
        assert process.stdout.read() == b"done\n"
    assert process.wait() == 0


def test_modules_in_the_current_folder_are_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody's sound folder may hold an `av.py`."""
    trap = tmp_path / "trap"
    trap.mkdir()
    for module in ("av", "mutagen", "numpy", "soxr", "json"):
        (trap / f"{module}.py").write_text("raise SystemExit('trapped')")
    path = write_audio(tmp_path / "sound.wav", tone())
    monkeypatch.chdir(trap)
    with Worker() as worker:
        assert len(read(worker, path)) == RATE


@pytest.mark.parametrize("answer", ["OPENED", "ERROR", "BLOCK", "FACTS", "READY"])
def test_nonsense_from_a_worker_fails_the_file(answer: str) -> None:
    """A decoder that hostile input has taken over may say anything."""
    script = f"""
import sys
sys.path[:] = {sys.path!r}
from audiosearch.audio.sandbox.protocol import MessageKind, receive, send
send(sys.stdout.buffer, MessageKind.READY)
while True:
    receive(sys.stdin.buffer)
    send(sys.stdout.buffer, MessageKind.{answer}, b'[1, 2, "x"]')
"""
    with Worker(command=[sys.executable, "-c", script]) as worker:
        with pytest.raises(DecodeError, match="nonsense") as caught:
            worker.open(b"/any.wav", sample_rate=RATE)
        assert caught.value.code is DecodeCode.CRASHED
