"""Readers: threads that open files, decode those whose sound is new, and cut them into windows.

They look into the database and never write to it.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audiosearch._timing import Stopwatch
from audiosearch._typing import Floats
from audiosearch.audio.stretches import MAX_HOP, in_stretches
from audiosearch.audio.windows import Window, windows
from audiosearch.errors import DecodeCode, DecodeError
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
from audiosearch.store.database import Database
from audiosearch.store.queries import encodings
from audiosearch.store.queries.pending import PendingFile
from audiosearch.store.queries.places import join

if TYPE_CHECKING:
    from audiosearch.audio.sandbox.protocol import OpenedFile
    from audiosearch.model.bundle import Bundle, FrameGrid

_PATIENCE_S = 0.2  # between looks at whether to stop


class _Stopped(Exception):
    """The run is being stopped."""


class InFlightHashes:
    """Sounds being decoded in this run, by audio hash.

    A sound is decoded by one reader only, however many files hold it: the first to ask claims it,
    and the main thread releases it when the result is committed, so that whoever asks then finds
    it stored.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hashes: set[bytes] = set()

    def claim(self, audio_hash: bytes) -> bool:
        """Claim a sound; False where another file has it."""
        with self._lock:
            if audio_hash in self._hashes:
                return False
            self._hashes.add(audio_hash)
            return True

    def release(self, audio_hash: bytes) -> None:
        """What the claim was for is committed, or failed."""
        with self._lock:
            self._hashes.discard(audio_hash)

    def __contains__(self, audio_hash: bytes) -> bool:
        """Whether a sound is being decoded."""
        with self._lock:
            return audio_hash in self._hashes


@dataclass(frozen=True)
class ReadingPlan:
    """What readers need to know."""

    database: Database
    bundle: Bundle
    bundle_id: int
    hop_s: float
    grid: FrameGrid | None  # None: each window is encoded by itself
    in_flight: InFlightHashes
    stopwatch: Stopwatch


class Readers:
    """`n_threads` readers over one list of files; iterating gives their items until all are done.

    Their queue is bounded, so that decoding waits while the main thread encodes and writes.

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
        queue_size: int,
        stop: threading.Event,
    ) -> None:
        self._plan = plan
        self._open_reader = open_reader
        self._pending = iter(pending)
        self._pending_lock = threading.Lock()
        self._items: queue.Queue[Item | None] = queue.Queue(queue_size)
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
            with self._plan.stopwatch.stage("wait"):
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
                return self._items.get(timeout=_PATIENCE_S)  # lets Ctrl-C through on every platform
            except queue.Empty:
                continue
        return None

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
        with self._pending_lock:
            return None if self._stop.is_set() else next(self._pending, None)

    def _put(self, item: Item | None) -> None:
        """Hand an item over, waiting for room; None: this reader is done.

        Raises:
            _Stopped: nobody listens any more.
        """
        while not self._stop.is_set():
            try:
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
                opened = reader.open(path, sample_rate=self._plan.bundle.sample_rate)
            audio_hash = opened.fingerprint.audio_hash
            if not self._plan.in_flight.claim(audio_hash):
                reader.skip()
                self._put(InFlightDuplicate(file, opened))
                return
            claimed = audio_hash
            progress = self._progress(audio_hash)
            if progress is not None and progress.complete(hop_s=self._plan.hop_s):
                reader.skip()
                self._plan.in_flight.release(audio_hash)
                self._put(AlreadyEncoded(file, opened))
                return
            self._decode(reader, file, opened, self._resume_at(file, progress))
        except DecodeError as error:
            self._put(
                Failed(
                    file,
                    code=error.code,
                    reason=error.reason,
                    vanished=not os.path.lexists(path),
                    audio_hash=claimed,
                )
            )

    def _progress(self, audio_hash: bytes) -> encodings.EncodingProgress | None:
        with self._plan.database.reading() as session:
            return encodings.find_progress(session, audio_hash, bundle_id=self._plan.bundle_id)

    def _resume_at(self, file: PendingFile, progress: encodings.EncodingProgress | None) -> int:
        """How many windows of an interrupted run to build on.

        Only those that this very file gave: others may stem from one that was overwritten while
        it was read.
        """
        if (
            progress is None
            or progress.hop_s != self._plan.hop_s
            or progress.recording_id != file.recording_id
        ):
            return 0
        return progress.n_stored

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
                start = time.perf_counter()
                block = next(blocks, None)
                stopwatch.add("decode", time.perf_counter() - start)
                if block is None:
                    return
                yield block

        bundle, hop_s, grid = self._plan.bundle, self._plan.hop_s, self._plan.grid
        cut = windows(
            timed(reader.blocks()),
            sample_rate=bundle.sample_rate,
            window_s=bundle.window_s,
            hop_s=hop_s,
        )
        if grid is None or hop_s > MAX_HOP * bundle.window_s:
            return cut
        return in_stretches(cut, step=grid.samples, halo=grid.halo)
