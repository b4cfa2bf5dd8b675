"""When a batch is full, and when batches are committed."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from audiosearch.audio.stretches import SharedStretch
from audiosearch.audio.windows import Window
from audiosearch.indexing.batching import (
    BATCHES_TOGETHER,
    MANY_ITEMS,
    ItemBatch,
    UncommittedBatches,
)
from audiosearch.indexing.types import (
    CaptionedWindow,
    DecodedWindow,
    EncodedBatch,
    Failed,
    Item,
)
from audiosearch.model.encoder import Encoded
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


def encoded(*items: Item) -> EncodedBatch:
    sound = Encoded(np.ones((1, 2), np.float32), np.ones(2, np.float32), None, None)
    windows = [
        CaptionedWindow(each, sound, None) for each in items if isinstance(each, DecodedWindow)
    ]
    return EncodedBatch(items, windows)


def test_batches_wait_for_each_other_until_there_are_some_or_time_has_passed() -> None:
    now = [0.0]
    waiting = UncommittedBatches(commit_s=1.0, batch_windows=2, clock=lambda: now[0])
    now[0] = 5.0
    assert not waiting.is_due  # there is nothing
    waiting.take()
    full = [window(1, 0), window(1, 1)]
    for number in range(BATCHES_TOGETHER):
        assert not waiting.is_due, number
        waiting.add(encoded(*full))
    assert waiting.is_due
    assert len(waiting.take()) == BATCHES_TOGETHER
    waiting.add(encoded(failed(1)))
    assert not waiting.is_due
    now[0] += 1.0
    assert waiting.is_due


def test_without_time_to_wait_each_batch_is_due() -> None:
    waiting = UncommittedBatches(commit_s=0.0, batch_windows=2)
    waiting.add(encoded(failed(1)))
    assert waiting.is_due


def test_samples_do_not_wait() -> None:
    waiting = UncommittedBatches(commit_s=1.0, batch_windows=2)
    sound = DecodedWindow(a_file(1), Window(3, 1.5, 2.5, 9, np.ones(9, np.float32), silent=True))
    waiting.add(encoded(failed(2), sound))
    [batch] = waiting.take()
    assert batch.items == [failed(2)]
    [kept] = batch.encoded
    assert kept.decoded.window.samples.size == 0
    assert (kept.decoded.file, kept.decoded.window.position) == (sound.file, 3)
    assert (kept.decoded.window.start_s, kept.decoded.window.end_s) == (1.5, 2.5)
    assert kept.decoded.window.silent
