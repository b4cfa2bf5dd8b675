"""Decoding in a child process, seen from the main process.

In: paths. Out: for each, an `OpenedFile` and blocks of mono samples, or a `DecodeError`. A decoder
that crashes, hangs or eats memory fails its own file; the next file gets a fresh process.

    with Worker(limits) as worker:
        opened = worker.open(path, sample_rate=32_000)
        for block in worker.blocks():       # or worker.skip(), when the sound is known already
            ...
        facts = worker.facts()

The pipe is the brake: a worker waits when the main process does not take its blocks, and time is
counted against it only while the main process waits for it. It knows nothing of windows, the
model or the library.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import IO, BinaryIO

import numpy as np
import numpy.typing as npt

from audiosearch.audio.decode import AudioFacts
from audiosearch.errors import AudiosearchError, DecodeCode, DecodeError
from audiosearch.indexing.worker_protocol import (
    BrokenConversation,
    Kind,
    Message,
    OpenedFile,
    pack_open,
    receive,
    send,
    unpack_error,
    unpack_facts,
    unpack_opened,
)

if sys.platform == "linux":
    import fcntl

__all__ = ["OpenedFile", "Worker", "WorkerClosed", "WorkerLimits", "worker_command"]

PIPE_BYTES = 1 << 20  # Linux: room for eight seconds of sound, so that both sides keep working
START_S = 60.0  # importing on a cold, busy disk is slow, and it is nobody's file that is at fault
_SERVE = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from audiosearch.indexing.worker_main import main; main(sys.argv[2:])"
)


class WorkerClosed(Exception):
    """`Worker.close` was called while a file was being read: no fault of the file."""


@dataclass(frozen=True)
class WorkerLimits:
    """What a decoding process may use for one file."""

    memory_bytes: int = 1 << 30  # address space on top of the interpreter's own
    stall_s: float = 30.0  # waited for without any sign of progress; also CPU time without it


def worker_command(limits: WorkerLimits) -> list[str]:
    """How a decoding process is started.

    With `-P` and this process's own module path: `python -m` would look for modules in the
    current folder first, which may well be a folder of strangers' files.
    """
    return [
        sys.executable,
        "-P",
        "-c",
        _SERVE,
        json.dumps([place for place in sys.path if place]),
        f"--memory-bytes={limits.memory_bytes}",
        f"--stall-s={limits.stall_s}",
        f"--parent={os.getpid()}",
    ]


class Worker(AbstractContextManager["Worker"]):
    """One decoding process and its successors; used by one thread, `close` by any.

    `command` replaces `worker_command(limits)` in tests of what a broken decoder does.
    """

    def __init__(
        self, limits: WorkerLimits | None = None, *, command: Sequence[str] | None = None
    ) -> None:
        self._limits = limits or WorkerLimits()
        self._command = command
        self._path = b""
        self._blocks_done = True
        self._facts: AudioFacts | None = None
        self._closed = False
        self._child: _Child | None = _Child(self._limits, command)

    @property
    def pid(self) -> int | None:
        """The present process; None between one that was given up and its successor."""
        return None if self._child is None else self._child.pid

    def open(self, path: bytes, *, sample_rate: int) -> OpenedFile:
        """Read a file through without decoding it; `blocks` then gives it at `sample_rate`.

        Raises:
            DecodeError: it is no readable sound file, or its decoder crashed or stalled.
            WorkerClosed: `close` was called, here or from another thread.
            AudiosearchError: no decoding process can be started here.
        """
        if not self._blocks_done:
            self._drop_child()
        self._path, self._facts, self._blocks_done = path, None, True
        self._ask(Kind.OPEN, pack_open(path, sample_rate))
        return unpack_opened(self._answer(Kind.OPENED).payload)

    def blocks(self) -> Iterator[npt.NDArray[np.float32]]:
        """Decode the opened file: mono blocks (n,), about a second each.

        Leaving the iteration early gives up the file, and its process with it.

        Raises:
            DecodeError: this file cannot be decoded, or not to its end.
            WorkerClosed: `close` was called, here or from another thread.
        """
        self._facts, self._blocks_done = None, False
        self._ask(Kind.DECODE)
        while True:
            message = self._answer(Kind.BLOCK, Kind.FACTS)
            if message.kind is Kind.FACTS:
                self._blocks_done = True
                self._facts = unpack_facts(message.payload)
                return
            yield np.frombuffer(message.payload, np.float32)

    def facts(self) -> AudioFacts:
        """What the file turned out to be, once all its blocks are taken.

        Raises:
            RuntimeError: they are not.
        """
        if self._facts is None:
            raise RuntimeError("facts are known when all blocks have been taken")
        return self._facts

    def skip(self) -> None:
        """Do not decode the opened file."""
        self._path, self._facts = b"", None

    def close(self) -> None:
        """End the process, also in the middle of a file; a thread waiting for it gets an error."""
        self._closed = True
        self._drop_child()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(self, kind: Kind, payload: bytes = b"") -> None:
        """Send a request to a living, ready process."""
        if self._closed:
            raise WorkerClosed
        for _ in range(2):  # one that died between two files is replaced, the file not blamed
            if self._child is None:
                self._child = _Child(self._limits, self._command)
            try:
                self._child.wait_ready()
                send(self._child.requests, kind, payload)
            except OSError:
                self._drop_child()
                if kind is Kind.DECODE:
                    break  # a new process would not know which file
            else:
                return
        raise self._error("the decoding process ended", DecodeCode.CRASHED)

    def _answer(self, *wanted: Kind) -> Message:
        """The next message but beats.

        Raises:
            DecodeError: the process says so, or it died or was stopped over this file.
        """
        child = self._child
        assert child is not None
        try:
            message = child.next_message(self._limits.stall_s)
            while message.kind is Kind.BEAT:
                message = child.next_message(self._limits.stall_s)
        except (BrokenConversation, OSError, ValueError):
            self._drop_child()
            self._blocks_done = True
            if self._closed:
                raise WorkerClosed from None
            raise self._cause_of_death(child) from None
        if message.kind is Kind.ERROR:
            self._blocks_done = True
            error = unpack_error(message.payload, path=self._path)
            if error.code is DecodeCode.MEMORY:
                self._drop_child()  # what is left of its memory is in pieces
            raise error
        if message.kind not in wanted:
            self._drop_child()
            raise self._error(f"unexpected answer {message.kind.name}", DecodeCode.CRASHED)
        return message

    def _cause_of_death(self, child: _Child) -> DecodeError:
        if child.stalled:
            reason = f"the decoder gave no sign of progress for {self._limits.stall_s:g} s"
            return self._error(reason, DecodeCode.TIMEOUT)
        if child.returncode == -getattr(signal, "SIGXCPU", 0):
            return self._error("the decoder calculates without progress", DecodeCode.TIMEOUT)
        return self._error(f"the decoder crashed ({_ending(child.returncode)})", DecodeCode.CRASHED)

    def _error(self, reason: str, code: DecodeCode) -> DecodeError:
        return DecodeError(reason, code=code, path=self._path)

    def _drop_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()


class _Child:
    """One process with its pipes, and a watch that stops it when it makes us wait too long."""

    def __init__(self, limits: WorkerLimits, command: Sequence[str] | None) -> None:
        # BLAS threads would cost address space and cores that other workers need.
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(  # noqa: S603
            list(command) if command is not None else worker_command(limits),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.requests: BinaryIO = self._process.stdin  # type: ignore[assignment]
        self._answers: BinaryIO = self._process.stdout  # type: ignore[assignment]
        _widen(self._answers)
        self._ready = False
        self._watch = _Watch(self._process)

    @property
    def stalled(self) -> bool:
        """Whether it was stopped for making us wait."""
        return self._watch.fired

    @property
    def returncode(self) -> int | None:
        """How it ended, as `subprocess` has it."""
        return self._process.returncode

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait_ready(self) -> None:
        """Wait until it has imported what it needs.

        Raises:
            AudiosearchError: it ended before that.
        """
        if self._ready:
            return
        try:
            self.next_message(START_S)
        except BrokenConversation:
            said = self._process.stderr.read() if self._process.stderr is not None else b""
            self.end()
            last = said.decode("utf-8", "replace").strip().splitlines()[-1:]
            raise AudiosearchError(
                f"no decoding process can be started: {last[0] if last else 'it ended at once'}"
            ) from None
        self._ready = True

    def next_message(self, patience_s: float) -> Message:
        """Wait for a message, `patience_s` at most.

        Raises:
            BrokenConversation: the process ended, or was stopped because it took longer.
        """
        self._watch.deadline_s = time.monotonic() + patience_s
        try:
            return receive(self._answers)
        finally:
            self._watch.deadline_s = None

    def end(self) -> None:
        """Stop it and close the pipes; safe to call twice and from another thread."""
        self._process.kill()
        self._process.wait()
        self._watch.end()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                _close(pipe)


class _Watch:
    """Kills a process that is waited for too long.

    A thread, because reads from pipes take no timeout on every platform. It looks at a deadline
    four times a second; setting one costs nothing, which matters for each block of sound.
    """

    _LOOK_S = 0.25

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.fired = False
        self.deadline_s: float | None = None  # on the monotonic clock; None = nobody waits
        self._process = process
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="worker-watch", daemon=True).start()

    def end(self) -> None:
        """Nothing is to be watched any more."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(self._LOOK_S):
            deadline_s = self.deadline_s
            if deadline_s is not None and time.monotonic() > deadline_s:
                self.fired = True
                self._process.kill()
                return


def _widen(pipe: BinaryIO) -> None:
    """Make a pipe hold more than its 64 KiB, where the system lets us."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a user may be at the limit for pipes
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _close(pipe: IO[bytes]) -> None:
    with contextlib.suppress(OSError):  # what was still to be written has no reader
        pipe.close()


def _ending(returncode: int | None) -> str:
    """A process's end in words."""
    if returncode is None:
        return "it closed its pipe"
    if returncode >= 0:
        return f"exit status {returncode}"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = f"signal {-returncode}"
    return f"{name}, perhaps out of memory" if name == "SIGKILL" else name
