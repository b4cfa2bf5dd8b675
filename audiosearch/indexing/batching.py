"""Which items are encoded together, which batches committed together, and when: questions go first.

People wait for answers, and for a batch nobody does.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from audiosearch._typing import Floats
from audiosearch.indexing.types import (
    LAST_ITEMS,
    CaptionedWindow,
    DecodedWindow,
    EncodedBatch,
    Item,
)

MANY_ITEMS: Final = 512  # a batch with few windows is written all the same when it has so many
_PATIENCE: Final = 2  # times as many windows, rather than to cut a stretch in two and encode both

BATCHES_TOGETHER: Final = 4  # committed at most: more costs memory, and gives little
_NO_SAMPLES: Final[Floats] = np.zeros(0, np.float32)

SHARE = 0.1  # of the time that is left for indexing, however much is asked
MOST_S = 5.0  # that questions in a row hold it up
LEAST_S = 0.5  # of that have to be left, or earned by work, for a question to be let first
GRACE_S = 0.05  # without one before work goes on: whoever asks often asks again at once
_LOOK_S = 0.01  # between two looks at whether there is one


class ItemBatch:
    """Items gathered until there are windows enough; one serves all batches of a run, in turn."""

    def __init__(self, batch_windows: int) -> None:
        self._batch_windows = batch_windows
        self._items: list[Item] = []
        self._n_windows = 0
        self._unfinished: set[int] = set()  # files with a stretch not all windows of which came

    def __len__(self) -> int:
        return len(self._items)

    @property
    def is_full(self) -> bool:
        """Whether it should not grow any more."""
        patience = _PATIENCE if self._unfinished else 1
        enough = self._n_windows >= patience * self._batch_windows
        return enough or len(self._items) >= MANY_ITEMS

    def add(self, item: Item) -> None:
        """Take up an item; those of one file come in order."""
        self._items.append(item)
        if isinstance(item, DecodedWindow):
            self._n_windows += 1
            if item.window.goes_on:
                self._unfinished.add(item.file.file_id)
            else:
                self._unfinished.discard(item.file.file_id)
        elif isinstance(item, LAST_ITEMS):
            self._unfinished.discard(item.file.file_id)

    def take(self) -> Sequence[Item]:
        """What there is; the next batch begins."""
        items, self._items, self._n_windows = self._items, [], 0
        return items


class UncommittedBatches:
    """Encoded batches that wait to be committed in one transaction.

    Half of what a transaction costs is the same however little it writes. What waits here is lost
    if the process is killed, and heard again by the next run, so it is not much.
    """

    def __init__(
        self, *, commit_s: float, batch_windows: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`commit_s`: of work that may be lost; 0: a batch at most."""
        self._commit_s = commit_s
        self._most_windows = BATCHES_TOGETHER * batch_windows
        self._clock = clock
        self._batches: list[EncodedBatch] = []
        self._since_s = clock()

    @property
    def is_due(self) -> bool:
        """Whether what there is should wait no longer."""
        return bool(self._batches) and (
            sum(len(each.encoded) for each in self._batches) >= self._most_windows
            or self._clock() - self._since_s >= self._commit_s
        )

    def add(self, batch: EncodedBatch) -> None:
        """Take up a batch, but not its samples, which are large."""
        self._batches.append(
            EncodedBatch(
                [item for item in batch.items if not isinstance(item, DecodedWindow)],
                [_without_samples(each) for each in batch.encoded],
            )
        )

    def take(self) -> Sequence[EncodedBatch]:
        """All that there is, to be committed now."""
        batches, self._batches, self._since_s = self._batches, [], self._clock()
        return batches


def _without_samples(encoded: CaptionedWindow) -> CaptionedWindow:
    decoded = encoded.decoded
    window = replace(decoded.window, samples=_NO_SAMPLES, stretch=None)
    return replace(encoded, decoded=replace(decoded, window=window))


def nobody_asks() -> bool:
    """There is nobody to give way to."""
    return False


class GivingWay:
    """Pauses the threads of a run, between small pieces of their work, while a question is asked.

    It never starves: questions that follow one another hold it up for `MOST_S`, and are then let
    first only as far as leaves it `SHARE` of the time.
    """

    def __init__(self, is_asked: Callable[[], bool], *, stop: threading.Event) -> None:
        """`is_asked` tells whether a question is worked on now; `stop` ends a pause."""
        self._is_asked = is_asked
        self._stop = stop
        self._lock = threading.Lock()  # held in a pause: the other threads wait here
        self._patience_s = MOST_S
        self._counted = self._looked = time.monotonic()

    def pause(self) -> None:
        """Wait for as long as a question is worked on and patience lasts; from any thread."""
        if time.monotonic() - self._looked < _LOOK_S:
            return
        with self._lock:
            now = time.monotonic()
            if now - self._looked < _LOOK_S:  # another thread has, meanwhile
                return
            earned_s = (now - self._counted) * (1 / SHARE - 1)
            self._patience_s = min(MOST_S, self._patience_s + earned_s)
            if self._patience_s >= LEAST_S:
                self._wait(now)
                self._patience_s -= time.monotonic() - now
            self._counted = self._looked = time.monotonic()

    def _wait(self, begun_s: float) -> None:
        """Until nobody asks any more, patience is lost, or the run is stopped."""
        seen_s = -math.inf
        while (now_s := time.monotonic()) - begun_s < self._patience_s:
            if self._is_asked():
                seen_s = now_s
            elif now_s - seen_s >= GRACE_S:
                return
            if self._stop.wait(_LOOK_S):
                return
