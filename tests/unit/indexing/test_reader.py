"""How much readers hold ready for whoever encodes it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import islice

import numpy as np

from audiosearch._timing import Stopwatch
from audiosearch._typing import Floats
from audiosearch.audio.sandbox.protocol import OpenedFile
from audiosearch.audio.types import AudioFacts, Fingerprint
from audiosearch.indexing.claims import Course, ReadingDecision
from audiosearch.indexing.reader import Readers, ReadingPlan
from audiosearch.indexing.types import DecodedWindow, Started
from audiosearch.store.queries.pending import PendingFile

RATE, BATCH = 100, 8


class Endless:
    """Reads a file that never ends, and counts its windows."""

    n_windows = 0

    def open(self, path: bytes, *, sample_rate: int) -> OpenedFile:
        return OpenedFile(
            Fingerprint(path, "pcm", "wav", sample_rate, 1, 16), {}, None, 1, mtime_ns=1, ctime_ns=1
        )

    def blocks(self) -> Iterator[Floats]:
        while True:
            self.n_windows += 1
            yield np.ones(RATE, np.float32)

    def facts(self) -> AudioFacts:
        raise AssertionError("it never ends")

    def skip(self) -> None:
        """See `SoundReader`."""

    def close(self) -> None:
        """See `SoundReader`."""


def readers(sound: Endless, *, idle: Callable[[], None] = lambda: None) -> Readers:
    plan = ReadingPlan(
        sample_rate=RATE,
        window_s=1.0,
        hop_s=1.0,
        decide=lambda _file, _opened: ReadingDecision(Course.DECODE),
        grid=None,
        stopwatch=Stopwatch(),
    )
    return Readers(
        [PendingFile(1, 1, b"/sounds", b"a.wav", None)],
        plan=plan,
        open_reader=lambda: nullcontext(sound),
        n_threads=1,
        batch_windows=BATCH,
        stop=threading.Event(),
        idle=idle,
    )


def test_who_waits_for_an_item_is_told() -> None:
    told = threading.Event()

    class Slow(Endless):
        def open(self, path: bytes, *, sample_rate: int) -> OpenedFile:
            assert told.wait(60)
            return super().open(path, sample_rate=sample_rate)

    with readers(Slow(), idle=told.set) as items:
        assert isinstance(next(iter(items)), Started)


def test_no_more_windows_than_a_batch_are_held_ready() -> None:
    sound = Endless()
    with readers(sound) as items:
        found = iter(items)
        assert isinstance(next(found), Started)
        for n_taken, item in enumerate(islice(found, 40 * BATCH)):
            # Besides, one that was just taken and one that waits in the reader's hand.
            assert sound.n_windows <= n_taken + BATCH + 2
            assert isinstance(item, DecodedWindow)
            assert item.window.position == n_taken
