"""Runs the real command in forks of one process, so that imports are paid for once.

In: arguments of `audiosearch`, the folder of a library, and when to kill. Out: how it ended, what
it said, and how many windows it gave to the encoder, which a killed process cannot tell by itself.
What is forked is the whole program, with its own decoding processes; only the import of modules is
shared. POSIX.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from audiosearch import _failpoints
from audiosearch.cli import (  # noqa: F401 - these and the following once, before the forks
    captions,
    describe,
    index,
    verify,
    watch,
)
from audiosearch.cli.main import run as run_command
from audiosearch.indexing import pipeline  # noqa: F401
from audiosearch.model.encoder import Encoded, Encoder
from audiosearch.model.runtime.session import onnx_runtime
from audiosearch.store import migrations as migrate  # noqa: F401

onnx_runtime()

SETTINGS = {
    "AUDIOSEARCH_INDEX_BATCH_WINDOWS": "4",
    "AUDIOSEARCH_INDEX_COMMIT_S": "0",  # each batch by itself, so that there is more to break
    "AUDIOSEARCH_INDEX_WORKERS": "1",
    "AUDIOSEARCH_MODEL_DEVICE": "cpu",
    "AUDIOSEARCH_MODEL_THREADS": "1",
}
_CAPABILITIES_3: Final = 0x20080522  # the version of their sets
_OVERRIDES: Final = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
BATCH = int(SETTINGS["AUDIOSEARCH_INDEX_BATCH_WINDOWS"])


@dataclass(frozen=True)
class Ending:
    """How a command ended."""

    status: int  # exit status; negative: the signal that killed it
    wall_s: float

    @property
    def killed(self) -> bool:
        """Whether it did not come to its own end."""
        return self.status < 0


class RunningCommand:
    """A command under way."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._start = time.monotonic()
        self._ending: Ending | None = None

    def poll(self) -> Ending | None:
        """How it ended; None: it runs."""
        if self._ending is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._note(status)
        return self._ending

    def wait(self, *, timeout_s: float | None = None) -> Ending | None:
        """Its end; None where it has not come by then."""
        if timeout_s is None and self._ending is None:
            self._note(os.waitpid(self._pid, 0)[1])
        deadline = time.monotonic() + (timeout_s or 0.0)
        while self.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        return self._ending

    def send(self, signal_number: int) -> None:
        """Send it a signal, if it runs."""
        if self.poll() is None:
            os.kill(self._pid, signal_number)

    def _note(self, status: int) -> None:
        self._ending = Ending(os.waitstatus_to_exitcode(status), time.monotonic() - self._start)


class ForkedCommand:
    """`audiosearch` with one library and one bundle.

    What it says and how much it encodes is written down beside the folder of the library.
    """

    def __init__(
        self, *, data_dir: Path, bundle: Path, settings: Mapping[str, str] | None = None
    ) -> None:
        beside = data_dir.with_name(f"{data_dir.name} notes")
        self._environ = SETTINGS | {
            "AUDIOSEARCH_DATA_DIR": str(data_dir),
            "AUDIOSEARCH_MODEL_BUNDLE": str(bundle),
            "XDG_CONFIG_HOME": str(beside / "no-config"),
        }
        self._environ |= settings or {}
        beside.mkdir(parents=True, exist_ok=True)
        self.database = data_dir / "library.sqlite3"
        self.said = beside / "said.txt"
        self._encoded = beside / "encoded.txt"
        self._encoded.touch()

    def __call__(
        self, *arguments: str, kill_after_s: float | None = None, fault: str = ""
    ) -> Ending:
        """Run it to its end, or kill it with SIGKILL at a moment or at a fault point."""
        running = self.start(*arguments, fault=fault)
        if kill_after_s is not None:
            time.sleep(kill_after_s)
            running.send(signal.SIGKILL)
        ending = running.wait()
        assert ending is not None
        return ending

    def start(self, *arguments: str, fault: str = "") -> RunningCommand:
        """Begin it."""
        child = os.fork()
        if child == 0:
            self._be_the_command(arguments, fault)
        return RunningCommand(child)

    def _be_the_command(self, arguments: Sequence[str], fault: str) -> None:
        status = 70
        try:
            nothing = os.open(os.devnull, os.O_RDWR)
            said = os.open(self.said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for stream, target in ((0, nothing), (1, said), (2, said)):
                os.dup2(target, stream)
            signal.signal(signal.SIGINT, signal.default_int_handler)  # as Python starts
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            _be_ordinary()
            for name in [name for name in os.environ if name.startswith("AUDIOSEARCH_")]:
                del os.environ[name]
            os.environ.update(self._environ)
            _count_windows(self._encoded)
            _failpoints.arm(fault)
            status = run_command(list(arguments))
        finally:
            os._exit(status)

    @property
    def n_encoded(self) -> int:
        """Windows given to the encoder so far, by all runs together."""
        return sum(map(int, self._encoded.read_text().split()))


def _be_ordinary() -> None:
    """Let permissions hold for an administrator's process too (Linux)."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return

    class Header(ctypes.Structure):
        _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))

    class Sets(ctypes.Structure):
        _fields_ = (
            ("effective", ctypes.c_uint32),
            ("permitted", ctypes.c_uint32),
            ("inheritable", ctypes.c_uint32),
        )

    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = Header(_CAPABILITIES_3, 0), (Sets * 2)()
    if libc.capget(ctypes.byref(header), sets) == 0:
        sets[0].effective &= ~_OVERRIDES
        sets[0].permitted &= ~_OVERRIDES
        libc.capset(ctypes.byref(header), sets)


def _count_windows(log: Path) -> None:
    """Have the encoder of this process write down how many windows it is given, before it works."""
    real = Encoder.encode_many
    count = os.open(log, os.O_WRONLY | os.O_APPEND)

    def counted(encoder: Encoder, waveforms: Sequence[np.ndarray]) -> list[Encoded]:
        os.write(count, b"%d\n" % len(waveforms))
        return real(encoder, waveforms)

    Encoder.encode_many = counted  # type: ignore[method-assign, assignment]
