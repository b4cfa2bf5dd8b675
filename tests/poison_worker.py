"""A decoding process that goes wrong on purpose, in the middle of files with telling names.

Run as `python poison_worker.py SYS_PATH_JSON WORKER_ARGUMENTS...`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

sys.path[:] = json.loads(sys.argv[1])

import numpy as np  # noqa: E402

from audiosearch.audio.decode import Decoding  # noqa: E402
from audiosearch.audio.sandbox import child as worker_main  # noqa: E402
from audiosearch.audio.sandbox import stretches  # noqa: E402
from audiosearch.audio.seeking import decode_from  # noqa: E402


def poison(name: bytes) -> None:
    """Do what `name` says; nothing for other names, such as that of the sound tried as a check."""
    if name.startswith(b"tmp"):  # by chance it may hold any of these words
        return
    if b"segfault" in name:
        os.kill(os.getpid(), signal.SIGSEGV)
    if b"hang" in name:
        time.sleep(600)
    if b"spin" in name:
        while True:
            pass
    if b"eat" in name:
        eaten = []
        while True:
            eaten.append(bytearray(16 << 20))
    if b"exit" in name:
        os._exit(3)
    if b"raise" in name:
        raise RuntimeError("a bug")


class PoisonedDecoding(Decoding):
    """Gives one good block, then its poison."""

    def __iter__(self) -> Iterator[np.ndarray]:
        for count, block in enumerate(super().__iter__()):
            if count == 1:
                poison(os.path.basename(self.path))  # noqa: PTH119
            yield block


def poisoned_blocks(path: bytes, **more: Any) -> Iterator[np.ndarray]:
    """The same of a stretch."""
    for count, block in enumerate(decode_from(path, **more)):
        if count == 1:
            poison(os.path.basename(path))  # noqa: PTH119
        yield block


worker_main.BUFFER_BYTES = 1  # what comes before the poison goes out before it
worker_main.Decoding = PoisonedDecoding  # type: ignore[misc]
stretches.decode_from = poisoned_blocks
worker_main.main(sys.argv[2:])
