"""The process behind a `Worker`: started, listened to, and stopped when it makes us wait.

In: a command. Out: messages from it, or `BrokenConversation` when it has ended, whoever ended it.
It knows nothing of files or of what the messages mean.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import IO, BinaryIO

from audiosearch.audio.sandbox.protocol import (
    BUFFER_BYTES,
    BrokenConversation,
    Message,
    receive,
)
from audiosearch.errors import DecoderBroken, OutOfResources

if sys.platform == "linux":
    import fcntl

PIPE_BYTES = 1 << 20  # Linux: room for eight seconds of sound, so that both sides keep working
START_S = 600.0  # importing on a busy machine can take minutes, and no file is at fault
_LAST_BREATH_S = 1.0


class WorkerProcess:
    """One process with its pipes, and a watch that stops it when it makes us wait too long."""

    def __init__(self, command: Sequence[str]) -> None:
        # BLAS threads would cost address space and cores that other workers need.
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        try:
            self._process = subprocess.Popen(  # noqa: S603
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=BUFFER_BYTES,
                env=environment,
            )
        except OSError as error:  # no file is to be blamed for it
            raise (OutOfResources.of(error) or DecoderBroken(str(error))) from error
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
            DecoderBroken: it ended before that.
        """
        if self._ready:
            return
        try:
            self.next_message(START_S)
        except BrokenConversation:
            said = self._process.stderr.read() if self._process.stderr is not None else b""
            self.end()
            why = f"it was not ready within {START_S:.0f} s" if self.stalled else "it ended at once"
            last = said.decode("utf-8", "replace").strip().splitlines()[-1:]
            raise DecoderBroken(
                f"no decoding process can be started: {last[0] if last else why}"
            ) from None
        self._ready = True

    def next_message(self, patience_s: float) -> Message:
        """Wait for a message, `patience_s` at most.

        Raises:
            BrokenConversation: the process ended, or was stopped because it took longer.
        """
        self._watch.start_waiting(patience_s)
        try:
            return receive(self._answers)
        except BrokenConversation:
            # Its pipe closes before it is gone: let it, so that its exit status is its own.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_LAST_BREATH_S)
            raise
        finally:
            self._watch.stop_waiting()

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

    A thread, because reads from pipes take no timeout on every platform. It looks four times a
    second whether the same message is still waited for; saying so costs nothing, which matters
    for each block of sound. Looks are counted, not the clock: while both processes are stopped
    (Ctrl-Z) or the machine is too busy to look, no time is held against the file.
    """

    _LOOK_S = 0.25

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.fired = False
        self._process = process
        self._wait: tuple[int, float] | None = None  # its number, and the patience for it
        self._n_waits = 0
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="worker-watch", daemon=True).start()

    def start_waiting(self, patience_s: float) -> None:
        """A message is waited for from now on."""
        self._n_waits += 1
        self._wait = (self._n_waits, patience_s)

    def stop_waiting(self) -> None:
        """It has come, or never will."""
        self._wait = None

    def end(self) -> None:
        """Nothing is to be watched any more."""
        self._ended.set()

    def _run(self) -> None:
        seen: tuple[int, float] | None = None
        waited_s = 0.0
        while not self._ended.wait(self._LOOK_S):
            wait = self._wait
            waited_s = waited_s + self._LOOK_S if wait is not None and wait == seen else 0.0
            seen = wait
            if wait is not None and waited_s > wait[1]:
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


def ending(returncode: int | None) -> str:
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
