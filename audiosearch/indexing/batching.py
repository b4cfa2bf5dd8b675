"""Which items are encoded and committed together, and when: questions go first.

People wait for answers, and for a batch nobody does.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

from audiosearch.indexing.types import LAST_ITEMS, DecodedWindow, Item

MANY_ITEMS: Final = 512  # a batch with few windows is written all the same when it has so many
_PATIENCE: Final = 2  # times as many windows, rather than to cut a stretch in two and encode both

SHARE = 0.1  # of the time that is left for indexing, however much is asked
MOST_S = 1.0  # that is waited for questions at a stretch
GRACE_S = 0.05  # without a question before work goes on: whoever asks often asks again at once
BUSY_S = 30.0  # since a question was seen, for which pieces of work are small
SMALL = 4  # windows, or stretches of them, in a piece of work then
_LOOK_S = 0.01

Work = TypeVar("Work")


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


def nobody_asks() -> bool:
    """There is nobody to give way to."""
    return False


class GivingWay:
    """Has work wait while a question is worked on; `turn` and `pieces` are for one thread.

    It never starves: `SHARE` of the time is its own, however much is asked.
    """

    def __init__(
        self, is_asked: Callable[[], bool] = nobody_asks, *, stop: threading.Event | None = None
    ) -> None:
        """`is_asked` tells whether a question is worked on now; `stop` ends a pause."""
        self._is_asked = is_asked
        self._stop = stop or threading.Event()
        self._look_from_s = 0.0  # until then it works, whoever asks
        self._seen_s = -math.inf  # when a question was last seen
        self._going = threading.Event()
        self._going.set()

    def pieces(self, work: Sequence[Work]) -> Iterator[Sequence[Work]]:
        """All of `work` in pieces, each when it is its turn: small ones where questions come."""
        done = 0
        while done < len(work):
            self.turn()
            small = time.monotonic() < self._seen_s + BUSY_S
            piece = work[done : done + SMALL] if small else work[done:]
            done += len(piece)
            yield piece

    def turn(self) -> None:
        """Return when work may go on."""
        begun = time.monotonic()
        if begun < self._look_from_s or not self._is_asked():
            return
        self._going.clear()
        try:
            now = self._seen_s = begun
            while now < begun + MOST_S and now < self._seen_s + GRACE_S:
                if self._stop.wait(_LOOK_S):
                    return
                now = time.monotonic()
                if self._is_asked():
                    self._seen_s = now
            self._look_from_s = now + (now - begun) * SHARE / (1 - SHARE)
        finally:
            self._going.set()

    def wait(self) -> None:
        """For helpers of the one who works: wait for as long as that one pauses."""
        while not self._going.wait(0.2):
            if self._stop.is_set():
                return
