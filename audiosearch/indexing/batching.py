"""When what readers found is worth encoding: one rule here and for workers elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from audiosearch.indexing.types import LAST_ITEMS, DecodedWindow, Item

MANY_ITEMS: Final = 512  # a batch with few windows is written all the same when it has so many
_PATIENCE: Final = 2  # times as many windows, rather than to cut a stretch in two and encode both


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
