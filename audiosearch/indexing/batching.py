"""Which items are encoded and committed together, and when: questions go first.

People wait for answers, and for a batch nobody does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from audiosearch.indexing.types import LAST_ITEMS, DecodedWindow, Item

MANY_ITEMS: Final = 512  # a batch with few windows is written all the same when it has so many
_PATIENCE: Final = 2  # times as many windows, rather than to cut a stretch in two and encode both

SHARE = 0.1  # of the time that is left for indexing, however much is asked
LEAST_S = 0.5  # that a question is waited for, at least: most need less
_LOOK_S = 0.01


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
    """Pauses before each piece of work while a question is worked on.

    It never starves: after a piece of work it waits no longer than leaves it `SHARE` of the time,
    or `LEAST_S`.
    """

    def __init__(self, is_asked: Callable[[], bool], *, stop: threading.Event) -> None:
        """`is_asked` tells whether a question is worked on now; `stop` ends a pause."""
        self._is_asked = is_asked
        self._stop = stop
        self._worked_s = 0.0
        self._going = threading.Event()
        self._going.set()

    @contextmanager
    def piece(self) -> Iterator[None]:
        """A piece of work, done in this block once questions have been let first."""
        self._pause(max(LEAST_S, self._worked_s * (1 / SHARE - 1)))
        begun = time.monotonic()
        try:
            yield
        finally:
            self._worked_s = time.monotonic() - begun

    def wait(self) -> None:
        """For helpers of the one who works: wait for as long as that one pauses."""
        while not self._going.wait(0.2):
            if self._stop.is_set():
                return

    def _pause(self, most_s: float) -> None:
        if not self._is_asked():
            return
        deadline = time.monotonic() + most_s
        self._going.clear()
        try:
            while self._is_asked() and time.monotonic() < deadline:
                if self._stop.wait(_LOOK_S):
                    return
        finally:
            self._going.set()
