"""One caller at a time, in the process that opened what is called.

Neither the engine's caches nor ONNX Runtime's and SQLite's handles may be used from a forked
process, and the caches not by two threads at once. Waiting costs little: one call keeps all cores
busy.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from audiosearch.errors import AudiosearchError

_REMEDY = "open it in each process, after that has begun"


class Turns:
    """Whose turn it is."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._pid = os.getpid()

    @property
    def foreign(self) -> bool:
        """Whether this is a copy in a process that was forked."""
        return os.getpid() != self._pid

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait until other threads have done.

        Raises:
            AudiosearchError: this is another process.
        """
        if self.foreign:  # whose copy of the lock may be held for ever
            raise AudiosearchError("opened by another process", remedy=_REMEDY)
        with self._lock:
            yield

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"an open library or model cannot be pickled: {_REMEDY}")
