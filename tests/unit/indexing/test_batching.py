"""When a batch is full."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from audiosearch.audio.stretches import SharedStretch
from audiosearch.audio.windows import Window
from audiosearch.indexing.batching import MANY_ITEMS, ItemBatch
from audiosearch.indexing.types import DecodedWindow, Failed, Item
from audiosearch.store.queries.pending import PendingFile

NOTHING = np.empty(0, np.float32)


def a_file(number: int) -> PendingFile:
    return PendingFile(number, 1, b"/sounds", b"%d.wav" % number, None)


def window(file: int, position: int, *, last: int | None = None) -> DecodedWindow:
    """A window, of a stretch that ends with the window `last`."""
    stretch = None if last is None else SharedStretch(0, NOTHING, last)
    return DecodedWindow(
        a_file(file), Window(position, 0.0, 1.0, 0, NOTHING, silent=False, stretch=stretch)
    )


def failed(file: int) -> Failed:
    return Failed(a_file(file), code="x", reason="x", vanished=False, audio_hash=None)


def filling(batch: ItemBatch, items: Iterable[Item]) -> list[bool]:
    """Whether it is full, after each of some items."""
    found = []
    for item in items:
        batch.add(item)
        found.append(batch.is_full)
    return found


def test_windows_of_their_own_fill_it_and_the_next_one_is_empty() -> None:
    batch, items = ItemBatch(3), [window(1, each) for each in range(3)]
    assert filling(batch, items) == [False, False, True]
    assert batch.take() == items
    assert (len(batch), batch.is_full) == (0, False)


def test_a_stretch_is_waited_for_but_not_for_ever() -> None:
    batch = ItemBatch(3)
    short = [window(1, each, last=4) for each in range(5)]
    assert filling(batch, short) == [False] * 4 + [True]
    batch.take()
    long = [window(1, each, last=16) for each in range(6)]
    assert filling(batch, long) == [False] * 5 + [True]


def test_nobody_waits_for_a_file_that_failed() -> None:
    batch = ItemBatch(3)
    begun = [window(1, each, last=9) for each in range(3)]
    assert filling(batch, [*begun, failed(2), failed(1)]) == [False] * 4 + [True]


def test_many_files_without_a_window_fill_it() -> None:
    files = [failed(each) for each in range(MANY_ITEMS)]
    assert filling(ItemBatch(3), files) == [False] * (MANY_ITEMS - 1) + [True]
