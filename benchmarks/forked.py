"""Runs the real command in forks of one process, so that imports are paid for once.

In: arguments of `audiosearch`, the folder of a library, and when to kill. Out: how it ended and how
many windows it gave to the encoder, which a killed process cannot tell by itself. What is forked
is the whole program, with its own decoding processes; only the import of modules is shared. POSIX.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime  # noqa: F401 - this and the following once, before the forks

from audiosearch import _failpoints
from audiosearch.cli import captions, describe, index, verify  # noqa: F401
from audiosearch.cli.main import run as run_command
from audiosearch.indexing import pipeline  # noqa: F401
from audiosearch.model.encoder import Encoded, Encoder
from audiosearch.store import migrations as migrate  # noqa: F401

SETTINGS = {
    "AUDIOSEARCH_INDEX_BATCH_WINDOWS": "4",
    "AUDIOSEARCH_INDEX_WORKERS": "1",
    "AUDIOSEARCH_MODEL_DEVICE": "cpu",
    "AUDIOSEARCH_MODEL_THREADS": "1",
}
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


class ForkedCommand:
    """`audiosearch` with one library and one bundle; output is dropped, errors are kept."""

    def __init__(self, *, data_dir: Path, bundle: Path) -> None:
        for name in [name for name in os.environ if name.startswith("AUDIOSEARCH_")]:
            del os.environ[name]
        os.environ |= SETTINGS | {
            "AUDIOSEARCH_DATA_DIR": str(data_dir),
            "AUDIOSEARCH_MODEL_BUNDLE": str(bundle),
            "XDG_CONFIG_HOME": str(data_dir / "no-config"),
        }
        data_dir.mkdir(parents=True, exist_ok=True)
        self.database = data_dir / "library.sqlite3"
        self.said = data_dir / "stderr.txt"
        self._encoded = data_dir / "encoded.txt"
        self._encoded.touch()

    def __call__(
        self, *arguments: str, kill_after_s: float | None = None, fault: str = ""
    ) -> Ending:
        """Run it to its end, or kill it with SIGKILL at a moment or at a fault point."""
        start = time.monotonic()
        child = os.fork()
        if child == 0:
            self._be_the_command(arguments, fault)
        if kill_after_s is not None:
            time.sleep(kill_after_s)
            os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return Ending(status, time.monotonic() - start)

    def _be_the_command(self, arguments: Sequence[str], fault: str) -> None:
        status = 70
        try:
            nothing = os.open(os.devnull, os.O_RDWR)
            said = os.open(self.said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for stream, target in ((0, nothing), (1, nothing), (2, said)):
                os.dup2(target, stream)
            _count_windows(self._encoded)
            _failpoints.arm(fault)
            status = run_command(list(arguments))
        finally:
            os._exit(status)

    @property
    def n_encoded(self) -> int:
        """Windows given to the encoder so far, by all runs together."""
        return sum(map(int, self._encoded.read_text().split()))


def _count_windows(log: Path) -> None:
    """Have the encoder of this process write down how many windows it is given, before it works."""
    real = Encoder.encode_many
    count = os.open(log, os.O_WRONLY | os.O_APPEND)

    def counted(encoder: Encoder, waveforms: Sequence[np.ndarray]) -> list[Encoded]:
        os.write(count, b"%d\n" % len(waveforms))
        return real(encoder, waveforms)

    Encoder.encode_many = counted  # type: ignore[method-assign, assignment]
