"""The next thing is made while the one before is used.

In: what to make things of, and how. Out: each with what was made of it, in order. One thread makes
them, one at a time, so that two at most are in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def made_ahead(items: Iterable[Item], make: Callable[[Item], Made]) -> Iterator[tuple[Item, Made]]:
    """Every item with `make(item)`; an error of `make` is raised where its item is due."""
    with ThreadPoolExecutor(1, "ahead") as maker:
        before: tuple[Item, Future[Made]] | None = None
        for item in items:
            coming = (item, maker.submit(make, item))
            if before is not None:
                yield before[0], before[1].result()
            before = coming
        if before is not None:
            yield before[0], before[1].result()
