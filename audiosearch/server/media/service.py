"""What requests for sound share: a few decoding processes, threads, the cache of pictures."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from audiosearch.audio.sandbox.client import Worker, WorkerLimits
from audiosearch.config import Config
from audiosearch.library.views import VIEWS_BYTES, VIEWS_FOLDER, SoundViews
from audiosearch.store.file_cache import FileCache

N_LISTENING: Final = 2  # pieces of sound decoded at once; each is a few milliseconds of work
N_LOOKING: Final = 2  # pictures made at once; those of hours of sound take seconds
N_READING: Final = 4  # pieces of files read at once
N_EXPORTING: Final = 2


IDLE_S: Final = 60.0  # until the processes end
_FRESH_S: Final = 5.0  # a process is kept so long for whoever it has a file open for


@dataclass
class _Slot:
    worker: Worker
    key: object = None  # what it can go on with at once
    used_s: float = field(default_factory=time.monotonic)


class DecoderPool:
    """Workers, each lent to one thread at a time."""

    def __init__(self, limits: WorkerLimits, *, size: int, idle_s: float = IDLE_S) -> None:
        self._limits = limits
        self._size = size
        self._idle_s = idle_s
        self._changed = threading.Condition()
        self._idle: list[_Slot] = []
        self._n_lent = 0  # those that are being started among them
        self._lent: list[_Slot] = []
        self._timer: threading.Timer | None = None
        self._closed = False

    @property
    def n_workers(self) -> int:
        """Processes that are there now."""
        with self._changed:
            return self._n_lent + len(self._idle)

    @contextmanager
    def borrowed(self, key: object, *, next_key: object = None) -> Iterator[Worker]:
        """A worker, best the one that was given back with `next_key` equal to `key`.

        Waits while all are lent.

        Raises:
            AudiosearchError: no decoding process can be started.
            RuntimeError: the pool is closed.
        """
        slot = self._take(key)
        try:
            yield slot.worker
        finally:
            slot.key, slot.used_s = next_key, time.monotonic()
            self._give_back(slot)

    def _take(self, key: object) -> _Slot:
        with self._changed:
            while not self._idle and self._n_lent >= self._size and not self._closed:
                self._changed.wait()
            if self._closed:
                raise RuntimeError("the server is stopping")
            slot = self._best(key)
            self._n_lent += 1
            if slot is not None:
                self._lent.append(slot)
                return slot
        try:
            slot = _Slot(Worker(self._limits))
        except BaseException:
            with self._changed:
                self._n_lent -= 1
                self._changed.notify()
            raise
        if not self._lend(slot):
            self._give_back(slot)
            raise RuntimeError("the server is stopping")
        return slot

    def _lend(self, slot: _Slot) -> bool:
        """Note that it is lent; whether the pool is still open."""
        with self._changed:
            self._lent.append(slot)
            return not self._closed

    def _best(self, key: object) -> _Slot | None:
        """The idle worker to use; None: start one."""
        fit = [each for each in self._idle if key is not None and each.key == key]
        if not fit:
            now = time.monotonic()
            is_full = self._n_lent + len(self._idle) >= self._size
            fit = [
                each
                for each in self._idle
                if is_full or each.key is None or now - each.used_s > _FRESH_S
            ]
        if not fit:
            return None
        chosen = min(fit, key=lambda each: each.used_s)
        self._idle.remove(chosen)
        return chosen

    def _give_back(self, slot: _Slot) -> None:
        with self._changed:
            self._n_lent -= 1
            self._lent.remove(slot)
            if not self._closed:
                self._idle.append(slot)
                self._set_timer()
            self._changed.notify()
            closed = self._closed
        if closed:
            slot.worker.close()

    def _set_timer(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(self._idle_s, self._end_idle)
            self._timer.daemon = True
            self._timer.start()

    def _end_idle(self) -> None:
        with self._changed:
            self._timer = None
            now = time.monotonic()
            old = [each for each in self._idle if now - each.used_s >= self._idle_s]
            self._idle = [each for each in self._idle if each not in old]
            if self._idle and not self._closed:
                self._set_timer()
        for each in old:
            each.worker.close()

    def close(self) -> None:
        """End all processes, in the middle of a file too: a thread that waits gets an error.

        Otherwise a process that leaves would wait for its threads, and these for hours of sound.
        """
        with self._changed:
            self._closed = True
            ending, self._idle = [*self._idle, *self._lent], []
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._changed.notify_all()
        for each in ending:
            each.worker.close()


class MediaService:
    """Made when the server starts; `close` ends its processes and threads."""

    def __init__(self, config: Config) -> None:
        self.pool = DecoderPool(WorkerLimits.of(config.index), size=N_LISTENING + N_LOOKING)
        cache = FileCache(config.data_dir / VIEWS_FOLDER, max_bytes=VIEWS_BYTES)
        self.views = SoundViews(cache, self.pool.borrowed)
        self.listening = ThreadPoolExecutor(N_LISTENING, thread_name_prefix="listening")
        self.looking = ThreadPoolExecutor(N_LOOKING, thread_name_prefix="looking")
        self.reading = ThreadPoolExecutor(N_READING, thread_name_prefix="reading")
        self.exporting = ThreadPoolExecutor(N_EXPORTING, thread_name_prefix="exporting")

    def close(self) -> None:
        """End what is there; what is being made is not waited for."""
        self.pool.close()
        for threads in (self.listening, self.looking, self.reading, self.exporting):
            threads.shutdown(wait=False, cancel_futures=True)
