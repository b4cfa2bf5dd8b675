"""Readers: threads that open files, decode those whose sound is new, and cut them into windows.

They ask what is to be done with each file, and never write.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audiosearch._timing import Stopwatch
from audiosearch._typing import Floats
from audiosearch.audio.stretches import MAX_HOP, in_stretches
from audiosearch.audio.windows import Window, windows
from audiosearch.errors import DecodeCode, DecodeError
from audiosearch.indexing.claims import Course, ReadingDecision
from audiosearch.indexing.types import (
    AlreadyEncoded,
    DecodedWindow,
    Failed,
    Finished,
    InFlightDuplicate,
    Item,
    OpenReader,
    ReaderFailed,
    SoundReader,
    Started,
)
from audiosearch.indexing.walk import is_gone
from audiosearch.store.queries.pending import PendingFile
from audiosearch.store.queries.places import join

if TYPE_CHECKING:
    from audiosearch.audio.sandbox.protocol import OpenedFile
    from audiosearch.model.bundle import FrameGrid

_PATIENCE_S = 0.2  # between looks at whether to stop


class _Stopped(Exception):
    """The run is being stopped."""


@dataclass(frozen=True)
class ReadingPlan:
    """What readers need to know."""

    sample_rate: int
    window_s: float
    hop_s: float
    decide: Callable[[PendingFile, OpenedFile], ReadingDecision]
    grid: FrameGrid | None  # None: each window is encoded by itself
    stopwatch: Stopwatch
    pause: Callable[[], None] = lambda: None  # before each file and each block of one


class Readers:
    """`n_threads` readers over one list of files; iterating gives their items until all are done.

    What they hold ready is bounded, so that decoding waits while the main thread encodes and
    writes: two batches of items, of which windows, which are large, are one batch at most.

    It ends at once when `stop` is set. A context manager: leaving it stops the readers, also in the
    middle of files.
    """

    def __init__(
        self,
        pending: Iterable[PendingFile],
        *,
        plan: ReadingPlan,
        open_reader: OpenReader,
        n_threads: int,
        batch_windows: int,
        stop: threading.Event,
        idle: Callable[[], None] = lambda: None,
    ) -> None:
        """`idle` is called, by who iterates, when an item is long in coming."""
        self._idle = idle
        self._plan = plan
        self._open_reader = open_reader
        self._pending = iter(pending)
        self._pending_lock = threading.Lock()
        self._items: queue.Queue[Item | None] = queue.Queue(2 * batch_windows)
        self._windows_room = threading.Semaphore(batch_windows)
        self._stop = threading.Event()  # what its readers heed
        self._stopped_outside = stop
        self._open: list[SoundReader] = []
        self._threads = [
            threading.Thread(target=self._run, name=f"reader-{number}", daemon=True)
            for number in range(n_threads)
        ]

    def __enter__(self) -> Readers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for reader in list(self._open):
            reader.close()
        for thread in self._threads:
            thread.join()

    def __iter__(self) -> Iterator[Item]:
        """Items as they come, until there are no more or the run is stopped.

        Raises:
            AudiosearchError: a reader cannot go on.
        """
        running = len(self._threads)
        while running:
            item = self._next()
            if self._stopped_outside.is_set():
                return
            if item is None:
                running -= 1
            elif isinstance(item, ReaderFailed):
                raise item.error
            else:
                yield item

    def _next(self) -> Item | None:
        while not self._stopped_outside.is_set():
            try:
                with self._plan.stopwatch.stage("wait"):
                    return self._get(_PATIENCE_S)  # lets Ctrl-C through on every platform
            except queue.Empty:
                self._idle()
        return None

    def poll(self, timeout_s: float) -> Item | None:
        """The next item, for whoever does not iterate; None where none comes in time.

        Raises:
            AudiosearchError: a reader cannot go on.
        """
        try:
            item = self._get(timeout_s)
        except queue.Empty:
            return None
        if isinstance(item, ReaderFailed):
            raise item.error
        return item

    def _get(self, timeout_s: float) -> Item | None:
        item = self._items.get(timeout=timeout_s)
        if isinstance(item, DecodedWindow):
            self._windows_room.release()
        return item

    def _run(self) -> None:
        # Once stopped nobody listens, and a reader closed under its thread raises what it likes.
        with contextlib.suppress(_Stopped):
            try:
                self._read_all()
            except _Stopped:
                raise
            except BaseException as error:  # noqa: BLE001 - the main thread raises it
                self._put(ReaderFailed(error))
            self._put(None)

    def _read_all(self) -> None:
        with self._open_reader() as reader:
            self._open.append(reader)
            while (file := self._take()) is not None:
                self._read(reader, file)

    def _take(self) -> PendingFile | None:
        self._plan.pause()
        with self._pending_lock:
            return None if self._stop.is_set() else next(self._pending, None)

    def _put(self, item: Item | None) -> None:
        """Hand an item over, waiting for room; None: this reader is done.

        Raises:
            _Stopped: nobody listens any more.
        """
        has_room = not isinstance(item, DecodedWindow)
        while not self._stop.is_set():
            has_room = has_room or self._windows_room.acquire(timeout=_PATIENCE_S)
            try:
                if has_room:
                    self._items.put(item, timeout=_PATIENCE_S)
                    return
            except queue.Full:
                continue
        raise _Stopped

    def _read(self, reader: SoundReader, file: PendingFile) -> None:
        """One file, from opening to its last item."""
        path = join(file.root_path, file.path)
        claimed: bytes | None = None
        try:
            with self._plan.stopwatch.stage("open"):
                opened = reader.open(path, sample_rate=self._plan.sample_rate)
            decision = self._plan.decide(file, opened)
            match decision.course:
                case Course.DECODE:
                    claimed = opened.fingerprint.audio_hash
                    self._decode(reader, file, opened, decision.n_stored)
                case Course.KNOWN:
                    reader.skip()
                    self._put(AlreadyEncoded(file, opened))
                case Course.DUPLICATE:
                    reader.skip()
                    self._put(InFlightDuplicate(file, opened))
                case Course.CHANGED:
                    reader.skip()
                    raise DecodeError("it changed while it was read", code=DecodeCode.CHANGED)
        except DecodeError as error:
            self._put(
                Failed(
                    file,
                    code=error.code,
                    reason=error.reason,
                    vanished=error.code is not DecodeCode.AWAY and is_gone(path),
                    audio_hash=claimed,
                )
            )

    def _decode(
        self, reader: SoundReader, file: PendingFile, opened: OpenedFile, n_stored: int
    ) -> None:
        """The windows that are not stored yet, then what the file turned out to be."""
        self._put(Started(file, opened, resumed=n_stored > 0))
        n_windows = 0
        for window in self._windows(reader):
            n_windows = window.position + 1
            if window.position >= n_stored:
                self._put(DecodedWindow(file, window))
        if n_windows == 0:
            raise DecodeError("it holds no sound", code=DecodeCode.NO_SAMPLES)
        self._put(Finished(file, n_windows, reader.facts()))

    def _windows(self, reader: SoundReader) -> Iterator[Window]:
        """Windows of the opened file; the time is counted as decoding or cutting."""
        stopwatch = self._plan.stopwatch

        def timed(blocks: Iterator[Floats]) -> Iterator[Floats]:
            while True:
                self._plan.pause()
                start = time.perf_counter()
                block = next(blocks, None)
                stopwatch.add("decode", time.perf_counter() - start)
                if block is None:
                    return
                yield block

        hop_s, grid = self._plan.hop_s, self._plan.grid
        cut = windows(
            timed(reader.blocks()),
            sample_rate=self._plan.sample_rate,
            window_s=self._plan.window_s,
            hop_s=hop_s,
        )
        if grid is None or hop_s > MAX_HOP * self._plan.window_s:
            return cut
        return in_stretches(cut, step=grid.samples, halo=grid.halo)
